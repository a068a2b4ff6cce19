#version 450
#extension GL_KHR_shader_subgroup_ballot : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint place = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
    uvec4 ballot = subgroupBallot(place % 3 == 0);
    words[place] = subgroupBallotInclusiveBitCount(ballot) + 1000 * subgroupBroadcastFirst(place);
}
