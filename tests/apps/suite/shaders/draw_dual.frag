#version 450
layout(location = 0) flat in uint in_colour;
layout(location = 0, index = 0) out vec4 colour;
layout(location = 0, index = 1) out vec4 factor;

void main()
{
    colour = unpackUnorm4x8(in_colour);
    factor = vec4(1, 0, 1, 0);
}
