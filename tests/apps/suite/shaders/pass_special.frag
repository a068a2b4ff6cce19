#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
layout(constant_id = 0) const bool is_red = false;
layout(constant_id = 1) const uint count = 0;
layout(constant_id = 2) const float level = 0;
layout(constant_id = 3) const int64_t wide = 0l;
layout(constant_id = 4) const int16_t little = 0s;
layout(constant_id = 5) const uint untouched = 51;
layout(location = 0) out vec4 colour;

void main()
{
    colour = vec4(is_red ? 1 : 0, float(int(count + untouched) + int(little)) / 255, level,
                  wide == 0x123456789abcdefl ? 1 : 0);
}
