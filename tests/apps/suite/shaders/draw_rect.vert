#version 450
// A rectangle, in pixels: six vertices.
layout(push_constant) uniform Push { vec4 rect; float depth; uint colour; };
layout(location = 0) flat out uint out_colour;

void main()
{
    const vec2 corners[6] = vec2[](vec2(0, 0), vec2(1, 0), vec2(0, 1),
                                   vec2(1, 0), vec2(1, 1), vec2(0, 1));
    gl_Position = vec4(mix(rect.xy, rect.zw, corners[gl_VertexIndex % 6]) / 32 - 1, depth, 1);
    gl_PointSize = 1;
    out_colour = colour;
}
