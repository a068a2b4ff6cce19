#version 450
/* A long chain of integer steps for each element; demo/compute.c repeats it on the CPU. */
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) readonly buffer Input
{
    uint values[];
} source;
layout(set = 0, binding = 1, std430) writeonly buffer Output
{
    uint values[];
} result;
layout(push_constant) uniform Job
{
    uint count;
    uint rounds;
    uint seed;
} job;

void main()
{
    uint index = gl_GlobalInvocationID.x;
    if (index >= job.count) {
        return;
    }
    uint state = source.values[index] ^ job.seed;
    for (uint turn = 0u; turn < job.rounds; turn++) {
        state = state * 747796405u + 2891336453u + turn;
        state = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
        state ^= state >> 22u;
    }
    result.values[index] = state;
}
