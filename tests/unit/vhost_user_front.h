#ifndef TESTS_UNIT_VHOST_USER_FRONT_H
#define TESTS_UNIT_VHOST_USER_FRONT_H

/* The back-end on a thread, between a front-end that a test scripts message by message, and the few
 * lines below in the device's place: what is proven is what lies between the two. */

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "fakes/patience.h"
#include "front/vhost_user/vhost_user.h"
#include "vhost_user_driver.h"

#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* --- the device ------------------------------------------------------------------------------- */

enum { BLOB_SIZE = 8192, WINDOW_SIZE = 1 << 28 };

/* What a request asks of it. */
enum order { ECHO = 1, HOLD, RELEASE, MAP, UNMAP, TOIL };

struct order_bytes {
    uint32_t order;
    uint32_t reserved;
    uint64_t offset;
};

struct pv_gpu {
    struct pv_gpu_params params;
    struct pv_gpu_callbacks callbacks;
    int ready;
    uint64_t held; /* token */
};

static struct pv_gpu device;
static int blob;
static _Atomic uint32_t request_count, reset_count;
static _Atomic uint32_t features_request_count; /* when it was asked for its features */
static _Atomic bool may_rest;

enum pv_result pv_gpu_create(const struct pv_gpu_params *params, struct pv_gpu **gpu)
{
    device = (struct pv_gpu){.params = *params, .callbacks = *params->callbacks};
    device.ready = eventfd(0, EFD_CLOEXEC);
    *gpu = &device;
    return PV_OK;
}

void pv_gpu_destroy(struct pv_gpu *gpu)
{
    if (gpu != NULL) {
        close(gpu->ready);
    }
}

uint64_t pv_gpu_features(const struct pv_gpu *gpu)
{
    (void)gpu;
    atomic_store(&features_request_count, atomic_load(&request_count));
    return 0x19;
}

void pv_gpu_read_config(const struct pv_gpu *gpu, uint32_t offset, void *bytes, size_t size)
{
    (void)gpu;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = offset + i < 16 ? (uint8_t)(offset + i + 1) : 0;
    }
}

static uint8_t written_config;

void pv_gpu_write_config(struct pv_gpu *gpu, uint32_t offset, const void *bytes, size_t size)
{
    (void)gpu;
    (void)offset;
    written_config = size > 0 ? *(const uint8_t *)bytes : 0;
}

static inline void respond(struct pv_gpu *gpu, uint64_t token, const char *answer)
{
    gpu->callbacks.respond(gpu->params.user, token, answer, strlen(answer));
}

void pv_gpu_request(struct pv_gpu *gpu, enum pv_gpu_queue queue, uint64_t token,
                    const void *request, size_t size, size_t response_capacity)
{
    (void)queue;
    (void)response_capacity;
    struct order_bytes order = {0};
    memcpy(&order, request, size < sizeof(order) ? size : sizeof(order));
    atomic_fetch_add(&request_count, 1);
    switch (order.order) {
    case HOLD:
        gpu->held = token;
        break;
    case RELEASE:
        respond(gpu, gpu->held, "held");
        respond(gpu, token, "released");
        break;
    case MAP:
        gpu->callbacks.map(
            gpu->params.user, token,
            &(struct pv_gpu_mapping){.offset = order.offset, .size_bytes = BLOB_SIZE, .fd = blob});
        break;
    case UNMAP:
        gpu->callbacks.unmap(gpu->params.user, token, order.offset, BLOB_SIZE);
        break;
    case TOIL: /* as a large transfer does */
        do {
            pv_clock_sleep_ns(20 * PV_NS_PER_MS);
        } while (!atomic_load(&may_rest));
        respond(gpu, token, "toiled");
        break;
    default:
        respond(gpu, token, "echo");
    }
}

void pv_gpu_finish_map(struct pv_gpu *gpu, uint64_t token, bool ok)
{
    respond(gpu, token, ok ? "fine" : "failed");
}

int pv_gpu_poll_fd(const struct pv_gpu *gpu)
{
    return gpu->ready;
}

int pv_gpu_timeout_ms(const struct pv_gpu *gpu)
{
    (void)gpu;
    return -1;
}

