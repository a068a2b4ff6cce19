#version 450
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { int8_t bytes[128]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    bytes[i] = bytes[i] * bytes[i + 64] - int8_t(5); // wraps around
}
