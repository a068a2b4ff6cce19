#include "front/vtest/sync.h"

#include "base/clock.h"
#include "base/fd.h"
#include "front/vtest/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pv_vtest_sync {
    uint32_t references;
    uint64_t value;
};

struct pv_vtest_entry {
    struct pv_vtest_sync *sync; /* a reference */
    uint64_t value;
};

struct pv_vtest_wait {
    struct pv_vtest_wait *next;
    int write_end;
    bool any;
    uint64_t deadline_ns; /* when the client has surely stopped looking */
    uint32_t count;
    struct pv_vtest_entry entries[];
};

struct pv_vtest_signal {
    uint32_t count;
    struct pv_vtest_entry entries[];
};

enum { SWEEP_FIRST = 16, ENTRY_DWORDS = 3, SLOTS_FIRST = 64 };

/* A client polls with the timeout that it told us; only well after it may we hang up. */
static const uint64_t timeout_slack_ns = 2 * PV_NS_PER_S;

static void drop_sync(struct pv_vtest_sync *sync)
{
    if (--sync->references == 0) {
        free(sync);
    }
}

static struct pv_vtest_sync *find_sync(struct pv_vtest_syncs *syncs, uint32_t id)
{
    return id != 0 && id <= syncs->slot_count ? syncs->slots[id - 1] : NULL;
}

static void drop_entries(struct pv_vtest_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        drop_sync(entries[i].sync);
    }
}

/* Resolves ids; none is kept when one of them is unknown. */
static bool take_entries(struct pv_vtest_syncs *syncs, const uint8_t *bytes, uint32_t count,
                         struct pv_vtest_entry *entries)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pv_vtest_sync *sync =
            find_sync(syncs, pv_vtest_dword(bytes, (uint64_t)i * ENTRY_DWORDS));
        if (sync == NULL) {
            drop_entries(entries, i);
            return false;
        }
        sync->references++;
        entries[i] = (struct pv_vtest_entry){
            .sync = sync,
            .value = pv_vtest_qword(bytes, (uint64_t)i * ENTRY_DWORDS + 1),
        };
    }
    return true;
}

static bool is_satisfied(const struct pv_vtest_entry *entries, uint32_t count, bool any)
{
    for (uint32_t i = 0; i < count; i++) {
        bool reached = entries[i].sync->value >= entries[i].value;
        if (reached == any) {
            return any;
        }
    }
    return !any || count == 0;
}

/* Ends a wait that is already out of the list. */
static void end_wait(struct pv_vtest_syncs *syncs, struct pv_vtest_wait *wait, bool satisfied)
{
    if (satisfied) {
        const uint8_t byte = 1;
        (void)!write(wait->write_end, &byte, 1);
    }
    pv_fd_close(&wait->write_end);
    syncs->wait_count--;
    syncs->wait_entries -= wait->count;
    drop_entries(wait->entries, wait->count);
    free(wait);
}

/* After a counter has changed. */
static void settle_waits(struct pv_vtest_syncs *syncs)
{
    struct pv_vtest_wait **link = &syncs->waits;
    while (*link != NULL) {
        struct pv_vtest_wait *wait = *link;
        if (is_satisfied(wait->entries, wait->count, wait->any)) {
            *link = wait->next;
            end_wait(syncs, wait, true);
        } else {
            link = &wait->next;
        }
    }
}

/* Ends waits whose client has closed its end, or has long timed out. */
static void sweep_waits(struct pv_vtest_syncs *syncs)
{
    uint64_t now_ns = pv_clock_now_ns();
    struct pv_vtest_wait **link = &syncs->waits;
    while (*link != NULL) {
        struct pv_vtest_wait *wait = *link;
        /* Linux calls it an error, others a hang-up, of which some hear only with POLLOUT. */
        struct pollfd end = {.fd = wait->write_end, .events = POLLOUT};
        bool abandoned = poll(&end, 1, 0) > 0 && (end.revents & (POLLERR | POLLHUP)) != 0;
        if (abandoned || now_ns > wait->deadline_ns) {
            *link = wait->next;
            end_wait(syncs, wait, false);
        } else {
            link = &wait->next;
        }
    }
    uint32_t twice = syncs->wait_count * 2;
    syncs->sweep_count = twice < SWEEP_FIRST ? SWEEP_FIRST : twice;
}

