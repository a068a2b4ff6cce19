#ifndef PV_FAKES_ARGS_H
#define PV_FAKES_ARGS_H

#include "base/arena.h"
#include "wire/decode.h"
#include "wire/encode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What commands' arguments look like in C, as tables that the generator prints (test_args.gen.h),
 * and the three walks over them that tests need: random arguments, a deep comparison, and random
 * answers. The tables come from vk.xml and not from the wire programs. */

enum pv_args_shape {
    PV_SHAPE_VALUE,
    PV_SHAPE_FIXED,   /* T x[N] */
    PV_SHAPE_POINTER, /* to one */
    PV_SHAPE_ARRAY,   /* pointer to `length` elements */
    PV_SHAPE_STRING,
    PV_SHAPE_STRINGS, /* `length` of them */
    PV_SHAPE_ARRAYS,  /* `length` pointers to `inner` elements each */
    PV_SHAPE_NOTHING, /* a pointer that the wire cannot carry: NULL */
};

enum pv_args_kind {
    PV_KIND_BITS, /* a number of `size` bytes; any value goes */
    PV_KIND_BOOL,
    PV_KIND_ENUM,
    PV_KIND_CHAR,
    PV_KIND_BYTES,
    PV_KIND_HANDLE,
    PV_KIND_STRUCT,
    PV_KIND_UNION,
};

enum pv_args_flags {
    PV_ARGS_REQUIRED = 1,        /* the pointer; for an array: unless its length is 0 */
    PV_ARGS_HANDLE_REQUIRED = 2, /* each element */
    PV_ARGS_LENGTH = 4,          /* counts elements somewhere: must be small */
    PV_ARGS_SENT_PARTLY = 8,     /* goes over the wire even where only parts of an output do */
    PV_ARGS_OUT = 16,            /* a parameter that only the reply fills */
    PV_ARGS_IN_AND_OUT = 32,
};

/* How many elements an array has, from its owner's other members. */
struct pv_args_length {
    enum pv_args_length_source {
        PV_LENGTH_NONE,
        PV_LENGTH_CONSTANT,
        PV_LENGTH_MEMBER,        /* owner->member */
        PV_LENGTH_POINTER,       /* *owner->member */
        PV_LENGTH_THROUGH,       /* owner->member->inner */
        PV_LENGTH_THROUGH_ARRAY, /* owner->member[i].inner */
    } how;
    uint32_t value;                       /* of a constant */
    uint32_t offset, inner, stride, size; /* size: of the number itself */
    uint32_t add, divide;                 /* (x + add) / divide; divide 0: x */
};

/* Sent only if (u32 at offset & mask) == value; mask 0: always. */
struct pv_args_condition {
    uint32_t offset, mask, value;
};

/* The values that vk.xml gives an enum. */
struct pv_args_enum {
    const int32_t *values;
    uint32_t count;
};

struct pv_args_type;

struct pv_args_member {
    const char *name;
    uint32_t offset;
    uint32_t size; /* of one element in C */
    enum pv_args_shape shape;
    enum pv_args_kind kind;
    uint32_t flags;
    uint32_t object;                   /* of a handle: enum pv_object_type */
    uint32_t count;                    /* of a fixed array */
    uint32_t unit;                     /* of a length: a multiple of it; 0: 1 */
    uint32_t selector;                 /* of a union with one: offset of the selecting member */
    const struct pv_args_type *type;   /* of a struct or union */
    const struct pv_args_enum *values; /* of an enum that is no bitmask */
    struct pv_args_length length, inner;
    struct pv_args_condition condition;
};

struct pv_args_link {
    const struct pv_args_type *type;
    bool repeats;
};

/* A union's member for a tag; one row means that the tag is always this. */
struct pv_args_case {
    int32_t tag;
    uint32_t member;
};

struct pv_args_type {
    const char *name;
    uint32_t size;
    const struct pv_args_member *members; /* without sType and pNext */
    uint32_t member_count;
    bool is_chained;
    int32_t chain_type;               /* its sType */
    const struct pv_args_link *links; /* what its chain may hold */
    uint32_t link_count;
    uint32_t first_link; /* number of links[0] among all pairs of base and link */
    const struct pv_args_case *cases;
    uint32_t case_count;
};

