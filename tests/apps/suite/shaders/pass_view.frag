#version 450
#extension GL_EXT_multiview : require
layout(location = 0) out vec4 colour;

void main()
{
    colour = vec4(gl_ViewIndex == 0, gl_ViewIndex == 1, gl_ViewIndex == 2, 1);
}
