#include "compiles.h"
#include "render/private.h"
#include "ring/private.h"

/* Pipelines whose creation wants no reply: the ring goes on, and whoever needs them waits. */

static int setup(void **state)
{
    int result = checked_setup(state);
    reset_gate(true);
    return result;
}

static int teardown(void **state)
{
    set_gate(false);
    int result = checked_teardown(state);
    pv_fake_reset();
    return result;
}

#define COMPILE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static uint32_t thread_limit(void)
{
    uint32_t others = pv_thread_core_count() - 1;
    return others < PV_COMPILE_THREADS_MAX ? others : PV_COMPILE_THREADS_MAX;
}

/* Just so often, in the end. */
static bool are_called(enum pv_fake_command command, uint64_t count)
{
    for (int i = 0; i < 20000 && pv_fake_count(command) < count; i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return pv_fake_count(command) == count;
}

static VkCommandBuffer make_one_buffer(struct guest *g)
{
    VkCommandBuffer buffer;
    assert_int_equal(make_command_buffers(g, make_command_pool(g), 1, &buffer), VK_SUCCESS);
    return buffer;
}

/* Needs the pipeline. */
static void send_bind(struct guest_ring *ring, VkCommandBuffer buffer, uint64_t pipeline)
{
    (void)GUEST_SEND(ring, vkCmdBindPipeline, .commandBuffer = buffer,
                     .pipelineBindPoint = VK_PIPELINE_BIND_POINT_COMPUTE,
                     .pipeline = GUEST_HANDLE(pipeline));
}

/* In one command, without a reply. */
static void send_two_pipelines(struct guest *g, struct parts parts, uint64_t ids[2])
{
    const VkComputePipelineCreateInfo one = pipeline_info(parts, 0);
    const VkComputePipelineCreateInfo infos[2] = {one, one};
    ids[0] = guest_id(g);
    ids[1] = guest_id(g);
    VkPipeline pipelines[2] = {GUEST_HANDLE(ids[0]), GUEST_HANDLE(ids[1])};
    (void)GUEST_SEND(&g->ring, vkCreateComputePipelines, .device = GUEST_HANDLE(g->device),
                     .createInfoCount = 2, .pCreateInfos = infos, .pPipelines = pipelines);
}

static VkPipelineCacheCreateFlags gate_cache_flags(void)
{
    pthread_mutex_lock(&gate.lock);
    VkPipelineCacheCreateFlags flags = gate.cache_flags;
    pthread_mutex_unlock(&gate.lock);
    return flags;
}

/* --- the ring goes on --------------------------------------------------------------------------
 */

static void a_ring_goes_on_while_a_pipeline_is_compiled(void **state)
{
    struct guest *g = guest_of(state);
    (void)send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    (void)make_fence(g, 0);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCreateFence), 1);
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    assert_int_equal(stats.compiles_pending, 1);
    assert_int_equal(stats.compiles_finished, 0);
}

static void a_nested_stream_goes_on_too(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer = make_one_buffer(g);
    const VkComputePipelineCreateInfo info = pipeline_info(parts, 0);
    VkPipeline pipeline = GUEST_HANDLE(guest_id(g));
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder out = {shm.map, shm.map + shm.size, false};
    pv_guest_encode_vkCreateComputePipelines(
        &out, 0,
        &(struct pv_vkCreateComputePipelines){.device = GUEST_HANDLE(g->device),
                                              .createInfoCount = 1,
                                              .pCreateInfos = &info,
                                              .pPipelines = &pipeline});
    assert_true(guest_execute(&g->ring, &shm, 0, (uint64_t)(out.cursor - shm.map)));
    assert_true(guest_finish(&g->ring));
    memset(shm.map, 0xff, 4096); /* the job has bytes of its own */
    assert_true(compiles_have_entered(1));
    (void)make_fence(g, 0);
    set_gate(false);
    send_bind(&g->ring, buffer, (uint64_t)(uintptr_t)pipeline);
    assert_true(guest_finish(&g->ring));
    guest_shm_destroy(g, &shm);
}

static void a_creation_that_wants_a_reply_is_the_rings_own(void **state)
{
    struct guest *g = guest_of(state);
    set_gate(false);
    struct parts parts = make_parts(g);
    assert_int_equal(call_for_pipeline(g, parts), VK_SUCCESS);
    (void)make_fence(g, 0);
    assert_true(ring_has_compiled());

    (void)send_pipeline(g, parts);
    (void)make_fence(g, 0);
    assert_true(compiles_have_entered(2));
    assert_false(ring_has_compiled());
}

