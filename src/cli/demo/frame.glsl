/* What every shader of the scene knows about one frame; the C side is struct demo_frame. */
layout(set = 0, binding = 0, std140) uniform Frame
{
    mat4 view_projection;
    vec4 camera;  /* xyz: position, w: floor height */
    vec4 right;   /* camera axes, already scaled to the edges of the picture */
    vec4 up;
    vec4 forward;
    vec4 light;   /* xyz: towards the key light */
    vec4 sky;     /* colours are linear */
    vec4 horizon;
    vec4 glow;
    vec4 face_low;
    vec4 face_high;
    vec4 accent;
} frame;
