#version 450
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_16bit_storage : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint8_t bytes[64]; uint16_t halves[64]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    uint value = uint(bytes[i]);
    bytes[i] = uint8_t(255 - value);
    halves[i] = uint16_t(value * 300 + uint(halves[i]));
}
