#version 450
#extension GL_EXT_scalar_block_layout : require
// Three words per element, with nothing in between.
layout(local_size_x = 32) in;
struct Element { uvec2 a; uint b; };
layout(set = 0, binding = 0, scalar) buffer Data { uint first; Element elements[32]; uvec3 last; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    elements[i].a = elements[i].a.yx + first;
    elements[i].b += last.z;
}
