/* What a front-end may ask, request by request. Each is checked against what its payload must be
 * before its function sees it. */

#include "base/fd.h"
#include "front/vhost_user/private.h"

#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define BIT(number) (UINT64_C(1) << (number))

/* Regions that a front-end may announce, RAM and mappings. */
enum { MEM_SLOTS = PV_VHOST_REGIONS_MAX };

static const uint64_t transport_features = BIT(PV_VIRTIO_VERSION_1) | BIT(PV_VIRTIO_EVENT_IDX) |
                                           BIT(PV_VIRTIO_INDIRECT_DESC) |
                                           BIT(PV_VHOST_F_PROTOCOL_FEATURES);

static const uint64_t window_protocol_features =
    BIT(PV_VHOST_PROTOCOL_REPLY_ACK) | BIT(PV_VHOST_PROTOCOL_BACKEND_REQ) |
    BIT(PV_VHOST_PROTOCOL_BACKEND_SEND_FD) | BIT(PV_VHOST_PROTOCOL_SHMEM);

/* Without CONFIGURE_MEM_SLOTS a front-end could announce eight regions only, and QEMU counts each
 * blob in the window as one. */
static const uint64_t offered_protocol_features =
    window_protocol_features | BIT(PV_VHOST_PROTOCOL_MQ) | BIT(PV_VHOST_PROTOCOL_CONFIG) |
    BIT(PV_VHOST_PROTOCOL_RESET_DEVICE) | BIT(PV_VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS);

/* One message, and what comes of it. */
struct call {
    struct pv_vhost_user *vhost_user;
    struct pv_vhost_message *message;
    bool has_replied;
    uint64_t status; /* that is acknowledged, not 0: it could not be done */
    const char *why; /* the connection ends for it */
};

static enum pv_result reply(struct call *call, const void *payload, size_t size)
{
    call->has_replied = true;
    return pv_vhost_channel_send(&call->vhost_user->front, call->message->header.request,
                                 PV_VHOST_REPLY, payload, size, -1);
}

static enum pv_result reply_u64(struct call *call, uint64_t value)
{
    return reply(call, &value, sizeof(value));
}

static enum pv_result refuse(struct call *call, const char *why)
{
    call->why = why;
    return PV_GUEST_FAULT;
}

static uint64_t payload_u64(const struct call *call)
{
    uint64_t value;
    memcpy(&value, call->message->payload, sizeof(value));
    return value;
}

static uint64_t offered_features(const struct pv_vhost_user *vhost_user)
{
    return transport_features | pv_gpu_features(vhost_user->gpu);
}

/* --- negotiation ------------------------------------------------------------------------------ */

static enum pv_result get_features(struct call *call)
{
    return reply_u64(call, offered_features(call->vhost_user));
}

static enum pv_result set_features(struct call *call)
{
    struct pv_vhost_user *vhost_user = call->vhost_user;
    const uint64_t features = payload_u64(call);
    if ((features & ~offered_features(vhost_user)) != 0) {
        return refuse(call, "features that were not offered");
    }
    vhost_user->features = features;
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        struct pv_vhost_queue *queue = &vhost_user->queues[i];
        queue->has_event_idx = (features & BIT(PV_VIRTIO_EVENT_IDX)) != 0;
        queue->has_indirect = (features & BIT(PV_VIRTIO_INDIRECT_DESC)) != 0;
        queue->is_enabled |= (features & BIT(PV_VHOST_F_PROTOCOL_FEATURES)) == 0;
    }
    return PV_OK;
}

static enum pv_result do_nothing(struct call *call)
{
    (void)call;
    return PV_OK;
}

static enum pv_result get_protocol_features(struct call *call)
{
    return reply_u64(call, offered_protocol_features);
}

