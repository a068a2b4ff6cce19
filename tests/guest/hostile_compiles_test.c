#include "compiles.h"
#include "hostile.h"

/* Guests that misuse pipelines which are still being compiled, and rings that race for them. */

static void the_id_of_a_pending_pipeline_for_another_object(struct guest *g)
{
    struct parts parts = make_parts(g);
    (void)send_pipeline_as(&g->ring, parts, 0, send_pipeline(g, parts));
}

static void a_pending_pipeline_destroyed_twice(struct guest *g)
{
    struct parts parts = make_parts(g);
    set_gate(true);
    uint64_t pipeline = send_pipeline(g, parts);
    (void)send_destroy(&g->ring, pipeline);
    (void)send_destroy(&g->ring, pipeline);
    (void)hostile_wait_fatal(g);
    set_gate(false);
}

static void a_pending_pipeline_destroyed_through_another_device(struct guest *g)
{
    struct parts parts = make_parts(g);
    uint64_t other = guest_create_device(g, 1);
    set_gate(true);
    uint64_t pipeline = send_pipeline(g, parts);
    (void)GUEST_SEND(&g->ring, vkDestroyPipeline, .device = GUEST_HANDLE(other),
                     .pipeline = GUEST_HANDLE(pipeline));
    (void)hostile_wait_fatal(g);
    set_gate(false);
}

static void a_use_of_a_pipeline_destroyed_while_it_was_pending(struct guest *g)
{
    struct parts parts = make_parts(g);
    VkCommandBuffer buffer;
    (void)make_command_buffers(g, make_command_pool(g), 1, &buffer);
    set_gate(true);
    uint64_t pipeline = send_pipeline(g, parts);
    (void)send_destroy(&g->ring, pipeline);
    (void)GUEST_SEND(&g->ring, vkCmdBindPipeline, .commandBuffer = buffer,
                     .pipelineBindPoint = VK_PIPELINE_BIND_POINT_COMPUTE,
                     .pipeline = GUEST_HANDLE(pipeline));
    (void)hostile_wait_fatal(g);
    set_gate(false);
}

static void a_pipeline_based_on_itself(struct guest *g)
{
    uint64_t pipeline = guest_id(g);
    (void)send_pipeline_as(&g->ring, make_parts(g), pipeline, pipeline);
}

static void an_id_twice_in_one_creation(struct guest *g)
{
    const VkComputePipelineCreateInfo one = pipeline_info(make_parts(g), 0);
    const VkComputePipelineCreateInfo infos[2] = {one, one};
    uint64_t id = guest_id(g);
    VkPipeline pipelines[2] = {GUEST_HANDLE(id), GUEST_HANDLE(id)};
    (void)GUEST_SEND(&g->ring, vkCreateComputePipelines, .device = GUEST_HANDLE(g->device),
                     .createInfoCount = 2, .pCreateInfos = infos, .pPipelines = pipelines);
}

static void a_use_of_a_module_that_waits_for_its_destroy(struct guest *g)
{
    struct parts parts = make_parts(g);
    set_gate(true);
    (void)send_pipeline(g, parts);
    destroy_parts_on(&g->ring, parts);
    (void)send_pipeline(g, parts);
    (void)hostile_wait_fatal(g);
    set_gate(false);
}

static void a_use_of_a_pipeline_that_failed(struct guest *g)
{
    uint64_t pool = make_command_pool(g);
    VkCommandBuffer buffer;
    (void)make_command_buffers(g, pool, 1, &buffer);
    answer_compiles(VK_ERROR_OUT_OF_DEVICE_MEMORY);
    uint64_t pipeline = send_pipeline(g, make_parts(g));
    (void)GUEST_SEND(&g->ring, vkCmdBindPipeline, .commandBuffer = buffer,
                     .pipelineBindPoint = VK_PIPELINE_BIND_POINT_COMPUTE,
                     .pipeline = GUEST_HANDLE(pipeline));
    (void)hostile_wait_fatal(g);
    answer_compiles(VK_SUCCESS);
}

/* --- two rings ---------------------------------------------------------------------------------
 */

struct racer {
    struct pv_thread thread;
    struct guest_ring ring;
    struct racer *other;
    _Atomic uint64_t newest; /* a pipeline of this ring's */
    uint64_t deadline_ns;
};

