#version 450
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint place = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
    words[place] = subgroupInclusiveAdd(place * place) + subgroupMax(place) * 0x1000000u;
}
