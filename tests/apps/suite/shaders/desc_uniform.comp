#version 450
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) writeonly buffer Out { uint words[]; };
layout(set = 0, binding = 1) uniform In { uvec4 from[4]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    words[i] = from[i / 4][i % 4] * 3;
}