/* Woken by a test from outside, it answers what it holds. */
void pv_gpu_dispatch(struct pv_gpu *gpu)
{
    struct pollfd ready = {.fd = gpu->ready, .events = POLLIN};
    uint64_t count;
    if (poll(&ready, 1, 0) == 1 && read(gpu->ready, &count, sizeof(count)) == sizeof(count)) {
        respond(gpu, gpu->held, "held");
    }
}

void pv_gpu_reset(struct pv_gpu *gpu)
{
    gpu->held = 0;
    atomic_fetch_add(&reset_count, 1);
}

/* --- the front-end ---------------------------------------------------------------------------- */

struct front {
    struct driver d;
    struct pv_vhost_user *back_end;
    struct pv_log log;
    struct pv_thread thread;
    enum pv_result result; /* of serving */
    _Atomic uint32_t line_count;
    int socket, back_end_socket, stop;
    int channel; /* of the back-end's requests */
    int kick, call;
    size_t fds_before, mappings_before;
};

static inline size_t count_fds(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

/* How often a file is mapped into this process, which the back-end is in, too. */
static inline size_t count_mappings(const char *name)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (fgets(line, sizeof(line), maps) != NULL) {
        count += strstr(line, name) != NULL ? 1 : 0;
    }
    (void)fclose(maps);
    return count;
}

static inline void count_line(void *user, enum pv_log_level level, const char *line)
{
    (void)line;
    if (level <= PV_LOG_WARN) {
        atomic_fetch_add(&((struct front *)user)->line_count, 1);
    }
}

static inline void serve(void *user)
{
    struct front *f = user;
    f->result = pv_vhost_user_serve(f->back_end, f->back_end_socket, f->stop);
}

static inline int set_up(void **state)
{
    struct front *f = calloc(1, sizeof(*f));
    int ends[2];
    atomic_store(&request_count, 0);
    atomic_store(&reset_count, 0);
    atomic_store(&may_rest, false);
    f->fds_before = count_fds();
    f->mappings_before = count_mappings("memfd:test-");
    driver_init(&f->d);
    blob = memfd_create("test-blob", MFD_CLOEXEC);
    assert_int_equal(ftruncate(blob, BLOB_SIZE), 0);
    f->log = (struct pv_log){.level = PV_LOG_DEBUG, .write = count_line, .user = f};
    const struct pv_vhost_user_params params = {.log = &f->log,
                                                .gpu = {.window_bytes = WINDOW_SIZE}};
    assert_int_equal(pv_vhost_user_create(&params, &f->back_end), PV_OK);
    assert_int_equal(pv_fd_socket_pair(ends), PV_OK);
    f->socket = ends[0];
    f->back_end_socket = ends[1];
    f->channel = f->kick = f->call = -1;
    f->stop = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pv_thread_start(&f->thread, "back-end", serve, f), PV_OK);
    *state = f;
    return 0;
}

/* The front-end hangs up. */
static inline void hang_up(struct front *f)
{
    pv_fd_close(&f->socket);
    pv_thread_join(&f->thread);
    f->thread.is_started = false;
}

/* Nothing of it is left, whatever has happened. */
static inline int tear_down(void **state)
{
    struct front *f = *state;
    if (f->thread.is_started) {
        hang_up(f);
    }
    pv_vhost_user_destroy(f->back_end);
    pv_fd_close(&f->channel);
    pv_fd_close(&f->kick);
    pv_fd_close(&f->call);
    pv_fd_close(&f->stop);
    pv_fd_close(&blob);
    driver_finish(&f->d);
    assert_int_equal(count_fds(), f->fds_before);
    assert_int_equal(count_mappings("memfd:test-"), f->mappings_before);
    free(f);
    return 0;
}

static inline void send_message(struct front *f, uint32_t request, uint32_t flags,
                                const void *payload, size_t size, int fd)
{
    uint8_t bytes[4096];
    const struct pv_vhost_header header = {request, PV_VHOST_VERSION | flags, (uint32_t)size};
    memcpy(bytes, &header, sizeof(header));
    if (size > 0) {
        memcpy(bytes + sizeof(header), payload, size);
    }
    /* A back-end that has hung up already is for the caller to notice. */
    enum pv_result result =
        pv_fd_send(f->socket, bytes, sizeof(header) + size, &fd, fd >= 0 ? 1 : 0);
    (void)result;
}

