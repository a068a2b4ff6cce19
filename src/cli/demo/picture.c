#include "picture.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLOURS_NEEDED = 1000, SIDE_MAX = 16384 };
static const double share_allowed = 0.98;

bool demo_picture_from_rgba(struct demo_picture *picture, const void *rgba, uint32_t width,
                            uint32_t height)
{
    const uint8_t *from = rgba;
    const size_t pixels = (size_t)width * height;
    *picture = (struct demo_picture){.width = width, .height = height, .rgb = malloc(pixels * 3)};
    if (!picture->rgb) {
        return false;
    }
    for (size_t i = 0; i < pixels; i++) {
        memcpy(picture->rgb + i * 3, from + i * 4, 3);
    }
    return true;
}

void demo_picture_finish(struct demo_picture *picture)
{
    free(picture->rgb);
    *picture = (struct demo_picture){0};
}

bool demo_picture_write(const struct demo_picture *picture, const char *path)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = picture->width,
        .height = picture->height,
        .format = PNG_FORMAT_RGB,
    };
    if (!png_image_write_to_file(&image, path, 0, picture->rgb, 0, NULL)) {
        fprintf(stderr, "pearvisor demo: %s: cannot write the picture: %s\n", path, image.message);
        png_image_free(&image);
        return false;
    }
    return true;
}

bool demo_picture_read(struct demo_picture *picture, const char *path)
{
    *picture = (struct demo_picture){0};
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, path)) {
        fprintf(stderr, "pearvisor demo: %s: cannot read the picture: %s\n", path, image.message);
        return false;
    }
    image.format = PNG_FORMAT_RGB;
    if (image.width <= SIDE_MAX && image.height <= SIDE_MAX) {
        picture->rgb = malloc(PNG_IMAGE_SIZE(image));
    }
    if (!picture->rgb || !png_image_finish_read(&image, NULL, picture->rgb, 0, NULL)) {
        fprintf(stderr, "pearvisor demo: %s: cannot read the picture: %s\n", path,
                picture->rgb ? image.message : "it is too large");
        png_image_free(&image);
        demo_picture_finish(picture);
        return false;
    }
    picture->width = image.width;
    picture->height = image.height;
    return true;
}

void demo_picture_compare(const struct demo_picture *a, const struct demo_picture *b,
                          struct demo_difference *out)
{
    *out = (struct demo_difference){.pixels = (uint64_t)a->width * a->height};
    out->same_size = a->width == b->width && a->height == b->height;
    if (!out->same_size) {
        out->different = out->pixels;
        return;
    }
    for (uint64_t i = 0; i < out->pixels; i++) {
        uint32_t largest = 0;
        for (unsigned channel = 0; channel < 3; channel++) {
            const int delta = a->rgb[i * 3 + channel] - b->rgb[i * 3 + channel];
            const uint32_t size = (uint32_t)(delta < 0 ? -delta : delta);
            largest = size > largest ? size : largest;
        }
        out->different += largest > 0;
        out->largest = largest > out->largest ? largest : out->largest;
    }
}

bool demo_picture_measure(const struct demo_picture *picture, struct demo_variety *out)
{
    const uint64_t pixels = (uint64_t)picture->width * picture->height;
    uint32_t *counts = calloc(1u << 24, sizeof(*counts));
    *out = (struct demo_variety){0};
    if (!counts) {
        return false;
    }
    uint32_t largest = 0;
    for (uint64_t i = 0; i < pixels; i++) {
        const uint8_t *rgb = picture->rgb + i * 3;
        uint32_t *count = &counts[(uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2]];
        out->colours += *count == 0;
        *count += 1;
        largest = *count > largest ? *count : largest;
    }
    out->largest_share = pixels ? (double)largest / (double)pixels : 1.0;
    free(counts);
    return true;
}

bool demo_picture_is_uniform(const struct demo_variety *variety)
{
    return variety->colours < COLOURS_NEEDED || variety->largest_share > share_allowed;
}
