#version 450
#extension GL_EXT_shader_realtime_clock : require
#extension GL_ARB_shader_clock : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer Data { uvec4 clocks[]; };

void main()
{
    clocks[gl_LocalInvocationID.x] = uvec4(clockRealtime2x32EXT(), clock2x32ARB());
}
