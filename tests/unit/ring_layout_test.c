#include "check.h"
#include "ring/ring.h"
#include "ring_guest.h"

enum { BLOB_SIZE = 135168 };

/* What Mesa asks for. */
static struct pv_ring_layout good(void)
{
    return guest_layout(131072);
}

static void ring_layout_accepts_what_mesa_asks_for(void **state)
{
    (void)state;
    struct pv_ring_layout layout = good();
    assert_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    assert_null(pv_ring_layout_fault(&layout, layout.size));
    layout.extra_size = 0;
    assert_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    layout.offset = 8;
    assert_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
}

static void ring_layout_rejects_a_ring_outside_its_resource(void **state)
{
    (void)state;
    struct pv_ring_layout layout = good();
    assert_non_null(pv_ring_layout_fault(&layout, layout.size - 1));
    layout.offset = BLOB_SIZE;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    layout.offset = UINT64_MAX - 3;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    layout.offset = 0;
    layout.size = UINT64_MAX;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
}

static void ring_layout_rejects_overlapping_regions(void **state)
{
    (void)state;
    uint64_t *fields[6];
    struct pv_ring_layout layout = good();
    fields[0] = &layout.head_offset;
    fields[1] = &layout.tail_offset;
    fields[2] = &layout.status_offset;
    fields[3] = &layout.extra_offset;
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            layout = good();
            *fields[i] = *fields[j];
            assert_true((pv_ring_layout_fault(&layout, BLOB_SIZE) == NULL) == (i == j));
        }
        layout = good();
        *fields[i] = layout.buffer_offset + layout.buffer_size - 4;
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    }
    layout = good();
    layout.extra_offset = 60; /* its last word is the tail */
    layout.extra_size = 8;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
}

static void ring_layout_rejects_unaligned_regions(void **state)
{
    (void)state;
    for (uint64_t shift = 1; shift < 4; shift++) {
        struct pv_ring_layout layout = good();
        layout.head_offset += shift;
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
        layout = good();
        layout.tail_offset += shift;
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
        layout = good();
        layout.offset += shift;
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
        layout = good();
        layout.extra_size = shift;
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    }
    struct pv_ring_layout layout = good();
    layout.buffer_size = 2;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
}

static void ring_layout_rejects_buffers_that_are_no_power_of_two(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 12, 131068, 65540, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pv_ring_layout layout = good();
        layout.buffer_size = sizes[i];
        assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
    }
}

static void ring_layout_rejects_buffers_beyond_its_positions(void **state)
{
    (void)state;
    struct pv_ring_layout layout = guest_layout(PV_RING_BUFFER_SIZE_MAX);
    assert_null(pv_ring_layout_fault(&layout, layout.size));
    layout.buffer_size *= 2;
    layout.extra_offset += PV_RING_BUFFER_SIZE_MAX;
    layout.size += PV_RING_BUFFER_SIZE_MAX;
    assert_non_null(pv_ring_layout_fault(&layout, layout.size));
}

static void ring_layout_rejects_offsets_that_overflow(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {UINT64_MAX, UINT64_MAX - 3, UINT64_C(1) << 63, 131268};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        for (int field = 0; field < 5; field++) {
            struct pv_ring_layout layout = good();
            uint64_t *places[] = {&layout.head_offset, &layout.tail_offset, &layout.status_offset,
                                  &layout.buffer_offset, &layout.extra_offset};
            *places[field] = offsets[i];
            assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
        }
    }
    struct pv_ring_layout layout = good();
    layout.extra_size = UINT64_MAX - 3;
    assert_non_null(pv_ring_layout_fault(&layout, BLOB_SIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_layout_accepts_what_mesa_asks_for),
        cmocka_unit_test(ring_layout_rejects_a_ring_outside_its_resource),
        cmocka_unit_test(ring_layout_rejects_overlapping_regions),
        cmocka_unit_test(ring_layout_rejects_unaligned_regions),
        cmocka_unit_test(ring_layout_rejects_buffers_that_are_no_power_of_two),
        cmocka_unit_test(ring_layout_rejects_buffers_beyond_its_positions),
        cmocka_unit_test(ring_layout_rejects_offsets_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
