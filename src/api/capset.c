#include "render/context.h"

#include <pearvisor/renderer.h>

/* In a file of its own: a front that leaves Vulkan to workers links this, and no renderer. */

_Static_assert(PV_VENUS_CAPSET_ID == (int)PV_CAPSET_VENUS_ID, "one capset, two names");
_Static_assert(PV_VENUS_CAPSET_SIZE == (int)PV_CAPSET_VENUS_SIZE, "one capset, two names");

void pv_renderer_capset(struct pv_renderer *renderer, uint8_t capset[PV_VENUS_CAPSET_SIZE])
{
    (void)renderer;
    pv_render_capset(capset);
}
