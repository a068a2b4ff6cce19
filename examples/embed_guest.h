/*
 * The guest of the examples: what Mesa's Venus driver would write for a program that fills a
 * buffer. In a virtual machine these bytes come from there; a monitor never makes them.
 *
 * A command is 32-bit words, little-endian; a 64-bit value is two of them, the low one first:
 *
 *     its number (VkCommandTypeEXT), and flags: 1 asks for a reply
 *     its parameters, in Vulkan's order
 *         a handle       the guest's own number for it, in 64 bits; so it names what it creates
 *         a pointer      a 64-bit 1 and what it points to; a 64-bit 0 is NULL
 *         an array       its length in 64 bits, and its elements
 *         a structure    sType, pNext (a 64-bit 0 is NULL), the other members
 *
 * A reply is the number again, the VkResult of a command that has one, and what Vulkan writes
 * through pointers.
 */
#ifndef EXAMPLES_EMBED_GUEST_H
#define EXAMPLES_EMBED_GUEST_H

#include <stddef.h>
#include <stdint.h>

/* The guest's names. */
enum {
    REPLY_RESOURCE = 1, /* the memory that replies go to */
    MEMORY_RESOURCE = 2,
    INSTANCE = 1,
    PHYSICAL_DEVICE,
    DEVICE,
    QUEUE,
    BUFFER,
    MEMORY,
    COMMAND_POOL,
    COMMAND_BUFFER,
    FENCE,
};

enum {
    REPLY_SIZE = 4096,
    BUFFER_SIZE = 64,
    FILLED_WITH = 0x50656172, /* "Pear" */
    COMMAND_WORDS_MAX = 48,
};

enum answer {
    ANSWER_NONE,   /* no reply is asked for */
    ANSWER_DATA,   /* of a command that returns nothing */
    ANSWER_RESULT, /* the second word is a VkResult */
};

struct command {
    const char *name;
    enum answer answer;
    size_t count; /* of words */
    uint32_t words[COMMAND_WORDS_MAX];
};

#define U64(value) (uint32_t)((uint64_t)(value)), (uint32_t)((uint64_t)(value) >> 32)

#define COMMAND(name_, answer_, number_, ...)                                                      \
    ((struct command){                                                                             \
        .name = name_,                                                                             \
        .answer = answer_,                                                                         \
        .count = 2 + sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                         \
        .words = {number_, answer_ != ANSWER_NONE, __VA_ARGS__},                                   \
    })

/* --- where replies go --------------------------------------------------------------------------
 */

/* Replies are written from the resource's beginning on, one behind the other. */
static inline struct command set_reply_stream(void)
{
    return COMMAND("vkSetReplyCommandStreamMESA", ANSWER_NONE, 178,  /* number */
                   U64(1), REPLY_RESOURCE, U64(0), U64(REPLY_SIZE)); /* pStream: offset, size */
}

static inline struct command enumerate_instance_version(void)
{
    return COMMAND("vkEnumerateInstanceVersion", ANSWER_RESULT, 137, /* number */
                   U64(1));                                          /* pApiVersion */
}

enum { VERSION_IN_REPLY = 4 }; /* number, VkResult, 64-bit 1 */

/* --- a device ----------------------------------------------------------------------------------
 */

static inline struct command create_instance(void)
{
    return COMMAND("vkCreateInstance", ANSWER_RESULT, 0, /* number */
                   U64(1), 1, U64(0), 0,                 /* pCreateInfo: sType, pNext, flags */
                   U64(0),                               /* pApplicationInfo */
                   0, U64(0), 0, U64(0),                 /* layers, extensions */
                   U64(0), U64(1), U64(INSTANCE));       /* pAllocator, pInstance */
}

/* The first one; VK_INCOMPLETE says that there are more. */
static inline struct command enumerate_physical_devices(void)
{
    return COMMAND("vkEnumeratePhysicalDevices", ANSWER_RESULT, 2, /* number */
                   U64(INSTANCE), U64(1), 1,                       /* pPhysicalDeviceCount */
                   U64(1), U64(PHYSICAL_DEVICE));                  /* pPhysicalDevices */
}