static enum pv_result set_protocol_features(struct call *call)
{
    struct pv_vhost_user *vhost_user = call->vhost_user;
    const uint64_t features = payload_u64(call);
    if ((features & ~offered_protocol_features) != 0) {
        return refuse(call, "protocol features that were not offered");
    }
    vhost_user->protocol_features = features;
    vhost_user->window.is_usable =
        (features & window_protocol_features) == window_protocol_features;
    if (!vhost_user->window.is_usable) {
        pv_log_warn(vhost_user->log, "the front-end knows no shared memory regions, so its guest "
                                     "will find no Venus (QEMU 11.1 knows them)");
    }
    return PV_OK;
}

static enum pv_result get_queue_num(struct call *call)
{
    return reply_u64(call, PV_GPU_QUEUE_COUNT);
}

static enum pv_result set_backend_req_fd(struct call *call)
{
    struct pv_vhost_window *window = &call->vhost_user->window;
    int fd = pv_vhost_message_take_fd(call->message, 0);
    if (fd < 0 || window->channel.socket >= 0) {
        pv_fd_close(&fd);
        return refuse(call, "no back-end channel, or a second one");
    }
    return pv_vhost_channel_init(&window->channel, fd);
}

static enum pv_result get_shmem_config(struct call *call)
{
    struct pv_vhost_shmem_config config = {.region_count = 1};
    config.sizes[PV_GPU_WINDOW_ID] = call->vhost_user->window_bytes;
    return reply(call, &config, sizeof(config));
}

/* --- beginning anew -----------------------------------------------------------------------------
 *
 * QEMU 11.1 does not tell when its guest resets the device: queues stop, as they do when the
 * machine is paused, and start again. But a paused machine goes on with the same queues where they
 * stood, and its guest cannot read the configuration meanwhile, as a driver does that finds its
 * device. */

static void begin_anew(struct pv_vhost_user *vhost_user)
{
    if (vhost_user->is_used) {
        /* With the device QEMU has reset its window, and has crashed when told to unmap then. */
        pv_vhost_window_forget(&vhost_user->window);
        pv_vhost_user_reset(vhost_user);
    }
}

static bool has_stopped(const struct pv_vhost_user *vhost_user)
{
    return !vhost_user->queues[PV_GPU_QUEUE_CONTROL].is_started &&
           !vhost_user->queues[PV_GPU_QUEUE_CURSOR].is_started;
}

/* --- configuration space ------------------------------------------------------------------------
 */

static bool read_config(const struct call *call, struct pv_vhost_config *config)
{
    const size_t head = offsetof(struct pv_vhost_config, bytes);
    const size_t size = call->message->header.size;
    *config = (struct pv_vhost_config){0};
    memcpy(config, call->message->payload, size < sizeof(*config) ? size : sizeof(*config));
    return size <= sizeof(*config) && config->size == size - head &&
           config->offset <= PV_VHOST_CONFIG_SIZE_MAX - config->size;
}

static enum pv_result get_config(struct call *call)
{
    struct pv_vhost_config config;
    if (!read_config(call, &config)) {
        return refuse(call, "an impossible part of the configuration");
    }
    if (has_stopped(call->vhost_user) && call->vhost_user->is_used) {
        begin_anew(call->vhost_user);
        if (call->vhost_user->blob_regions > 0) {
            return refuse(call, "QEMU would crash, since its machine was paused and then reset "
                                "while blobs were mapped: without this device it goes on");
        }
    }
    pv_gpu_read_config(call->vhost_user->gpu, config.offset, config.bytes, config.size);
    return reply(call, &config, offsetof(struct pv_vhost_config, bytes) + config.size);
}

static enum pv_result set_config(struct call *call)
{
    struct pv_vhost_config config;
    if (!read_config(call, &config)) {
        return refuse(call, "an impossible part of the configuration");
    }
    pv_gpu_write_config(call->vhost_user->gpu, config.offset, config.bytes, config.size);
    return PV_OK;
}

/* --- memory -------------------------------------------------------------------------------------
 */

/* QEMU announces what is mapped into the window as memory, too. It is none of the guest's RAM: a
 * worker may shrink the file, and whoever touches it then dies of it. RAM is always a file. */
