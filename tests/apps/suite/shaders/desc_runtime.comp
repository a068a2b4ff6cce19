#version 450
#extension GL_EXT_nonuniform_qualifier : require
// A word says which buffer it is to be replaced from.
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) buffer Out { uint words[]; };
layout(set = 0, binding = 1) readonly buffer In { uint words[]; } from[];

void main()
{
    uint i = gl_GlobalInvocationID.x;
    words[i] = from[nonuniformEXT(words[i])].words[gl_LocalInvocationID.x];
}
