#version 450
// A half of the picture: the left one, or that as far right as `shift` says.
layout(constant_id = 1) const float shift = 0;

void main()
{
    const vec2 corners[6] = vec2[](vec2(-1, -1), vec2(0, -1), vec2(-1, 1),
                                   vec2(0, -1), vec2(0, 1), vec2(-1, 1));
    gl_Position = vec4(corners[gl_VertexIndex] + vec2(shift, 0), 0, 1);
}
