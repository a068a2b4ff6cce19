#include "embed.h"

/* More than 4 GiB through one ring: head and tail go around 2^32, and around the buffer's end. */

enum { PAYLOAD = 60 * 1024 };

/* vkCmdUpdateBuffer with so many bytes, which the fake driver takes and forgets. */
static uint32_t encode_update(struct guest *g)
{
    static const uint8_t zeros[PAYLOAD];
    const VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool = GUEST_HANDLE(guest_id(g));
    assert_true(GUEST_SEND(&g->ring, vkCreateCommandPool, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &pool_info, .pCommandPool = &pool));
    const VkCommandBufferAllocateInfo buffer_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = GUEST_HANDLE(guest_id(g));
    assert_true(GUEST_SEND(&g->ring, vkAllocateCommandBuffers, .device = GUEST_HANDLE(g->device),
                           .pAllocateInfo = &buffer_info, .pCommandBuffers = &commands));
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = PAYLOAD,
                                     .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkBuffer buffer = GUEST_HANDLE(guest_id(g));
    assert_true(GUEST_SEND(&g->ring, vkCreateBuffer, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pBuffer = &buffer));
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_guest_encode_vkCmdUpdateBuffer(
        out, 0,
        &(struct pv_vkCmdUpdateBuffer){
            .commandBuffer = commands, .dstBuffer = buffer, .dataSize = PAYLOAD, .pData = zeros});
    assert_false(out->overflow);
    return (uint32_t)(out->cursor - g->ring.scratch);
}

static void positions_overflow_32_bits(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    const uint32_t size = encode_update(embed->g);
    const uint64_t count = (UINT64_C(1) << 32) / size + 100;
    const uint32_t begin = embed->g->ring.tail;
    const uint32_t before = venus_stats(embed->context).commands_handled;
    for (uint64_t i = 0; i < count; i++) {
        assert_true(guest_write(&embed->g->ring, embed->g->ring.scratch, size));
        assert_int_equal(embed->notified, PV_OK);
    }
    assert_int_equal(venus_stats(embed->context).commands_handled - before, count);
    assert_int_equal(embed->control->head, (uint32_t)(begin + count * size));
    assert_true(embed->control->head < 100 * size + begin); /* it has gone around */
    assert_true(pv_venus_ring_utilization(embed->ring) == 0.0);
    uint32_t version = 0;
    struct pv_vkEnumerateInstanceVersion a = {.pApiVersion = &version};
    assert_int_equal(GUEST_RESULT(&embed->g->ring, vkEnumerateInstanceVersion, &a), VK_SUCCESS);
    assert_int_not_equal(*a.pApiVersion, 0);
    guest_embed_destroy(embed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMBED_TEST(positions_overflow_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
