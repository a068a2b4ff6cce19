/* Which way and which accelerator `run` takes, and what it says of it. */

#include "cli/run/line.h"
#include "cli/run/run.h"
#include "cmocka_in_order.h"

#include <string.h>

static const struct pv_run_host plain_host = {.machine = "x86_64",
                                              .kvm_fault = "this machine has no /dev/kvm",
                                              .virgl_folder = "/virgl",
                                              .has_xvfb = true};
static const struct pv_run_qemu new_qemu = {.path = "qemu",
                                            .major = 11,
                                            .minor = 1,
                                            .version = "11.1.0",
                                            .has_vhost_user = true,
                                            .has_virgl = true,
                                            .has_kvm = true};

struct world {
    struct pv_run_options options;
    struct pv_run_image image;
    struct pv_run_qemu qemu;
    struct pv_run_host host;
    struct pv_run_plan plan;
};

static void prepare(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->options = (struct pv_run_options){.cpus = 2, .memory_mib = 1024, .window_mib = 256};
    strcpy(world->image.arch, "x86_64");
    world->qemu = new_qemu;
    world->host = plain_host;
    world->plan = (struct pv_run_plan){
        .options = &world->options, .image = &world->image, .qemu = &world->qemu};
}

static void set_version(struct world *world, unsigned major, unsigned minor)
{
    world->qemu.major = major;
    world->qemu.minor = minor;
}

