#version 450
// The size of a group is a constant of the pipeline's.
layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(set = 0, binding = 0) buffer Data { uint words[]; };

void main()
{
    uint size = gl_WorkGroupSize.x * gl_WorkGroupSize.y;
    words[gl_WorkGroupID.x * size + gl_LocalInvocationIndex] =
        gl_WorkGroupID.x * 10000 + gl_LocalInvocationID.y * 100 + gl_LocalInvocationID.x;
}
