#ifndef PV_BASE_PAGES_H
#define PV_BASE_PAGES_H

#include "base/attributes.h"

#include <stddef.h>

/* Room that is large and mostly stays unused: zero-filled pages, of which the system backs only
 * those that are touched. The heap promises neither: what comes from there has often been used
 * before, and is then cleared, and so backed, from end to end. */

/* NULL when there is no room. `size` above 0. */
PV_NODISCARD void *pv_pages_map(size_t size);
/* NULL is accepted. */
void pv_pages_unmap(void *pages, size_t size);

#endif
