#version 450

// Keeps one invocation busy for `rounds`; each round needs the one before.
layout(local_size_x = 1) in;
layout(constant_id = 0) const int SEED = 0;
layout(push_constant) uniform Push
{
    uint rounds;
} push;
layout(set = 0, binding = 0) buffer Result
{
    uint value;
} result;

void main()
{
    uint state = result.value ^ uint(SEED);
    for (uint i = 0; i < push.rounds; i++) {
        state = state * 747796405u + 2891336453u + i;
        state = ((state >> ((state >> 28) + 4u)) ^ state) * 277803737u;
    }
    result.value = state;
}
