#include "base/assert.h"
#include "fakes/args.h"
#include "fakes/fake_vulkan.h"
#include "render/context.h"
#include "render/exec.h"
#include "test_guest.gen.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

/* Random arguments of every command through a whole context: the driver must get what the guest has
 * sent, with host handles in the place of ids, and the guest what the driver answers. */

enum {
    SEEDS = 25,
    FULL_SEEDS = 2,
    ARGS_SIZE_MAX = 256,
    STREAM_SIZE = 4 << 20,
    REPLY_RESOURCE = 1,
    STOCK = 8, /* objects of each type to choose from */
    FIRST_ID = 0x100,
    IDS_MAX = 1 << 20,
};

/* Arenas lie in test memory: the longest chains with everything in them. */
#define ARENA_LIMIT (64U << 20)

/* Hand-written commands that call the driver's command of the same name with the same arguments,
 * but for a struct that they take out of a chain. */
static const struct {
    const char *name;
    int32_t dropped;
} alike[] = {
    {"vkQueueSubmit", 0},
    {"vkQueueSubmit2", 0},
    {"vkQueueBindSparse", 0},
    {"vkAllocateCommandBuffers", 0},
    {"vkAllocateDescriptorSets", 0},
    {"vkResetDescriptorPool", 0},
    {"vkGetFenceStatus", 0},
    {"vkGetSemaphoreCounterValue", 0},
    /* The fake device has no SYNC_FD, so exporting is emulated. */
    {"vkCreateSemaphore", VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO},
    {"vkCreateFence", VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO},
};

/* The others, which have tests of their own: tests/guest/ and the unit tests of render/. So have
 * the private commands (…MESA), whose names no driver knows. */
