#version 450
#extension GL_KHR_shader_subgroup_quad : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint place = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
    words[place] = subgroupQuadSwapHorizontal(place) + 200 * subgroupQuadSwapVertical(place) +
                   40000 * subgroupQuadSwapDiagonal(place) +
                   8000000 * subgroupQuadBroadcast(place, 2);
}
