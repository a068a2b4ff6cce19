#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A main() for a fuzz target where there is no libFuzzer:
 *
 *     TARGET FILE...            replays what a fuzzer has found
 *     TARGET [ROUNDS [SEED]]    random inputs; the same seed makes the same ones
 *
 * Random bytes do not learn, but they reach what a structured target makes of them. */

enum { ROUNDS = 1500, INPUT_SIZE_MAX = 4096 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    return LLVMFuzzerTestOneInput(bytes, size);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long rounds = argc > 1 ? strtoul(argv[1], &end, 10) : ROUNDS;
    if (argc > 1 && *end != '\0') {
        int status = 0;
        for (int i = 1; i < argc; i++) {
            status |= replay(argv[i]);
        }
        return status;
    }
    unsigned long long seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    printf("%lu rounds from seed %llu\n", rounds, seed);
    (void)fflush(stdout);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned long i = 0; i < rounds; i++) {
        uint8_t bytes[INPUT_SIZE_MAX];
        size_t size = next_random(&state) % INPUT_SIZE_MAX;
        for (size_t at = 0; at < size; at++) {
            bytes[at] = (uint8_t)(next_random(&state) >> 24);
        }
        (void)LLVMFuzzerTestOneInput(bytes, size);
    }
    return 0;
}