static const struct {
    const char *name, *why;
} different[] = {
    {"vkCreateInstance", "layers and extensions are ours"},
    {"vkDestroyInstance", "destroys all that is left"},
    {"vkEnumerateInstanceVersion", "answers with the version that the wire carries"},
    {"vkEnumerateInstanceExtensionProperties", "answers with our own extensions"},
    {"vkEnumeratePhysicalDevices", "lists the devices that are offered"},
    {"vkEnumeratePhysicalDeviceGroups", "lists the devices that are offered"},
    {"vkEnumerateDeviceExtensionProperties", "lists the extensions that the wire can carry"},
    {"vkGetPhysicalDeviceExternalSemaphoreProperties", "answers for SYNC_FD itself"},
    {"vkGetPhysicalDeviceExternalFenceProperties", "answers for SYNC_FD itself"},
    {"vkCreateDevice", "adds and takes away extensions"},
    {"vkDestroyDevice", "destroys all that is left"},
    {"vkGetDeviceQueue2", "queues are fetched when the device is made"},
    {"vkAllocateMemory", "allocates in the way that the memory plan says"},
    {"vkFreeMemory", "lets go of our pages too"},
    {"vkCreatePipelineCache", "lets the driver synchronise it"},
    {"vkFreeCommandBuffers", "takes null handles out"},
    {"vkFreeDescriptorSets", "its result is always VK_SUCCESS"},
    {"vkWaitForFences", "waits in slices, fence by fence"},
    {"vkWaitSemaphores", "waits in slices, semaphore by semaphore"},
    {"vkGetQueryPoolResults", "refuses layouts that random numbers make"},
    {"vkGetRayTracingShaderGroupHandlesKHR", "makes room for as many as are asked for"},
    {"vkGetRayTracingCaptureReplayShaderGroupHandlesKHR", "makes room for as many as asked for"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
    struct pv_host host;
    struct pv_log log;
    struct pv_render_context *context;
    struct pv_blob *reply;
    uint8_t *stream;
    struct pv_arena arena, reply_arena;
    struct pv_random random;
    uint64_t seed;
    uint64_t next_id;
    uint64_t instance, physical_device, device, queue;
    uint64_t stock[PV_OBJECT_TYPE_COUNT][STOCK];
    uint32_t turn[PV_OBJECT_TYPE_COUNT];
    uint64_t *hosts; /* by id: the handle that the driver must see */
    /* While a command is tried: */
    const struct pv_args_command *command;
    void *sent;
    int32_t dropped;
    uint64_t answer_seed;
    uint32_t calls;
    char difference[512];
} test;

static void log_line(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    if (level <= PV_LOG_WARN) {
        print_message("%s\n", line);
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Executes a command with a reply; false when that ended the context. */
static bool send(const struct pv_args_command *command, const void *args)
{
    struct pv_encoder out = {test.stream, test.stream + STREAM_SIZE, false};
    const VkCommandStreamDescriptionMESA window = {REPLY_RESOURCE, 0, STREAM_SIZE};
    pv_guest_encode_vkSetReplyCommandStreamMESA(&out, 0,
                                                &(struct pv_vkSetReplyCommandStreamMESA){&window});
    command->encode(&out, 1, args);
    assert_false(out.overflow);
    return pv_render_submit(test.context, test.stream, (uint64_t)(out.cursor - test.stream)) ==
           PV_OK;
}

static void must_send(const struct pv_args_command *command, const void *args)
{
    if (!send(command, args)) {
        fail_msg("%s was refused", command->type.name);
    }
}

/* The driver's handle behind an id, whatever stands in the slot. */
static uint64_t host_of(uint64_t id, uint32_t type)
{
    struct pv_slot *slot = pv_object_slot(&test.context->objects, id);
    uint64_t tag = atomic_load(&slot->tag);
    if (PV_TAG_TYPE(tag) != type) {
        return 0;
    }
    uint64_t word = atomic_load(&slot->host);
    switch (type) {
    case PV_OBJECT_INSTANCE:
    case PV_OBJECT_PHYSICAL_DEVICE:
    case PV_OBJECT_DEVICE:
    case PV_OBJECT_QUEUE:
    case PV_OBJECT_DEVICE_MEMORY:
    case PV_OBJECT_COMMAND_POOL:
    case PV_OBJECT_DESCRIPTOR_POOL:
    case PV_OBJECT_SEMAPHORE:
        return ((const struct pv_object *)(uintptr_t)word)->host;
    default:
        return word;
    }
}

static uint64_t note(uint64_t id, uint32_t type)
{
    assert_true(id < IDS_MAX);
    test.hosts[id] = host_of(id, type);
    assert_int_not_equal(test.hosts[id], 0);
    return id;
}

#define HANDLE(id) ((void *)(uintptr_t)(id))

/* --- a context with a device and objects ------------------------------------------------------ */

static void open_instance(void)
{
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .apiVersion = VK_API_VERSION_1_4};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &application};
    test.instance = test.next_id++;
    test.physical_device = test.next_id++;
    VkInstance instance = HANDLE(test.instance);
    must_send(&pv_args_vkCreateInstance,
              &(struct pv_vkCreateInstance){.pCreateInfo = &info, .pInstance = &instance});
    uint32_t count = 1;
    VkPhysicalDevice device = HANDLE(test.physical_device);
    must_send(&pv_args_vkEnumeratePhysicalDevices,
              &(struct pv_vkEnumeratePhysicalDevices){.instance = instance,
                                                      .pPhysicalDeviceCount = &count,
                                                      .pPhysicalDevices = &device});
    note(test.instance, PV_OBJECT_INSTANCE);
    note(test.physical_device, PV_OBJECT_PHYSICAL_DEVICE);
}

/* With every extension, so that every command is there. */
static void open_device(void)
{
    const struct pv_instance *instance = atomic_load(&test.context->instance);
    const struct pv_physical_device *offered = &instance->physical_devices[0];
    const char **names = calloc(offered->extension_count, sizeof(*names));
    assert_non_null(names);
    for (uint32_t i = 0; i < offered->extension_count; i++) {
        names[i] = offered->extensions[i].extensionName;
    }
    const float priority = 1.0F;
    const VkDeviceQueueCreateInfo queues = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                            .queueCount = 1,
                                            .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queues,
                                     .enabledExtensionCount = offered->extension_count,
                                     .ppEnabledExtensionNames = names};
    test.device = test.next_id++;
    VkDevice device = HANDLE(test.device);
    must_send(&pv_args_vkCreateDevice,
              &(struct pv_vkCreateDevice){.physicalDevice = HANDLE(test.physical_device),
                                          .pCreateInfo = &info,
                                          .pDevice = &device});
    free(names);
    note(test.device, PV_OBJECT_DEVICE);
    const VkDeviceQueueTimelineInfoMESA timeline = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA, .ringIdx = 1};
    const VkDeviceQueueInfo2 which = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
                                      .pNext = &timeline};
    test.queue = test.next_id++;
    VkQueue queue = HANDLE(test.queue);
    must_send(
        &pv_args_vkGetDeviceQueue2,
        &(struct pv_vkGetDeviceQueue2){.device = device, .pQueueInfo = &which, .pQueue = &queue});
    note(test.queue, PV_OBJECT_QUEUE);
}