static inline struct command create_device(void)
{
    return COMMAND("vkCreateDevice", ANSWER_RESULT, 11,  /* number */
                   U64(PHYSICAL_DEVICE),                 /* physicalDevice */
                   U64(1), 3, U64(0), 0,                 /* pCreateInfo: sType, pNext, flags */
                   1, U64(1), 2, U64(0), 0,              /* pQueueCreateInfos: likewise */
                   0, 1, U64(1), 0x3f800000,             /* of family 0, one; priority 1.0 */
                   0, U64(0), 0, U64(0),                 /* layers, extensions */
                   U64(0), U64(0), U64(1), U64(DEVICE)); /* pEnabledFeatures … pDevice */
}

/* Its VkDeviceQueueTimelineInfoMESA binds the queue to number 1 of the context's timelines, for
 * pv_context_fence(). In a chain the bodies come after the headers, the innermost first. */
static inline struct command get_device_queue(void)
{
    return COMMAND("vkGetDeviceQueue2", ANSWER_NONE, 155, /* number */
                   U64(DEVICE), U64(1), 1000145003,       /* pQueueInfo: sType */
                   U64(1), 1000384005, U64(0), 1,         /* pNext: sType, pNext, ringIdx */
                   0, 0, 0,                               /* flags, family, index */
                   U64(1), U64(QUEUE));                   /* pQueue */
}

/* --- a buffer in memory that the host can map --------------------------------------------------
 */

static inline struct command create_buffer(void)
{
    return COMMAND("vkCreateBuffer", ANSWER_RESULT, 50, U64(DEVICE), /* device */
                   U64(1), 12, U64(0), 0,             /* pCreateInfo: sType, pNext, flags */
                   U64(BUFFER_SIZE), 2, 0, 0, U64(0), /* size, TRANSFER_DST, EXCLUSIVE */
                   U64(0), U64(1), U64(BUFFER));      /* pAllocator, pBuffer */
}

static inline struct command get_buffer_requirements(void)
{
    return COMMAND("vkGetBufferMemoryRequirements", ANSWER_DATA, 30, /* number */
                   U64(DEVICE), U64(BUFFER), U64(1));                /* pMemoryRequirements */
}

static inline struct command get_memory_properties(void)
{
    return COMMAND("vkGetPhysicalDeviceMemoryProperties", ANSWER_DATA, 8, /* number */
                   U64(PHYSICAL_DEVICE), U64(1), /* pMemoryProperties, and of that */
                   U64(32), U64(16));            /* the lengths of its arrays */
}

enum {
    SIZE_IN_REPLY = 3,  /* of the requirements: size and alignment in 64 bits, memoryTypeBits */
    TYPES_IN_REPLY = 7, /* those bits */
    COUNT_IN_REPLY = 3, /* of the properties: memoryTypeCount, a 64-bit 32, and from */
    FLAGS_IN_REPLY = 6, /* there on propertyFlags and heapIndex of each type */
    NO_MEMORY_TYPE = 32,
};

/* One of the `allowed` types that is HOST_VISIBLE and HOST_COHERENT. */
static inline uint32_t find_memory_type(uint32_t allowed, const uint32_t *properties)
{
    for (uint32_t i = 0; i < properties[COUNT_IN_REPLY] && i < NO_MEMORY_TYPE; i++) {
        if ((allowed >> i & 1) != 0 && (properties[FLAGS_IN_REPLY + 2 * i] & 6) == 6) {
            return i;
        }
    }
    return NO_MEMORY_TYPE;
}

static inline struct command allocate_memory(uint64_t size, uint32_t type)
{
    return COMMAND("vkAllocateMemory", ANSWER_RESULT, 21, U64(DEVICE), /* device */
                   U64(1), 5, U64(0), U64(size), type, /* pAllocateInfo: sType, pNext, … */
                   U64(0), U64(1), U64(MEMORY));       /* pAllocator, pMemory */
}

static inline struct command bind_buffer_memory(void)
{
    return COMMAND("vkBindBufferMemory", ANSWER_RESULT, 28,        /* number */
                   U64(DEVICE), U64(BUFFER), U64(MEMORY), U64(0)); /* memoryOffset */
}

/* --- work for the GPU --------------------------------------------------------------------------
 */

