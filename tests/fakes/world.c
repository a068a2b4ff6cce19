#include "fakes/world.h"

#include "base/assert.h"
#include "fakes/fake_vulkan.h"

#include <stdlib.h>
#include <string.h>

static struct pv_host host;
static bool is_fake;
static const struct pv_log silent;

bool world_is_fake(void)
{
    return is_fake;
}

void world_open(void)
{
    const char *driver = getenv("PV_TEST_DRIVER");
    is_fake = driver == NULL || strcmp(driver, "loader") != 0;
    if (is_fake) {
        pv_fake_reset();
        pv_host_from_entry(&host, pv_fake_get_instance_proc_addr, &silent);
    } else {
        PV_ASSERT(pv_host_open(&host, NULL, &silent) == PV_OK);
    }
}

void world_close(void)
{
    pv_host_close(&host);
}

struct guest_params world_params(void)
{
    return (struct guest_params){.host = &host, .plans = is_fake ? pv_fake_plans() : NULL};
}

int64_t world_live_objects(void)
{
    return is_fake ? pv_fake_alive_count() : 0;
}

uint32_t world_visible_type(const struct guest *g)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < g->memory.memoryTypeCount; i++) {
        if ((g->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
    }
    PV_ASSERT(false);
    return 0;
}

VkResult world_allocate(struct guest *g, uint64_t size, struct guest_shm *shm, uint64_t *id)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = world_visible_type(g),
    };
    uint64_t memory_id = guest_id(g);
    VkDeviceMemory memory = GUEST_HANDLE(memory_id);
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pMemory = &memory};
    VkResult result = GUEST_RESULT(&g->ring, vkAllocateMemory, &a);
    if (id != NULL) {
        *id = memory_id;
    }
    if (result == VK_SUCCESS && shm != NULL) {
        *shm = guest_blob_create(g, memory_id, PV_BLOB_FLAG_MAPPABLE, size);
    }
    return result;
}
