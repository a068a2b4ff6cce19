/* Pictures of 8-bit red, green, blue as PNG files, and whether two of them are the same. */
#ifndef PV_CLI_DEMO_PICTURE_H
#define PV_CLI_DEMO_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

struct demo_picture {
    uint32_t width;
    uint32_t height;
    uint8_t *rgb; /* width * height * 3 bytes, rows from the top */
};

struct demo_difference {
    bool same_size;
    uint64_t pixels;    /* of the first picture */
    uint64_t different; /* pixels that differ in any channel */
    uint32_t largest;   /* the largest difference of one channel, 0 to 255 */
};

struct demo_variety {
    uint64_t colours;     /* distinct ones */
    double largest_share; /* of all pixels that the most frequent colour has, 0 to 1 */
};

/* Keeps the red, green and blue of width * height RGBA pixels. False without memory. */
bool demo_picture_from_rgba(struct demo_picture *picture, const void *rgba, uint32_t width,
                            uint32_t height);

/* Both print one line to stderr when they fail. */
bool demo_picture_write(const struct demo_picture *picture, const char *path);
bool demo_picture_read(struct demo_picture *picture, const char *path);

/* Accepts a zeroed struct. */
void demo_picture_finish(struct demo_picture *picture);

void demo_picture_compare(const struct demo_picture *a, const struct demo_picture *b,
                          struct demo_difference *out);

/* False without memory. */
bool demo_picture_measure(const struct demo_picture *picture, struct demo_variety *out);

/* A picture of a scene has many colours, none of which fills it. */
bool demo_picture_is_uniform(const struct demo_variety *variety);

#endif
