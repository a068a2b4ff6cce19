#version 450
// Two rectangles for each point, each from an invocation of its own: one on the point, the other
// right of it and below.
layout(points, invocations = 2) in;
layout(triangle_strip, max_vertices = 4) out;

void main()
{
    const vec2 size = vec2(0.25, 1);
    for (int i = 0; i < 4; i++) {
        const vec2 corner = vec2(i & 1, i >> 1) + gl_InvocationID;
        gl_Position = vec4(gl_in[0].gl_Position.xy + corner * size, 0, 1);
        EmitVertex();
    }
    EndPrimitive();
}
