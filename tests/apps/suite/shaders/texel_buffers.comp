#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) uniform usamplerBuffer from;
layout(set = 0, binding = 1, r32ui) uniform uimageBuffer to;

void main()
{
    int i = int(gl_WorkGroupID.x);
    uvec4 texel = texelFetch(from, textureSize(from) - 1 - i);
    imageStore(to, i, uvec4(texel.x + texel.w * 1000));
    imageAtomicAdd(to, imageSize(to) - 1, texel.y);
}
