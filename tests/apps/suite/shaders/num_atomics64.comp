#version 450
#extension GL_EXT_shader_atomic_int64 : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint64_t sum, most, bits; };

void main()
{
    uint64_t i = gl_GlobalInvocationID.x;
    atomicAdd(sum, i * 0x100000001ul);
    atomicMax(most, i << 40);
    atomicOr(bits, 1ul << (i % 37));
}
