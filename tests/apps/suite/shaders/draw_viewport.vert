#version 450
#extension GL_ARB_shader_viewport_layer_array : require
// Fills a viewport for each instance.
layout(location = 0) flat out uint out_colour;

void main()
{
    gl_Position = vec4(gl_VertexIndex % 2 * 4 - 1, gl_VertexIndex / 2 * 4 - 1, 0, 1);
    gl_ViewportIndex = gl_InstanceIndex;
    out_colour = 0xff000000u | 0x10u * (gl_InstanceIndex + 1);
}
