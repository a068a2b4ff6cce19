#ifndef TESTS_FAKES_VTEST_CLIENT_H
#define TESTS_FAKES_VTEST_CLIENT_H

/* A vtest client for tests: sends what Mesa's driver sends, byte by byte, or anything else. No call
 * asserts: each says whether it worked, and a closed socket is an answer like any other. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vtest_client {
    int socket;
    uint32_t version;
    bool has_venus;
    uint8_t capset[160];
};

struct vtest_sync_value {
    uint32_t id;
    uint64_t value;
};

struct vtest_submit {
    const void *commands;
    uint32_t commands_size; /* bytes; a multiple of 4 */
    const struct vtest_sync_value *syncs;
    uint32_t sync_count;
    uint32_t ring_idx;
    uint32_t stride; /* dwords of the batch's header: 6, or 8 (0 means 8) */
};

bool vtest_client_connect(struct vtest_client *client, const char *path);
/* Takes one end of a socket pair. */
void vtest_client_attach(struct vtest_client *client, int taken_socket);
void vtest_client_close(struct vtest_client *client);

/* All that comes before CONTEXT_INIT, as Mesa does it; fills in version, has_venus and capset. */
bool vtest_client_greet(struct vtest_client *client, const char *name);
/* The same, and the context; false when there is no Venus. */
bool vtest_client_open(struct vtest_client *client, const char *name);

/* One frame; `size` in bytes, a multiple of 4. Header and payload go out in two pieces. */
bool vtest_client_send(struct vtest_client *client, uint32_t command, const void *payload,
                       size_t size);
/* A reply with exactly `count` dwords. */
bool vtest_client_receive(struct vtest_client *client, uint32_t command, uint32_t *dwords,
                          uint32_t count);
/* The descriptor behind a reply, or -1. */
int vtest_client_receive_fd(struct vtest_client *client);
/* 0 at the end of the stream, else the errno that reading gives; what is read is thrown away. */
int vtest_client_wait_for_end(struct vtest_client *client);

/* The descriptor is the caller's. */
bool vtest_client_create_blob(struct vtest_client *client, uint64_t blob_id, uint32_t flags,
                              uint64_t size, uint32_t *resource_id, int *fd);
bool vtest_client_unref(struct vtest_client *client, uint32_t resource_id);
bool vtest_client_submit(struct vtest_client *client, const struct vtest_submit *submit);

/* 0 on failure. */
uint32_t vtest_client_sync_create(struct vtest_client *client, uint64_t value);
bool vtest_client_sync_unref(struct vtest_client *client, uint32_t id);
bool vtest_client_sync_read(struct vtest_client *client, uint32_t id, uint64_t *value);
bool vtest_client_sync_write(struct vtest_client *client, uint32_t id, uint64_t value);
/* A pipe to poll, the caller's; -1 on failure. */
int vtest_client_sync_wait(struct vtest_client *client, bool any, uint32_t timeout_ms,
                           const struct vtest_sync_value *values, uint32_t count);
/* What poll() says of it within `timeout_ms`: 0, POLLIN, POLLHUP … */
int vtest_client_poll(int fd, int timeout_ms);

#endif
