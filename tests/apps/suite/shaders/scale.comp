#version 450
layout(local_size_x = 64) in;
layout(constant_id = 7) const uint factor = 0;
layout(push_constant) uniform Push { uint addend; };
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    words[gl_GlobalInvocationID.x] = words[gl_GlobalInvocationID.x] * factor + addend;
}
