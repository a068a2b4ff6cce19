#version 450
#extension GL_GOOGLE_include_directive : require
#include "frame.glsl"
/* A night sky with a glow behind the cube, and a floor with a fading grid. */
layout(location = 0) in vec2 screen;
layout(location = 0) out vec4 colour;

float grid(vec2 at)
{
    vec2 width = fwidth(at);
    vec2 line = abs(fract(at - 0.5) - 0.5) / max(width, vec2(1e-4));
    vec2 fade = clamp(1.0 - width * 2.5, 0.0, 1.0);
    vec2 ink = clamp(1.2 - line, 0.0, 1.0) * fade;
    return max(ink.x, ink.y);
}

/* A fixed pattern below one step of eight bits: smooth gradients do not show bands. */
float dither(vec2 pixel)
{
    float mixed = fract(dot(floor(pixel), vec2(0.06711056, 0.00583715)));
    return (fract(52.9829189 * mixed) - 0.5) / 255.0;
}

void main()
{
    vec3 ray = normalize(frame.forward.xyz + screen.x * frame.right.xyz - screen.y * frame.up.xyz);
    float down = min(ray.y, -1e-4);
    vec3 hit = frame.camera.xyz + ray * ((frame.camera.w - frame.camera.y) / down);
    float ink = grid(hit.xz * 0.8);
    float radius = length(hit.xz);

    vec2 around = screen * vec2(1.5, 1.0) - vec2(0.0, -0.05);
    float halo = exp(-dot(around, around) * 1.3);
    vec3 sky = mix(frame.horizon.rgb, frame.sky.rgb, smoothstep(-0.1, 0.55, ray.y));
    sky += frame.glow.rgb * halo * 0.55;

    vec3 ground = mix(frame.sky.rgb * 0.55, frame.horizon.rgb, smoothstep(3.0, 26.0, radius));
    ground += frame.glow.rgb * (0.55 * exp(-radius * radius * 0.085) + 0.10 * halo);
    ground *= 1.0 - 0.72 * exp(-radius * radius * 0.55);
    ground += frame.accent.rgb * ink * 0.13 * exp(-radius * 0.14);

    vec3 mixed = mix(ground, sky, smoothstep(-0.035, 0.012, ray.y));
    mixed *= 1.0 - 0.30 * smoothstep(0.5, 1.6, length(screen * vec2(1.0, 0.8)));
    vec3 shade = pow(max(mixed, vec3(0.0)), vec3(1.0 / 2.2)) + dither(gl_FragCoord.xy);
    colour = vec4(pow(max(shade, vec3(0.0)), vec3(2.2)), 1.0);
}
