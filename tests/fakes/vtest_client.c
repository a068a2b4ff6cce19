#include "fakes/vtest_client.h"

#include "base/fd.h"
#include "front/vtest/protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STRIDE_DEFAULT = 8, SYNC_SIZE = 12 };

void vtest_client_attach(struct vtest_client *client, int taken_socket)
{
    *client = (struct vtest_client){.socket = taken_socket};
}

bool vtest_client_connect(struct vtest_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    vtest_client_attach(client, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return client->socket >= 0 &&
           connect(client->socket, (struct sockaddr *)&address, sizeof(address)) == 0;
}

void vtest_client_close(struct vtest_client *client)
{
    pv_fd_close(&client->socket);
}

static bool send_bytes(struct vtest_client *client, const void *bytes, size_t size)
{
    return size == 0 || pv_fd_send(client->socket, bytes, size, NULL, 0) == PV_OK;
}

bool vtest_client_send(struct vtest_client *client, uint32_t command, const void *payload,
                       size_t size)
{
    const uint32_t header[2] = {(uint32_t)(size / 4), command};
    return send_bytes(client, header, sizeof(header)) && send_bytes(client, payload, size);
}

bool vtest_client_receive(struct vtest_client *client, uint32_t command, uint32_t *dwords,
                          uint32_t count)
{
    uint32_t header[2];
    if (pv_fd_read(client->socket, header, sizeof(header)) != PV_OK || header[0] != count ||
        header[1] != command) {
        return false;
    }
    return count == 0 || pv_fd_read(client->socket, dwords, count * sizeof(*dwords)) == PV_OK;
}

int vtest_client_receive_fd(struct vtest_client *client)
{
    uint8_t byte;
    int fd = -1;
    size_t count = 0;
    if (pv_fd_receive(client->socket, &byte, 1, &fd, 1, &count) != PV_OK || count != 1) {
        return -1;
    }
    return fd;
}

int vtest_client_wait_for_end(struct vtest_client *client)
{
    uint8_t scratch[4096];
    ssize_t count;
    do {
        count = recv(client->socket, scratch, sizeof(scratch), 0);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0 ? 0 : errno;
}

bool vtest_client_greet(struct vtest_client *client, const char *name)
{
    uint32_t answer[2];
    const uint32_t name_header[2] = {(uint32_t)strlen(name) + 1, PV_VTEST_CREATE_RENDERER};
    const uint32_t nothing[2] = {0, 0}, version = PV_VTEST_VERSION, param = 1;
    const uint32_t capset[2] = {PV_VTEST_CAPSET_VENUS, 0};
    if (!send_bytes(client, name_header, sizeof(name_header)) ||
        !send_bytes(client, name, strlen(name) + 1) ||
        !vtest_client_send(client, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0) ||
        !vtest_client_send(client, PV_VTEST_RESOURCE_BUSY_WAIT, nothing, sizeof(nothing)) ||
        !vtest_client_receive(client, PV_VTEST_PING_PROTOCOL_VERSION, NULL, 0) ||
        !vtest_client_receive(client, PV_VTEST_RESOURCE_BUSY_WAIT, answer, 1) ||
        !vtest_client_send(client, PV_VTEST_PROTOCOL_VERSION, &version, sizeof(version)) ||
        !vtest_client_receive(client, PV_VTEST_PROTOCOL_VERSION, &client->version, 1) ||
        !vtest_client_send(client, PV_VTEST_GET_PARAM, &param, sizeof(param)) ||
        !vtest_client_receive(client, PV_VTEST_GET_PARAM, answer, 2) ||
        !vtest_client_send(client, PV_VTEST_GET_CAPSET, capset, sizeof(capset)) ||
        pv_fd_read(client->socket, answer, sizeof(answer)) != PV_OK) {
        return false;
    }
    uint32_t valid;
    if (pv_fd_read(client->socket, &valid, sizeof(valid)) != PV_OK) {
        return false;
    }
    client->has_venus = valid != 0;
    if (!client->has_venus) {
        return answer[0] == 1;
    }
    return answer[0] == 1 + sizeof(client->capset) / 4 &&
           pv_fd_read(client->socket, client->capset, sizeof(client->capset)) == PV_OK;
}

bool vtest_client_open(struct vtest_client *client, const char *name)
{
    const uint32_t capset_id = PV_VTEST_CAPSET_VENUS;
    return vtest_client_greet(client, name) && client->has_venus &&
           vtest_client_send(client, PV_VTEST_CONTEXT_INIT, &capset_id, sizeof(capset_id));
}

bool vtest_client_create_blob(struct vtest_client *client, uint64_t blob_id, uint32_t flags,
                              uint64_t size, uint32_t *resource_id, int *fd)
{
    const uint32_t payload[6] = {
        PV_VTEST_BLOB_HOST3D,      flags, (uint32_t)size, (uint32_t)(size >> 32), (uint32_t)blob_id,
        (uint32_t)(blob_id >> 32),
    };
    *fd = -1;
    if (!vtest_client_send(client, PV_VTEST_RESOURCE_CREATE_BLOB, payload, sizeof(payload)) ||
        !vtest_client_receive(client, PV_VTEST_RESOURCE_CREATE_BLOB, resource_id, 1)) {
        return false;
    }
    *fd = vtest_client_receive_fd(client);
    return *fd >= 0;
}

bool vtest_client_unref(struct vtest_client *client, uint32_t resource_id)
{
    return vtest_client_send(client, PV_VTEST_RESOURCE_UNREF, &resource_id, sizeof(resource_id));
}

static void write_syncs(uint32_t *dwords, const struct vtest_sync_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        dwords[3 * i] = values[i].id;
        dwords[3 * i + 1] = (uint32_t)values[i].value;
        dwords[3 * i + 2] = (uint32_t)(values[i].value >> 32);
    }
}

bool vtest_client_submit(struct vtest_client *client, const struct vtest_submit *submit)
{
    uint32_t stride = submit->stride != 0 ? submit->stride : STRIDE_DEFAULT;
    uint32_t commands_at = 1 + stride;
    uint32_t syncs_at = commands_at + submit->commands_size / 4;
    size_t size = (size_t)syncs_at * 4 + (size_t)submit->sync_count * SYNC_SIZE;
    uint32_t *payload = calloc(1, size);
    if (payload == NULL) {
        return false;
    }
    payload[0] = 1;
    payload[1] = PV_VTEST_SUBMIT_RING_IDX;
    payload[2] = commands_at;
    payload[3] = submit->commands_size / 4;
    payload[4] = syncs_at;
    payload[5] = submit->sync_count;
    payload[6] = submit->ring_idx;
    if (submit->commands_size != 0) {
        memcpy(payload + commands_at, submit->commands, submit->commands_size);
    }
    write_syncs(payload + syncs_at, submit->syncs, submit->sync_count);
    bool sent = vtest_client_send(client, PV_VTEST_SUBMIT_CMD2, payload, size);
    free(payload);
    return sent;
}

uint32_t vtest_client_sync_create(struct vtest_client *client, uint64_t value)
{
    const uint32_t payload[2] = {(uint32_t)value, (uint32_t)(value >> 32)};
    uint32_t id = 0;
    if (!vtest_client_send(client, PV_VTEST_SYNC_CREATE, payload, sizeof(payload)) ||
        !vtest_client_receive(client, PV_VTEST_SYNC_CREATE, &id, 1)) {
        return 0;
    }
    return id;
}

bool vtest_client_sync_unref(struct vtest_client *client, uint32_t id)
{
    return vtest_client_send(client, PV_VTEST_SYNC_UNREF, &id, sizeof(id));
}

bool vtest_client_sync_read(struct vtest_client *client, uint32_t id, uint64_t *value)
{
    uint32_t answer[2];
    if (!vtest_client_send(client, PV_VTEST_SYNC_READ, &id, sizeof(id)) ||
        !vtest_client_receive(client, PV_VTEST_SYNC_READ, answer, 2)) {
        return false;
    }
    *value = answer[0] | (uint64_t)answer[1] << 32;
    return true;
}

bool vtest_client_sync_write(struct vtest_client *client, uint32_t id, uint64_t value)
{
    const uint32_t payload[3] = {id, (uint32_t)value, (uint32_t)(value >> 32)};
    return vtest_client_send(client, PV_VTEST_SYNC_WRITE, payload, sizeof(payload));
}

int vtest_client_sync_wait(struct vtest_client *client, bool any, uint32_t timeout_ms,
                           const struct vtest_sync_value *values, uint32_t count)
{
    size_t size = 8 + (size_t)count * SYNC_SIZE;
    uint32_t *payload = calloc(1, size);
    if (payload == NULL) {
        return -1;
    }
    payload[0] = any ? PV_VTEST_SYNC_WAIT_ANY : 0;
    payload[1] = timeout_ms;
    write_syncs(payload + 2, values, count);
    bool answered = vtest_client_send(client, PV_VTEST_SYNC_WAIT, payload, size) &&
                    vtest_client_receive(client, PV_VTEST_SYNC_WAIT, NULL, 0);
    free(payload);
    return answered ? vtest_client_receive_fd(client) : -1;
}

int vtest_client_poll(int fd, int timeout_ms)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, timeout_ms) > 0 ? state.revents : 0;
}
