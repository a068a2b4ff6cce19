#version 450
// Red becomes blue, and blue becomes red.
layout(input_attachment_index = 0, set = 0, binding = 0) uniform subpassInput source;
layout(location = 0) out vec4 colour;

void main()
{
    colour = subpassLoad(source).bgra;
}
