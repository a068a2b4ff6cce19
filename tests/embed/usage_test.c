#include "embed.h"

#include <sys/mman.h>

/* A caller's mistakes, and what becomes of its memory. */

/* --- arguments ---------------------------------------------------------------------------------
 */

static enum pv_result create(void *memory, size_t size)
{
    struct pv_venus_ring *ring = (struct pv_venus_ring *)&size;
    enum pv_result result = pv_venus_ring_create_from_memory(memory, size, &ring);
    if (result == PV_OK) {
        assert_int_equal(pv_venus_ring_destroy(ring), PV_OK);
    } else {
        assert_null(ring);
    }
    return result;
}

static void memory_that_cannot_hold_a_ring_is_refused(void **state)
{
    (void)state;
    uint8_t *memory = guest_embed_map(2 * PV_VENUS_RING_SIZE_DEFAULT);
    memset(memory, 0xa5, PV_VENUS_RING_SIZE_DEFAULT);
    assert_int_equal(create(NULL, PV_VENUS_RING_SIZE_DEFAULT), PV_INVALID);
    for (size_t off = 1; off < PV_VENUS_RING_ALIGNMENT; off *= 2) {
        assert_int_equal(create(memory + off, PV_VENUS_RING_SIZE_DEFAULT), PV_INVALID);
    }
    assert_int_equal(create(memory, 0), PV_INVALID);
    assert_int_equal(create(memory, 16), PV_INVALID);
    assert_int_equal(create(memory, PV_VENUS_RING_SIZE_MIN - 1), PV_INVALID);
    assert_int_equal(create(memory, SIZE_MAX), PV_INVALID);
    assert_int_equal(create(memory, (size_t)UINT32_MAX + 1), PV_INVALID);
    assert_int_equal(create(memory, ((size_t)UINT32_MAX + 1) * 2 + 4096), PV_INVALID);
    assert_int_equal(create((void *)(UINTPTR_MAX - 4095), 8192), PV_INVALID);
    assert_int_equal(pv_venus_ring_create_from_memory(memory, PV_VENUS_RING_SIZE_DEFAULT, NULL),
                     PV_INVALID);
    for (size_t i = 0; i < PV_VENUS_RING_SIZE_DEFAULT; i++) {
        assert_int_equal(memory[i], 0xa5);
    }
    assert_int_equal(munmap(memory, 2 * PV_VENUS_RING_SIZE_DEFAULT), 0);
}

static void the_buffer_is_the_largest_power_of_two_that_fits(void **state)
{
    (void)state;
    static const struct {
        size_t size, buffer;
    } cases[] = {
        {4096, 2048},
        {4097, 2048},
        {4096 + 15, 2048},
        {4096 + 16, 4096},
        {4096 + 17, 4096},
        {8192, 4096},
        {12345, 8192},
        {64 * 1024, 32 * 1024},
        {4 * 1024 * 1024, 2 * 1024 * 1024},
        {64 * 1024 * 1024, 32 * 1024 * 1024},
        {(size_t)1 << 31, (size_t)1 << 30},
        {((size_t)1 << 31) + 16, (size_t)1 << 31},
        {UINT32_MAX, (size_t)1 << 31},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *memory = guest_embed_map(cases[i].size);
        struct pv_venus_ring *ring = NULL;
        assert_int_equal(pv_venus_ring_create_from_memory(memory, cases[i].size, &ring), PV_OK);
        assert_int_equal(pv_venus_ring_buffer_size(ring), cases[i].buffer);
        assert_int_equal(pv_venus_ring_destroy(ring), PV_OK);
        assert_int_equal(munmap(memory, cases[i].size), 0);
    }
}

/* The largest buffer of all: its positions are half of what 32 bits can tell. */
static void the_largest_ring_executes(void **state)
{
    (void)state;
    struct guest_embed *embed =
        guest_embed_create(&(struct guest_embed_params){.memory_size = UINT32_MAX});
    guest_open_device(embed->g);
    assert_int_equal(embed->notified, PV_OK);
    assert_true(pv_venus_ring_utilization(embed->ring) == 0.0);
    ((uint8_t *)&embed->control->tail)[3] ^= 0x81; /* 2 GiB and 16 MiB more than there is */
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_GUEST_FAULT);
    guest_embed_destroy(embed);
}

