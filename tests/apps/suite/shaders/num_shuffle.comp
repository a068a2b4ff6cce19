#version 450
#extension GL_KHR_shader_subgroup_shuffle : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint place = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
    uint other = gl_SubgroupSize - 1 - gl_SubgroupInvocationID;
    words[place] = subgroupShuffle(place * 7, other) + 1000 * subgroupShuffleXor(place, 1);
}
