#include "embed.h"

#include <pearvisor/protocol.h>
#include <sys/mman.h>

/* The four ways in which an embedding program meets the library, with the bytes that a guest's
 * driver would write; and each of them again with one wrong byte. PV_TEST_DRIVER=loader runs them
 * on this machine's Vulkan. */

/* --- 1. a ring on 4 MiB of the caller's memory -------------------------------------------------
 */

static void a_ring_on_4_mib_of_the_callers_memory(void **state)
{
    (void)state;
    const size_t size = PV_VENUS_RING_SIZE_DEFAULT;
    uint8_t *memory = guest_embed_map(size);
    memset(memory, 0xa5, size);
    struct pv_venus_ring_control *control = (void *)memory;
    control->tail = 0;
    struct pv_venus_ring *ring = NULL;
    assert_int_equal(pv_venus_ring_create_from_memory(memory, size, &ring), PV_OK);
    assert_int_equal(pv_venus_ring_buffer_size(ring), 2 * 1024 * 1024);
    assert_int_equal(control->head, 0);
    assert_int_equal(control->status, 0);
    assert_int_equal(control->padding, 0xa5a5a5a5); /* and nothing else is touched */
    for (size_t i = sizeof(*control); i < size; i++) {
        assert_int_equal(memory[i], 0xa5);
    }
    assert_true(pv_venus_ring_utilization(ring) == 0.0);
    control->tail = 1024 * 1024;
    assert_true(pv_venus_ring_utilization(ring) == 0.5);
    assert_int_equal(pv_venus_ring_destroy(ring), PV_OK);
    assert_int_equal(munmap(memory, size), 0);
}

/* A tail further from the head than the buffer is large: one byte too many, the highest. */
static void a_wrong_byte_in_the_tail_ends_the_context(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    ((uint8_t *)&embed->control->tail)[3] = 0x80;
    assert_true(pv_venus_ring_utilization(embed->ring) == 1.0);
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_GUEST_FAULT);
    assert_int_equal(embed->control->status, PV_VENUS_RING_IDLE | PV_VENUS_RING_FATAL);
    assert_int_equal(embed->control->head, 0);
    assert_true(pv_context_is_fatal(embed->context));
    assert_int_equal(venus_stats(embed->context).errors, 1);
    guest_embed_destroy(embed);
}

static void a_wrong_byte_in_the_head_keeps_a_ring_from_starting(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    ((uint8_t *)&embed->control->head)[1] = 1;
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_GUEST_FAULT);
    ((uint8_t *)&embed->control->head)[1] = 0;
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_OK);
    guest_embed_destroy(embed);
}

/* --- 2. init, handlers, statistics, cleanup ----------------------------------------------------
 */

static void every_command_has_a_handler_and_statistics_begin_at_zero(void **state)
{
    (void)state;
    struct guest_log log = {0};
    struct pv_renderer *renderer = NULL;
    struct pv_context *context =
        guest_embed_context(&(struct guest_embed_params){0}, &log, &renderer);
    uint32_t handled = 0;
    uint32_t known = 0;
    for (uint32_t i = 0; i < pv_protocol_command_count(); i++) {
        struct pv_command_info info;
        pv_protocol_command(i, &info);
        known += info.fate != PV_COMMAND_UNKNOWN;
        handled += info.fate == PV_COMMAND_GENERATED || info.fate == PV_COMMAND_BY_HAND;
    }
    print_message("%u commands of %u have a handler\n", handled, known);
    /* 296 with the registry of Vulkan 1.4.309, 305 with that of 1.4.363. */
    assert_true(handled >= 296 && known - handled <= 45);
    struct pv_venus_stats stats;
    memset(&stats, 0xff, sizeof(stats));
    assert_int_equal(pv_venus_get_stats(context, &stats), PV_OK);
    const struct pv_venus_stats zeros = {0};
    assert_memory_equal(&stats, &zeros, sizeof(zeros));
    guest_embed_end_context(context, renderer);
    assert_int_equal(log.error_count, 0);
}

