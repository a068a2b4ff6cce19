#version 450
// half.vert, where each vertex has a colour of its own.
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 same;

void main()
{
    const vec2 corners[6] = vec2[](vec2(-1, -1), vec2(0, -1), vec2(-1, 1),
                                   vec2(0, -1), vec2(0, 1), vec2(-1, 1));
    gl_Position = vec4(corners[gl_VertexIndex], 0, 1);
    colour = vec4(gl_VertexIndex % 3 == 0, gl_VertexIndex % 3 == 1, gl_VertexIndex % 3 == 2, 1);
    same = colour;
}
