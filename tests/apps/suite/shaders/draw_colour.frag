#version 450
layout(location = 0) flat in uint in_colour;
layout(location = 0) out vec4 colour;

void main()
{
    colour = unpackUnorm4x8(in_colour);
}