static void a_ring_compiles_itself_when_too_many_are_pending(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    for (uint32_t i = 0; i < PV_COMPILE_JOBS_MAX; i++) {
        (void)send_pipeline(g, parts);
    }
    (void)make_fence(g, 0);
    assert_true(compiles_have_entered(thread_limit()));
    (void)send_pipeline(g, parts);
    assert_true(compiles_have_entered(thread_limit() + 1));
    assert_true(ring_has_compiled());
    set_gate(false);
    assert_true(guest_finish(&g->ring));
    assert_true(none_is_pending(g));
    assert_int_equal(compiles_entered(), PV_COMPILE_JOBS_MAX + 1);
}

/* --- who needs a pipeline waits ----------------------------------------------------------------
 */

static void a_use_of_a_pending_pipeline_waits_for_it(void **state)
{
    struct guest *g = guest_of(state);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    uint32_t before = g->ring.tail;
    send_bind(&g->ring, buffer, pipeline);
    /* What was before it is told to be done. */
    assert_true(guest_ring_wait(&g->ring, before));
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    assert_int_equal(guest_ring_head(&g->ring), before);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 0);
    set_gate(false);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 1);
    assert_false(pv_render_is_fatal(g->context));
}

static void a_pipeline_that_no_thread_has_begun_is_compiled_by_who_needs_it(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t last = 0;
    for (uint32_t i = 0; i <= thread_limit(); i++) {
        last = send_pipeline(g, parts);
    }
    (void)make_fence(g, 0);
    assert_true(compiles_have_entered(thread_limit()));
    send_bind(&g->ring, buffer, last);
    assert_true(compiles_have_entered(thread_limit() + 1));
    assert_true(ring_has_compiled());
    set_gate(false);
    assert_true(guest_finish(&g->ring));
}

/* The first thread was idle before: it is told of the first of them and still looks idle. */
static void a_burst_is_compiled_by_all_threads_that_there_may_be(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    g->context->compiles.thread_limit = PV_COMPILE_THREADS_MAX; /* whatever this machine has */
    set_gate(false);
    (void)send_pipeline(g, parts);
    assert_true(guest_finish(&g->ring) && none_is_pending(g));
    set_gate(true);
    for (uint32_t i = 0; i < PV_COMPILE_THREADS_MAX; i++) {
        (void)send_pipeline(g, parts);
    }
    assert_true(compiles_have_entered(1 + PV_COMPILE_THREADS_MAX));
    set_gate(false);
}

static void a_base_pipeline_is_waited_for(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t base = send_pipeline(g, parts);
    uint64_t pipeline = guest_id(g);
    assert_true(compiles_have_entered(1));
    (void)send_pipeline_as(&g->ring, parts, base, pipeline);
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_int_equal(compiles_entered(), 1);
    set_gate(false);
    send_bind(&g->ring, buffer, pipeline);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(compiles_entered(), 2);
}

static void a_caches_data_are_those_of_all_pipelines_before(void **state)
{
    struct guest *g = guest_of(state);
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .flags = VK_PIPELINE_CACHE_CREATE_EXTERNALLY_SYNCHRONIZED_BIT,
    };
    VkPipelineCache cache = GUEST_HANDLE(guest_id(g));
    VkDevice device = GUEST_HANDLE(g->device);
    (void)GUEST_SEND(&g->ring, vkCreatePipelineCache, .device = device, .pCreateInfo = &info,
                     .pPipelineCache = &cache);
    (void)send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    assert_int_equal(gate_cache_flags(), 0); /* the driver must lock it now */
    size_t size = 0;
    uint32_t before = g->ring.tail;
    (void)GUEST_SEND(&g->ring, vkGetPipelineCacheData, .device = device, .pipelineCache = cache,
                     .pDataSize = &size);
    assert_true(guest_ring_wait(&g->ring, before));
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPipelineCacheData), 0);
    set_gate(false);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPipelineCacheData), 1);
}

static bool await_pipelines(struct pv_decoder *in, uint64_t id, uint32_t type)
{
    (void)in;
    (void)id;
    return type == PV_OBJECT_PIPELINE;
}

