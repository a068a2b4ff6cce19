#version 450
// The whole picture, of which the left half is clipped.
out gl_PerVertex { vec4 gl_Position; float gl_ClipDistance[1]; };

void main()
{
    const vec2 at = vec2(gl_VertexIndex << 1 & 2, gl_VertexIndex & 2) * 2 - 1;
    gl_Position = vec4(at, 0, 1);
    gl_ClipDistance[0] = at.x;
}
