#version 450
#extension GL_EXT_shared_memory_block : require
// Two blocks in the same shared memory.
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };
shared Words { uint held[64]; };
shared Floats { vec4 seen[16]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    held[i] = words[i];
    barrier();
    words[i] = uint(seen[15 - i / 4][i % 4]);
}
