#version 450
#extension GL_EXT_shader_atomic_float : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { float bins[16]; };

void main()
{
    atomicAdd(bins[gl_GlobalInvocationID.x % 16], 0.5 * float(gl_GlobalInvocationID.x));
}