static void a_pipeline_that_comes_between_a_miss_and_its_second_look_is_found(void **state)
{
    struct guest *g = guest_of(state);
    set_gate(false);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    assert_true(guest_finish(&g->ring));
    assert_true(none_is_pending(g));
    struct pv_slot *slot = pv_object_slot(&g->context->objects, pipeline);
    struct pv_decoder in = {.await = await_pipelines, .owner = PV_TAG_OWNER(slot->tag)};
    pv_decode_use_objects(&in, &g->context->objects);
    uint64_t host = pv_decode_handle_miss(&in, pipeline, PV_OBJECT_PIPELINE, PV_HANDLE_REQUIRED);
    assert_true(host != 0 && host == slot->host);
    assert_null(in.fault);
}

/* --- who destroys a pipeline does not wait -----------------------------------------------------
 */

static void a_ring_goes_on_when_it_destroys_a_pending_pipeline(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t alive = objects_alive(g);
    struct parts parts = make_parts(g);
    uint64_t pipeline = send_pipeline(g, parts);
    assert_true(compiles_have_entered(1));
    (void)send_destroy(&g->ring, pipeline);
    destroy_parts_on(&g->ring, parts);
    (void)make_fence(g, 0);
    assert_int_equal(objects_alive(g), alive + 1); /* the fence */
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipeline), 0);
    set_gate(false);
    assert_true(are_called(PV_FAKE_vkDestroyPipeline, 1));
    assert_true(are_called(PV_FAKE_vkDestroyShaderModule, 1));
    assert_true(guest_finish(&g->ring));
    assert_false(pv_render_is_fatal(g->context));
}

static void a_pipeline_destroyed_before_a_thread_begins_it_is_never_compiled(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    for (uint32_t i = 0; i < thread_limit(); i++) {
        (void)send_pipeline(g, parts);
    }
    assert_true(compiles_have_entered(thread_limit()));
    for (uint32_t i = 0; i < 2 * PV_COMPILE_JOBS_MAX; i++) {
        (void)send_destroy(&g->ring, send_pipeline(g, parts));
    }
    (void)make_fence(g, 0);
    assert_int_equal(compiles_pending(g), thread_limit());
    set_gate(false);
    assert_true(none_is_pending(g));
    assert_int_equal(compiles_entered(), thread_limit());
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipeline), 0);
    assert_false(pv_render_is_fatal(g->context));
}

static void one_of_two_that_are_compiled_together_is_destroyed(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t begun[2], queued[2];
    hold_compiles(thread_limit());
    for (uint32_t i = 0; i < thread_limit(); i++) {
        send_two_pipelines(g, parts, begun);
    }
    assert_true(compiles_have_entered(thread_limit()));
    send_two_pipelines(g, parts, queued);
    (void)send_destroy(&g->ring, begun[0]);
    (void)send_destroy(&g->ring, queued[1]);
    send_bind(&g->ring, buffer, queued[0]);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(compiles_entered(), thread_limit() + 1);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipeline), 1);
    set_gate(false);
    send_bind(&g->ring, buffer, begun[1]);
    assert_true(guest_finish(&g->ring));
    assert_true(are_called(PV_FAKE_vkDestroyPipeline, 2));
    (void)send_destroy(&g->ring, begun[1]);
    (void)send_destroy(&g->ring, queued[0]);
    assert_true(are_called(PV_FAKE_vkDestroyPipeline, 4));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 2);
    assert_false(pv_render_is_fatal(g->context));
}

static void a_wait_for_a_pipeline_ends_when_another_ring_destroys_it(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    send_bind(&ring, buffer, pipeline);
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_false(pv_render_is_fatal(g->context));
    (void)send_destroy(&g->ring, pipeline);
    assert_true(is_fatal_soon(g)); /* and the gate is closed */
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 0);
    guest_ring_destroy(&ring);
}

/* Destroys meet their compile queued, running and done, and what is late meets the last of all. */
static void what_is_made_and_destroyed_at_once_is_all_gone(void **state)
{
    enum { ROUNDS = 2000 };
    struct guest *g = guest_of(state);
    set_gate(false);
    uint64_t alive = objects_alive(g);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct parts parts = make_parts(g);
        uint64_t pipeline = send_pipeline(g, parts);
        destroy_parts_on(&g->ring, parts);
        (void)send_destroy(&g->ring, pipeline);
    }
    assert_true(guest_finish(&g->ring));
    assert_true(are_called(PV_FAKE_vkDestroyShaderModule, ROUNDS));
    assert_true(are_called(PV_FAKE_vkDestroyPipelineLayout, ROUNDS));
    assert_true(none_is_pending(g));
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipeline), compiles_entered());
    assert_int_equal(objects_alive(g), alive);
    assert_false(pv_render_is_fatal(g->context));
}