static void open_context(void)
{
    test.hosts = calloc(IDS_MAX, sizeof(*test.hosts));
    test.stream = malloc(STREAM_SIZE);
    assert_non_null(test.hosts);
    assert_non_null(test.stream);
    pv_arena_init(&test.arena, ARENA_LIMIT);
    pv_arena_init(&test.reply_arena, ARENA_LIMIT);
    pv_fake_reset();
    pv_host_from_entry(&test.host, pv_fake_get_instance_proc_addr, &test.log);
    const struct pv_render_params params = {
        .host = &test.host, .log = &test.log, .plans = pv_fake_plans()};
    assert_int_equal(pv_render_create(&params, &test.context), PV_OK);
    assert_int_equal(pv_render_create_blob(test.context, REPLY_RESOURCE, 0, PV_BLOB_FLAG_MAPPABLE,
                                           STREAM_SIZE, &test.reply),
                     PV_OK);
    memset(test.stock, 0, sizeof(test.stock));
    test.next_id = FIRST_ID;
    open_instance();
    open_device();
}

static void close_context(void)
{
    pv_fake_set_hook(NULL, NULL);
    pv_blob_unref(test.reply);
    pv_render_destroy(test.context);
    pv_arena_finish(&test.reply_arena);
    pv_arena_finish(&test.arena);
    free(test.stream);
    free(test.hosts);
}

/* Types with a struct of ours are made as a guest makes them. */
static bool make_own(uint32_t type, uint64_t id)
{
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    const VkDescriptorPoolCreateInfo sets = {.sType =
                                                 VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = 4096};
    VkDevice device = HANDLE(test.device);
    switch (type) {
    case PV_OBJECT_COMMAND_POOL:
        must_send(&pv_args_vkCreateCommandPool,
                  &(struct pv_vkCreateCommandPool){
                      .device = device, .pCreateInfo = &pool, .pCommandPool = HANDLE(&id)});
        return true;
    case PV_OBJECT_DESCRIPTOR_POOL:
        must_send(&pv_args_vkCreateDescriptorPool,
                  &(struct pv_vkCreateDescriptorPool){
                      .device = device, .pCreateInfo = &sets, .pDescriptorPool = HANDLE(&id)});
        return true;
    case PV_OBJECT_SEMAPHORE:
        must_send(&pv_args_vkCreateSemaphore,
                  &(struct pv_vkCreateSemaphore){
                      .device = device, .pCreateInfo = &semaphore, .pSemaphore = HANDLE(&id)});
        return true;
    case PV_OBJECT_DEVICE_MEMORY:
        must_send(&pv_args_vkAllocateMemory, &(struct pv_vkAllocateMemory){.device = device,
                                                                           .pAllocateInfo = &memory,
                                                                           .pMemory = HANDLE(&id)});
        return true;
    default:
        return false;
    }
}