static void a_wrong_byte_in_the_parameters_is_refused(void **state)
{
    (void)state;
    struct {
        struct pv_renderer_params params;
        uint8_t later[8]; /* what a newer header may have */
    } callers = {.params.struct_size = sizeof(callers)};
    struct pv_context *context = (struct pv_context *)&callers;
    callers.later[7] = 1;
    assert_int_equal(pv_venus_init(&callers.params, &context), PV_UNSUPPORTED);
    assert_null(context);
    callers.later[7] = 0;
    callers.params.library = "libvulkan.so.I"; /* for .1 */
    assert_int_equal(pv_venus_init(&callers.params, &context), PV_HOST_FAILED);
    assert_null(context);
}

/* --- 3. the complete flow ----------------------------------------------------------------------
 */

static void the_complete_flow_in_nine_steps(void **state)
{
    (void)state;
    struct guest_embed embed = {.memory_size = PV_VENUS_RING_SIZE_DEFAULT};
    embed.control = guest_embed_map(embed.memory_size);                              /* 1 */
    embed.context = guest_embed_context(&(struct guest_embed_params){0}, &embed.log, /* 2 */
                                        &embed.renderer);
    assert_int_equal(pv_venus_ring_create_from_memory(embed.control, embed.memory_size, /* 3 */
                                                      &embed.ring),
                     PV_OK);
    assert_int_equal(pv_venus_integration_start(embed.ring, embed.context), PV_OK); /* 4 */
    guest_embed_attach_guest(&embed);
    guest_open(embed.g, GUEST_STAGE_INSTANCE); /* 5: vkCreateInstance */
    struct pv_venus_stats first = venus_stats(embed.context);
    assert_int_equal(first.commands_handled, 2); /* and where its reply goes */
    assert_int_equal(first.objects_created, 1);
    guest_open(embed.g, GUEST_STAGE_PHYSICAL_DEVICE); /* 6: vkEnumeratePhysicalDevices */
    assert_true(venus_stats(embed.context).objects_created >= 2);
    guest_open(embed.g, GUEST_STAGE_DEVICE);                  /* 7: vkCreateDevice */
    struct pv_venus_stats stats = venus_stats(embed.context); /* 8 */
    assert_int_equal(stats.commands_handled, 10);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(embed.notified, PV_OK);
    assert_true(pv_venus_ring_utilization(embed.ring) == 0.0);
    assert_int_equal(embed.control->head, embed.control->tail);
    assert_int_equal(pv_venus_integration_stop(embed.ring), PV_OK); /* 9 */
    guest_destroy(embed.g);
    assert_int_equal(pv_venus_ring_destroy(embed.ring), PV_OK);
    assert_int_equal(munmap(embed.control, embed.memory_size), 0);
    assert_int_equal(embed.log.error_count, 0);
}

/* Writes vkCreateInstance with one byte changed, and says what came of it. */
static enum pv_result create_instance_with_wrong_byte(struct pv_renderer *renderer, uint32_t offset,
                                                      uint32_t *size)
{
    struct pv_context_params params = {.struct_size = sizeof(params)};
    struct guest_embed embed = {.memory_size = PV_VENUS_RING_SIZE_MIN};
    embed.control = guest_embed_map(embed.memory_size);
    assert_int_equal(pv_context_create(renderer, &params, &embed.context), PV_OK);
    assert_int_equal(
        pv_venus_ring_create_from_memory(embed.control, embed.memory_size, &embed.ring), PV_OK);
    assert_int_equal(pv_venus_integration_start(embed.ring, embed.context), PV_OK);
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    VkInstance instance = GUEST_HANDLE(7);
    uint8_t *buffer = (uint8_t *)(embed.control + 1);
    struct pv_encoder out = {.cursor = buffer, .end = buffer + 2048};
    pv_guest_encode_vkCreateInstance(
        &out, 0, &(struct pv_vkCreateInstance){.pCreateInfo = &info, .pInstance = &instance});
    *size = (uint32_t)(out.cursor - buffer);
    buffer[offset] ^= 0x41;
    embed.control->tail = *size;
    enum pv_result result = pv_venus_ring_notify(embed.ring);
    struct pv_venus_stats stats = venus_stats(embed.context);
    assert_int_equal(stats.errors, result == PV_GUEST_FAULT);
    assert_int_equal((embed.control->status & PV_VENUS_RING_FATAL) != 0, result == PV_GUEST_FAULT);
    pv_venus_cleanup(embed.context);
    assert_int_equal(pv_venus_ring_destroy(embed.ring), PV_OK);
    assert_int_equal(munmap(embed.control, embed.memory_size), 0);
    return result;
}

