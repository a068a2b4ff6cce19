#version 450
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint64_t longs[64]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    uint64_t x = longs[i];
    longs[i] = (x * x >> 3) + uint64_t(int64_t(x) / 1000l) + uint64_t(x > 0x8000000000000000ul);
}