static uint64_t make_object(uint32_t type)
{
    uint64_t id = test.next_id++;
    if (!make_own(type, id)) {
        struct pv_objects *objects = &test.context->objects;
        const struct pv_object *device = (const struct pv_object *)(uintptr_t)atomic_load(
            &pv_object_slot(objects, test.device)->host);
        assert_int_equal(pv_object_reserve(objects, id), PV_OBJECT_DONE);
        pv_object_publish(objects, id, PV_TAG(type, device->owner), id << 20 | type);
    }
    return note(id, type);
}

static bool is_single(uint32_t type)
{
    return type == PV_OBJECT_INSTANCE || type == PV_OBJECT_PHYSICAL_DEVICE ||
           type == PV_OBJECT_DEVICE || type == PV_OBJECT_QUEUE;
}

/* Replaces what the last command has destroyed. */
static void fill_stock(void)
{
    for (uint32_t type = 1; type < PV_OBJECT_TYPE_COUNT; type++) {
        for (uint32_t i = 0; i < STOCK && !is_single(type); i++) {
            uint64_t *id = &test.stock[type][i];
            if (*id == 0 || host_of(*id, type) == 0) {
                *id = make_object(type);
            }
        }
    }
}

/* In turn, so that no command names an object twice in one array. */
static uint64_t choose_handle(void *user, struct pv_random *random, uint32_t type, bool is_new)
{
    (void)user;
    (void)random;
    if (is_new) {
        return test.next_id++;
    }
    switch (type) {
    case PV_OBJECT_INSTANCE:
        return test.instance;
    case PV_OBJECT_PHYSICAL_DEVICE:
        return test.physical_device;
    case PV_OBJECT_DEVICE:
        return test.device;
    case PV_OBJECT_QUEUE:
        return test.queue;
    default:
        return test.stock[type][test.turn[type]++ % STOCK];
    }
}

/* --- the driver's side ------------------------------------------------------------------------ */

static uint64_t map_handle(void *user, uint32_t type, uint64_t id)
{
    (void)user;
    (void)type;
    return id < IDS_MAX ? test.hosts[id] : 0;
}

static void answer_plainly(void *args)
{
    struct pv_random answer;
    pv_random_init(&answer, test.answer_seed);
    pv_random_answer(&answer, test.command, args);
}

/* Now and then a command that makes objects, or a submit, fails. */
static bool creates_fail(void)
{
    return test.command->returns_result && test.answer_seed % 8 == 0;
}

/* The ids that the guest sees then: none in arrays, its own otherwise. */
static void expect_failure(void *args)
{
    const struct pv_args_type *type = &test.command->type;
    const VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    memcpy((uint8_t *)args + test.command->result_offset, &result, sizeof(result));
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if ((member->flags & PV_ARGS_OUT) == 0 || member->shape != PV_SHAPE_ARRAY) {
            continue;
        }
        uint64_t *ids;
        memcpy(&ids, (const uint8_t *)args + member->offset, sizeof(ids));
        if (ids != NULL) {
            memset(ids, 0, pv_args_count(member, args, 0, 0) * sizeof(*ids));
        }
    }
}

/* Inputs must be the guest's. Outputs that are handles are the driver's to make. */
static bool see_call(void *user, enum pv_fake_command which, void *args)
{
    (void)user;
    if (test.command == NULL || pv_fake_row(which)->args != test.command) {
        return false;
    }
    struct pv_compare compare = {.map = map_handle, .dropped = test.dropped, .inputs = true};
    test.calls++;
    if (!pv_args_equal(&compare, test.command, test.sent, args)) {
        memcpy(test.difference, compare.difference, sizeof(test.difference));
    }
    if (test.command->policy == PV_ARGS_PLAIN) {
        answer_plainly(args);
    } else if (creates_fail()) {
        const VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
        memcpy((uint8_t *)args + test.command->result_offset, &result, sizeof(result));
    } else {
        pv_fake_answer(which, args);
    }
    return true;
}

