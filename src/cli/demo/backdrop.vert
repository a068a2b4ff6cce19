#version 450
/* One triangle that covers the picture. */
layout(location = 0) out vec2 screen;

void main()
{
    screen = vec2((gl_VertexIndex << 1) & 2, gl_VertexIndex & 2) * 2.0 - 1.0;
    gl_Position = vec4(screen, 1.0, 1.0);
}
