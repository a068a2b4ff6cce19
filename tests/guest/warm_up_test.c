#include "api/renderer.h"
#include "checks.h"
#include "fakes/guest_remote.h"

#include <stdio.h>
#include <string.h>

/* What a renderer does with a driver before it serves anybody. */

static char said[1024]; /* all lines since the last open_renderer() */

static void write_line(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    (void)level;
    size_t length = strlen(said);
    snprintf(said + length, sizeof(said) - length, "%s\n", line);
}

static struct pv_renderer *open_renderer(void)
{
    const struct pv_log log = {.write = write_line, .level = PV_LOG_WARN};
    said[0] = '\0';
    world_open();
    return remote_renderer_create(&log);
}

static void close_renderer(struct pv_renderer *renderer)
{
    pv_renderer_end_warm_instance(renderer);
    pv_fake_set_hook(NULL, NULL);
    assert_true(world_live_objects() == 0);
    remote_renderer_destroy(renderer);
    world_close();
}

static void a_driver_that_works_is_kept_loaded(void **state)
{
    (void)state;
    struct pv_renderer *renderer = open_renderer();
    assert_int_equal(pv_renderer_warm_up(renderer), PV_OK);
    assert_non_null(renderer->warm_instance);
    uint64_t count = pv_fake_count(PV_FAKE_vkCmdDispatch);
    assert_int_equal(count, 1);
    assert_int_equal(pv_renderer_warm_up(renderer), PV_OK);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdDispatch), count);
    assert_string_equal(said, "");
    close_renderer(renderer);
}

/* Answers the command of that number with a failure. */
static bool answer_badly(void *user, enum pv_fake_command command, void *args)
{
    if (command != *(const enum pv_fake_command *)user) {
        return false;
    }
    switch (command) {
    case PV_FAKE_vkGetDeviceProcAddr: /* lacks one */
        return strcmp(((struct pv_fake_vkGetDeviceProcAddr *)args)->pName, "vkTrimCommandPool") ==
               0;
    case PV_FAKE_vkCreateDevice:
        *((struct pv_vkCreateDevice *)args)->pDevice = GUEST_HANDLE(0x1234); /* undefined then */
        ((struct pv_vkCreateDevice *)args)->ret = VK_ERROR_INITIALIZATION_FAILED;
        return true;
    case PV_FAKE_vkCreateComputePipelines:
        ((struct pv_vkCreateComputePipelines *)args)->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return true;
    case PV_FAKE_vkCreateFence:
        ((struct pv_vkCreateFence *)args)->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return true;
    case PV_FAKE_vkWaitForFences:
        ((struct pv_vkWaitForFences *)args)->ret = VK_TIMEOUT;
        return true;
    default:
        return false;
    }
}

static void a_driver_that_fails_is_told_from_others(void **state)
{
    (void)state;
    const struct {
        enum pv_fake_command command;
        const char *wanting;
    } failures[] = {
        {PV_FAKE_vkGetDeviceProcAddr, "for want of vkTrimCommandPool\n"},
        {PV_FAKE_vkCreateDevice, "for want of a device\n"},
        {PV_FAKE_vkCreateComputePipelines, "for want of a pipeline\n"},
        {PV_FAKE_vkCreateFence, "for want of a command buffer and a fence\n"},
        {PV_FAKE_vkWaitForFences, "for want of a dispatch that ends in time\n"},
    };
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        enum pv_fake_command command = failures[i].command;
        struct pv_renderer *renderer = open_renderer();
        pv_fake_set_hook(answer_badly, &command);
        assert_int_equal(pv_renderer_warm_up(renderer), PV_HOST_FAILED);
        assert_non_null(strstr(said, failures[i].wanting));
        assert_non_null(strstr(said, "no GPU that can be offered (1 found)"));
        /* And it is tried again, not taken for warm. */
        assert_int_equal(pv_renderer_warm_up(renderer), PV_HOST_FAILED);
        assert_null(renderer->warm_instance);
        close_renderer(renderer);
    }
}

static PFN_vkVoidFunction VKAPI_CALL get_without_create_device(VkInstance instance,
                                                               const char *name)
{
    return strcmp(name, "vkCreateDevice") == 0 ? NULL
                                               : pv_fake_get_instance_proc_addr(instance, name);
}

static void a_driver_without_a_command_is_refused(void **state)
{
    (void)state;
    struct pv_renderer *renderer = open_renderer();
    pv_host_close(&renderer->host);
    pv_host_from_entry(&renderer->host, get_without_create_device, &renderer->log);
    assert_int_equal(pv_renderer_warm_up(renderer), PV_HOST_FAILED);
    assert_string_equal(said, "the driver has no vkCreateDevice\n");
    assert_int_equal(pv_renderer_warm_up(renderer), PV_HOST_FAILED);
    close_renderer(renderer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_that_works_is_kept_loaded),
        cmocka_unit_test(a_driver_that_fails_is_told_from_others),
        cmocka_unit_test(a_driver_without_a_command_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
