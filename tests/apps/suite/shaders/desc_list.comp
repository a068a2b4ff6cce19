#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
// Each invocation walks one node further than the one before.
layout(local_size_x = 16) in;
layout(buffer_reference, buffer_reference_align = 16) readonly buffer Node {
    uvec2 next;
    uint value;
};
layout(push_constant) uniform Push { uvec2 head; };
layout(set = 0, binding = 0) writeonly buffer Out { uint words[]; };

void main()
{
    uvec2 at = head;
    for (uint i = 0; i < gl_LocalInvocationID.x; i++) {
        at = Node(at).next;
    }
    words[gl_LocalInvocationID.x] = Node(at).value;
}
