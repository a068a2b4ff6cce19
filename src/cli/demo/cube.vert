#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 tangent;
layout(location = 3) in vec2 corner;
layout(location = 4) in vec4 place;    /* of the instance: xyz centre, w half its side */
layout(location = 5) in vec4 rotation; /* quaternion */
layout(location = 6) in vec4 paint;    /* rgb, w: 1 for the cube that carries the name */

layout(push_constant) uniform Pass
{
    float mirror; /* 1 draws the cube itself, -1 its reflection in the floor */
} pass;

layout(location = 0) out vec3 world;
layout(location = 1) out vec3 outward;
layout(location = 2) out vec3 along;
layout(location = 3) out vec2 face;
layout(location = 4) flat out vec4 tint;

vec3 turn(vec3 v)
{
    return v + 2.0 * cross(rotation.xyz, cross(rotation.xyz, v) + rotation.w * v);
}

void main()
{
    world = turn(position) * place.w + place.xyz;
    outward = turn(normal);
    along = turn(tangent);
    face = corner;
    tint = paint;
    vec3 seen = world;
    seen.y = mix(2.0 * frame.camera.w - world.y, world.y, step(0.0, pass.mirror));
    gl_Position = frame.view_projection * vec4(seen, 1.0);
}
