#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"
/* A lit face: a gradient, a frame line, a pear behind a visor, and the name in strokes of constant
 * width. Everything is a distance to a curve, so it stays sharp at any size. */
layout(location = 0) in vec3 world;
layout(location = 1) in vec3 outward;
layout(location = 2) in vec3 along;
layout(location = 3) in vec2 face;
layout(location = 4) flat in vec4 tint;

layout(push_constant) uniform Pass
{
    float mirror;
} pass;

layout(location = 0) out vec4 colour;

float segment(vec2 p, vec2 a, vec2 b)
{
    vec2 way = b - a;
    return length(p - a - clamp(dot(p - a, way) / dot(way, way), 0.0, 1.0) * way);
}

/* An arc about the origin: its middle's direction, and cosine and sine of half its angle. */
float arc(vec2 p, float radius, vec2 middle, vec2 half_angle)
{
    float far = length(p);
    if (dot(p, middle) >= far * half_angle.x) {
        return abs(far - radius);
    }
    vec2 side = vec2(-middle.y, middle.x) * half_angle.y;
    vec2 end = middle * half_angle.x;
    return min(length(p - radius * (end + side)), length(p - radius * (end - side)));
}

float box(vec2 p, vec2 size, float round_by)
{
    vec2 q = abs(p) - size + round_by;
    return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - round_by;
}

float blend(float a, float b, float k)
{
    float h = clamp(0.5 + 0.5 * (b - a) / k, 0.0, 1.0);
    return mix(b, a, h) - k * h * (1.0 - h);
}

float letter_p(vec2 p)
{
    float bowl = p.x > 0.23 ? abs(length(p - vec2(0.23, 0.70)) - 0.25)
                            : abs(abs(p.y - 0.70) - 0.25) + max(-p.x, 0.0);
    return min(bowl, segment(p, vec2(0.0), vec2(0.0, 0.95)));
}

float letter_e(vec2 p)
{
    p -= vec2(0.3);
    float bar = segment(p, vec2(-0.3, 0.0), vec2(0.3, 0.0));
    return min(bar, arc(p, 0.3, vec2(-0.9063, 0.4226), vec2(-0.9063, 0.4226)));
}

float letter_r(vec2 p)
{
    float arm = arc(p - vec2(0.26, 0.34), 0.26, vec2(-0.4226, 0.9063), vec2(0.4226, 0.9063));
    return min(arm, segment(p, vec2(0.0), vec2(0.0, 0.6)));
}

float letter_s(vec2 p)
{
    p.x = p.x / 1.2 - 0.16;
    vec2 half_angle = vec2(-0.5373, 0.8434);
    float top = arc(p - vec2(0.0, 0.45), 0.15, vec2(-0.8434, 0.5373), half_angle);
    float foot = arc(p - vec2(0.0, 0.15), 0.15, vec2(0.8434, -0.5373), half_angle);
    return min(top, foot);
}

float letter_i(vec2 p)
{
    return min(segment(p, vec2(0.0), vec2(0.0, 0.6)), length(p - vec2(0.0, 0.86)) - 0.025);
}

/* The distance to the strokes of the name, whose letters stand side by side from x = 0. */
float name(vec2 p)
{
    if (p.x < 0.58) {
        return letter_p(p);
    }
    if (p.x < 1.39) {
        return letter_e(p - vec2(0.68, 0.0));
    }
    if (p.x < 2.22) {
        vec2 q = p - vec2(1.50, 0.0);
        return min(abs(length(q - 0.3) - 0.3), segment(q, vec2(0.6, 0.0), vec2(0.6, 0.6)));
    }
    if (p.x < 2.84) {
        return letter_r(p - vec2(2.34, 0.0));
    }
    if (p.x < 3.69) {
        vec2 q = vec2(abs(p.x - 3.25), p.y);
        return segment(q, vec2(0.0), vec2(0.35, 0.95));
    }
    if (p.x < 3.92) {
        return letter_i(p - vec2(3.80, 0.0));
    }
    if (p.x < 4.50) {
        return letter_s(p - vec2(4.02, 0.0));
    }
    if (p.x < 5.32) {
        return abs(length(p - vec2(4.90, 0.3)) - 0.3);
    }
    return letter_r(p - vec2(5.44, 0.0));
}

float cover(float distance_to, float pixel)
{
    return clamp(0.5 - distance_to / pixel, 0.0, 1.0);
}

