#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer Data { vec4 at[]; };
layout(set = 0, binding = 1) uniform sampler1DArray image;

void main()
{
    vec4 where = at[gl_WorkGroupID.x];
    at[gl_WorkGroupID.x] = textureLod(image, where.xy, where.w);
}
