#version 450
// Each instance is a strip of a quarter of the width. Those of odd instances are culled: all their
// distances are negative; of the others only some are.
out gl_PerVertex { vec4 gl_Position; float gl_CullDistance[1]; };

void main()
{
    const vec2 corners[6] = vec2[](vec2(0, -1), vec2(0.5, -1), vec2(0, 1),
                                   vec2(0.5, -1), vec2(0.5, 1), vec2(0, 1));
    gl_Position = vec4(corners[gl_VertexIndex] + vec2(gl_InstanceIndex * 0.5 - 1, 0), 0, 1);
    gl_CullDistance[0] = gl_VertexIndex % 3 == 0 && gl_InstanceIndex % 2 == 0 ? 1 : -1;
}