static bool is_ram(const struct pv_vhost_user *vhost_user, int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           !pv_vhost_window_knows(&vhost_user->window, fd);
}

/* QEMU 11.1 keeps the regions in mind that a back-end has taken. When its guest resets the device
 * it takes the window's mappings away by itself, and when the device starts then, it looks for
 * those regions and crashes. So a running back-end does not take them, at the price of a line of
 * QEMU's for each; but a start would fail for that. */
static void note_blob_region(struct call *call)
{
    struct pv_vhost_user *vhost_user = call->vhost_user;
    const bool is_acknowledged = (call->message->header.flags & PV_VHOST_NEED_REPLY) != 0;
    if (call->message->header.request == PV_VHOST_ADD_MEM_REG && is_acknowledged &&
        !has_stopped(vhost_user)) {
        call->status = 1;
    } else {
        vhost_user->blob_regions++;
    }
}

static enum pv_result add_region(struct call *call, const struct pv_vhost_region *region, size_t at)
{
    struct pv_vhost_user *vhost_user = call->vhost_user;
    int fd = pv_vhost_message_take_fd(call->message, at);
    if (fd < 0) {
        return refuse(call, "a memory region without a descriptor");
    }
    enum pv_result result = PV_OK;
    if (is_ram(vhost_user, fd)) {
        result = pv_vhost_memory_add(&vhost_user->memory, region, fd);
    } else {
        note_blob_region(call);
    }
    pv_fd_close(&fd);
    return result == PV_OK ? PV_OK : refuse(call, "a memory region that cannot be mapped");
}

static enum pv_result set_mem_table(struct call *call)
{
    struct pv_vhost_mem_table table = {0};
    const size_t head = offsetof(struct pv_vhost_mem_table, regions);
    const size_t size = call->message->header.size;
    memcpy(&table, call->message->payload, size < sizeof(table) ? size : sizeof(table));
    if (table.count > PV_VHOST_TABLE_REGIONS_MAX ||
        size != head + table.count * sizeof(table.regions[0])) {
        return refuse(call, "a memory table of the wrong size");
    }
    pv_vhost_memory_finish(&call->vhost_user->memory);
    call->vhost_user->blob_regions = 0;
    enum pv_result result = PV_OK;
    for (uint32_t i = 0; result == PV_OK && i < table.count; i++) {
        result = add_region(call, &table.regions[i], i);
    }
    return result;
}

static enum pv_result get_max_mem_slots(struct call *call)
{
    return reply_u64(call, MEM_SLOTS);
}

static enum pv_result add_mem_reg(struct call *call)
{
    struct pv_vhost_mem_region added;
    memcpy(&added, call->message->payload, sizeof(added));
    return add_region(call, &added.region, 0);
}

static enum pv_result rem_mem_reg(struct call *call)
{
    struct pv_vhost_mem_region removed;
    memcpy(&removed, call->message->payload, sizeof(removed));
    struct pv_vhost_user *vhost_user = call->vhost_user;
    if (!pv_vhost_memory_remove(&vhost_user->memory, &removed.region) &&
        vhost_user->blob_regions > 0) {
        vhost_user->blob_regions--; /* what is unknown is no RAM */
    }
    return PV_OK;
}

/* --- queues -------------------------------------------------------------------------------------
 */

static struct pv_vhost_queue *find_queue(struct call *call, uint64_t index)
{
    if (index >= PV_GPU_QUEUE_COUNT) {
        (void)refuse(call, "a queue that there is not");
        return NULL;
    }
    return &call->vhost_user->queues[index];
}

static struct pv_vhost_queue *read_state(struct call *call, struct pv_vhost_vring_state *state)
{
    memcpy(state, call->message->payload, sizeof(*state));
    return find_queue(call, state->index);
}