static void vhost_user_takes_qemu_11_1_and_its_device(void **state)
{
    (void)state;
    static struct world world;
    static const struct {
        unsigned major, minor;
        bool has_device;
        enum pv_run_way way;
    } cases[] = {
        {11, 0, true, PV_RUN_VIRGL},      {11, 1, true, PV_RUN_VHOST_USER},
        {12, 0, true, PV_RUN_VHOST_USER}, {11, 1, false, PV_RUN_VIRGL},
        {9, 2, true, PV_RUN_VIRGL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        prepare(&world);
        set_version(&world, cases[i].major, cases[i].minor);
        world.qemu.has_vhost_user = cases[i].has_device;
        assert_true(pv_run_choose(&world.plan, &world.host));
        assert_int_equal(world.plan.way, cases[i].way);
    }
}

static void each_thing_that_virgl_takes_may_be_missing(void **state)
{
    (void)state;
    static struct world world;
    for (int missing = 0; missing < 4; missing++) {
        prepare(&world);
        world.options.way = PV_RUN_VIRGL;
        assert_true(pv_run_choose(&world.plan, &world.host));
        set_version(&world, missing == 0 ? 9 : 11, 1);
        world.host.virgl_folder = missing == 1 ? "" : "/virgl";
        world.qemu.has_virgl = missing != 2;
        world.host.has_xvfb = missing != 3;
        assert_false(pv_run_choose(&world.plan, &world.host));
    }
}

static void gl_windows_open_where_they_can_be_seen_or_need_not(void **state)
{
    (void)state;
    static struct world world;
    static const struct {
        const char *wanted;
        bool has_display, has_node;
        const char *display;
        bool needs_xvfb;
    } cases[] = {
        {NULL, false, true, "egl-headless", false}, {NULL, false, false, "sdl,gl=on", true},
        {NULL, true, false, "sdl,gl=on", true},     {"gtk", true, true, "gtk,gl=on", false},
        {"gtk", false, true, "gtk,gl=on", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        prepare(&world);
        world.options.way = PV_RUN_VIRGL;
        world.options.display = cases[i].wanted;
        world.host.has_display = cases[i].has_display;
        world.host.has_render_node = cases[i].has_node;
        assert_true(pv_run_choose(&world.plan, &world.host));
        assert_string_equal(world.plan.display, cases[i].display);
        assert_int_equal(world.plan.needs_xvfb, cases[i].needs_xvfb);
    }
}

static void kvm_comes_first_where_it_can(void **state)
{
    (void)state;
    static struct world world;
    static const struct {
        const char *guest, *kvm_fault;
        bool qemu_has_kvm, qemu_has_hvf;
        const char *accelerator;
    } cases[] = {
        {"x86_64", NULL, true, false, "kvm"},        {"aarch64", NULL, true, false, "tcg"},
        {"x86_64", "no device", true, false, "tcg"}, {"x86_64", NULL, false, false, "tcg"},
        {"x86_64", "no device", false, true, "hvf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        prepare(&world);
        strcpy(world.image.arch, cases[i].guest);
        world.host.kvm_fault = cases[i].kvm_fault;
        world.qemu.has_kvm = cases[i].qemu_has_kvm;
        world.qemu.has_hvf = cases[i].qemu_has_hvf;
        assert_true(pv_run_choose(&world.plan, &world.host));
        assert_string_equal(world.plan.accelerator, cases[i].accelerator);
        assert_int_equal(world.plan.may_emulate, strcmp(cases[i].accelerator, "tcg") != 0);
    }
}

static bool has_argument(const struct pv_line *line, const char *option, const char *value)
{
    for (size_t i = 0; i + 1 < line->count; i++) {
        if (strcmp(line->arguments[i], option) == 0 && strcmp(line->arguments[i + 1], value) == 0) {
            return true;
        }
    }
    return false;
}

static void each_machine_gets_its_own_board_and_processor(void **state)
{
    (void)state;
    static struct world world;
    static const struct {
        const char *host, *guest, *kvm_fault, *board, *processor;
    } cases[] = {
        {"x86_64", "x86_64", NULL, "q35,memory-backend=mem", "host"},
        {"x86_64", "x86_64", "none", "q35,memory-backend=mem", "max"},
        {"aarch64", "aarch64", NULL, "virt,gic-version=max,memory-backend=mem", "host"},
        {"arm64", "aarch64", "none", "virt,gic-version=max,memory-backend=mem",
         "max,pauth-impdef=on"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pv_line line = {0};
        const struct pv_wiring wiring = {.gpu_socket = "/socket"};
        prepare(&world);
        strcpy(world.image.arch, cases[i].guest);
        world.host.machine = cases[i].host;
        world.host.kvm_fault = cases[i].kvm_fault;
        assert_true(pv_run_choose(&world.plan, &world.host));
        pv_run_write_qemu(&line, &world.plan, &wiring);
        assert_false(line.failed);
        assert_true(has_argument(&line, "-machine", cases[i].board));
        assert_true(has_argument(&line, "-cpu", cases[i].processor));
        pv_line_finish(&line);
    }
}

static void disks_are_what_their_names_say(void **state)
{
    (void)state;
    static struct world world;
    struct pv_line line = {0};
    const struct pv_wiring wiring = {.gpu_socket = "/socket"};
    prepare(&world);
    world.options.disks[0] = "a,b.img";
    world.options.disks[1] = "c.qcow2";
    world.options.disk_count = 2;
    assert_true(pv_run_choose(&world.plan, &world.host));
    pv_run_write_qemu(&line, &world.plan, &wiring);
    assert_true(has_argument(&line, "-drive", "if=none,id=disk0,format=raw,file=a,,b.img"));
    assert_true(has_argument(&line, "-drive", "if=none,id=disk1,format=qcow2,file=c.qcow2"));
    pv_line_finish(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vhost_user_takes_qemu_11_1_and_its_device),
        cmocka_unit_test(each_thing_that_virgl_takes_may_be_missing),
        cmocka_unit_test(gl_windows_open_where_they_can_be_seen_or_need_not),
        cmocka_unit_test(kvm_comes_first_where_it_can),
        cmocka_unit_test(each_machine_gets_its_own_board_and_processor),
        cmocka_unit_test(disks_are_what_their_names_say),
    };
    return cmocka_run_group_tests_name("run_choice", tests, NULL, NULL);
}
