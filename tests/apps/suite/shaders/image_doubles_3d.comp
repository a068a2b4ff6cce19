#version 450
layout(local_size_x = 4, local_size_y = 4) in;
layout(set = 0, binding = 0, r32ui) uniform uimage3D image;

void main()
{
    ivec3 at = ivec3(gl_GlobalInvocationID.xy, imageSize(image).z - 1);
    imageStore(image, at, imageLoad(image, at) * 2 + 1);
}