static inline void check_reply(int socket, uint32_t request, void *payload, size_t size)
{
    struct pv_vhost_header header;
    assert_int_equal(pv_fd_read(socket, &header, sizeof(header)), PV_OK);
    assert_int_equal(header.request, request);
    assert_int_equal(header.flags, PV_VHOST_VERSION | PV_VHOST_REPLY);
    assert_int_equal(header.size, size);
    assert_int_equal(pv_fd_read(socket, payload, size), PV_OK);
}

static inline uint64_t ask(struct front *f, uint32_t request)
{
    uint64_t value;
    send_message(f, request, 0, NULL, 0, -1);
    check_reply(f->socket, request, &value, sizeof(value));
    return value;
}

/* Something that is acknowledged. */
static inline void tell(struct front *f, uint32_t request, const void *payload, size_t size, int fd)
{
    uint64_t status;
    send_message(f, request, PV_VHOST_NEED_REPLY, payload, size, fd);
    check_reply(f->socket, request, &status, sizeof(status));
    assert_int_equal(status, 0);
}

static inline void tell_u64(struct front *f, uint32_t request, uint64_t value, int fd)
{
    tell(f, request, &value, sizeof(value), fd);
}

static inline void tell_state(struct front *f, uint32_t request, uint32_t value)
{
    const struct pv_vhost_vring_state state = {PV_GPU_QUEUE_CONTROL, value};
    tell(f, request, &state, sizeof(state), -1);
}

static inline uint32_t stop_queue(struct front *f)
{
    struct pv_vhost_vring_state state = {PV_GPU_QUEUE_CONTROL, 0};
    send_message(f, PV_VHOST_GET_VRING_BASE, 0, &state, sizeof(state), -1);
    check_reply(f->socket, PV_VHOST_GET_VRING_BASE, &state, sizeof(state));
    assert_int_equal(state.index, PV_GPU_QUEUE_CONTROL);
    return state.value;
}

static inline void negotiate(struct front *f, uint64_t protocol_features)
{
    int ends[2];
    uint64_t features = ask(f, PV_VHOST_GET_FEATURES);
    assert_int_equal(features, 0x170000019); /* VERSION_1, bits 28 to 30, the device's */
    uint64_t offered = ask(f, PV_VHOST_GET_PROTOCOL_FEATURES);
    assert_int_equal(offered, 0x40a629);
    tell_u64(f, PV_VHOST_SET_PROTOCOL_FEATURES, offered & protocol_features, -1);
    assert_int_equal(ask(f, PV_VHOST_GET_QUEUE_NUM), 2);
    assert_int_equal(pv_fd_socket_pair(ends), PV_OK);
    tell(f, PV_VHOST_SET_BACKEND_REQ_FD, NULL, 0, ends[1]);
    close(ends[1]);
    f->channel = ends[0];
    tell(f, PV_VHOST_SET_OWNER, NULL, 0, -1);
    features &= ~(UINT64_C(1) << PV_VIRTIO_EVENT_IDX);
    tell_u64(f, PV_VHOST_SET_FEATURES, features, -1);
}

static inline void add_region(struct front *f, const struct pv_vhost_region *region, int fd)
{
    const struct pv_vhost_mem_region added = {.region = *region};
    tell(f, PV_VHOST_ADD_MEM_REG, &added, sizeof(added), fd);
}

/* A blob in the window, which QEMU announces like RAM. */
static inline void announce_blob(struct front *f, const struct pv_vhost_region *region, int fd,
                                 uint64_t expected)
{
    const struct pv_vhost_mem_region added = {.region = *region};
    uint64_t status;
    send_message(f, PV_VHOST_ADD_MEM_REG, PV_VHOST_NEED_REPLY, &added, sizeof(added), fd);
    check_reply(f->socket, PV_VHOST_ADD_MEM_REG, &status, sizeof(status));
    assert_int_equal(status, expected);
}

static inline void remove_region(struct front *f, const struct pv_vhost_region *region)
{
    const struct pv_vhost_mem_region removed = {.region = *region};
    tell(f, PV_VHOST_REM_MEM_REG, &removed, sizeof(removed), -1);
}

