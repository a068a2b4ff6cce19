#include "hostile.h"

/* Bytes that are no commands, or not the commands that they seem. */

static struct pv_encoder *header(struct guest *g, uint32_t command, uint32_t flags)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_encode_u32(out, command);
    pv_encode_u32(out, flags);
    return out;
}

static void a_command_number_beyond_the_table(struct guest *g)
{
    header(g, 100000, 0);
    (void)guest_submit(&g->ring);
}

static void the_highest_command_number(struct guest *g)
{
    header(g, UINT32_MAX, 0);
    (void)guest_submit(&g->ring);
}

static void the_hole_in_the_numbering(struct guest *g)
{
    header(g, 195, 0);
    (void)guest_submit(&g->ring);
}

static void a_command_that_has_no_encoding(struct guest *g)
{
    struct pv_encoder *out = header(g, 23 /* vkMapMemory */, 0);
    pv_encode_u64(out, g->device);
    (void)guest_submit(&g->ring);
}

static void a_command_that_is_refused(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDeviceWaitIdle, .device = GUEST_HANDLE(g->device));
}

static void unknown_command_flags(struct guest *g)
{
    struct pv_encoder *out = header(g, 36 /* vkDestroyFence */, 2);
    pv_encode_u64(out, g->device);
    pv_encode_u64(out, 0);
    pv_encode_u64(out, 0);
    (void)guest_submit(&g->ring);
}

static void a_command_that_is_cut_short(struct guest *g)
{
    struct pv_encoder *out = header(g, 36, 0);
    pv_encode_u64(out, g->device);
    (void)guest_submit(&g->ring);
}

static void a_header_that_is_cut_short(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_encode_u32(out, 36);
    (void)guest_submit(&g->ring);
}

static void a_size_that_is_no_multiple_of_4(struct guest *g)
{
    static const uint8_t bytes[2];
    (void)guest_write(&g->ring, bytes, sizeof(bytes));
}

static void trailing_garbage(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_guest_encode_vkDestroyFence(out, 0,
                                   &(struct pv_vkDestroyFence){.device = GUEST_HANDLE(g->device)});
    for (int i = 0; i < 16; i++) {
        pv_encode_u32(out, 0xdeadbeef);
    }
    (void)guest_submit(&g->ring);
}

static void an_array_of(struct guest *g, uint32_t count, uint64_t size)
{
    struct pv_encoder *out = header(g, 37 /* vkResetFences */, 0);
    pv_encode_u64(out, g->device);
    pv_encode_u32(out, count);
    pv_encode_u64(out, size);
    pv_encode_u64(out, 0x1234);
    (void)guest_submit(&g->ring);
}

static void a_missing_array_that_is_required(struct guest *g)
{
    an_array_of(g, 1, 0);
}

static void an_array_of_another_size_than_its_length(struct guest *g)
{
    an_array_of(g, 1, 2);
}

static void an_array_of_2_to_the_32_less_1(struct guest *g)
{
    an_array_of(g, UINT32_MAX, UINT32_MAX);
}

static void an_array_of_2_to_the_64_less_1(struct guest *g)
{
    an_array_of(g, UINT32_MAX, UINT64_MAX);
}

/* Elements that take no bytes on the wire. */
static void a_count_of_outputs_that_would_fill_the_memory(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    uint32_t count = UINT32_MAX;
    struct pv_vkGetPhysicalDeviceQueueFamilyProperties a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pQueueFamilyPropertyCount = &count,
    };
    pv_guest_encode_vkGetPhysicalDeviceQueueFamilyProperties(out, 0, &a);
    /* The array's size is what the command ends with. */
    out->cursor -= 8;
    pv_encode_u64(out, count);
    (void)guest_submit(&g->ring);
}

static void a_pointer_that_is_neither_0_nor_1(struct guest *g)
{
    struct pv_encoder *out = header(g, 35 /* vkCreateFence */, 0);
    pv_encode_u64(out, g->device);
    pv_encode_u64(out, 2);
    (void)guest_submit(&g->ring);
}

static void an_allocator(struct guest *g)
{
    struct pv_encoder *out = header(g, 36, 0);
    pv_encode_u64(out, g->device);
    pv_encode_u64(out, 0);
    pv_encode_u64(out, 1);
    (void)guest_submit(&g->ring);
}

static void another_struct_type(struct guest *g)
{
    struct pv_encoder *out = header(g, 35, 0);
    pv_encode_u64(out, g->device);
    pv_encode_u64(out, 1);
    pv_encode_u32(out, VK_STRUCTURE_TYPE_APPLICATION_INFO);
    (void)guest_submit(&g->ring);
}

