#include "base/clock.h"
#include "render/private.h"

/* Status queries: has the fence signalled, how far is the semaphore, are the results there?
 *
 * Answered at once, with one exception. Mesa's driver, told to do without feedback slots, waits for
 * the GPU by asking again and again: fifteen times within some ten microseconds, and from then on
 * it sleeps 160 us and more between two questions. So a question that only repeats the one before
 * it may be kept until the answer changes, as long as nobody else wants this thread: then such a
 * wait ends when the GPU does. A program that asks once a frame, or asks about several objects in
 * turn, or does something between two questions, never meets this. */

enum {
    /* How soon a question must follow our last answer to look like that loop. */
    REPEAT_NS = 10 * 1000,
    /* Within the 255 yields after which a guest that waits for its ring goes to sleep. */
    HOLD_NS = 30 * 1000,
    SET_REPLY_SIZE = 36, /* vkSetReplyCommandStreamMESA, which precedes every question */
    COMMAND_SIZE_MIN = 8,
};

static uint64_t stream_position(const struct pv_exec *x)
{
    return x->tally.bytes + (uint64_t)(x->in.cursor - x->batch);
}

static bool is_undisturbed(const struct pv_exec *x)
{
    return pv_ring_is_undisturbed(x->ring, (uint32_t)(x->in.cursor - x->batch)) &&
           !pv_exec_must_stop(x);
}

bool pv_hold_begin(struct pv_exec *x, struct pv_hold *hold, uint64_t object, uint32_t size)
{
    const struct pv_question *last = &x->question;
    if (x->ring == NULL || x->nested || last->command != x->command || last->object != object) {
        return false;
    }
    uint64_t between = stream_position(x) - last->position - size;
    uint64_t now_ns = pv_clock_now_ns();
    hold->until_ns = now_ns + HOLD_NS;
    return between < SET_REPLY_SIZE + COMMAND_SIZE_MIN && now_ns - last->answered_ns <= REPEAT_NS &&
           is_undisturbed(x);
}

bool pv_hold_goes_on(struct pv_exec *x, const struct pv_hold *hold)
{
    /* The driver's threads may need this very core to get on. */
    pv_ring_let_others_run(x->ring);
    return is_undisturbed(x) && pv_clock_now_ns() < hold->until_ns;
}

void pv_hold_end(struct pv_exec *x, uint64_t object)
{
    if (x->nested) {
        x->question = (struct pv_question){0};
        return;
    }
    x->question = (struct pv_question){
        .command = x->command,
        .object = object,
        .position = stream_position(x),
        .answered_ns = pv_clock_now_ns(),
    };
}

VkResult pv_handle_vkGetFenceStatus(struct pv_exec *x, struct pv_vkGetFenceStatus *a)
{
    enum { SIZE = 24 };
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return VK_ERROR_DEVICE_LOST;
    }
    uint64_t object = PV_HANDLE_U64(a->fence);
    struct pv_hold hold;
    VkResult result = device->vk.GetFenceStatus(device->host, a->fence);
    if (result == VK_NOT_READY && pv_hold_begin(x, &hold, object, SIZE)) {
        while (result == VK_NOT_READY && pv_hold_goes_on(x, &hold)) {
            result = device->vk.GetFenceStatus(device->host, a->fence);
        }
    }
    pv_hold_end(x, object);
    return result;
}

VkResult pv_handle_vkGetSemaphoreCounterValue(struct pv_exec *x,
                                              struct pv_vkGetSemaphoreCounterValue *a)
{
    enum { SIZE = 32 };
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return VK_ERROR_DEVICE_LOST;
    }
    PFN_vkGetSemaphoreCounterValue call = device->vk.GetSemaphoreCounterValue;
    if (call == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    uint64_t object = PV_HANDLE_U64(a->semaphore);
    struct pv_hold hold;
    VkResult result = call(device->host, a->semaphore, a->pValue);
    /* Not what it waits for, which only the guest knows, but anything new. */
    if (result == VK_SUCCESS && *a->pValue == x->question.value &&
        pv_hold_begin(x, &hold, object, SIZE)) {
        while (result == VK_SUCCESS && *a->pValue == x->question.value &&
               pv_hold_goes_on(x, &hold)) {
            result = call(device->host, a->semaphore, a->pValue);
        }
    }
    pv_hold_end(x, object);
    x->question.value = *a->pValue;
    return result;
}
