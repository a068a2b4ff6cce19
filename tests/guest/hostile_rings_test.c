#include "hostile.h"

/* Rings whose layout, words, numbers or place in the world are wrong. */

/* Another ring, in a resource of 8 KiB, with one thing changed. */
static void create_ring(struct guest *g, VkRingCreateInfoMESA change, const void *next)
{
    change.sType = VK_STRUCTURE_TYPE_RING_CREATE_INFO_MESA;
    change.pNext = next;
    (void)GUEST_CONTEXT(g, vkCreateRingMESA, .ring = 0x7777, .pCreateInfo = &change);
}

static VkRingCreateInfoMESA good_ring(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 8192);
    struct pv_ring_layout layout = guest_ring_layout(4096);
    return guest_ring_info(shm.resource_id, &layout);
}

#define RING_WITH(name, field, value)                                                              \
    static void name(struct guest *g)                                                              \
    {                                                                                              \
        VkRingCreateInfoMESA info = good_ring(g);                                                  \
        info.field = (value);                                                                      \
        create_ring(g, info, NULL);                                                                \
    }

RING_WITH(a_head_over_the_tail, headOffset, 64)
RING_WITH(a_status_over_the_buffer, statusOffset, 192)
RING_WITH(a_buffer_over_the_words, bufferOffset, 0)
RING_WITH(an_extra_over_the_buffer, extraOffset, 4096)
RING_WITH(an_unaligned_head, headOffset, 2)
RING_WITH(an_unaligned_buffer, bufferOffset, 193)
RING_WITH(an_unaligned_ring, offset, 2)
RING_WITH(a_head_outside, headOffset, UINT64_MAX - 3)
RING_WITH(a_tail_that_wraps, tailOffset, UINT64_MAX)
RING_WITH(a_status_outside, statusOffset, 1 << 20)
RING_WITH(a_buffer_that_wraps, bufferOffset, UINT64_MAX - 4095)
RING_WITH(a_buffer_of_size_0, bufferSize, 0)
RING_WITH(a_buffer_of_no_power_of_2, bufferSize, 4092)
RING_WITH(a_buffer_beyond_the_cap, bufferSize, 32 * 1024 * 1024)
RING_WITH(a_buffer_of_the_highest_size, bufferSize, UINT64_C(1) << 63)
RING_WITH(an_extra_that_wraps, extraSize, UINT64_MAX)
RING_WITH(a_region_beyond_the_resource, size, 1 << 20)
RING_WITH(a_region_that_wraps, offset, UINT64_MAX - 4095)
RING_WITH(an_unknown_resource, resourceId, 12345)
RING_WITH(resource_0, resourceId, 0)

static void a_head_that_is_not_0(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 8192);
    struct pv_ring_layout layout = guest_ring_layout(4096);
    shm.map[0] = 1;
    create_ring(g, guest_ring_info(shm.resource_id, &layout), NULL);
}

static void a_status_that_is_not_0(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 8192);
    struct pv_ring_layout layout = guest_ring_layout(4096);
    shm.map[128] = 1;
    create_ring(g, guest_ring_info(shm.resource_id, &layout), NULL);
}

static void a_monitor_without_a_period(struct guest *g)
{
    const VkRingMonitorInfoMESA monitor = {.sType = VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA};
    create_ring(g, good_ring(g), &monitor);
}

static void a_ring_id_twice(struct guest *g)
{
    VkRingCreateInfoMESA info = good_ring(g);
    (void)GUEST_CONTEXT(g, vkCreateRingMESA, .ring = g->ring.id, .pCreateInfo = &info);
}

static void more_rings_than_the_quota(struct guest *g)
{
    enum { RINGS = 10000 };
    struct guest_shm shm = guest_shm_create(g, RINGS * UINT64_C(512));
    for (uint64_t i = 0; i < RINGS && !pv_render_is_fatal(g->context); i++) {
        struct pv_ring_layout layout = guest_ring_layout(64);
        layout.offset = i * 512;
        VkRingCreateInfoMESA info = guest_ring_info(shm.resource_id, &layout);
        (void)GUEST_CONTEXT(g, vkCreateRingMESA, .ring = 0x10000 + i, .pCreateInfo = &info);
    }
}

static void a_ring_in_a_memorys_blob(struct guest *g)
{
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 65536, &shm, NULL), VK_SUCCESS);
    struct pv_ring_layout layout = guest_ring_layout(4096);
    create_ring(g, guest_ring_info(shm.resource_id, &layout), NULL);
}

/* --- words that lie ----------------------------------------------------------------------------
 */

static void a_tail_far_ahead(struct guest *g)
{
    guest_ring_set_tail(&g->ring, g->ring.tail + GUEST_RING_BUFFER_SIZE + 4);
    (void)GUEST_CONTEXT(g, vkNotifyRingMESA, .ring = g->ring.id);
}

static void a_tail_that_goes_back(struct guest *g)
{
    guest_ring_set_tail(&g->ring, g->ring.tail - 4);
    (void)GUEST_CONTEXT(g, vkNotifyRingMESA, .ring = g->ring.id);
}

static void an_unaligned_tail(struct guest *g)
{
    guest_ring_set_tail(&g->ring, g->ring.tail + 3);
    (void)GUEST_CONTEXT(g, vkNotifyRingMESA, .ring = g->ring.id);
}

/* --- numbers -----------------------------------------------------------------------------------
 */

static void a_seqno_that_cannot_come(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail + 4);
}

