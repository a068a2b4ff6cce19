#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer Data { vec4 at[]; };
layout(set = 0, binding = 1, r32f) uniform image2D image;

void main()
{
    vec4 where = at[gl_WorkGroupID.x];
    at[gl_WorkGroupID.x] = imageLoad(image, ivec2(where.xy));
    imageStore(image, ivec2(where.xy), vec4(where.z));
}
