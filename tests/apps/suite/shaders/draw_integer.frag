#version 450
layout(location = 0) flat in uint in_colour;
layout(location = 0) out uint value;

void main()
{
    value = in_colour;
}
