#include "app.h"
#include "apps/placed.h"
#include "fakes/args.h"
#include "test_args.gen.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void app_destroy_kept(struct app *app);

#define LIST(file) app_cases_##file,
static const struct app_case *const lists[] = {APP_FILES(LIST)};

enum verdict { PASS = 1, SKIP, FAIL };

static jmp_buf end_of_case;
static enum verdict verdict;
static char why[256];

/* --- verdicts --------------------------------------------------------------------------------- */

_Noreturn static void end_case(enum verdict as, const char *format, va_list arguments)
{
    vsnprintf(why, sizeof(why), format, arguments);
    verdict = as;
    longjmp(end_of_case, 1);
}

void app_fail(struct app *app, const char *format, ...)
{
    (void)app;
    va_list arguments;
    va_start(arguments, format);
    end_case(FAIL, format, arguments);
}

void app_skip(struct app *app, const char *format, ...)
{
    (void)app;
    va_list arguments;
    va_start(arguments, format);
    end_case(SKIP, format, arguments);
}

void app_check(struct app *app, VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        app_fail(app, "%s: VkResult %d", call, (int)result);
    }
}

void app_expect(struct app *app, bool holds, const char *format, ...)
{
    (void)app;
    if (!holds) {
        va_list arguments;
        va_start(arguments, format);
        end_case(FAIL, format, arguments);
    }
}

/* FNV-1a. */
void app_result(struct app *app, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        app->checksum = (app->checksum ^ at[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = 0; i + sizeof(uint32_t) <= size; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, at + i, sizeof(word));
        app->is_varied |= app->has_word && word != app->first_word;
        app->first_word = app->has_word ? app->first_word : word;
        app->has_word = true;
    }
}

void app_expect_words(struct app *app, const char *what, const uint32_t *got,
                      const uint32_t *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        app_expect(app, got[i] == expected[i], "%s: word %zu is %#x, not %#x", what, i, got[i],
                   expected[i]);
    }
    app_result(app, got, count * sizeof(*got));
}

/* --- what a case needs ------------------------------------------------------------------------ */

/* What each struct with a chain begins with. */
struct head {
    int32_t type;
    struct head *next;
};