/* --- the comparison --------------------------------------------------------------------------- */

/* What the guest is told of a device is what our rules leave of the driver's answer. */
static void filter(const struct pv_args_command *command, void *args)
{
    struct pv_exec *x = test.context->exec;
    VkPhysicalDevice host = HANDLE(test.hosts[test.physical_device]);
    if (command == &pv_args_vkGetPhysicalDeviceFeatures) {
        struct pv_vkGetPhysicalDeviceFeatures *a = args;
        pv_filter_VkPhysicalDeviceFeatures(x, host, a->pFeatures);
    } else if (command == &pv_args_vkGetPhysicalDeviceFeatures2) {
        struct pv_vkGetPhysicalDeviceFeatures2 *a = args;
        pv_filter_VkPhysicalDeviceFeatures(x, host, &a->pFeatures->features);
    } else if (command == &pv_args_vkGetPhysicalDeviceProperties) {
        struct pv_vkGetPhysicalDeviceProperties *a = args;
        pv_filter_VkPhysicalDeviceProperties(x, host, a->pProperties);
    } else if (command == &pv_args_vkGetPhysicalDeviceProperties2) {
        struct pv_vkGetPhysicalDeviceProperties2 *a = args;
        pv_filter_VkPhysicalDeviceProperties(x, host, &a->pProperties->properties);
    } else if (command == &pv_args_vkGetPhysicalDeviceMemoryProperties) {
        struct pv_vkGetPhysicalDeviceMemoryProperties *a = args;
        pv_filter_VkPhysicalDeviceMemoryProperties(x, host, a->pMemoryProperties);
    } else if (command == &pv_args_vkGetPhysicalDeviceMemoryProperties2) {
        struct pv_vkGetPhysicalDeviceMemoryProperties2 *a = args;
        pv_filter_VkPhysicalDeviceMemoryProperties(x, host,
                                                   &a->pMemoryProperties->memoryProperties);
    } else {
        /* Queue families lose sparse binding only where it does not work. */
        assert_true(command == &pv_args_vkGetPhysicalDeviceQueueFamilyProperties ||
                    command == &pv_args_vkGetPhysicalDeviceQueueFamilyProperties2);
    }
}

/* A destroy command without an object does not reach the driver. */
static bool reaches_driver(const struct pv_args_command *command, const void *args)
{
    if (command->policy == PV_ARGS_DESTROY) {
        return pv_args_number((const uint8_t *)args + command->type.members[1].offset, 8) != 0;
    }
    return true;
}

static void check_reply(const struct pv_args_command *command, void *expected)
{
    _Alignas(16) uint8_t got[ARGS_SIZE_MAX];
    memcpy(got, expected, command->type.size);
    struct pv_decoder in = {.cursor = test.reply->map,
                            .end = test.reply->map + STREAM_SIZE,
                            .arena = &test.reply_arena};
    pv_arena_reset(&test.reply_arena);
    command->decode_reply(&in, got);
    if (!pv_decode_ok(&in)) {
        fail_msg("%s: the reply: %s (PV_SEED=%llu)", command->type.name, in.fault,
                 (unsigned long long)test.seed);
    }
    struct pv_compare compare = {.directions = PV_ARGS_OUT | PV_ARGS_IN_AND_OUT};
    if (!pv_args_equal(&compare, command, expected, got)) {
        fail_msg("%s: the reply: %s (PV_SEED=%llu)", command->type.name, compare.difference,
                 (unsigned long long)test.seed);
    }
    assert_memory_equal(got + command->result_offset,
                        (const uint8_t *)expected + command->result_offset, command->result_size);
}

