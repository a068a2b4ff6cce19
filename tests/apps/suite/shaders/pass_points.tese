#version 450
// A grid of points in the middles of pixels: 8 + 32 u, 8 + 32 v.
layout(quads, equal_spacing, point_mode) in;

void main()
{
    gl_Position = vec4((8.5 + 32 * gl_TessCoord.xy) / 32 - 1, 0, 1);
}
