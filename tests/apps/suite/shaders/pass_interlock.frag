#version 450
#extension GL_ARB_fragment_shader_interlock : require
// As pass_order.frag, in a storage image.
layout(pixel_interlock_ordered) in;
layout(set = 0, binding = 0, r32ui) uniform coherent uimage2D words;

void main()
{
    beginInvocationInterlockARB();
    const ivec2 at = ivec2(gl_FragCoord.xy);
    imageStore(words, at, uvec4(imageLoad(words, at).x * 3 + 1));
    endInvocationInterlockARB();
}