/* Waits for nothing: the other ring may meet the id in any state, and mostly is at fault. */
static void race(void *user)
{
    struct racer *racer = user;
    struct guest *g = racer->ring.guest;
    while (pv_clock_now_ns() < racer->deadline_ns && !pv_render_is_fatal(g->context)) {
        struct parts parts = make_parts_on(&racer->ring);
        uint64_t pipeline = guest_id(g);
        (void)send_pipeline_as(&racer->ring, parts, 0, pipeline);
        destroy_parts_on(&racer->ring, parts);
        atomic_store(&racer->newest, pipeline);
        uint64_t others = atomic_exchange(&racer->other->newest, 0);
        if (others != 0) {
            (void)send_destroy(&racer->ring, others);
        }
    }
}

/* As a guest does it that keeps Vulkan's rules: the ring that made it has been heard. */
static void take_turns(void *user)
{
    struct racer *racer = user;
    struct guest *g = racer->ring.guest;
    while (pv_clock_now_ns() < racer->deadline_ns) {
        struct parts parts = make_parts_on(&racer->ring);
        uint64_t pipeline = guest_id(g);
        (void)send_pipeline_as(&racer->ring, parts, 0, pipeline);
        destroy_parts_on(&racer->ring, parts);
        PV_ASSERT(guest_finish(&racer->ring));
        uint64_t mine = atomic_exchange(&racer->newest, pipeline);
        if (mine != 0) {
            (void)send_destroy(&racer->ring, mine);
        }
        uint64_t others = atomic_exchange(&racer->other->newest, 0);
        if (others != 0) {
            (void)send_destroy(&racer->ring, others);
        }
    }
}

static void run_racers(struct guest *g, void (*run)(void *))
{
    struct racer racers[2] = {0};
    for (int i = 0; i < 2; i++) {
        racers[i].other = &racers[1 - i];
        racers[i].deadline_ns = pv_clock_now_ns() + PV_NS_PER_S / 4;
        guest_ring_create(g, &racers[i].ring);
    }
    for (int i = 0; i < 2; i++) {
        PV_ASSERT(pv_thread_start(&racers[i].thread, "racer", run, &racers[i]) == PV_OK);
    }
    for (int i = 0; i < 2; i++) {
        pv_thread_join(&racers[i].thread);
    }
    for (int i = 0; i < 2; i++) {
        guest_ring_destroy(&racers[i].ring);
    }
}

static void rings_race_for_pipelines(void (*run)(void *), bool is_honest)
{
    int64_t live_objects = world_live_objects();
    struct guest_params params = world_params();
    for (int round = 0; round < 4; round++) {
        struct guest *g = guest_create(&params);
        guest_open_device(g);
        run_racers(g, run);
        assert_true(!is_honest || !pv_render_is_fatal(g->context));
        guest_destroy(g);
        assert_true(world_live_objects() == live_objects);
    }
    hostile_check_witness();
}

static void rings_that_destroy_each_others_pending_pipelines(void **state)
{
    (void)state;
    rings_race_for_pipelines(race, false);
}

static void rings_that_hand_pipelines_to_each_other(void **state)
{
    (void)state;
    rings_race_for_pipelines(take_turns, true);
}

static int setup(void **state)
{
    int result = hostile_setup(state);
    reset_gate(false);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE(the_id_of_a_pending_pipeline_for_another_object, "vkCreateComputePipelines",
                "used before"),
        HOSTILE(a_pending_pipeline_destroyed_twice, "vkDestroyPipeline", "does not exist"),
        HOSTILE(a_pending_pipeline_destroyed_through_another_device, "vkDestroyPipeline",
                "does not exist"),
        HOSTILE(a_use_of_a_pipeline_destroyed_while_it_was_pending, "vkCmdBindPipeline",
                "destroyed object"),
        HOSTILE(a_pipeline_based_on_itself, "vkCreateComputePipelines", "unknown object id"),
        HOSTILE(an_id_twice_in_one_creation, "vkCreateComputePipelines", "used before"),
        HOSTILE(a_use_of_a_module_that_waits_for_its_destroy, "vkCreateComputePipelines",
                "destroyed object"),
        HOSTILE(a_use_of_a_pipeline_that_failed, "vkCmdBindPipeline", "could not be made"),
        cmocka_unit_test(rings_that_destroy_each_others_pending_pipelines),
        cmocka_unit_test(rings_that_hand_pipelines_to_each_other),
    };
    return cmocka_run_group_tests(tests, setup, hostile_teardown);
}