enum pv_result pv_vtest_syncs_init(struct pv_vtest_syncs *syncs)
{
    memset(syncs, 0, sizeof(*syncs));
    syncs->sweep_count = SWEEP_FIRST;
    return pthread_mutex_init(&syncs->lock, NULL) == 0 ? PV_OK : PV_HOST_FAILED;
}

static void end_all_waits(struct pv_vtest_syncs *syncs)
{
    while (syncs->waits != NULL) {
        struct pv_vtest_wait *wait = syncs->waits;
        syncs->waits = wait->next;
        end_wait(syncs, wait, false);
    }
}

void pv_vtest_syncs_finish(struct pv_vtest_syncs *syncs)
{
    end_all_waits(syncs);
    for (uint32_t i = 0; i < syncs->slot_count; i++) {
        if (syncs->slots[i] != NULL) {
            drop_sync(syncs->slots[i]);
        }
    }
    free(syncs->slots);
    pthread_mutex_destroy(&syncs->lock);
}

void pv_vtest_syncs_lose(struct pv_vtest_syncs *syncs)
{
    pthread_mutex_lock(&syncs->lock);
    syncs->lost = true;
    end_all_waits(syncs);
    pthread_mutex_unlock(&syncs->lock);
}

/* A free slot, or slot_count where there is none. */
static uint32_t find_free_slot(struct pv_vtest_syncs *syncs)
{
    for (uint32_t i = 0; i < syncs->slot_count; i++) {
        uint32_t slot = (syncs->next_slot + i) % syncs->slot_count;
        if (syncs->slots[slot] == NULL) {
            return slot;
        }
    }
    return syncs->slot_count;
}