static bool has_extension(const VkExtensionProperties *all, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(all[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether that is the struct whose name comes before the dot. */
static bool is_of(const struct pv_args_type *type, const char *need)
{
    size_t length = strcspn(need, ".");
    return strlen(type->name) == length && strncmp(type->name, need, length) == 0;
}

static const struct pv_args_type *find_features(const char *need)
{
    const struct pv_args_type *base = &pv_args_VkPhysicalDeviceFeatures2;
    for (uint32_t i = 0; i < base->link_count; i++) {
        if (is_of(base->links[i].type, need)) {
            return base->links[i].type;
        }
    }
    return is_of(&placed_map_features, need) ? &placed_map_features : NULL;
}

static uint32_t offset_of(const struct pv_args_type *type, const char *member)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (strcmp(type->members[i].name, member) == 0) {
            return type->members[i].offset;
        }
    }
    fprintf(stderr, "suite: %s has no %s\n", type->name, member);
    exit(2);
}

struct wish {
    VkPhysicalDeviceFeatures2 features; /* with those asked for, and no others */
    const char *extensions[APP_NEEDS_MAX];
    uint32_t extension_count;
    struct {
        const struct pv_args_type *type;
        struct head *asked, *wanted;
    } links[APP_NEEDS_MAX];
    uint32_t link_count;
};

/* The registry whose names the cases use; an older one has fewer. */
enum { WRITTEN_FOR = 363 };

/* The feature's place in the wish's struct, and in what the device says. */
static void place_feature(struct app *app, struct wish *wish, VkPhysicalDeviceFeatures2 *has,
                          const char *need, VkBool32 **wanted, const VkBool32 **there)
{
    const char *member = strchr(need, '.') + 1;
    if (strncmp(need, "VkPhysicalDeviceFeatures.", strlen("VkPhysicalDeviceFeatures.")) == 0) {
        uint32_t offset = offset_of(&pv_args_VkPhysicalDeviceFeatures, member);
        *wanted = (VkBool32 *)(void *)((uint8_t *)&wish->features.features + offset);
        *there = (const VkBool32 *)(void *)((uint8_t *)&has->features + offset);
        return;
    }
    const struct pv_args_type *type = find_features(need);
    if (type == NULL) {
        if (VK_HEADER_VERSION < WRITTEN_FOR) {
            app_skip(app, "no %s in Vulkan 1.4.%d", need, VK_HEADER_VERSION);
        }
        fprintf(stderr, "suite: nobody knows %s\n", need);
        exit(2);
    }
    uint32_t offset = offset_of(type, member), place = 0;
    while (place < wish->link_count && wish->links[place].type != type) {
        place++;
    }
    if (place == wish->link_count) {
        struct head *asked = calloc(1, type->size), *wanted_head = calloc(1, type->size);
        if (asked == NULL || wanted_head == NULL) {
            exit(2);
        }
        asked->type = wanted_head->type = type->chain_type;
        asked->next = has->pNext;
        wanted_head->next = wish->features.pNext;
        has->pNext = asked;
        wish->features.pNext = wanted_head;
        wish->links[place].type = type;
        wish->links[place].asked = asked;
        wish->links[place].wanted = wanted_head;
        wish->link_count++;
    }
    *wanted = (VkBool32 *)(void *)((uint8_t *)wish->links[place].wanted + offset);
    *there = (const VkBool32 *)(void *)((uint8_t *)wish->links[place].asked + offset);
}

static void free_wish(struct wish *wish)
{
    for (uint32_t i = 0; i < wish->link_count; i++) {
        free(wish->links[i].asked);
        free(wish->links[i].wanted);
    }
    *wish = (struct wish){0};
}

static struct wish wish; /* of the device that is open */

/* Skips where something is missing. */
static void make_wish(struct app *app, const struct app_case *one)
{
    static VkExtensionProperties extensions[512];
    VkPhysicalDeviceFeatures2 has = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    const VkBool32 *there[APP_NEEDS_MAX] = {0};
    uint32_t count = sizeof(extensions) / sizeof(extensions[0]);
    wish.features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    app_check(app, app->vki.EnumerateDeviceExtensionProperties(app->gpu, NULL, &count, extensions),
              "vkEnumerateDeviceExtensionProperties");
    for (uint32_t i = 0; i < APP_NEEDS_MAX && one->needs[i] != NULL; i++) {
        if (strchr(one->needs[i], '.') == NULL) {
            if (!has_extension(extensions, count, one->needs[i])) {
                app_skip(app, "no %s", one->needs[i]);
            }
            wish.extensions[wish.extension_count++] = one->needs[i];
        } else {
            VkBool32 *wanted;
            place_feature(app, &wish, &has, one->needs[i], &wanted, &there[i]);
            *wanted = VK_TRUE;
        }
    }
    app->vki.GetPhysicalDeviceFeatures2(app->gpu, &has);
    for (uint32_t i = 0; i < APP_NEEDS_MAX && one->needs[i] != NULL; i++) {
        if (there[i] != NULL && !*there[i]) {
            app_skip(app, "no %s", one->needs[i]);
        }
    }
}

/* --- instance and device ---------------------------------------------------------------------- */

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void open_instance(struct app *app)
{
    PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)app->get_instance_proc(NULL, "vkCreateInstance");
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "PearVisor's suite",
        .apiVersion = VK_API_VERSION_1_4,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    uint32_t count = 1;
    app_check(app, create(&info, NULL, &app->instance), "vkCreateInstance");
    const char *lacking = pv_instance_table_load(&app->vki, app->get_instance_proc, app->instance,
                                                 VK_API_VERSION_1_4);
    app_expect(app, lacking == NULL, "the driver lacks %s", lacking);
    VkResult result = app->vki.EnumeratePhysicalDevices(app->instance, &count, &app->gpu);
    app_check(app, result == VK_INCOMPLETE ? VK_SUCCESS : result, "vkEnumeratePhysicalDevices");
    app_expect(app, count == 1, "no physical device");
    app->vki.GetPhysicalDeviceProperties(app->gpu, &app->properties);
    app->vki.GetPhysicalDeviceMemoryProperties(app->gpu, &app->memory);
    app->family_count = sizeof(app->families) / sizeof(app->families[0]);
    app->vki.GetPhysicalDeviceQueueFamilyProperties(app->gpu, &app->family_count, app->families);
    const VkQueueFlags wanted = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    while (app->family < app->family_count &&
           (app->families[app->family].queueFlags & wanted) != wanted) {
        app->family++;
    }
    app_expect(app, app->family < app->family_count, "no queue family draws and computes");
}

/* All queues of all families, up to four each. */
static void open_device(struct app *app)
{
    static const float priorities[4] = {1, 1, 1, 1};
    VkDeviceQueueCreateInfo queues[16];
    for (uint32_t i = 0; i < app->family_count; i++) {
        queues[i] = (VkDeviceQueueCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = i,
            .queueCount = lesser(app->families[i].queueCount, 4),
            .pQueuePriorities = priorities,
        };
    }
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &wish.features,
        .queueCreateInfoCount = app->family_count,
        .pQueueCreateInfos = queues,
        .enabledExtensionCount = wish.extension_count,
        .ppEnabledExtensionNames = wish.extensions,
    };
    app_check(app, app->vki.CreateDevice(app->gpu, &info, NULL, &app->device), "vkCreateDevice");
    const char *lacking =
        pv_device_table_load(&app->vk, app->vki.GetDeviceProcAddr, app->device,
                             lesser(VK_API_VERSION_1_4, app->properties.apiVersion),
                             wish.extensions, wish.extension_count);
    app_expect(app, lacking == NULL, "the driver lacks %s", lacking);
    app->vk.GetDeviceQueue(app->device, app->family, 0, &app->queue);
}

