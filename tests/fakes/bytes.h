#ifndef PV_FAKES_BYTES_H
#define PV_FAKES_BYTES_H

#include "base/arena.h"
#include "fakes/args.h"
#include "object/object.h"

#include <stddef.h>
#include <stdint.h>

/* Commands written by hand, word for word, and what the decoder makes of them. One at a time. */

/* Forgets what was written, and any table and limit. */
void bytes_begin(void);
void bytes_u32(uint32_t value);
void bytes_u64(uint64_t value);
/* `count` zeros of 4 bytes. */
void bytes_zeros(uint32_t count);
/* Bytes, padded to 4. */
void bytes_data(const void *data, size_t size);
/* A struct's type and an empty chain. */
void bytes_struct(int32_t type);

/* For the next decodings: handles are looked up there. */
void bytes_use_objects(struct pv_objects *objects);
/* The arena may take no more than that. */
void bytes_limit(size_t limit_bytes);

/* Decodes what was written, from memory of just that size. NULL when that went well and took all of
 * it, else why not. `args` (of the command's struct) stays valid until the next decoding. */
const char *bytes_decode(const struct pv_args_command *command, void *args);
/* The same for the arguments of a command whose request `encoded` is. */
const char *bytes_decode_prefix(const struct pv_args_command *command, const uint8_t *encoded,
                                size_t size, void *args);

/* Fails the test unless decoding gives just that fault. */
void bytes_expect_fault(const struct pv_args_command *command, const char *fault);
void bytes_expect_ok(const struct pv_args_command *command, void *args);

/* How many bytes the last decoding has taken from the arena. */
size_t bytes_taken(void);

enum { BYTES_ARGS_SIZE_MAX = 256 };

#endif