static bool grow_slots(struct pv_vtest_syncs *syncs)
{
    uint32_t count = syncs->slot_count == 0 ? SLOTS_FIRST : syncs->slot_count * 2;
    if (count > PV_VTEST_SYNCS_MAX) {
        return false;
    }
    struct pv_vtest_sync **slots = realloc(syncs->slots, count * sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    memset(slots + syncs->slot_count, 0, (count - syncs->slot_count) * sizeof(*slots));
    syncs->slots = slots;
    syncs->slot_count = count;
    return true;
}

enum pv_result pv_vtest_syncs_create(struct pv_vtest_syncs *syncs, uint64_t value, uint32_t *id)
{
    struct pv_vtest_sync *sync = malloc(sizeof(*sync));
    if (sync == NULL) {
        return PV_NO_MEMORY;
    }
    *sync = (struct pv_vtest_sync){.references = 1, .value = value};
    pthread_mutex_lock(&syncs->lock);
    uint32_t slot = syncs->slot_count;
    if (syncs->alive_count < syncs->slot_count) {
        slot = find_free_slot(syncs);
    }
    enum pv_result result = PV_OK;
    if (slot == syncs->slot_count && !grow_slots(syncs)) {
        result = PV_NO_MEMORY;
        free(sync);
    } else {
        syncs->slots[slot] = sync;
        syncs->next_slot = slot + 1;
        syncs->alive_count++;
        *id = slot + 1;
    }
    pthread_mutex_unlock(&syncs->lock);
    return result;
}

bool pv_vtest_syncs_unref(struct pv_vtest_syncs *syncs, uint32_t id)
{
    pthread_mutex_lock(&syncs->lock);
    struct pv_vtest_sync *sync = find_sync(syncs, id);
    if (sync != NULL) {
        syncs->slots[id - 1] = NULL;
        syncs->alive_count--;
        drop_sync(sync);
    }
    pthread_mutex_unlock(&syncs->lock);
    return sync != NULL;
}

bool pv_vtest_syncs_read(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t *value)
{
    pthread_mutex_lock(&syncs->lock);
    const struct pv_vtest_sync *sync = find_sync(syncs, id);
    if (sync != NULL) {
        *value = sync->value;
    }
    pthread_mutex_unlock(&syncs->lock);
    return sync != NULL;
}

bool pv_vtest_syncs_write(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t value)
{
    pthread_mutex_lock(&syncs->lock);
    struct pv_vtest_sync *sync = find_sync(syncs, id);
    if (sync != NULL) {
        sync->value = value;
        settle_waits(syncs);
    }
    pthread_mutex_unlock(&syncs->lock);
    return sync != NULL;
}

static uint64_t wait_deadline(uint32_t timeout_ms)
{
    if (timeout_ms == UINT32_MAX) {
        return UINT64_MAX;
    }
    return pv_clock_now_ns() + timeout_ms * PV_NS_PER_MS + timeout_slack_ns;
}

/* Registers `wait`, or ends it where there is nothing to wait for. */
static enum pv_result begin_wait(struct pv_vtest_syncs *syncs, struct pv_vtest_wait *wait,
                                 const uint8_t *entries)
{
    if (syncs->wait_count >= syncs->sweep_count || syncs->wait_count >= PV_VTEST_WAITS_MAX) {
        sweep_waits(syncs);
    }
    if (syncs->wait_count >= PV_VTEST_WAITS_MAX ||
        wait->count > PV_VTEST_WAIT_ENTRIES_MAX - syncs->wait_entries) {
        return PV_NO_MEMORY;
    }
    if (!take_entries(syncs, entries, wait->count, wait->entries)) {
        return PV_GUEST_FAULT;
    }
    syncs->wait_count++;
    syncs->wait_entries += wait->count;
    bool satisfied = is_satisfied(wait->entries, wait->count, wait->any);
    if (satisfied || syncs->lost) {
        end_wait(syncs, wait, satisfied && !syncs->lost);
    } else {
        wait->next = syncs->waits;
        syncs->waits = wait;
    }
    return PV_OK;
}

enum pv_result pv_vtest_syncs_wait(struct pv_vtest_syncs *syncs, bool any, uint32_t timeout_ms,
                                   const uint8_t *entries, uint32_t count, int *read_end)
{
    if (count > PV_VTEST_WAIT_ENTRIES_MAX) {
        return PV_NO_MEMORY;
    }
    struct pv_vtest_wait *wait = malloc(sizeof(*wait) + count * sizeof(wait->entries[0]));
    if (wait == NULL) {
        return PV_NO_MEMORY;
    }
    *wait = (struct pv_vtest_wait){
        .any = any,
        .deadline_ns = wait_deadline(timeout_ms),
        .count = count,
    };
    enum pv_result result = pv_fd_pipe(read_end, &wait->write_end);
    if (result != PV_OK) {
        free(wait);
        return result;
    }
    pthread_mutex_lock(&syncs->lock);
    result = begin_wait(syncs, wait, entries);
    pthread_mutex_unlock(&syncs->lock);
    if (result != PV_OK) {
        pv_fd_close(&wait->write_end);
        pv_fd_close(read_end);
        free(wait);
    }
    return result;
}

enum pv_result pv_vtest_signal_create(struct pv_vtest_syncs *syncs, const uint8_t *entries,
                                      uint32_t count, struct pv_vtest_signal **signal)
{
    struct pv_vtest_signal *made = malloc(sizeof(*made) + count * sizeof(made->entries[0]));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->count = count;
    enum pv_result result = PV_OK;
    pthread_mutex_lock(&syncs->lock);
    if (count > PV_VTEST_SIGNAL_ENTRIES_MAX - syncs->signal_entries) {
        result = PV_NO_MEMORY;
    } else if (!take_entries(syncs, entries, count, made->entries)) {
        result = PV_GUEST_FAULT;
    } else {
        syncs->signal_entries += count;
    }
    pthread_mutex_unlock(&syncs->lock);
    if (result != PV_OK) {
        free(made);
        return result;
    }
    *signal = made;
    return PV_OK;
}

/* Called with the lock held. */
static void drop_signal_entries(struct pv_vtest_syncs *syncs, struct pv_vtest_signal *signal)
{
    drop_entries(signal->entries, signal->count);
    syncs->signal_entries -= signal->count;
}

void pv_vtest_signal_fire(struct pv_vtest_syncs *syncs, struct pv_vtest_signal *taken_signal)
{
    pthread_mutex_lock(&syncs->lock);
    for (uint32_t i = 0; i < taken_signal->count; i++) {
        taken_signal->entries[i].sync->value = taken_signal->entries[i].value;
    }
    settle_waits(syncs);
    drop_signal_entries(syncs, taken_signal);
    pthread_mutex_unlock(&syncs->lock);
    free(taken_signal);
}

void pv_vtest_signal_drop(struct pv_vtest_syncs *syncs, struct pv_vtest_signal *taken_signal)
{
    if (taken_signal == NULL) {
        return;
    }
    pthread_mutex_lock(&syncs->lock);
    drop_signal_entries(syncs, taken_signal);
    pthread_mutex_unlock(&syncs->lock);
    free(taken_signal);
}
