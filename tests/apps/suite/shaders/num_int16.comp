#version 450
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { int16_t halves[128]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    halves[i] = halves[i] * halves[i + 64] - int16_t(5); // wraps around
}
