#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { double doubles[64]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    doubles[i] = doubles[i] * 3 + 4503599627370496.0lf; // 2 to the 52nd: exact in doubles alone
}
