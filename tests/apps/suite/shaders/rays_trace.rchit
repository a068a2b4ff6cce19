#version 460
#extension GL_EXT_ray_tracing : require
layout(shaderRecordEXT) buffer Record { uint type; };
layout(location = 0) rayPayloadInEXT uint found;

void main()
{
    found = gl_InstanceCustomIndexEXT << 24 | gl_PrimitiveID << 16 | type << 12 |
            uint(gl_HitTEXT * 16 + 0.5);
}
