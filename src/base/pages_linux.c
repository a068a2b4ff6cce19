#include "base/pages.h"

#include <sys/mman.h>

void *pv_pages_map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    /* Else the first touch may back 2 MiB. Best effort: a kernel without huge pages refuses. */
    (void)madvise(pages, size, MADV_NOHUGEPAGE);
    return pages;
}

void pv_pages_unmap(void *pages, size_t size)
{
    if (pages != NULL) {
        (void)munmap(pages, size);
    }
}
