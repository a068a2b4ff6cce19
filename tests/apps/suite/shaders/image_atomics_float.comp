#version 450
#extension GL_EXT_shader_atomic_float : require
layout(local_size_x = 4, local_size_y = 4) in;
layout(set = 0, binding = 0, r32f) uniform image2D image;

void main()
{
    imageAtomicAdd(image, ivec2(gl_GlobalInvocationID.x, 0), 0.5);
}
