#version 450
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) writeonly buffer Out { uint words[]; };
layout(set = 0, binding = 1) readonly buffer In { uint from[]; };

void main()
{
    words[gl_LocalInvocationID.x] = from[gl_LocalInvocationID.x];
}