PFN_vkVoidFunction app_find(struct app *app, const char *name)
{
    PFN_vkVoidFunction function = app->vki.GetDeviceProcAddr(app->device, name);
    app_expect(app, function != NULL, "no %s here", name);
    return function;
}

static void destroy_device(struct app *app)
{
    if (app->device != NULL) {
        app->vk.DeviceWaitIdle(app->device);
        app_destroy_kept(app);
        app->vk.DestroyDevice(app->device, NULL);
        app->device = NULL;
    }
}

static void close_device(struct app *app)
{
    destroy_device(app);
    free_wish(&wish);
}

static void close_instance(struct app *app)
{
    close_device(app);
    if (app->instance != NULL) {
        app->vki.DestroyInstance(app->instance, NULL);
        app->instance = NULL;
    }
}

static void open_pool(struct app *app)
{
    const VkCommandPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = app->family,
    };
    APP_CHECK(app, CreateCommandPool, app->device, &info, NULL, &app->pool);
    app_keep(app, COMMAND_POOL, app->pool);
}

void app_renew_device(struct app *app)
{
    destroy_device(app);
    open_device(app);
    open_pool(app);
}

bool app_is_venus(const struct app *app)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    return driver.driverID == VK_DRIVER_ID_MESA_VENUS;
}

bool app_learns(const struct app *app, const char *name)
{
    const char *told = getenv("VN_PERF");
    return !app_is_venus(app) || (told != NULL && strstr(told, name) != NULL);
}

void app_must_learn(struct app *app, const char *name)
{
    if (!app_learns(app, name)) {
        app_skip(app, "no VN_PERF=%s", name);
    }
}

/* --- the list --------------------------------------------------------------------------------- */

static bool needs_the_same(const struct app_case *a, const struct app_case *b)
{
    for (uint32_t i = 0; i < APP_NEEDS_MAX; i++) {
        const char *one = a->needs[i] != NULL ? a->needs[i] : "";
        const char *other = b->needs[i] != NULL ? b->needs[i] : "";
        if (strcmp(one, other) != 0) {
            return false;
        }
    }
    return true;
}

static const struct app_case *opened_for; /* the device */

static void prepare(struct app *app, const struct app_case *one)
{
    if (app->instance == NULL) {
        open_instance(app);
    }
    if (app->properties.apiVersion < VK_API_VERSION_1_3) {
        app_skip(app, "no Vulkan 1.3"); /* whose SPIR-V the shaders are */
    }
    if (app->device == NULL || !needs_the_same(opened_for, one)) {
        close_device(app);
        make_wish(app, one);
        open_device(app);
        opened_for = one;
    }
    open_pool(app);
    app->checksum = UINT64_C(0xcbf29ce484222325);
    app->has_word = app->is_varied = false;
}

/* The verdict is out before anything is cleaned up: what hangs may hang that, too. */
static void run_case(struct app *app, const struct app_case *one)
{
    if (setjmp(end_of_case) == 0) {
        prepare(app, one);
        one->run(app);
        app_expect(app, app->is_varied, "the result is blank or uniform");
        verdict = PASS;
    }
    if (verdict == PASS) {
        printf("PASS %s %016llx\n", one->name, (unsigned long long)app->checksum);
    } else {
        printf("%s %s: %s\n", verdict == SKIP ? "SKIP" : "FAIL", one->name, why);
    }
    fflush(stdout);
    if (verdict == FAIL) {
        close_instance(app);
    } else if (app->device != NULL) {
        app->vk.DeviceWaitIdle(app->device);
        app_destroy_kept(app);
    } else {
        free_wish(&wish); /* half of one */
    }
}

static bool is_chosen(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return count == 0;
}

int main(int argc, char **argv)
{
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
    void *entry = loader != NULL ? dlsym(loader, "vkGetInstanceProcAddr") : NULL;
    int chosen = 0, failed = 0;
    struct app app = {0};
    if (entry == NULL) {
        fprintf(stderr, "suite: no Vulkan loader: %s\n", dlerror());
        return 2;
    }
    memcpy(&app.get_instance_proc, &entry, sizeof(entry));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct app_case *one = lists[i]; one->name != NULL; one++) {
            if (!is_chosen(one->name, argc - 1, argv + 1)) {
                continue;
            }
            run_case(&app, one);
            chosen++;
            failed += verdict == FAIL;
        }
    }
    close_instance(&app);
    if (chosen == 0) {
        fprintf(stderr, "suite: no case has such a name\n");
        return 2;
    }
    return failed == 0 && ferror(stdout) == 0 ? 0 : 1;
}