/* --- what a compile reads outlives it ----------------------------------------------------------
 */

static void what_a_compile_names_is_destroyed_after_it(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    uint64_t pipeline = send_pipeline(g, parts);
    assert_true(compiles_have_entered(1));
    uint64_t before = objects_alive(g);
    destroy_parts_on(&g->ring, parts);
    (void)make_fence(g, 0);
    assert_int_equal(objects_alive(g), before - 1); /* the ids are gone at once */
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyShaderModule), 0);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipelineLayout), 0);
    set_gate(false);
    assert_true(are_called(PV_FAKE_vkDestroyShaderModule, 1));
    assert_true(are_called(PV_FAKE_vkDestroyPipelineLayout, 1));
    (void)send_destroy(&g->ring, pipeline);
    assert_true(guest_finish(&g->ring));
    assert_false(pv_render_is_fatal(g->context));
}

static void a_destroy_waits_for_every_compile_before_it(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer = make_one_buffer(g);
    hold_compiles(1);
    (void)send_pipeline(g, parts);
    assert_true(compiles_have_entered(1));
    uint64_t second = send_pipeline(g, parts);
    destroy_parts_on(&g->ring, parts);
    send_bind(&g->ring, buffer, second);
    (void)send_destroy(&g->ring, second); /* which is done then, and the first is not */
    assert_true(guest_finish(&g->ring));
    assert_int_equal(compiles_entered(), 2);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyShaderModule), 0);
    set_gate(false);
    assert_true(are_called(PV_FAKE_vkDestroyShaderModule, 1));
    assert_true(are_called(PV_FAKE_vkDestroyPipeline, 1));
}

static void a_ring_waits_when_too_many_destroys_are_late(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    (void)send_pipeline(g, parts);
    assert_true(compiles_have_entered(1));
    for (uint32_t i = 0; i < PV_COMPILE_DESTROYS_MAX / 2; i++) {
        destroy_parts_on(&g->ring, make_parts(g));
    }
    (void)make_fence(g, 0);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyShaderModule), 0);
    uint64_t before = objects_alive(g);
    destroy_parts_on(&g->ring, parts);
    for (int i = 0; i < 20000 && objects_alive(g) == before; i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_int_equal(objects_alive(g), before - 1); /* the first destroy has begun, no more */
    set_gate(false);
    assert_true(guest_finish(&g->ring));
    assert_true(are_called(PV_FAKE_vkDestroyShaderModule, PV_COMPILE_DESTROYS_MAX / 2 + 1));
    assert_true(are_called(PV_FAKE_vkDestroyPipelineLayout, PV_COMPILE_DESTROYS_MAX / 2 + 1));
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void a_device_is_destroyed_after_its_compiles(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    uint64_t pipelines[8];
    for (uint32_t i = 0; i < 8; i++) {
        pipelines[i] = send_pipeline(g, parts);
    }
    assert_true(compiles_have_entered(1));
    (void)send_destroy(&g->ring, pipelines[0]); /* it runs */
    (void)send_destroy(&g->ring, pipelines[7]);
    destroy_parts_on(&g->ring, parts);
    (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = GUEST_HANDLE(g->device));
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyDevice), 0);
    set_gate(false);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyDevice), 1);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyShaderModule), 1);
    assert_int_equal(pv_fake_count(PV_FAKE_vkDestroyPipeline), compiles_entered());
    assert_in_range(compiles_entered(), 1, thread_limit()); /* nobody wants the others any more */
    assert_int_equal(objects_alive(g), 2);                  /* the instance and its device */
}

static void a_context_ends_while_pipelines_are_compiled(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    uint64_t pipelines[8];
    for (uint32_t i = 0; i < 8; i++) {
        pipelines[i] = send_pipeline(g, parts);
    }
    assert_true(compiles_have_entered(1));
    (void)send_destroy(&g->ring, pipelines[0]); /* it runs */
    (void)send_destroy(&g->ring, pipelines[7]);
    destroy_parts_on(&g->ring, parts);
    struct pv_thread opener;
    assert_int_equal(pv_thread_start(&opener, "opener", open_gate_soon, NULL), PV_OK);
    struct checked_guest *checked = *state;
    guest_destroy(checked->g);
    struct guest_params params = world_params();
    checked->g = guest_create(&params); /* for the teardown */
    pv_thread_join(&opener);
}

