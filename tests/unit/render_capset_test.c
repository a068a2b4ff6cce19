#include "check.h"
#include "render/context.h"

#include <stdint.h>
#include <string.h>

/* The mask that a renderer for vk.xml 1.4.343 announces; newer registries add no extension to it.
 */
static const uint32_t recorded[32] = {
    0x2001c001, 0x30402000, 0x005f6bef, 0xc25660c0, 0xf0bb6919, 0xa2658e0c, 0x41310562,
    0xf0e47a0f, 0x9625b474, 0x0800054d, 0x30b70a5a, 0xc6000233, 0x5002073b, 0x000800ca,
    0x008d0150, 0x08198004, 0x00c2e001, 0x01288007, 0x20000090, 0x00000020, 0x00000008,
};

static void capset_announces_what_the_decoder_knows(void **state)
{
    (void)state;
    uint8_t capset[PV_CAPSET_VENUS_SIZE];
    uint32_t words[PV_CAPSET_VENUS_SIZE / 4];
    pv_render_capset(capset);
    memcpy(words, capset, sizeof(capset));
    assert_int_equal(words[0], 1); /* the wire format's version */
    assert_int_equal(words[4], 1); /* blob id 0 */
    for (uint32_t i = 0; i < 32; i++) {
        /* An older registry lacks some, and must not announce any other. */
        assert_int_equal(words[5 + i] & ~recorded[i], 0);
        if (VK_HEADER_VERSION >= 343) {
            assert_int_equal(words[5 + i], recorded[i]);
        }
    }
    assert_int_equal(words[37], 1); /* waits are allowed */
    assert_int_equal(words[38], 1); /* several timelines */
    assert_int_equal(words[39], 0); /* no guest VRAM */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capset_announces_what_the_decoder_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
