#include "decode/bench.h"

#include <stdlib.h>
#include <string.h>

struct recorded_object {
    uint64_t id;
    uint32_t type;
};

#include "data/recorded.inc"

void bench_open_recorded(struct bench *b)
{
    struct pv_objects *objects = &b->guest->context->objects;
    uint64_t queue = pv_object_lookup(objects, b->guest->queue,
                                      PV_TAG(PV_OBJECT_QUEUE, b->device->object.owner));
    for (size_t i = 0; i < sizeof(recorded_objects) / sizeof(recorded_objects[0]); i++) {
        const struct recorded_object *object = &recorded_objects[i];
        /* A queue is a struct of ours, so all names are names of the one that there is. */
        uint64_t host = object->type == PV_OBJECT_QUEUE ? queue : 0x4000 + object->id;
        bench_publish(b, object->id, object->type, host);
    }
}

static void copy(struct pv_encoder *out, const uint32_t *words, size_t size)
{
    if (size > (size_t)(out->end - out->cursor)) {
        out->overflow = true;
        return;
    }
    memcpy(out->cursor, words, size);
    out->cursor += size;
}

void bench_encode_recorded_frame(struct bench_lane *lane, struct pv_encoder *out)
{
    (void)lane;
    copy(out, recorded_frame, sizeof(recorded_frame));
}

void bench_encode_recorded_compute(struct bench_lane *lane, struct pv_encoder *out)
{
    (void)lane;
    copy(out, recorded_compute, sizeof(recorded_compute));
}
