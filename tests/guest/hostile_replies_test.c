#include "hostile.h"

/* Reply streams and nested streams that are not where, or not what, they claim to be. */

/* --- replies -----------------------------------------------------------------------------------
 */

static void encode_call(struct guest *g, struct pv_encoder *out)
{
    VkPhysicalDeviceProperties properties;
    pv_guest_encode_vkGetPhysicalDeviceProperties(
        out, VK_COMMAND_GENERATE_REPLY_BIT_EXT,
        &(struct pv_vkGetPhysicalDeviceProperties){
            .physicalDevice = GUEST_HANDLE(g->physical_device), .pProperties = &properties});
}

static void encode_reply_stream(struct pv_encoder *out, uint32_t resource_id, uint64_t offset,
                                uint64_t size)
{
    const VkCommandStreamDescriptionMESA stream = {resource_id, offset, size};
    pv_guest_encode_vkSetReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSetReplyCommandStreamMESA){.pStream = &stream});
}

static void call_with_reply_stream(struct guest *g, uint64_t offset, uint64_t size)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_reply_stream(out, g->ring.reply.resource_id, offset, size);
    encode_call(g, out);
    (void)guest_submit(&g->ring);
}

static void a_reply_without_a_stream(struct guest *g)
{
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    encode_call(g, guest_begin(&ring));
    (void)guest_submit(&ring);
    assert_true(hostile_wait_fatal(g));
    guest_ring_finish(&ring);
}

static void a_reply_without_a_stream_on_the_context(struct guest *g)
{
    encode_call(g, guest_begin_context(g));
    (void)guest_submit_context(g);
}

static void a_reply_that_does_not_fit(struct guest *g)
{
    call_with_reply_stream(g, 0, 64);
}

/* Its resource goes on behind the stream's end. */
static void a_reply_beyond_its_stream_but_inside_its_resource(struct guest *g)
{
    uint8_t *behind = g->ring.reply.map + 512;
    memset(behind, 0xab, 4096);
    call_with_reply_stream(g, 0, 512);
    assert_true(hostile_wait_fatal(g));
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(behind[i], 0xab);
    }
}

static void a_reply_stream_of_no_bytes(struct guest *g)
{
    call_with_reply_stream(g, 0, 0);
}

static void a_reply_stream_at_the_end(struct guest *g)
{
    call_with_reply_stream(g, GUEST_REPLY_SIZE, 0);
}

static void a_reply_stream_beyond_the_end(struct guest *g)
{
    call_with_reply_stream(g, GUEST_REPLY_SIZE - 4, 4096);
}

static void a_reply_stream_that_wraps(struct guest *g)
{
    call_with_reply_stream(g, UINT64_MAX - 3, 8);
}

static void a_reply_stream_of_the_highest_size(struct guest *g)
{
    call_with_reply_stream(g, 0, UINT64_MAX);
}

static void a_reply_stream_in_no_resource(struct guest *g)
{
    encode_reply_stream(guest_begin(&g->ring), 4711, 0, 64);
    (void)guest_submit(&g->ring);
}

static void a_reply_stream_in_a_destroyed_resource(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    uint32_t id = shm.resource_id;
    encode_reply_stream(guest_begin(&g->ring), id, 0, 4096);
    (void)guest_submit(&g->ring);
    assert_true(guest_finish(&g->ring));
    guest_shm_destroy(g, &shm);
    encode_reply_stream(guest_begin(&g->ring), id, 0, 4096);
    (void)guest_submit(&g->ring);
}

static void a_reply_stream_in_a_memorys_blob(struct guest *g)
{
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 4096, &shm, NULL), VK_SUCCESS);
    encode_reply_stream(guest_begin(&g->ring), shm.resource_id, 0, 4096);
    (void)guest_submit(&g->ring);
}

static void a_seek_beyond_the_reply_stream(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_reply_stream(out, g->ring.reply.resource_id, 0, 64);
    pv_guest_encode_vkSeekReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSeekReplyCommandStreamMESA){.position = 68});
    (void)guest_submit(&g->ring);
}

