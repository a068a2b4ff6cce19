#version 450
// A word says which buffer it is to be replaced from; the same in a group of 16.
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) buffer Out { uint words[]; };
layout(set = 0, binding = 1) readonly buffer In { uint words[]; } from[4];

void main()
{
    uint i = gl_GlobalInvocationID.x;
    words[i] = from[words[i]].words[gl_LocalInvocationID.x];
}
