#version 450

// One small triangle; the push constant moves it, so that no draw is the same as the last.
layout(push_constant) uniform Push
{
    vec4 offset;
} push;

void main()
{
    const vec2 corners[3] = vec2[](vec2(-0.5, -0.5), vec2(0.5, -0.5), vec2(0.0, 0.5));
    gl_Position = vec4(corners[gl_VertexIndex % 3] + push.offset.xy, 0.0, 1.0);
}
