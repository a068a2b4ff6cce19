#version 450
// One buffer of each kind of descriptor; the last is written.
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) uniform Uniform { uvec4 a[4]; };
layout(set = 0, binding = 1) readonly buffer Storage { uint b[]; };
layout(set = 0, binding = 2) uniform UniformDynamic { uvec4 c[4]; };
layout(set = 0, binding = 3) readonly buffer StorageDynamic { uint d[]; };
layout(set = 0, binding = 4) uniform usamplerBuffer e;
layout(set = 0, binding = 5, r32ui) readonly uniform uimageBuffer f;
layout(set = 0, binding = 6) writeonly buffer Out { uint words[]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    words[i] = a[i / 4][i % 4] + 3 * b[i] + 5 * c[i / 4][i % 4] + 7 * d[i] +
               11 * texelFetch(e, int(i)).r + 13 * imageLoad(f, int(i)).r;
}