static inline struct command create_command_pool(void)
{
    return COMMAND("vkCreateCommandPool", ANSWER_RESULT, 85, U64(DEVICE), /* device */
                   U64(1), 39, U64(0), 0, 0, /* pCreateInfo: sType, pNext, flags, family */
                   U64(0), U64(1), U64(COMMAND_POOL)); /* pAllocator, pCommandPool */
}

static inline struct command allocate_command_buffer(void)
{
    return COMMAND("vkAllocateCommandBuffers", ANSWER_RESULT, 88, U64(DEVICE), /* device */
                   U64(1), 40, U64(0),           /* pAllocateInfo: sType, pNext */
                   U64(COMMAND_POOL), 0, 1,      /* PRIMARY, one */
                   U64(1), U64(COMMAND_BUFFER)); /* pCommandBuffers */
}

static inline struct command begin_command_buffer(void)
{
    return COMMAND("vkBeginCommandBuffer", ANSWER_RESULT, 90,
                   U64(COMMAND_BUFFER),            /* commandBuffer */
                   U64(1), 42, U64(0), 1, U64(0)); /* pBeginInfo: …, ONE_TIME_SUBMIT, NULL */
}

static inline struct command fill_buffer(void)
{
    return COMMAND("vkCmdFillBuffer", ANSWER_NONE, 118, /* number */
                   U64(COMMAND_BUFFER), U64(BUFFER), U64(0), U64(BUFFER_SIZE), FILLED_WITH);
}

/* What the GPU writes is there for the host when the fence says so only behind such a barrier. */
static inline struct command make_visible_to_host(void)
{
    return COMMAND("vkCmdPipelineBarrier", ANSWER_NONE, 126,
                   U64(COMMAND_BUFFER),                   /* commandBuffer */
                   0x1000, 0x4000, 0,                     /* from TRANSFER to HOST */
                   1, U64(1), 46, U64(0), 0x1000, 0x2000, /* TRANSFER_WRITE, HOST_READ */
                   0, U64(0), 0, U64(0));                 /* no buffers' or images' own */
}

static inline struct command end_command_buffer(void)
{
    return COMMAND("vkEndCommandBuffer", ANSWER_RESULT, 91, U64(COMMAND_BUFFER));
}

static inline struct command create_fence(void)
{
    return COMMAND("vkCreateFence", ANSWER_RESULT, 35, U64(DEVICE), /* device */
                   U64(1), 8, U64(0), 0,        /* pCreateInfo: sType, pNext, flags */
                   U64(0), U64(1), U64(FENCE)); /* pAllocator, pFence */
}

static inline struct command queue_submit(void)
{
    return COMMAND("vkQueueSubmit", ANSWER_RESULT, 18, U64(QUEUE), /* queue */
                   1, U64(1), 4, U64(0),                           /* pSubmits: sType, pNext */
                   0, U64(0), U64(0),              /* wait for no semaphores, in no stages */
                   1, U64(1), U64(COMMAND_BUFFER), /* pCommandBuffers */
                   0, U64(0), U64(FENCE));         /* signal no semaphores, but the fence */
}

static inline struct command wait_for_fence(void)
{
    return COMMAND("vkWaitForFences", ANSWER_RESULT, 39, U64(DEVICE), /* device */
                   1, U64(1), U64(FENCE), 1, U64(UINT64_MAX)); /* pFences, waitAll, timeout */
}

/* --- the program -------------------------------------------------------------------------------
 */

/* Fills the buffer, by `run`, which executes one command and has its reply in `reply` then. Returns
 * the size of MEMORY. */
static inline uint64_t guest_fill(void (*run)(struct command), const uint32_t *reply)
{
    run(create_instance());
    run(enumerate_physical_devices());
    run(create_device());
    run(get_device_queue());
    run(create_buffer());
    run(get_buffer_requirements());
    uint64_t size = reply[SIZE_IN_REPLY] | (uint64_t)reply[SIZE_IN_REPLY + 1] << 32;
    uint32_t allowed = reply[TYPES_IN_REPLY];
    run(get_memory_properties());
    run(allocate_memory(size, find_memory_type(allowed, reply)));
    run(bind_buffer_memory());
    run(create_command_pool());
    run(allocate_command_buffer());
    run(begin_command_buffer());
    run(fill_buffer());
    run(make_visible_to_host());
    run(end_command_buffer());
    run(create_fence());
    run(queue_submit());
    run(wait_for_fence());
    return size;
}

#endif
