#version 450
layout(local_size_x = 16) in;
layout(push_constant) uniform Push { uint addend; };
layout(set = 0, binding = 0) readonly buffer A { uint a[]; };
layout(set = 1, binding = 0) readonly buffer B { uint b[]; };
layout(set = 2, binding = 0) readonly buffer C { uint c[]; };
layout(set = 3, binding = 0) writeonly buffer Out { uint words[]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    words[i] = a[i] + 3 * b[i] + 5 * c[i] + addend;
}