static inline void start_queue(struct front *f, uint32_t base)
{
    const struct pv_vhost_vring_address address = {.descriptors = ram_user + AT_DESCRIPTORS,
                                                   .available = ram_user + AT_AVAILABLE,
                                                   .used = ram_user + AT_USED};
    pv_fd_close(&f->kick);
    pv_fd_close(&f->call);
    f->kick = eventfd(0, EFD_CLOEXEC);
    f->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tell_state(f, PV_VHOST_SET_VRING_NUM, QUEUE_SIZE);
    tell_state(f, PV_VHOST_SET_VRING_BASE, base);
    tell(f, PV_VHOST_SET_VRING_ADDR, &address, sizeof(address), -1);
    tell_u64(f, PV_VHOST_SET_VRING_KICK, 0, f->kick);
    tell_u64(f, PV_VHOST_SET_VRING_CALL, 0, f->call);
    tell_state(f, PV_VHOST_SET_VRING_ENABLE, 1);
}

/* As QEMU does it, until the guest's driver runs. */
static inline void start(struct front *f)
{
    const struct pv_vhost_region region = driver_region();
    negotiate(f, UINT64_MAX);
    add_region(f, &region, f->d.fd);
    start_queue(f, 0);
}

static inline void kick(struct front *f)
{
    assert_int_equal(eventfd_write(f->kick, 1), 0);
}

/* A request at `slot`, with room for 16 bytes, of which the back-end is not told. */
static inline void offer_silently(struct front *f, uint16_t slot, enum order order, uint64_t offset)
{
    const uint32_t at = AT_DATA + 64 * (uint32_t)slot;
    const struct order_bytes bytes = {.order = order, .offset = offset};
    memcpy(f->d.ram + at, &bytes, sizeof(bytes));
    driver_describe(&f->d, slot, RAM_GUEST + at, sizeof(bytes), NEXT, slot + 1u);
    driver_describe(&f->d, slot + 1u, RAM_GUEST + at + 32, 16, WRITE, 0);
    driver_offer(&f->d, slot);
}

static inline void offer(struct front *f, uint16_t slot, enum order order, uint64_t offset)
{
    offer_silently(f, slot, order, offset);
    kick(f);
}

static inline void check_answer(struct front *f, uint16_t slot, const char *answer)
{
    const uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    uint32_t head, size;
    while (!driver_take_used(&f->d, &head, &size)) {
        assert_true(pv_clock_now_ns() < deadline_ns);
        pv_clock_sleep_ns(PV_NS_PER_MS / 10);
    }
    assert_int_equal(head, slot);
    assert_int_equal(size, strlen(answer));
    assert_memory_equal(f->d.ram + AT_DATA + 64 * (uint32_t)slot + 32, answer, size);
}

/* Takes a request of the back-end's, and its descriptor if it has one. */
static inline void take_mapping(struct front *f, uint32_t request, uint64_t offset, int *fd)
{
    struct pv_vhost_header header;
    struct pv_vhost_mapping mapping;
    size_t fd_count = 0;
    assert_int_equal(pv_fd_receive(f->channel, &header, sizeof(header), fd, 1, &fd_count), PV_OK);
    assert_int_equal(pv_fd_read(f->channel, &mapping, sizeof(mapping)), PV_OK);
    assert_int_equal(header.request, request);
    assert_int_equal(header.flags, PV_VHOST_VERSION | PV_VHOST_NEED_REPLY);
    assert_int_equal(header.size, sizeof(mapping));
    assert_int_equal(mapping.region_id, PV_GPU_WINDOW_ID);
    assert_int_equal(mapping.fd_offset, 0);
    assert_int_equal(mapping.offset, offset);
    assert_int_equal(mapping.size, BLOB_SIZE);
    assert_int_equal(mapping.flags, request == PV_VHOST_SHMEM_MAP ? 1 : 0);
    assert_int_equal(fd_count, request == PV_VHOST_SHMEM_MAP ? 1 : 0);
}

static inline void reply_to_mapping(struct front *f, uint32_t request, uint64_t status)
{
    const struct pv_vhost_header header = {request, PV_VHOST_VERSION | PV_VHOST_REPLY,
                                           sizeof(status)};
    assert_int_equal(pv_fd_write(f->channel, &header, sizeof(header)), PV_OK);
    assert_int_equal(pv_fd_write(f->channel, &status, sizeof(status)), PV_OK);
}

static inline void forget_rings(struct front *f)
{
    memset(f->d.ram + AT_AVAILABLE, 0, 64);
    memset(f->d.ram + AT_USED, 0, 128);
    f->d.available = f->d.used = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
