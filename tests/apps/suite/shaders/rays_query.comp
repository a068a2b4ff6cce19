#version 460
#extension GL_EXT_ray_query : require
// One ray for each column. Of triangles that are not opaque, the even ones count; boxes are hit in
// their middle.
layout(local_size_x = 16) in;
layout(set = 0, binding = 0) writeonly buffer Out { uint words[]; };
layout(set = 0, binding = 1) uniform accelerationStructureEXT scene;

void main()
{
    uint i = gl_LocalInvocationID.x;
    rayQueryEXT ray;
    rayQueryInitializeEXT(ray, scene, gl_RayFlagsNoneEXT, 1, vec3(float(i) + 0.5, 0.25, 0), 0,
                          vec3(0, 0, 1), 100);
    while (rayQueryProceedEXT(ray)) {
        int primitive = rayQueryGetIntersectionPrimitiveIndexEXT(ray, false);
        if (rayQueryGetIntersectionTypeEXT(ray, false) == gl_RayQueryCandidateIntersectionAABBEXT) {
            if (primitive == int(i % 8)) { // a candidate need not be one really
                rayQueryGenerateIntersectionEXT(ray, float(primitive) + 1.25);
            }
        } else if (primitive % 2 == 0) {
            rayQueryConfirmIntersectionEXT(ray);
        }
    }
    uint type = rayQueryGetIntersectionTypeEXT(ray, true);
    words[i] = 0xffff;
    if (type != gl_RayQueryCommittedIntersectionNoneEXT) {
        words[i] = rayQueryGetIntersectionInstanceCustomIndexEXT(ray, true) << 24 |
                   rayQueryGetIntersectionPrimitiveIndexEXT(ray, true) << 16 | type << 12 |
                   uint(rayQueryGetIntersectionTEXT(ray, true) * 16 + 0.5);
    }
}
