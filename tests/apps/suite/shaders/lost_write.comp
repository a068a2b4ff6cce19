#version 460
#extension GL_EXT_buffer_reference : require

layout(buffer_reference, std430) buffer Word { uint value; };
layout(push_constant) uniform Push { Word at; uint value; } push;

void main() { push.at.value = push.value; }
