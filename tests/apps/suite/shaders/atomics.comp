#version 450
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint bins[16]; };

void main()
{
    atomicAdd(bins[gl_GlobalInvocationID.x * gl_GlobalInvocationID.x % 16], 1);
}
