#include "app.h"

#include <string.h>

enum { WORDS = 64 };

static void fill(struct app_buffer *buffer)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        ((uint32_t *)buffer->map)[i] = i * 2654435761u;
    }
}

static void buffer_copies(struct app *app)
{
    struct app_buffer from = app_buffer(app, WORDS * 4, 0);
    struct app_buffer to = app_buffer(app, WORDS * 4, 0);
    const VkBufferCopy regions[] = {{0, 128, 64}, {192, 0, APP_OR(32, 16)}, {8, 252, 4}};
    uint32_t expected[WORDS] = {0};
    fill(&from);
    memcpy(expected + 32, from.map, 64);
    memcpy(expected, (uint32_t *)from.map + 48, 32);
    memcpy(expected + 63, (uint32_t *)from.map + 2, 4);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBuffer(command, from.buffer, to.buffer, 3, regions);
    app_run(app, command);
    app_expect_words(app, "copied", to.map, expected, WORDS);
}

static void buffer_fill_and_update(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    static const uint32_t update[4] = {11, 12, 13, APP_OR(14, 15)};
    uint32_t expected[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = i >= 16 && i < 20 ? 11 + i - 16 : i < 60 ? 0xa5a5a5a5 : 7;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, data.buffer, 0, 240, 0xa5a5a5a5);
    app->vk.CmdFillBuffer(command, data.buffer, 240, VK_WHOLE_SIZE, 7);
    app_barrier(app, command);
    app->vk.CmdUpdateBuffer(command, data.buffer, 64, sizeof(update), update);
    app_run(app, command);
    app_expect_words(app, "filled", data.map, expected, WORDS);
}

const struct app_case app_cases_buffers[] = {
    APP_CASE(buffer_copies),
    APP_CASE(buffer_fill_and_update),
    {0},
};