enum pv_args_policy {
    PV_ARGS_PLAIN,
    PV_ARGS_CREATE,
    PV_ARGS_CREATE_ARRAY,
    PV_ARGS_DESTROY,
    PV_ARGS_HANDLER,
    PV_ARGS_REFUSED,
};

struct pv_args_command {
    uint32_t number;
    struct pv_args_type type;            /* struct pv_vkFoo */
    uint32_t result_offset, result_size; /* size 0: void */
    bool returns_result;                 /* a VkResult */
    enum pv_args_policy policy;
    bool filtered; /* what the driver said is corrected on the way to the guest */
    void (*encode)(struct pv_encoder *out, uint32_t flags, const void *args);
    void (*decode)(struct pv_decoder *in, void *args);
    void (*decode_reply)(struct pv_decoder *in, void *args);
};

/* --- random arguments ------------------------------------------------------------------------- */

struct pv_random {
    uint64_t state;
    bool full;  /* every optional thing is there, every chain is complete */
    bool plain; /* no chains at all */
    uint32_t depth;
    /* Which handle to use; NULL: any number. `is_new`: an id for an object that is to be made. */
    uint64_t (*handle)(void *user, struct pv_random *random, uint32_t object, bool is_new);
    void *user;
    /* Links that have been used: in full, and partly (in outputs). PV_ARGS_LINK_COUNT each. */
    uint8_t *seen, *seen_partly;
    uint32_t cases; /* union cases are taken in turn */
};

/* Reads PV_SEED, else takes `fallback`; prints the seed, so that a failure can be repeated. */
uint64_t pv_random_seed(const char *what, uint64_t fallback);
void pv_random_init(struct pv_random *random, uint64_t seed);
uint64_t pv_random_u64(struct pv_random *random);
/* 0 … below − 1 */
uint32_t pv_random_below(struct pv_random *random, uint32_t below);

/* Valid arguments for a command, `args` being its struct pv_vkFoo; outputs hold only what a guest
 * sends of them, and zeros. */
void pv_random_args(struct pv_random *random, struct pv_arena *arena,
                    const struct pv_args_command *command, void *args);

/* Fills a struct of that type, chain included. */
void pv_random_struct(struct pv_random *random, struct pv_arena *arena,
                      const struct pv_args_type *type, void *value);

/* What a driver might answer: fills the outputs of decoded arguments in place, and the result with
 * 0 or (not an error) a random number. Pointers stay as they are; counts do not grow. Draws the
 * same random numbers for arguments that are equal in pv_args_equal's sense. */
void pv_random_answer(struct pv_random *random, const struct pv_args_command *command, void *args);

/* --- comparison ------------------------------------------------------------------------------- */

struct pv_compare {
    /* The handle that `b` must hold where `a` holds `handle`; NULL: the same. */
    uint64_t (*map)(void *user, uint32_t object, uint64_t handle);
    void *user;
    uint32_t directions;  /* PV_ARGS_OUT | PV_ARGS_IN_AND_OUT: only such parameters; 0: all */
    bool inputs;          /* parameters that return handles are left out */
    int32_t dropped;      /* sType of structs in chains of `a` that `b` must lack; 0: none */
    char difference[512]; /* the path of the first difference and the two values */
};

/* Deep equality of two struct pv_vkFoo. Arrays without elements equal NULL. */
bool pv_args_equal(struct pv_compare *compare, const struct pv_args_command *command, const void *a,
                   const void *b);
/* The same for structs, chains included. */
bool pv_struct_equal(struct pv_compare *compare, const struct pv_args_type *type, const void *a,
                     const void *b);

/* --- shared by the walks ---------------------------------------------------------------------- */

/* The number of elements of `member` (level 0) or of its `index`-th element (level 1). */
uint64_t pv_args_count(const struct pv_args_member *member, const void *owner, uint32_t level,
                       uint64_t index);
bool pv_args_is_sent(const struct pv_args_member *member, const void *owner);
/* The member of a union that its selector chooses (one row: always that one). */
const struct pv_args_member *pv_args_case(const struct pv_args_type *type, int32_t selected);
uint64_t pv_args_number(const void *at, uint32_t size);

#endif
