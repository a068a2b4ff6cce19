#include "host/memory_plan.h"
#include "unit/check.h"

#include <string.h>

/* The probe against whatever driver this machine has; lavapipe in the usual case. */

enum { TEST_SKIPPED = 77 };

static struct pv_host host;
static struct pv_memory_plans plans;

static bool is_mappable(const struct pv_memory_type_plan *type)
{
    return type->strategy != PV_MEMORY_NONE && type->strategy != PV_MEMORY_DRIVER_MAPPING;
}

static void memory_probe_finds_a_coherent_type_that_a_guest_can_map(void **state)
{
    (void)state;
    const VkMemoryPropertyFlags coherent =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < plans.count; i++) {
        const struct pv_memory_plan *plan = &plans.plans[i];
        bool found = false;
        for (uint32_t t = 0; t < plan->type_count; t++) {
            found = found ||
                    (is_mappable(&plan->types[t]) && (plan->types[t].flags & coherent) == coherent);
        }
        assert_true(found == (plan->usable != 0));
        assert_true(plan->usable != 0);
    }
}

static void memory_probe_gives_no_mapping_to_types_that_are_not_coherent(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < plans.count; i++) {
        for (uint32_t t = 0; t < plans.plans[i].type_count; t++) {
            const struct pv_memory_type_plan *type = &plans.plans[i].types[t];
            if ((type->flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) == 0) {
                assert_int_equal(type->strategy, PV_MEMORY_NONE);
            }
        }
    }
}

static void memory_probe_tells_the_reason_of_everything(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < plans.count; i++) {
        const struct pv_memory_plan *plan = &plans.plans[i];
        for (uint32_t t = 0; t < plan->type_count; t++) {
            assert_true(plan->types[t].why[0] != '\0');
        }
        const struct pv_memory_fact *facts[] = {&plan->dma_buf, &plan->sparse,
                                                &plan->semaphore_sync_fd, &plan->fence_sync_fd};
        for (size_t f = 0; f < sizeof(facts) / sizeof(facts[0]); f++) {
            assert_true(facts[f]->why[0] != '\0');
            assert_non_null(memchr(facts[f]->why, '\0', sizeof(facts[f]->why)));
        }
    }
}

/* Drivers are deterministic in this, and a plan is plain data: no padding that differs. */
static void memory_probe_says_the_same_twice(void **state)
{
    (void)state;
    static struct pv_memory_plans again;
    assert_int_equal(pv_memory_plans_probe(&host, false, &again), PV_OK);
    assert_memory_equal(&plans, &again, sizeof(plans));
}

/* lavapipe reports the dma-buf extension, exports opaque fds whose data is shifted, and binds
 * sparse buffers to imported pages wrongly (25.0): each must be found out. */
static void memory_probe_uses_host_pages_on_lavapipe(void **state)
{
    (void)state;
    bool found = false;
    for (uint32_t i = 0; i < plans.count; i++) {
        const struct pv_memory_plan *plan = &plans.plans[i];
        if (plan->driver_id != VK_DRIVER_ID_MESA_LLVMPIPE || plan->dma_buf.works != 0) {
            continue;
        }
        found = true;
        assert_int_equal(plan->types[0].strategy, PV_MEMORY_HOST_POINTER);
    }
    if (!found) {
        skip();
    }
}

static void memory_plans_of_another_version_are_not_used(void **state)
{
    (void)state;
    static struct pv_memory_plans other;
    other = plans;
    other.version++;
    struct pv_instance_table none = {0};
    assert_null(pv_memory_plans_find(&other, &none, VK_NULL_HANDLE));
    assert_null(pv_memory_plans_find(NULL, &none, VK_NULL_HANDLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_probe_finds_a_coherent_type_that_a_guest_can_map),
        cmocka_unit_test(memory_probe_gives_no_mapping_to_types_that_are_not_coherent),
        cmocka_unit_test(memory_probe_tells_the_reason_of_everything),
        cmocka_unit_test(memory_probe_says_the_same_twice),
        cmocka_unit_test(memory_probe_uses_host_pages_on_lavapipe),
        cmocka_unit_test(memory_plans_of_another_version_are_not_used),
    };
    struct pv_log log = pv_log_stderr(PV_LOG_WARN);
    if (pv_host_open(&host, NULL, &log) != PV_OK ||
        pv_memory_plans_probe(&host, false, &plans) != PV_OK || plans.count == 0) {
        return TEST_SKIPPED;
    }
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    pv_host_close(&host);
    return result;
}
