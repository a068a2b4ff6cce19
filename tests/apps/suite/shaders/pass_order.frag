#version 450
// Reads what the triangle before it wrote.
layout(input_attachment_index = 0, set = 0, binding = 0) uniform usubpassInput source;
layout(location = 0) out uint word;

void main()
{
    word = subpassLoad(source).x * 3 + 1;
}
