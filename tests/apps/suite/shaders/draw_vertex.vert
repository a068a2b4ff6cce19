#version 450
// Vertices in pixels; each instance is moved to the right.
layout(constant_id = 0) const float shift = 0;
layout(constant_id = 1) const float size = 1;
layout(location = 0) in vec2 position;
layout(location = 1) in uint colour;
layout(location = 0) flat out uint out_colour;

void main()
{
    gl_Position = vec4((position + vec2(gl_InstanceIndex * shift, 0)) / 32 - 1, 0, 1);
    gl_PointSize = size;
    out_colour = colour;
}