vec3 paint_pear(vec3 under, vec2 p, float pixel)
{
    float low = length(p - vec2(0.0, -0.22)) - 0.50;
    float body = blend(low, length(p - vec2(0.0, 0.36)) - 0.25, 0.40);
    float stem = segment(p, vec2(0.0, 0.56), vec2(0.05, 0.78)) - 0.030;
    vec2 q = mat2(0.866, 0.5, -0.5, 0.866) * (p - vec2(0.23, 0.74));
    float leaf = length(vec2(q.x, abs(q.y) + 0.16)) - 0.25;
    float visor = box(p - vec2(0.0, 0.20), vec2(0.40, 0.125), 0.10);
    float glass = visor + 0.030;

    float ripe = smoothstep(-0.6, 0.55, p.y - p.x * 0.5);
    vec3 skin = mix(vec3(0.23, 0.50, 0.04), vec3(0.86, 0.88, 0.16), ripe);
    skin += 0.30 * exp(-18.0 * dot(p - vec2(-0.19, -0.10), p - vec2(-0.19, -0.10)));
    float shadow = max(exp(-max(body + 0.02, 0.0) * 11.0) * 0.60 - 0.06, 0.0);
    vec3 dark = mix(vec3(0.006, 0.010, 0.030), vec3(0.03, 0.16, 0.30), smoothstep(0.10, 0.32, p.y));
    dark += vec3(0.55, 0.75, 0.9) * cover(abs(p.x + 0.20 - (p.y - 0.2) * 0.5) - 0.045, pixel);
    dark += vec3(0.30, 0.45, 0.6) * cover(abs(p.x + 0.09 - (p.y - 0.2) * 0.5) - 0.018, pixel);

    vec3 result = under * (1.0 - shadow);
    result = mix(result, vec3(0.16, 0.07, 0.02), cover(stem, pixel));
    result = mix(result, vec3(0.10, 0.42, 0.05), cover(leaf, pixel));
    result = mix(result, skin, cover(body, pixel));
    result = mix(result, vec3(0.93, 0.95, 0.97), cover(visor, pixel));
    return mix(result, dark, cover(glass, pixel));
}

vec3 paint_face(vec2 at, float pixel)
{
    float slope = 0.5 + 0.5 * clamp(at.y * 0.8 + at.x * 0.25, -1.0, 1.0);
    vec3 base = mix(frame.face_low.rgb, frame.face_high.rgb, slope * slope * (3.0 - 2.0 * slope));
    base += frame.face_high.rgb * 0.6 * exp(-2.6 * dot(at - vec2(0.0, 0.22), at - vec2(0.0, 0.22)));
    float edge = abs(box(at, vec2(0.875), 0.16)) - 0.012;
    base = mix(base, frame.accent.rgb, 0.85 * cover(edge, pixel));
    if (at.y > -0.42) {
        return paint_pear(base, (at - vec2(0.0, 0.21)) / 0.80, pixel / 0.80);
    }
    float scale = 1.44 / 6.0;
    vec2 text = (at - vec2(0.0, -0.72)) / scale + vec2(2.93, 0.0);
    float strokes = name(text) - 0.075;
    base *= 1.0 - 0.40 * exp(-max(strokes, 0.0) * 14.0);
    return mix(base, vec3(0.97, 0.98, 1.0), cover(strokes, pixel / scale));
}

void main()
{
    float faded = 0.34 * exp(-1.15 * (world.y - frame.camera.w));
    float pixel = 0.75 * length(fwidth(face)) + 1e-4;
    vec3 base = tint.rgb;
    if (tint.w > 0.5) {
        base = paint_face(face, pixel);
    } else {
        float edge = abs(box(face, vec2(0.72), 0.2)) - 0.05;
        base = mix(base, vec3(0.95), 0.55 * cover(edge, pixel));
    }

    vec2 bend = smoothstep(0.90, 1.02, abs(face)) * sign(face);
    vec3 beside = cross(outward, along);
    vec3 normal = normalize(outward + 0.9 * (along * bend.x + beside * bend.y));
    vec3 view = normalize(frame.camera.xyz - world);
    vec3 light = frame.light.xyz;
    float key = max(dot(normal, light), 0.0);
    float fill = max(dot(normal, normalize(vec3(0.9, 0.1, 0.5))), 0.0);
    float shine = pow(max(dot(normal, normalize(light + view)), 0.0), 48.0);
    float rim = pow(1.0 - clamp(dot(normal, view), 0.0, 1.0), 4.0);
    vec3 lit = base * (0.36 + 0.12 * normal.y + 0.95 * key + 0.36 * fill);
    lit += vec3(1.0, 0.96, 0.88) * shine * 0.35 + frame.glow.rgb * rim * 0.6;

    lit = lit / (1.0 + 0.22 * lit);
    colour = vec4(lit, pass.mirror > 0.0 ? 1.0 : faded);
}
