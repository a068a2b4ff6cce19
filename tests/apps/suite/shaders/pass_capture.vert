#version 450
layout(location = 0, xfb_buffer = 0, xfb_offset = 0, xfb_stride = 8) out uvec2 captured;

void main()
{
    captured = uvec2(gl_VertexIndex + 100, gl_VertexIndex * gl_VertexIndex);
    gl_Position = vec4(0, 0, 0, 1);
    gl_PointSize = 1;
}
