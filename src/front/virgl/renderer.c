#include "front/virgl/renderer.h"

#include <errno.h>
#include <pearvisor/renderer.h>
#include <stdlib.h>
#include <string.h>

struct pv_virgl pv_virgl = {.epoll = -1, .wake = -1, .poll = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* A caller that was built long ago has a shorter struct: what its version does not cover is not
 * looked at. False for a version that nobody has. */
static bool copy_callbacks(const struct pv_virgl_callbacks *from, struct pv_virgl_callbacks *to)
{
    static const size_t ends[] = {
        0,
        offsetof(struct pv_virgl_callbacks, get_drm_fd),
        offsetof(struct pv_virgl_callbacks, write_context_fence),
        offsetof(struct pv_virgl_callbacks, get_egl_display),
        sizeof(struct pv_virgl_callbacks),
    };
    memset(to, 0, sizeof(*to));
    if (from == NULL || from->version < 1 || from->version > PV_VIRGL_CALLBACKS_VERSION_MAX) {
        return false;
    }
    size_t first = offsetof(struct pv_virgl_callbacks, write_fence);
    to->version = from->version;
    memcpy((uint8_t *)to + first, (const uint8_t *)from + first, ends[from->version] - first);
    return to->write_fence != NULL;
}

static void init_changed(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* of pv_clock_now_ns() */
    pthread_cond_init(&pv_virgl.changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct pv_log make_log(void)
{
    struct pv_log log = {.level = PV_LOG_WARN, .write = pv_virgl_log_line};
    const char *level = getenv("PEARVISOR_LOG");
    if (level != NULL && !pv_log_level_parse(level, &log.level)) {
        pv_log_warn(&log, "PEARVISOR_LOG is \"%s\", which is no level", level);
    }
    return log;
}

/* Says 0 wherever it can: after an error QEMU leaves its guest without any answer. Without a driver
 * it is contexts that cannot be had. */
int virgl_renderer_init(void *cookie, int flags, struct pv_virgl_callbacks *callbacks)
{
    struct pv_virgl_callbacks copied;
    if (!copy_callbacks(callbacks, &copied)) {
        return -1;
    }
    if (pv_virgl.is_running) {
        bool same = cookie == pv_virgl.cookie && flags == pv_virgl.flags &&
                    memcmp(&copied, &pv_virgl.callbacks, sizeof(copied)) == 0;
        return same ? 0 : -EBUSY;
    }
    pv_virgl.log = make_log();
    pv_virgl.cookie = cookie;
    pv_virgl.flags = flags;
    pv_virgl.callbacks = copied;
    pv_virgl.timeout_count = 0;
    pv_virgl.host_blob_limit = pv_remote_blob_limit();
    memset(&pv_virgl.complaints, 0, sizeof(pv_virgl.complaints));
    pv_virgl_fences_init();
    init_changed();
    if (!pv_virgl_loop_start((flags & PV_VIRGL_VENUS) != 0)) {
        pv_log_error(&pv_virgl.log, "no thread or descriptors to be had");
        pthread_cond_destroy(&pv_virgl.changed);
        return -ENOMEM;
    }
    pv_virgl.is_running = true;
    pv_virgl_console_open();
    return 0;
}

void virgl_renderer_reset(void)
{
    if (!pv_virgl.is_running) {
        return;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    pv_virgl_destroy_contexts();
    pv_virgl_drop_fences();
    pv_virgl_await_reports();
    pthread_mutex_unlock(&pv_virgl.lock);
    pv_virgl_destroy_resources();
    pv_virgl.submitted_context = 0;
}

void virgl_renderer_cleanup(void *cookie)
{
    (void)cookie;
    if (!pv_virgl.is_running) {
        return;
    }
    virgl_renderer_reset();
    pv_virgl_console_close();
    pv_virgl_loop_stop();
    pthread_cond_destroy(&pv_virgl.changed);
    if (pv_virgl.timeout_count != 0) {
        pv_log_warn(&pv_virgl.log, "%u contexts were given up, since they did not answer in time",
                    pv_virgl.timeout_count);
    }
    pv_virgl.is_running = false;
}

/* Asked before virgl_renderer_init(), too, when nobody knows yet whether there is a driver. */
void virgl_renderer_get_cap_set(uint32_t capset, uint32_t *version, uint32_t *size)
{
    *version = 0;
    *size = capset == PV_VENUS_CAPSET_ID ? PV_VENUS_CAPSET_SIZE : 0;
}

void virgl_renderer_fill_caps(uint32_t capset, uint32_t version, void *bytes)
{
    (void)version;
    if (capset == PV_VENUS_CAPSET_ID && bytes != NULL) {
        pv_renderer_capset(NULL, bytes);
    }
}
