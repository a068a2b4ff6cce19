#version 450
layout(location = 0) flat in uint in_colour;
layout(location = 0) out vec4 first;
layout(location = 1) out vec4 second;

void main()
{
    first = unpackUnorm4x8(in_colour);
    second = first.gbra;
}
