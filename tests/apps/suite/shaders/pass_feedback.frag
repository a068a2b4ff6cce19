#version 450
// Reads the pixel that it writes; green becomes red.
layout(set = 0, binding = 0) uniform sampler2D source;
layout(location = 0) out vec4 colour;

void main()
{
    colour = texelFetch(source, ivec2(gl_FragCoord.xy), 0).gbra;
}
