#include "blob/blob.h"

#include <stdlib.h>

struct pv_resource {
    struct pv_resource *next;
    uint32_t id;
    struct pv_blob *blob; /* our reference */
};

enum pv_result pv_resources_init(struct pv_resources *resources, uint64_t limit)
{
    *resources = (struct pv_resources){.limit = limit};
    resources->buckets = calloc(PV_RESOURCE_BUCKETS, sizeof(*resources->buckets));
    if (resources->buckets == NULL || pthread_mutex_init(&resources->lock, NULL) != 0) {
        free((void *)resources->buckets);
        resources->buckets = NULL;
        return PV_NO_MEMORY;
    }
    return PV_OK;
}

static void free_resource(struct pv_resource *resource)
{
    pv_blob_unref(resource->blob);
    free(resource);
}

void pv_resources_finish(struct pv_resources *resources)
{
    if (resources->buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < PV_RESOURCE_BUCKETS; i++) {
        struct pv_resource *resource = resources->buckets[i];
        while (resource != NULL) {
            struct pv_resource *next = resource->next;
            free_resource(resource);
            resource = next;
        }
    }
    pthread_mutex_destroy(&resources->lock);
    free((void *)resources->buckets);
    resources->buckets = NULL;
    resources->count = 0;
    resources->mapped_bytes = 0;
}

/* Called with the lock held: where the resource is linked, or where it would be. */
static struct pv_resource **find(struct pv_resources *resources, uint32_t id)
{
    /* Clients count their ids up, so neighbours spread over the buckets by themselves. */
    struct pv_resource **link = &resources->buckets[id % PV_RESOURCE_BUCKETS];
    while (*link != NULL && (*link)->id != id) {
        link = &(*link)->next;
    }
    return link;
}

enum pv_result pv_resources_add(struct pv_resources *resources, uint32_t id, struct pv_blob *blob)
{
    if (id == 0) {
        return PV_GUEST_FAULT;
    }
    struct pv_resource *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    enum pv_result result = PV_OK;
    pthread_mutex_lock(&resources->lock);
    struct pv_resource **link = find(resources, id);
    if (*link != NULL) {
        result = PV_GUEST_FAULT;
    } else if (resources->count >= resources->limit) {
        result = PV_NO_MEMORY;
    } else {
        made->id = id;
        made->blob = pv_blob_ref(blob);
        *link = made;
        resources->count++;
        resources->mapped_bytes += blob->map_size;
    }
    pthread_mutex_unlock(&resources->lock);
    if (result != PV_OK) {
        free(made);
    }
    return result;
}

struct pv_blob *pv_resources_get(struct pv_resources *resources, uint32_t id)
{
    pthread_mutex_lock(&resources->lock);
    struct pv_resource *resource = *find(resources, id);
    struct pv_blob *blob = resource != NULL ? pv_blob_ref(resource->blob) : NULL;
    pthread_mutex_unlock(&resources->lock);
    return blob;
}

uint64_t pv_resources_mapped_bytes(struct pv_resources *resources)
{
    pthread_mutex_lock(&resources->lock);
    uint64_t bytes = resources->mapped_bytes;
    pthread_mutex_unlock(&resources->lock);
    return bytes;
}

bool pv_resources_remove(struct pv_resources *resources, uint32_t id)
{
    pthread_mutex_lock(&resources->lock);
    struct pv_resource **link = find(resources, id);
    struct pv_resource *resource = *link;
    if (resource != NULL) {
        *link = resource->next;
        resources->count--;
        resources->mapped_bytes -= resource->blob->map_size;
        atomic_fetch_add_explicit(&resources->generation, 1, memory_order_release);
    }
    pthread_mutex_unlock(&resources->lock);
    if (resource == NULL) {
        return false;
    }
    free_resource(resource); /* outside the lock: unmapping takes long */
    return true;
}