static void abort_on_fatal(void *user)
{
    (void)user;
    abort();
}

/* Any byte: most are a guest's fault; some make another honest command (the guest's id). */
static void a_wrong_byte_in_a_command_ends_that_context_only(void **state)
{
    (void)state;
    struct guest_log log = {0};
    struct pv_renderer *renderer = NULL;
    struct pv_context *other = guest_embed_context(
        &(struct guest_embed_params){.turned_fatal = abort_on_fatal}, &log, &renderer);
    uint32_t size = 1;
    uint32_t faults = 0;
    for (uint32_t offset = 0; offset < size; offset++) {
        enum pv_result result = create_instance_with_wrong_byte(renderer, offset, &size);
        assert_true(result == PV_OK || result == PV_GUEST_FAULT);
        faults += result == PV_GUEST_FAULT;
        /* The number, the flags, and whether there is a create info. */
        assert_true(offset >= 16 || result == PV_GUEST_FAULT);
    }
    assert_true(size >= 64 && faults >= size / 2);
    assert_false(pv_context_is_fatal(other));
    guest_embed_end_context(other, renderer);
}

/* --- 4. three batches of five commands ---------------------------------------------------------
 */

/* Five commands in the ring, then one notify. */
static enum pv_result run_batch(struct guest_embed *embed, int wrong)
{
    embed->is_notified_elsewhere = true;
    for (int i = 0; i < 5; i++) {
        uint32_t begin = embed->g->ring.tail;
        assert_true(send_fence(embed->g));
        if (i == wrong) {
            uint8_t *buffer = (uint8_t *)(embed->control + 1);
            /* The highest byte of its number: there are no such commands. */
            buffer[(begin + 3) % pv_venus_ring_buffer_size(embed->ring)] ^= 0x80;
        }
    }
    embed->is_notified_elsewhere = false;
    return pv_venus_ring_notify(embed->ring);
}

static void three_batches_of_five_commands_add_up(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    const struct pv_venus_stats before = venus_stats(embed->context);
    for (uint32_t batch = 1; batch <= 3; batch++) {
        assert_int_equal(run_batch(embed, -1), PV_OK);
        struct pv_venus_stats stats = venus_stats(embed->context);
        assert_int_equal(stats.commands_handled, before.commands_handled + 5 * batch);
        assert_int_equal(stats.objects_created, before.objects_created + 5 * batch);
        assert_int_equal(stats.errors, 0);
        assert_int_equal(embed->control->head, embed->control->tail);
    }
    guest_embed_destroy(embed);
}

static void a_wrong_byte_in_the_second_batch_stops_there(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    const struct pv_venus_stats before = venus_stats(embed->context);
    assert_int_equal(run_batch(embed, -1), PV_OK);
    assert_int_equal(run_batch(embed, 2), PV_GUEST_FAULT);
    struct pv_venus_stats stats;
    assert_int_equal(pv_venus_get_stats(embed->context, &stats), PV_GUEST_FAULT);
    assert_int_equal(stats.objects_created, before.objects_created + 5 + 2);
    assert_int_equal(stats.errors, 1);
    assert_non_null(strstr(embed->log.last_error, "no such command"));
    assert_false(send_fence(embed->g)); /* the guest reads FATAL */
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_GUEST_FAULT);
    assert_int_equal(venus_stats(embed->context).objects_created, stats.objects_created);
    guest_embed_destroy(embed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMBED_TEST(a_ring_on_4_mib_of_the_callers_memory),
        EMBED_TEST(a_wrong_byte_in_the_tail_ends_the_context),
        EMBED_TEST(a_wrong_byte_in_the_head_keeps_a_ring_from_starting),
        EMBED_TEST(every_command_has_a_handler_and_statistics_begin_at_zero),
        EMBED_TEST(a_wrong_byte_in_the_parameters_is_refused),
        EMBED_TEST(the_complete_flow_in_nine_steps),
        EMBED_TEST(a_wrong_byte_in_a_command_ends_that_context_only),
        EMBED_TEST(three_batches_of_five_commands_add_up),
        EMBED_TEST(a_wrong_byte_in_the_second_batch_stops_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
