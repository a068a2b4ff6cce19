#version 450
// The left half of the picture, as a grid of triangles.
layout(quads, equal_spacing) in;

void main()
{
    gl_Position = vec4(gl_TessCoord.x - 1, 2 * gl_TessCoord.y - 1, 0, 1);
}