static enum pv_result set_vring_num(struct call *call)
{
    struct pv_vhost_vring_state state;
    struct pv_vhost_queue *queue = read_state(call, &state);
    if (queue == NULL || queue->is_started || state.value == 0 ||
        state.value > PV_VHOST_QUEUE_SIZE_MAX || (state.value & (state.value - 1)) != 0) {
        return refuse(call, "a size that the queue cannot have");
    }
    queue->size = state.value;
    return PV_OK;
}

static enum pv_result set_vring_addr(struct call *call)
{
    struct pv_vhost_vring_address address;
    memcpy(&address, call->message->payload, sizeof(address));
    struct pv_vhost_queue *queue = find_queue(call, address.index);
    if (queue == NULL) {
        return PV_GUEST_FAULT;
    }
    if (!queue->is_started &&
        (address.descriptors != queue->descriptors || address.available != queue->available ||
         address.used != queue->used)) {
        begin_anew(call->vhost_user);
    }
    queue->descriptors = address.descriptors;
    queue->available = address.available;
    queue->used = address.used;
    return PV_OK;
}

static enum pv_result set_vring_base(struct call *call)
{
    struct pv_vhost_vring_state state;
    struct pv_vhost_queue *queue = read_state(call, &state);
    if (queue == NULL || queue->is_started || state.value > UINT16_MAX) {
        return refuse(call, "a queue that cannot begin there");
    }
    if (state.value != queue->next_available) {
        begin_anew(call->vhost_user);
    }
    queue->next_available = (uint16_t)state.value;
    return PV_OK;
}

static enum pv_result get_vring_base(struct call *call)
{
    struct pv_vhost_vring_state state;
    struct pv_vhost_queue *queue = read_state(call, &state);
    if (queue == NULL) {
        return PV_GUEST_FAULT;
    }
    pv_vhost_queue_stop(queue);
    state.value = queue->next_available;
    return reply(call, &state, sizeof(state));
}

/* The queue that a descriptor is for, and the descriptor; -1 when there shall be none. */
static struct pv_vhost_queue *take_vring_fd(struct call *call, int *fd)
{
    const uint64_t value = payload_u64(call);
    *fd = pv_vhost_message_take_fd(call->message, 0);
    struct pv_vhost_queue *queue = find_queue(call, value & PV_VHOST_INDEX_MASK);
    const bool has_none = (value & PV_VHOST_NO_FD) != 0;
    if (queue == NULL || has_none != (*fd < 0) ||
        (*fd >= 0 && pv_fd_set_blocking(*fd, false) != PV_OK)) {
        pv_fd_close(fd);
        (void)refuse(call, "a queue without its descriptor, or the reverse");
        return NULL;
    }
    return queue;
}

static enum pv_result set_vring_kick(struct call *call)
{
    int fd;
    struct pv_vhost_queue *queue = take_vring_fd(call, &fd);
    if (queue == NULL) {
        return PV_GUEST_FAULT;
    }
    if (fd < 0) {
        return refuse(call, "a queue that is to be looked at without kicks");
    }
    return pv_vhost_queue_start(queue, &call->vhost_user->memory, fd) == PV_OK
               ? PV_OK
               : refuse(call, "a queue that starts without a size");
}

static enum pv_result set_vring_call(struct call *call)
{
    int fd;
    struct pv_vhost_queue *queue = take_vring_fd(call, &fd);
    if (queue == NULL) {
        return PV_GUEST_FAULT;
    }
    pv_fd_close(&queue->call);
    queue->call = fd;
    /* What was given while there was none; one interrupt too many does no harm. */
    queue->wants_interrupt = queue->is_started;
    return PV_OK;
}

static enum pv_result set_vring_err(struct call *call)
{
    int fd;
    struct pv_vhost_queue *queue = take_vring_fd(call, &fd);
    pv_fd_close(&fd); /* the log says what goes wrong */
    return queue != NULL ? PV_OK : PV_GUEST_FAULT;
}

