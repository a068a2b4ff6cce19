#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer Data { vec4 at[]; };
layout(set = 0, binding = 1) uniform sampler2D image;

void main()
{
    at[gl_WorkGroupID.x] = textureGather(image, at[gl_WorkGroupID.x].xy, 0);
}
