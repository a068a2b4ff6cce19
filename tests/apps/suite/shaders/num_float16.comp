#version 450
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { float16_t halves[64]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    halves[i] = max(halves[i] * 2.0hf - 0.5hf, 8.0hf);
}
