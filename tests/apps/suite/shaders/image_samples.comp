#version 450
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) buffer Data { vec4 at[]; };
layout(set = 0, binding = 1, r32f) uniform image2DMS image;

void main()
{
    uint i = gl_WorkGroupID.x;
    ivec2 pixel = ivec2(at[i].xy);
    for (int j = 0; j < 4; j++) {
        imageStore(image, pixel, j, vec4(at[i].z * 10 + j));
    }
    for (int j = 0; j < 4; j++) {
        at[i][j] = imageLoad(image, pixel, j).x;
    }
}
