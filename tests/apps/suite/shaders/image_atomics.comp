#version 450
layout(local_size_x = 4, local_size_y = 4) in;
layout(set = 0, binding = 0, r32ui) uniform uimage2D image;

void main()
{
    uvec2 at = gl_GlobalInvocationID.xy;
    imageAtomicAdd(image, ivec2(at.x, 0), at.y);
    imageAtomicMax(image, ivec2(at.x, 1), at.x * at.y);
    imageAtomicXor(image, ivec2(at.x, 2), 1u << at.y);
    if (at.y > 2) {
        imageAtomicCompSwap(image, ivec2(at), at.y * 8 + at.x, 7);
    }
}
