#version 450
#extension GL_EXT_spirv_intrinsics : require
// OpUDotKHR, of which this GLSL knows nothing.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"],
                  capabilities = [6019, 6016], id = 4451)
uint dot_of(uvec4 a, uvec4 b);
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint i = gl_LocalInvocationID.x;
    words[i] = dot_of(uvec4(i, i + 1, i + 2, i + 3), uvec4(words[i]));
}