static void null_is_answered_everywhere(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    struct pv_venus_stats stats;
    assert_int_equal(pv_venus_init(NULL, NULL), PV_INVALID);
    pv_venus_cleanup(NULL);
    assert_int_equal(pv_venus_get_stats(NULL, &stats), PV_INVALID);
    assert_int_equal(pv_venus_get_stats(embed->context, NULL), PV_INVALID);
    assert_int_equal(pv_venus_ring_destroy(NULL), PV_OK);
    assert_int_equal(pv_venus_ring_buffer_size(NULL), 0);
    assert_int_equal(pv_venus_ring_notify(NULL), PV_INVALID);
    assert_true(pv_venus_ring_utilization(NULL) == -1.0);
    assert_int_equal(pv_venus_integration_start(NULL, embed->context), PV_INVALID);
    assert_int_equal(pv_venus_integration_start(embed->ring, NULL), PV_INVALID);
    assert_int_equal(pv_venus_integration_stop(NULL), PV_INVALID);
    guest_embed_destroy(embed);
}

/* --- order -------------------------------------------------------------------------------------
 */

static void a_ring_starts_once_and_stops_once(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    struct guest_embed *other = guest_embed_create(&(struct guest_embed_params){0});
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_BUSY);
    assert_int_equal(pv_venus_integration_start(embed->ring, other->context), PV_BUSY);
    assert_int_equal(pv_venus_ring_destroy(embed->ring), PV_BUSY);
    guest_open_device(embed->g); /* and it still runs */
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_CLOSED);
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_CLOSED);
    guest_embed_destroy(other);
    guest_embed_destroy(embed);
}

static void statistics_of_a_dead_context_are_its_last(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    struct pv_venus_stats before = venus_stats(embed->context);
    pv_context_set_fatal(embed->context, "the test wants it");
    struct pv_venus_stats after;
    assert_int_equal(pv_venus_get_stats(embed->context, &after), PV_GUEST_FAULT);
    assert_int_equal(after.commands_handled, before.commands_handled);
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_GUEST_FAULT);
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_GUEST_FAULT);
    guest_embed_destroy(embed);
}

static void a_context_takes_as_many_rings_as_its_quota(void **state)
{
    (void)state;
    enum { RINGS = 3, SIZE = PV_VENUS_RING_SIZE_MIN };
    struct guest_log log = {0};
    struct pv_renderer *renderer = NULL;
    struct pv_context *owner =
        guest_embed_context(&(struct guest_embed_params){0}, &log, &renderer);
    if (renderer == NULL) {
        guest_embed_end_context(owner, NULL);
        skip(); /* its renderer is not ours to share */
    }
    struct pv_context_params params = {.struct_size = sizeof(params),
                                       .quota.struct_size = sizeof(params.quota),
                                       .quota.rings = RINGS};
    struct pv_context *context = NULL;
    assert_int_equal(pv_context_create(renderer, &params, &context), PV_OK);
    uint8_t *memory = guest_embed_map((RINGS + 1) * SIZE);
    struct pv_venus_ring *rings[RINGS + 1];
    for (int i = 0; i <= RINGS; i++) {
        assert_int_equal(pv_venus_ring_create_from_memory(memory + i * SIZE, SIZE, &rings[i]),
                         PV_OK);
        assert_int_equal(pv_venus_integration_start(rings[i], context),
                         i < RINGS ? PV_OK : PV_NO_MEMORY);
    }
    assert_int_equal(pv_venus_integration_stop(rings[0]), PV_OK);
    assert_int_equal(pv_venus_integration_start(rings[RINGS], context), PV_OK);
    pv_venus_cleanup(context);
    for (int i = 0; i <= RINGS; i++) {
        assert_int_equal(pv_venus_ring_destroy(rings[i]), PV_OK);
    }
    assert_int_equal(munmap(memory, (RINGS + 1) * SIZE), 0);
    guest_embed_end_context(owner, renderer);
}

/* --- memory of the caller's --------------------------------------------------------------------
 */

static void count_release(void *user)
{
    atomic_fetch_add((_Atomic uint32_t *)user, 1);
}