static void check_command(const struct pv_args_command *command, int32_t dropped)
{
    _Alignas(16) uint8_t sent[ARGS_SIZE_MAX];
    assert_true(command->type.size <= ARGS_SIZE_MAX);
    fill_stock();
    pv_arena_reset(&test.arena);
    pv_random_args(&test.random, &test.arena, command, sent);
    test.answer_seed = pv_random_u64(&test.random);
    test.command = command;
    test.sent = sent;
    test.dropped = dropped;
    test.calls = 0;
    test.difference[0] = '\0';
    bool sent_well = send(command, sent);
    test.command = NULL;
    if (!sent_well || test.calls != reaches_driver(command, sent) || test.difference[0] != '\0') {
        fail_msg("%s: %s, %u calls; %s (PV_SEED=%llu)", command->type.name,
                 sent_well ? "executed" : "refused", test.calls, test.difference,
                 (unsigned long long)test.seed);
    }
    test.command = command;
    if (command->policy == PV_ARGS_PLAIN) {
        answer_plainly(sent);
    } else if (creates_fail()) {
        expect_failure(sent);
    }
    if (command->filtered) {
        filter(command, sent);
    }
    test.command = NULL;
    check_reply(command, sent);
}

/* --- tests ------------------------------------------------------------------------------------ */

static bool is_different(const char *name)
{
    if (strcmp(name + strlen(name) - 4, "MESA") == 0) {
        return true;
    }
    for (size_t i = 0; i < COUNT(different); i++) {
        if (strcmp(different[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int32_t dropped_by(const struct pv_args_command *command)
{
    for (size_t i = 0; i < COUNT(alike); i++) {
        if (strcmp(alike[i].name, command->type.name) == 0) {
            return alike[i].dropped;
        }
    }
    assert_int_not_equal(command->policy, PV_ARGS_HANDLER); /* or it belongs into a table above */
    return 0;
}

static void run(const char *what, uint64_t fallback, bool full, uint32_t rounds)
{
    test.seed = pv_random_seed(what, fallback);
    pv_random_init(&test.random, test.seed);
    test.random.full = full;
    test.random.handle = choose_handle;
    test.log = (struct pv_log){.write = log_line, .level = PV_LOG_WARN};
    open_context();
    pv_fake_set_hook(see_call, NULL);
    for (uint32_t i = 0; i < PV_ARGS_COMMAND_COUNT; i++) {
        const struct pv_args_command *command = pv_args_commands[i];
        if (command->policy == PV_ARGS_REFUSED || is_different(command->type.name)) {
            continue;
        }
        for (uint32_t round = 0; round < rounds; round++) {
            check_command(command, dropped_by(command));
        }
    }
    close_context();
}

static void commands_reach_the_driver_and_answers_the_guest(void **state)
{
    (void)state;
    run("commands", 3, false, SEEDS);
}

static void commands_with_everything_reach_the_driver(void **state)
{
    (void)state;
    run("full commands", 4, true, FULL_SEEDS);
}

/* Each of them in a context of its own, which it ends. */
static void refused_commands_end_the_context(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PV_ARGS_COMMAND_COUNT; i++) {
        const struct pv_args_command *command = pv_args_commands[i];
        if (command->policy != PV_ARGS_REFUSED) {
            continue;
        }
        test.log = (struct pv_log){0};
        open_context();
        _Alignas(16) uint8_t args[ARGS_SIZE_MAX];
        pv_random_init(&test.random, 5);
        test.random.plain = true;
        pv_random_args(&test.random, &test.arena, command, args);
        assert_false(send(command, args));
        assert_true(pv_render_is_fatal(test.context));
        close_context();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_reach_the_driver_and_answers_the_guest),
        cmocka_unit_test(commands_with_everything_reach_the_driver),
        cmocka_unit_test(refused_commands_end_the_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