static void a_seek_to_the_highest_position(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_reply_stream(out, g->ring.reply.resource_id, 64, 64);
    pv_guest_encode_vkSeekReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSeekReplyCommandStreamMESA){.position = UINT64_MAX});
    (void)guest_submit(&g->ring);
}

static void a_seek_without_a_stream(struct guest *g)
{
    (void)GUEST_CONTEXT(g, vkSeekReplyCommandStreamMESA, .position = 0);
}

static void a_seek_to_the_end_and_a_reply(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_reply_stream(out, g->ring.reply.resource_id, 0, 64);
    pv_guest_encode_vkSeekReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSeekReplyCommandStreamMESA){.position = 64});
    encode_call(g, out);
    (void)guest_submit(&g->ring);
}

/* --- nested streams ----------------------------------------------------------------------------
 */

static void encode_execute(struct pv_encoder *out, uint32_t resource_id, uint64_t offset,
                           uint64_t size)
{
    const VkCommandStreamDescriptionMESA stream = {resource_id, offset, size};
    pv_guest_encode_vkExecuteCommandStreamsMESA(
        out, 0, &(struct pv_vkExecuteCommandStreamsMESA){.streamCount = 1, .pStreams = &stream});
}

static void execute(struct guest *g, uint32_t resource_id, uint64_t offset, uint64_t size)
{
    encode_execute(guest_begin(&g->ring), resource_id, offset, size);
    (void)guest_submit(&g->ring);
}

static void no_nested_streams(struct guest *g)
{
    struct pv_vkExecuteCommandStreamsMESA a = {0};
    pv_guest_encode_vkExecuteCommandStreamsMESA(guest_begin(&g->ring), 0, &a);
    (void)guest_submit(&g->ring);
}

static void nested_streams_of_the_highest_number(struct guest *g)
{
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_encode_u32(out, 180);
    pv_encode_u32(out, 0);
    pv_encode_u32(out, UINT32_MAX);
    pv_encode_u64(out, UINT32_MAX);
    (void)guest_submit(&g->ring);
}

static void a_nested_stream_in_a_nested_stream(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    encode_execute(&out, shm.resource_id, 2048, 0);
    execute(g, shm.resource_id, 0, (uint64_t)(out.cursor - shm.map));
}

static void a_nested_stream_that_executes_itself(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    encode_execute(&out, shm.resource_id, 0, 72);
    execute(g, shm.resource_id, 0, (uint64_t)(out.cursor - shm.map));
}

/* The ring's own buffer: what stands there is the command that is being executed. */
static void a_nested_stream_in_the_rings_own_memory(struct guest *g)
{
    uint64_t position = g->ring.tail & (GUEST_RING_BUFFER_SIZE - 1);
    execute(g, g->ring.shm.resource_id, g->ring.layout.buffer_offset + position, 72);
}

static void a_nested_stream_beyond_its_resource(struct guest *g)
{
    execute(g, g->ring.reply.resource_id, 0, GUEST_REPLY_SIZE + 4096);
}

static void a_nested_stream_that_wraps(struct guest *g)
{
    execute(g, g->ring.reply.resource_id, UINT64_MAX - 3, 8);
}

static void a_nested_stream_of_the_highest_size(struct guest *g)
{
    execute(g, g->ring.reply.resource_id, 0, UINT64_MAX - 3);
}

static void a_nested_stream_of_odd_size(struct guest *g)
{
    execute(g, g->ring.reply.resource_id, 0, 6);
}

static void a_nested_stream_in_no_resource(struct guest *g)
{
    execute(g, 4711, 0, 64);
}

static void a_nested_stream_in_a_destroyed_resource(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    uint32_t id = shm.resource_id;
    guest_shm_destroy(g, &shm);
    execute(g, id, 0, 64);
}

static void a_nested_stream_in_a_memorys_blob(struct guest *g)
{
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 4096, &shm, NULL), VK_SUCCESS);
    execute(g, shm.resource_id, 0, 64);
}