static void memory_is_let_go_of_once_and_not_before(void **state)
{
    (void)state;
    _Atomic uint32_t released = 0;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g); /* the stream writes its replies into g->ring.reply */
    uint8_t memory[64] __attribute__((aligned(8)));
    assert_int_equal(pv_context_attach_memory(embed->context, 77, memory, sizeof(memory),
                                              count_release, &released),
                     PV_OK);
    assert_int_equal(pv_context_attach_memory(embed->context, 77, memory, sizeof(memory),
                                              count_release, &released),
                     PV_GUEST_FAULT);
    assert_int_equal(released, 0);
    assert_true(pv_context_unref_resource(embed->context, 77));
    assert_int_equal(released, 1);
    assert_false(pv_context_unref_resource(embed->context, 77));
    /* That which a stream still writes to stays until it writes elsewhere, or ends. */
    assert_true(pv_context_unref_resource(embed->context, embed->g->ring.reply.resource_id));
    assert_int_equal(embed->released, 0);
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    assert_int_equal(embed->released, 1);
    embed->g->ring.reply.resource_id = 0;
    /* The rest at the end. */
    assert_int_equal(pv_context_attach_memory(embed->context, 78, memory, sizeof(memory),
                                              count_release, &released),
                     PV_OK);
    guest_embed_destroy(embed);
    assert_int_equal(released, 2);
}

static void memory_that_cannot_be_a_resource_is_refused(void **state)
{
    (void)state;
    _Atomic uint32_t released = 0;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    struct pv_context *context = embed->context;
    uint8_t memory[64] __attribute__((aligned(8)));
    assert_int_equal(
        pv_context_attach_memory(NULL, 5, memory, sizeof(memory), count_release, &released),
        PV_INVALID);
    assert_int_equal(
        pv_context_attach_memory(context, 5, NULL, sizeof(memory), count_release, &released),
        PV_INVALID);
    assert_int_equal(pv_context_attach_memory(context, 5, memory + 1, 8, count_release, &released),
                     PV_INVALID);
    assert_int_equal(pv_context_attach_memory(context, 5, memory, 0, count_release, &released),
                     PV_INVALID);
    assert_int_equal(
        pv_context_attach_memory(context, 5, memory, UINT64_MAX, count_release, &released),
        PV_INVALID);
    assert_int_equal(
        pv_context_attach_memory(context, 0, memory, sizeof(memory), count_release, &released),
        PV_GUEST_FAULT);
    guest_embed_destroy(embed);
    assert_int_equal(released, 0);
}

/* A reply that would leave the memory is a guest's fault, not a write beyond it. */
static void replies_stay_inside_of_the_callers_memory(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    uint32_t memory[8] = {0};
    assert_int_equal(pv_context_attach_memory(embed->context, 9, memory, 16, NULL, NULL), PV_OK);
    const VkCommandStreamDescriptionMESA stream = {.resourceId = 9, .size = 16};
    assert_true(GUEST_SEND(&embed->g->ring, vkSetReplyCommandStreamMESA, .pStream = &stream));
    uint32_t version = 0;
    pv_guest_encode_vkEnumerateInstanceVersion(
        guest_begin(&embed->g->ring), VK_COMMAND_GENERATE_REPLY_BIT_EXT,
        &(struct pv_vkEnumerateInstanceVersion){.pApiVersion = &version});
    assert_false(guest_submit(&embed->g->ring)); /* its reply takes 20 bytes */
    assert_int_equal(embed->notified, PV_GUEST_FAULT);
    for (int i = 4; i < 8; i++) {
        assert_int_equal(memory[i], 0);
    }
    guest_embed_destroy(embed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMBED_TEST(memory_that_cannot_hold_a_ring_is_refused),
        EMBED_TEST(the_buffer_is_the_largest_power_of_two_that_fits),
        EMBED_TEST(the_largest_ring_executes),
        EMBED_TEST(null_is_answered_everywhere),
        EMBED_TEST(a_ring_starts_once_and_stops_once),
        EMBED_TEST(statistics_of_a_dead_context_are_its_last),
        EMBED_TEST(a_context_takes_as_many_rings_as_its_quota),
        EMBED_TEST(memory_is_let_go_of_once_and_not_before),
        EMBED_TEST(memory_that_cannot_be_a_resource_is_refused),
        EMBED_TEST(replies_stay_inside_of_the_callers_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
