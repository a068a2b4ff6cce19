#version 450
#extension GL_EXT_null_initializer : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };
shared uint held[64] = {};

void main()
{
    uint i = gl_LocalInvocationID.x;
    uint before = held[63 - i];
    barrier();
    held[i] = i + 1; // dirt for the next group
    barrier();
    words[gl_GlobalInvocationID.x] = before * 1000 + held[63 - i];
}