static void a_nested_stream_that_is_cut_short(struct guest *g)
{
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    pv_guest_encode_vkDestroyFence(&out, 0,
                                   &(struct pv_vkDestroyFence){.device = GUEST_HANDLE(g->device)});
    execute(g, shm.resource_id, 0, (uint64_t)(out.cursor - shm.map) - 4);
}

static void a_reply_position_beyond_the_stream(struct guest *g)
{
    const VkCommandStreamDescriptionMESA stream = {g->ring.reply.resource_id, 0, 0};
    const size_t position = 4097;
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_reply_stream(out, g->ring.reply.resource_id, 0, 4096);
    pv_guest_encode_vkExecuteCommandStreamsMESA(
        out, 0,
        &(struct pv_vkExecuteCommandStreamsMESA){
            .streamCount = 1, .pStreams = &stream, .pReplyPositions = &position});
    (void)guest_submit(&g->ring);
}

int main(void)
{
    const char *const call = "vkGetPhysicalDeviceProperties";
    const char *const set = "vkSetReplyCommandStreamMESA";
    const char *const seek = "vkSeekReplyCommandStreamMESA";
    const char *const nested = "vkExecuteCommandStreamsMESA";
    const struct CMUnitTest tests[] = {
        HOSTILE(a_reply_without_a_stream, call, "without a reply stream"),
        HOSTILE(a_reply_without_a_stream_on_the_context, call, "without a reply stream"),
        HOSTILE(a_reply_that_does_not_fit, call, "does not fit"),
        HOSTILE(a_reply_beyond_its_stream_but_inside_its_resource, call, "does not fit"),
        HOSTILE(a_reply_stream_of_no_bytes, call, "does not fit"),
        HOSTILE(a_reply_stream_at_the_end, call, "does not fit"),
        HOSTILE(a_reply_stream_beyond_the_end, set, "not inside"),
        HOSTILE(a_reply_stream_that_wraps, set, "not inside"),
        HOSTILE(a_reply_stream_of_the_highest_size, set, "not inside"),
        HOSTILE(a_reply_stream_in_no_resource, set, "no such resource"),
        HOSTILE(a_reply_stream_in_a_destroyed_resource, set, "no such resource"),
        HOSTILE(a_reply_stream_in_a_memorys_blob, set, "not shared memory"),
        HOSTILE(a_seek_beyond_the_reply_stream, seek, "beyond"),
        HOSTILE(a_seek_to_the_highest_position, seek, "beyond"),
        HOSTILE(a_seek_without_a_stream, seek, "beyond"),
        HOSTILE(a_seek_to_the_end_and_a_reply, call, "does not fit"),
        HOSTILE(no_nested_streams, nested, "number"),
        HOSTILE(nested_streams_of_the_highest_number, nested, "longer than the stream"),
        HOSTILE(a_nested_stream_in_a_nested_stream, nested, "inside of a nested stream"),
        HOSTILE(a_nested_stream_that_executes_itself, nested, "inside of a nested stream"),
        HOSTILE(a_nested_stream_in_the_rings_own_memory, nested, "inside of a nested stream"),
        HOSTILE(a_nested_stream_beyond_its_resource, nested, "not inside"),
        HOSTILE(a_nested_stream_that_wraps, nested, "not inside"),
        HOSTILE(a_nested_stream_of_the_highest_size, nested, "quota"),
        HOSTILE(a_nested_stream_of_odd_size, nested, "bad size"),
        HOSTILE(a_nested_stream_in_no_resource, nested, "no such resource"),
        HOSTILE(a_nested_stream_in_a_destroyed_resource, nested, "no such resource"),
        HOSTILE(a_nested_stream_in_a_memorys_blob, nested, "not shared memory"),
        HOSTILE(a_nested_stream_that_is_cut_short, "vkDestroyFence", "cut short"),
        HOSTILE(a_reply_position_beyond_the_stream, nested, "beyond"),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
