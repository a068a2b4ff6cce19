/* A monitor that describes itself (VESA E-EDID 1.4): one base block. */

#include "front/virtio_gpu/device.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_SIZE = 128,
    REFRESH_HZ = 60,
    DOTS_PER_INCH = 96,
    /* What a detailed timing descriptor has bits for. */
    SIDE_MAX = 4095,
    CLOCK_MAX_10KHZ = 65535,
    /* Blanking that any driver takes: of CVT with reduced blanking, in pixels and lines. */
    H_FRONT = 48,
    H_SYNC = 32,
    H_BLANK = 160,
    V_FRONT = 3,
    V_SYNC = 6,
    V_BLANK = 36,
};

static uint32_t millimetres(uint32_t pixels)
{
    return pixels * 254 / (DOTS_PER_INCH * 10);
}

/* The one mode: 18 bytes. */
static void put_timing(uint8_t *at, uint32_t width, uint32_t height)
{
    uint32_t clock_10khz = (width + H_BLANK) * (height + V_BLANK) * REFRESH_HZ / 10000;
    if (clock_10khz > CLOCK_MAX_10KHZ) {
        clock_10khz = CLOCK_MAX_10KHZ; /* a slower monitor */
    }
    uint32_t width_mm = millimetres(width);
    uint32_t height_mm = millimetres(height);
    const uint8_t timing[18] = {
        (uint8_t)clock_10khz,
        (uint8_t)(clock_10khz >> 8),
        (uint8_t)width,
        H_BLANK,
        (uint8_t)(width >> 8 << 4),
        (uint8_t)height,
        V_BLANK,
        (uint8_t)(height >> 8 << 4),
        H_FRONT,
        H_SYNC,
        V_FRONT << 4 | V_SYNC,
        0,
        (uint8_t)width_mm,
        (uint8_t)height_mm,
        (uint8_t)(width_mm >> 8 << 4 | height_mm >> 8),
        0,
        0,
        0x1a, /* separate digital syncs: horizontal positive, vertical negative */
    };
    memcpy(at, timing, sizeof(timing));
}

/* A text of at most 13 bytes: 18 bytes. */
static void put_text(uint8_t *at, uint8_t tag, const char *text)
{
    memset(at, 0, 18);
    at[3] = tag;
    memset(at + 5, ' ', 13);
    size_t length = strlen(text);
    memcpy(at + 5, text, length < 13 ? length : 13);
    if (length < 13) {
        at[5 + length] = '\n';
    }
}

uint32_t pv_virtio_gpu_edid(uint8_t *edid, uint32_t scanout, uint32_t width, uint32_t height)
{
    if (width > SIDE_MAX || height > SIDE_MAX) {
        return 0;
    }
    static const uint8_t head[] = {
        0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x42, 0x56, /* manufacturer "PRV", */
        0x01, 0x00,                                              /* product 1 */
    };
    memset(edid, 0, BLOCK_SIZE);
    memcpy(edid, head, sizeof(head));
    edid[12] = (uint8_t)(scanout + 1); /* serial number */
    edid[16] = 0;                      /* of no special week */
    edid[17] = 2025 - 1990;            /* of this year */
    edid[18] = 1;                      /* EDID 1.4 */
    edid[19] = 4;
    edid[20] = 0xa5; /* digital, 8 bits per colour, DisplayPort */
    edid[21] = (uint8_t)(millimetres(width) / 10);
    edid[22] = (uint8_t)(millimetres(height) / 10);
    edid[23] = 220 - 100; /* gamma 2.2 */
    edid[24] = 0x06;      /* RGB 4:4:4, sRGB, the first timing is preferred */
    static const uint8_t srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    memcpy(edid + 25, srgb, sizeof(srgb));
    memset(edid + 38, 1, 16); /* no standard timings */
    put_timing(edid + 54, width, height);
    put_text(edid + 72, 0xfc, "PearVisor");
    char serial[14];
    snprintf(serial, sizeof(serial), "%u", scanout + 1);
    put_text(edid + 90, 0xff, serial);
    put_text(edid + 108, 0x10, ""); /* a dummy */
    memset(edid + 113, 0, 13);
    uint8_t sum = 0;
    for (uint32_t i = 0; i < BLOCK_SIZE - 1; i++) {
        sum = (uint8_t)(sum + edid[i]);
    }
    edid[BLOCK_SIZE - 1] = (uint8_t)(0x100 - sum);
    return BLOCK_SIZE;
}
