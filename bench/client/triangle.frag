#version 450

// A distinct SEED makes a pipeline that no cache has.
layout(constant_id = 0) const int SEED = 0;
layout(location = 0) out vec4 colour;

void main()
{
    colour = fract(vec4(gl_FragCoord.xy * 0.01, float(SEED & 1023) * 0.001, 0.5));
}
