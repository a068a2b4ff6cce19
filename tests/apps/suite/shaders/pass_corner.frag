#version 450
#extension GL_EXT_fragment_shader_barycentric : require
// Red where interpolation by hand gives what the rasterizer gives.
layout(location = 0) pervertexEXT in vec4 corners[3];
layout(location = 1) in vec4 interpolated;
layout(location = 0) out vec4 colour;

void main()
{
    const vec4 mixed = corners[0] * gl_BaryCoordEXT.x + corners[1] * gl_BaryCoordEXT.y +
                       corners[2] * gl_BaryCoordEXT.z;
    colour = vec4(all(lessThan(abs(mixed - interpolated), vec4(0.01))) ? 1 : 0, 0, 0, 1);
}