static bool ring_has_ended(struct guest *g)
{
    return atomic_load(&g->context->rings->ring->has_ended);
}

static void a_wait_ends_with_the_context(void **state)
{
    struct guest *g = guest_of(state);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    send_bind(&g->ring, buffer, pipeline);
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_false(ring_has_ended(g));
    pv_render_set_fatal(g->context, "a test says so");
    for (int i = 0; i < 20000 && !ring_has_ended(g); i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    assert_true(ring_has_ended(g));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 0);
    assert_int_equal(g->log.error_count, 0); /* it is nobody's fault */
}

static void a_wait_ends_with_its_ring(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    VkCommandBuffer buffer = make_one_buffer(g);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    assert_true(compiles_have_entered(1));
    send_bind(&ring, buffer, pipeline);
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    guest_ring_destroy(&ring);
    assert_false(pv_render_is_fatal(g->context));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdBindPipeline), 0);
}

static void a_device_lost_by_a_compile_ends_the_context(void **state)
{
    struct guest *g = guest_of(state);
    answer_compiles(VK_ERROR_DEVICE_LOST);
    (void)send_pipeline(g, make_parts(g));
    set_gate(false);
    assert_true(is_fatal_soon(g));
}

static void a_compile_may_find_lost_what_the_guest_knows_to_be(void **state)
{
    struct guest *g = guest_of(state);
    struct parts parts = make_parts(g);
    answer_compiles(VK_ERROR_DEVICE_LOST);
    set_gate(false);
    assert_int_equal(call_for_pipeline(g, parts), VK_ERROR_DEVICE_LOST);
    uint64_t pipeline = send_pipeline(g, parts);
    assert_true(compiles_have_entered(2));
    assert_true(none_is_pending(g));
    (void)send_destroy(&g->ring, pipeline); /* which the guest believes to be there */
    assert_int_equal(call_for_pipeline(g, parts), VK_ERROR_DEVICE_LOST);
    assert_false(pv_render_is_fatal(g->context));
    (void)send_destroy(&g->ring, guest_id(g)); /* which nobody has asked for */
    assert_true(is_fatal_soon(g));
}

int main(void)
{
    if (thread_limit() == 0) {
        print_message("a single core: rings compile themselves\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        COMPILE_TEST(a_ring_goes_on_while_a_pipeline_is_compiled),
        COMPILE_TEST(a_nested_stream_goes_on_too),
        COMPILE_TEST(a_creation_that_wants_a_reply_is_the_rings_own),
        COMPILE_TEST(a_ring_compiles_itself_when_too_many_are_pending),
        COMPILE_TEST(a_use_of_a_pending_pipeline_waits_for_it),
        COMPILE_TEST(a_pipeline_that_no_thread_has_begun_is_compiled_by_who_needs_it),
        COMPILE_TEST(a_burst_is_compiled_by_all_threads_that_there_may_be),
        COMPILE_TEST(a_base_pipeline_is_waited_for),
        COMPILE_TEST(a_caches_data_are_those_of_all_pipelines_before),
        COMPILE_TEST(a_pipeline_that_comes_between_a_miss_and_its_second_look_is_found),
        COMPILE_TEST(a_ring_goes_on_when_it_destroys_a_pending_pipeline),
        COMPILE_TEST(a_pipeline_destroyed_before_a_thread_begins_it_is_never_compiled),
        COMPILE_TEST(one_of_two_that_are_compiled_together_is_destroyed),
        COMPILE_TEST(a_wait_for_a_pipeline_ends_when_another_ring_destroys_it),
        COMPILE_TEST(what_is_made_and_destroyed_at_once_is_all_gone),
        COMPILE_TEST(what_a_compile_names_is_destroyed_after_it),
        COMPILE_TEST(a_destroy_waits_for_every_compile_before_it),
        COMPILE_TEST(a_ring_waits_when_too_many_destroys_are_late),
        COMPILE_TEST(a_device_is_destroyed_after_its_compiles),
        COMPILE_TEST(a_context_ends_while_pipelines_are_compiled),
        COMPILE_TEST(a_wait_ends_with_the_context),
        COMPILE_TEST(a_wait_ends_with_its_ring),
        COMPILE_TEST(a_device_lost_by_a_compile_ends_the_context),
        COMPILE_TEST(a_compile_may_find_lost_what_the_guest_knows_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
