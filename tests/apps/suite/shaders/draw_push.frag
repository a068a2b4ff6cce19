#version 450
// Behind what draw_rect.vert reads.
layout(push_constant) uniform Push { layout(offset = 32) vec4 tint; };
layout(location = 0) flat in uint in_colour;
layout(location = 0) out vec4 colour;

void main()
{
    colour = unpackUnorm4x8(in_colour) * tint;
}
