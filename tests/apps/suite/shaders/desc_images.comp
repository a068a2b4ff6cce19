#version 450
// Reads four pixels in a row, and beyond its ends.
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) writeonly buffer Out { uint words[]; };
layout(set = 0, binding = 1) uniform usampler2D combined;
layout(set = 0, binding = 2) uniform utexture2D alone;
layout(set = 0, binding = 3) uniform sampler with;
layout(set = 0, binding = 4, r32ui) readonly uniform uimage2D storage;

void main()
{
    uint i = gl_LocalInvocationID.x;
    vec2 at = vec2((float(i) - 3.5) / 4, 0.5);
    words[i] = textureLod(combined, at, 0).r + 100 * textureLod(usampler2D(alone, with), at, 0).r +
               10000 * imageLoad(storage, ivec2(i % 4, 0)).r;
}
