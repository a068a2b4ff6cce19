#version 450
#extension GL_ARB_shader_viewport_layer_array : require
// An instance fills the left half of a viewport of its own, in a layer of its own.
void main()
{
    const vec2 corners[6] = vec2[](vec2(-1, -1), vec2(0, -1), vec2(-1, 1),
                                   vec2(0, -1), vec2(0, 1), vec2(-1, 1));
    gl_Position = vec4(corners[gl_VertexIndex], 0, 1);
    gl_Layer = gl_InstanceIndex;
    gl_ViewportIndex = gl_InstanceIndex;
}