static enum pv_result set_vring_enable(struct call *call)
{
    struct pv_vhost_vring_state state;
    struct pv_vhost_queue *queue = read_state(call, &state);
    if (queue == NULL) {
        return PV_GUEST_FAULT;
    }
    queue->is_enabled = state.value != 0;
    return PV_OK;
}

static enum pv_result reset_device(struct call *call)
{
    pv_vhost_user_reset(call->vhost_user);
    return PV_OK;
}

/* ------------------------------------------------------------------------------------------------
 */

static const struct {
    uint32_t request;
    uint32_t size;     /* of the payload, at least */
    bool is_open_size; /* its function checks what is beyond */
    enum pv_result (*handle)(struct call *call);
} requests[] = {
    {PV_VHOST_GET_FEATURES, 0, false, get_features},
    {PV_VHOST_SET_FEATURES, 8, false, set_features},
    {PV_VHOST_SET_OWNER, 0, false, do_nothing},
    {PV_VHOST_RESET_OWNER, 0, false, do_nothing},
    {PV_VHOST_SET_MEM_TABLE, 8, true, set_mem_table},
    {PV_VHOST_SET_VRING_NUM, sizeof(struct pv_vhost_vring_state), false, set_vring_num},
    {PV_VHOST_SET_VRING_ADDR, sizeof(struct pv_vhost_vring_address), false, set_vring_addr},
    {PV_VHOST_SET_VRING_BASE, sizeof(struct pv_vhost_vring_state), false, set_vring_base},
    {PV_VHOST_GET_VRING_BASE, sizeof(struct pv_vhost_vring_state), false, get_vring_base},
    {PV_VHOST_SET_VRING_KICK, 8, false, set_vring_kick},
    {PV_VHOST_SET_VRING_CALL, 8, false, set_vring_call},
    {PV_VHOST_SET_VRING_ERR, 8, false, set_vring_err},
    {PV_VHOST_GET_PROTOCOL_FEATURES, 0, false, get_protocol_features},
    {PV_VHOST_SET_PROTOCOL_FEATURES, 8, false, set_protocol_features},
    {PV_VHOST_GET_QUEUE_NUM, 0, false, get_queue_num},
    {PV_VHOST_SET_VRING_ENABLE, sizeof(struct pv_vhost_vring_state), false, set_vring_enable},
    {PV_VHOST_SET_BACKEND_REQ_FD, 0, false, set_backend_req_fd},
    {PV_VHOST_GET_CONFIG, offsetof(struct pv_vhost_config, bytes), true, get_config},
    {PV_VHOST_SET_CONFIG, offsetof(struct pv_vhost_config, bytes), true, set_config},
    {PV_VHOST_RESET_DEVICE, 0, false, reset_device},
    {PV_VHOST_GET_MAX_MEM_SLOTS, 0, false, get_max_mem_slots},
    {PV_VHOST_ADD_MEM_REG, sizeof(struct pv_vhost_mem_region), false, add_mem_reg},
    {PV_VHOST_REM_MEM_REG, sizeof(struct pv_vhost_mem_region), false, rem_mem_reg},
    {PV_VHOST_GET_SHMEM_CONFIG, 0, false, get_shmem_config},
};

enum pv_result pv_vhost_user_handle(struct pv_vhost_user *vhost_user, const char **why)
{
    struct pv_vhost_message *message = &vhost_user->front.input;
    const struct pv_vhost_header *header = &message->header;
    struct call call = {.vhost_user = vhost_user, .message = message, .why = "it failed"};
    enum pv_result result = PV_GUEST_FAULT;
    *why = "no such request is known";
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (requests[i].request != header->request) {
            continue;
        }
        *why = "its size is wrong";
        if (header->size == requests[i].size ||
            (requests[i].is_open_size && header->size > requests[i].size)) {
            result = requests[i].handle(&call);
            *why = call.why;
        }
        break;
    }
    if (result == PV_OK && !call.has_replied && (header->flags & PV_VHOST_NEED_REPLY) != 0) {
        result = reply_u64(&call, call.status);
    }
    return result;
}