/* Begins vkCreateFence up to where its create info's chain begins. */
static void begin_chain(struct guest *g, struct pv_encoder *out)
{
    pv_encode_u32(out, 35);
    pv_encode_u32(out, 0);
    pv_encode_u64(out, g->device);
    pv_encode_u64(out, 1);
    pv_encode_u32(out, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
}

static void a_chain_with_an_unknown_struct(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    begin_chain(g, out);
    pv_encode_u64(out, 1);
    pv_encode_u32(out, 0x7fffffff);
    (void)guest_submit(&g->ring);
}

static void a_chain_with_a_struct_of_another_base(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    begin_chain(g, out);
    pv_encode_u64(out, 1);
    pv_encode_u32(out, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    (void)guest_submit(&g->ring);
}

static void a_chain_that_repeats_a_struct(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    begin_chain(g, out);
    for (int i = 0; i < 2; i++) {
        pv_encode_u64(out, 1);
        pv_encode_u32(out, VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO);
    }
    pv_encode_u64(out, 0);
    pv_encode_u32(out, 0);
    pv_encode_u32(out, 0);
    (void)guest_submit(&g->ring);
}

/* vkGetPhysicalDeviceFeatures2 allows some structs; a million links take 12 MB of a nested
 * stream. */
static void a_chain_of_a_million_links(struct guest *g)
{
    enum { LINKS = 1000000 };
    struct guest_shm shm = guest_shm_create(g, 12 * (uint64_t)LINKS + 4096);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    begin_chain(g, &out);
    for (int i = 0; i < LINKS; i++) {
        pv_encode_u64(&out, 1);
        pv_encode_u32(&out, VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO);
    }
    (void)guest_execute(&g->ring, &shm, 0, shm.size);
}

static void a_string_longer_than_the_stream(struct guest *g)
{
    struct pv_encoder *out = header(g, 14 /* vkEnumerateDeviceExtensionProperties */, 0);
    pv_encode_u64(out, g->physical_device);
    pv_encode_u64(out, UINT64_C(1) << 30);
    pv_encode_u32(out, 0x41414141);
    (void)guest_submit(&g->ring);
}

static void a_string_of_the_highest_size(struct guest *g)
{
    struct pv_encoder *out = header(g, 14, 0);
    pv_encode_u64(out, g->physical_device);
    pv_encode_u64(out, UINT64_MAX - 1);
    pv_encode_u32(out, 0x41414141);
    (void)guest_submit(&g->ring);
}

static void zeros(struct guest *g)
{
    static const uint8_t bytes[4096];
    (void)guest_write(&g->ring, bytes, sizeof(bytes));
}

static void ones(struct guest *g)
{
    uint8_t bytes[4096];
    memset(bytes, 0xff, sizeof(bytes));
    (void)guest_write(&g->ring, bytes, sizeof(bytes));
}

static void garbage_on_the_contexts_own_stream(struct guest *g)
{
    static const uint32_t bytes[64] = {7777};
    (void)guest_write_context(g, bytes, sizeof(bytes));
}

static void an_odd_size_on_the_contexts_own_stream(struct guest *g)
{
    (void)guest_write_context(g, "abc", 3);
}

static void a_context_command_on_a_ring(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkNotifyRingMESA, .ring = g->ring.id);
}

static void a_ring_command_on_the_context(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkWaitVirtqueueSeqnoMESA, .seqno = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE(a_command_number_beyond_the_table, "command 100000", "no such command"),
        HOSTILE(the_highest_command_number, "command 4294967295", "no such command"),
        HOSTILE(the_hole_in_the_numbering, "command 195", "no such command"),
        HOSTILE(a_command_that_has_no_encoding, "vkMapMemory", NULL),
        HOSTILE(a_command_that_is_refused, "vkDeviceWaitIdle", "would block the ring"),
        HOSTILE(unknown_command_flags, "vkDestroyFence", "flags"),
        HOSTILE(a_command_that_is_cut_short, "vkDestroyFence", "cut short"),
        HOSTILE(a_header_that_is_cut_short, "at byte", "cut short"),
        HOSTILE(a_size_that_is_no_multiple_of_4, "at byte", "multiple of 4"),
        HOSTILE(trailing_garbage, "no command", "no such command"),
        HOSTILE(a_missing_array_that_is_required, "vkResetFences", "missing"),
        HOSTILE(an_array_of_another_size_than_its_length, "vkResetFences", "size"),
        HOSTILE(an_array_of_2_to_the_32_less_1, "vkResetFences", "longer than the stream"),
        HOSTILE(an_array_of_2_to_the_64_less_1, "vkResetFences", "size"),
        HOSTILE(a_count_of_outputs_that_would_fill_the_memory,
                "vkGetPhysicalDeviceQueueFamilyProperties", "too much memory"),
        HOSTILE(a_pointer_that_is_neither_0_nor_1, "vkCreateFence", "neither 0 nor 1"),
        HOSTILE(an_allocator, "vkDestroyFence", "cannot carry"),
        HOSTILE(another_struct_type, "vkCreateFence", NULL),
        HOSTILE(a_chain_with_an_unknown_struct, "vkCreateFence", NULL),
        HOSTILE(a_chain_with_a_struct_of_another_base, "vkCreateFence", NULL),
        HOSTILE(a_chain_that_repeats_a_struct, "vkCreateFence", NULL),
        HOSTILE(a_chain_of_a_million_links, "vkCreateFence", NULL),
        HOSTILE(a_string_longer_than_the_stream, "vkEnumerateDeviceExtensionProperties",
                "cut short"),
        HOSTILE(a_string_of_the_highest_size, "vkEnumerateDeviceExtensionProperties", "cut short"),
        HOSTILE(zeros, "vkCreateInstance", NULL),
        HOSTILE(ones, "command 4294967295", NULL),
        HOSTILE(garbage_on_the_contexts_own_stream, "command 7777", "no such command"),
        HOSTILE(an_odd_size_on_the_contexts_own_stream, "at byte", "multiple of 4"),
        HOSTILE(a_context_command_on_a_ring, "vkNotifyRingMESA", "not allowed on a ring"),
        HOSTILE(a_ring_command_on_the_context, "vkWaitVirtqueueSeqnoMESA",
                "allowed on a ring only"),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
