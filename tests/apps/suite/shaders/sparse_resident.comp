#version 450
#extension GL_ARB_sparse_texture2 : require
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };
layout(set = 0, binding = 1) uniform usampler2D image;

void main()
{
    uvec4 texel = uvec4(0);
    uint i = gl_WorkGroupID.x;
    int code = sparseTexelFetchARB(image, ivec2(words[2 * i], words[2 * i + 1]), 0, texel);
    words[2 * i] = sparseTexelsResidentARB(code) ? 1 : 0;
    words[2 * i + 1] = texel.x;
}