static void a_virtqueue_seqno_that_goes_backwards(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = g->ring.id, .seqno = 7);
    (void)GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = g->ring.id, .seqno = 6);
}

static void a_notify_of_no_ring(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkNotifyRingMESA, .ring = 1);
}

static void a_destroy_of_no_ring(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkDestroyRingMESA, .ring = 1);
}

static void a_wait_for_no_ring(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = 1, .seqno = 4);
}

static void a_submit_for_no_ring(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = 1, .seqno = 4);
}

static void a_notify_of_a_destroyed_ring(struct guest *g)
{
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    uint64_t id = ring.id;
    guest_ring_destroy(&ring);
    (void)GUEST_CONTEXT(g, vkNotifyRingMESA, .ring = id);
}

static void an_extra_word_outside(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkWriteRingExtraMESA, .ring = g->ring.id, .offset = 4, .value = 1);
}

static void an_extra_word_that_wraps(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkWriteRingExtraMESA, .ring = g->ring.id, .offset = UINT64_MAX - 3);
}

static void a_ring_that_destroys_itself(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyRingMESA, .ring = g->ring.id);
}

static void a_ring_that_creates_a_ring(struct guest *g)
{
    VkRingCreateInfoMESA info = good_ring(g);
    (void)GUEST_SEND(&g->ring, vkCreateRingMESA, .ring = 0x7777, .pCreateInfo = &info);
}

static void a_nested_stream_that_destroys_its_ring(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    pv_guest_encode_vkDestroyRingMESA(&out, 0, &(struct pv_vkDestroyRingMESA){.ring = g->ring.id});
    (void)guest_execute(&g->ring, &shm, 0, (uint64_t)(out.cursor - shm.map));
}

static void a_ring_wait_in_a_ring(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE(a_head_over_the_tail, "vkCreateRingMESA", NULL),
        HOSTILE(a_status_over_the_buffer, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_over_the_words, "vkCreateRingMESA", NULL),
        HOSTILE(an_extra_over_the_buffer, "vkCreateRingMESA", NULL),
        HOSTILE(an_unaligned_head, "vkCreateRingMESA", NULL),
        HOSTILE(an_unaligned_buffer, "vkCreateRingMESA", NULL),
        HOSTILE(an_unaligned_ring, "vkCreateRingMESA", NULL),
        HOSTILE(a_head_outside, "vkCreateRingMESA", NULL),
        HOSTILE(a_tail_that_wraps, "vkCreateRingMESA", NULL),
        HOSTILE(a_status_outside, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_that_wraps, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_of_size_0, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_of_no_power_of_2, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_beyond_the_cap, "vkCreateRingMESA", NULL),
        HOSTILE(a_buffer_of_the_highest_size, "vkCreateRingMESA", NULL),
        HOSTILE(an_extra_that_wraps, "vkCreateRingMESA", NULL),
        HOSTILE(a_region_beyond_the_resource, "vkCreateRingMESA", NULL),
        HOSTILE(a_region_that_wraps, "vkCreateRingMESA", NULL),
        HOSTILE(an_unknown_resource, "vkCreateRingMESA", "no such resource"),
        HOSTILE(resource_0, "vkCreateRingMESA", "no such resource"),
        HOSTILE(a_head_that_is_not_0, "vkCreateRingMESA", "not 0"),
        HOSTILE(a_status_that_is_not_0, "vkCreateRingMESA", "not 0"),
        HOSTILE(a_monitor_without_a_period, "vkCreateRingMESA", "no period"),
        HOSTILE(a_ring_id_twice, "vkCreateRingMESA", "in use"),
        HOSTILE(more_rings_than_the_quota, "vkCreateRingMESA", "too many rings"),
        HOSTILE(a_ring_in_a_memorys_blob, "vkCreateRingMESA", "not shared memory"),
        HOSTILE(a_tail_far_ahead, NULL, NULL),
        HOSTILE(a_tail_that_goes_back, NULL, NULL),
        HOSTILE(an_unaligned_tail, NULL, NULL),
        HOSTILE(a_seqno_that_cannot_come, "vkWaitRingSeqnoMESA", "never reach"),
        HOSTILE(a_virtqueue_seqno_that_goes_backwards, "vkSubmitVirtqueueSeqnoMESA", "backwards"),
        HOSTILE(a_notify_of_no_ring, "vkNotifyRingMESA", "no such ring"),
        HOSTILE(a_destroy_of_no_ring, "vkDestroyRingMESA", "no such ring"),
        HOSTILE(a_wait_for_no_ring, "vkWaitRingSeqnoMESA", "no such ring"),
        HOSTILE(a_submit_for_no_ring, "vkSubmitVirtqueueSeqnoMESA", "no such ring"),
        HOSTILE(a_notify_of_a_destroyed_ring, "vkNotifyRingMESA", "no such ring"),
        HOSTILE(an_extra_word_outside, "vkWriteRingExtraMESA", "extra"),
        HOSTILE(an_extra_word_that_wraps, "vkWriteRingExtraMESA", "extra"),
        HOSTILE(a_ring_that_destroys_itself, "vkDestroyRingMESA", "not allowed on a ring"),
        HOSTILE(a_ring_that_creates_a_ring, "vkCreateRingMESA", "not allowed on a ring"),
        HOSTILE(a_nested_stream_that_destroys_its_ring, "vkDestroyRingMESA",
                "not allowed on a ring"),
        HOSTILE(a_ring_wait_in_a_ring, "vkWaitRingSeqnoMESA", "not allowed on a ring"),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
