#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };
shared uint held[64];

void main()
{
    held[gl_LocalInvocationID.x] = words[gl_GlobalInvocationID.x];
    barrier();
    words[gl_GlobalInvocationID.x] = held[63 - gl_LocalInvocationID.x];
}
