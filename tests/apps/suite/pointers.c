/* Variable pointers: a shader chooses between pointers, steps on, and keeps them in memory. */
#include "app.h"
#include "spirv.h"

enum id {
    MAIN = 1,
    /* types */
    VOID,
    FUNCTION,
    BOOL,
    U32,
    WORDS,
    BLOCK,
    BLOCK_POINTER,
    WORD_POINTER,
    INPUT_POINTER,
    SHARED_WORDS,
    SHARED_POINTER,
    SHARED_WORD_POINTER,
    LOCAL_POINTER,
    /* constants */
    ZERO,
    ONE,
    TWO,
    COUNT_OF_STEPS,
    COUNT_OF_INVOCATIONS,
    LAST_INVOCATION,
    SECOND_HALF,
    RESULTS,
    GROUP,
    SHARED_BEFORE_AND_AFTER,
    /* variables */
    BUFFER,
    INDEX_INPUT,
    FIRST_SHARED,
    SECOND_SHARED,
    CHOSEN,
    /* labels */
    ENTRY,
    LOOP,
    END,
    /* values */
    INDEX,
    INDEX_PARITY,
    INDEX_FROM_END,
    INDEX_IN_SECOND,
    INDEX_OF_RESULT,
    IS_ODD,
    HAS_MORE,
    AT_FIRST,
    AT_SECOND,
    AT_FIRST_SHARED,
    AT_SECOND_SHARED,
    AT_RESULT,
    FROM_FIRST,
    FROM_SECOND,
    SELECTED,
    POINTER,
    NEXT_POINTER,
    STEP,
    NEXT_STEP,
    SUM,
    NEXT_SUM,
    WORD,
    OTHER_WORD,
    BOUND,
};

enum { INVOCATIONS = 64, HALF = 128, STEPS = 4 };

/* What both modules begin with: a buffer of words, and invocations that know their index. The
 * capability is followed by the module's variables. */
/* clang-format off */
#define BEGIN(capability, ...)                                                                     \
    HEADER(BOUND),                                                                                 \
    OP(OpCapability, Shader),                                                                      \
    OP(OpCapability, capability),                                                                  \
    OP(OpMemoryModel, Logical, GLSL450),                                                           \
    OP(OpEntryPoint, GLCompute, MAIN, TEXT_MAIN, __VA_ARGS__),                                     \
    OP(OpExecutionMode, MAIN, LocalSize, INVOCATIONS, 1, 1),                                       \
    OP(OpDecorate, INDEX_INPUT, BuiltIn, LocalInvocationIndex),                                    \
    OP(OpDecorate, WORDS, ArrayStride, 4),                                                         \
    OP(OpDecorate, WORD_POINTER, ArrayStride, 4),                                                  \
    OP(OpDecorate, BLOCK, Block),                                                                  \
    OP(OpMemberDecorate, BLOCK, 0, Offset, 0),                                                     \
    OP(OpDecorate, BUFFER, DescriptorSet, 0),                                                      \
    OP(OpDecorate, BUFFER, Binding, 0),                                                            \
    OP(OpTypeVoid, VOID),                                                                          \
    OP(OpTypeFunction, FUNCTION, VOID),                                                            \
    OP(OpTypeBool, BOOL),                                                                          \
    OP(OpTypeInt, U32, 32, 0),                                                                     \
    OP(OpConstant, U32, ZERO, 0),                                                                  \
    OP(OpConstant, U32, ONE, 1),                                                                   \
    OP(OpConstant, U32, TWO, 2),                                                                   \
    OP(OpConstant, U32, LAST_INVOCATION, INVOCATIONS - 1),                                         \
    OP(OpConstant, U32, SECOND_HALF, HALF),                                                        \
    OP(OpConstant, U32, RESULTS, 2 * HALF),                                                        \
    OP(OpTypeRuntimeArray, WORDS, U32),                                                            \
    OP(OpTypeStruct, BLOCK, WORDS),                                                                \
    OP(OpTypePointer, BLOCK_POINTER, StorageBuffer, BLOCK),                                        \
    OP(OpTypePointer, WORD_POINTER, StorageBuffer, U32),                                           \
    OP(OpTypePointer, INPUT_POINTER, Input, U32),                                                  \
    OP(OpVariable, BLOCK_POINTER, BUFFER, StorageBuffer),                                          \
    OP(OpVariable, INPUT_POINTER, INDEX_INPUT, Input)

/* const uint32_t *at = index % 2 == 1 ? &words[index] : &words[HALF + index];
 * uint32_t sum = 0;
 * for (uint32_t step = 0; step < STEPS; step++)
 *     sum += *at++;
 * words[2 * HALF + index] = sum; */
static const uint32_t walk_words[] = {
    BEGIN(VariablePointersStorageBuffer, INDEX_INPUT, BUFFER),
    OP(OpConstant, U32, COUNT_OF_STEPS, APP_OR(STEPS, STEPS - 1)),

    OP(OpFunction, VOID, MAIN, 0, FUNCTION),
    OP(OpLabel, ENTRY),
    OP(OpLoad, U32, INDEX, INDEX_INPUT),
    OP(OpUMod, U32, INDEX_PARITY, INDEX, TWO),
    OP(OpIEqual, BOOL, IS_ODD, INDEX_PARITY, ONE),
    OP(OpIAdd, U32, INDEX_IN_SECOND, SECOND_HALF, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_FIRST, BUFFER, ZERO, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_SECOND, BUFFER, ZERO, INDEX_IN_SECOND),
    OP(OpSelect, WORD_POINTER, SELECTED, IS_ODD, AT_FIRST, AT_SECOND),
    OP(OpBranch, LOOP),

    OP(OpLabel, LOOP),
    OP(OpPhi, WORD_POINTER, POINTER, SELECTED, ENTRY, NEXT_POINTER, LOOP),
    OP(OpPhi, U32, SUM, ZERO, ENTRY, NEXT_SUM, LOOP),
    OP(OpPhi, U32, STEP, ZERO, ENTRY, NEXT_STEP, LOOP),
    OP(OpLoad, U32, WORD, POINTER),
    OP(OpIAdd, U32, NEXT_SUM, SUM, WORD),
    OP(OpPtrAccessChain, WORD_POINTER, NEXT_POINTER, POINTER, ONE),
    OP(OpIAdd, U32, NEXT_STEP, STEP, ONE),
    OP(OpULessThan, BOOL, HAS_MORE, NEXT_STEP, COUNT_OF_STEPS),
    OP(OpLoopMerge, END, LOOP, 0),
    OP(OpBranchConditional, HAS_MORE, LOOP, END),

    OP(OpLabel, END),
    OP(OpIAdd, U32, INDEX_OF_RESULT, RESULTS, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_RESULT, BUFFER, ZERO, INDEX_OF_RESULT),
    OP(OpStore, AT_RESULT, NEXT_SUM),
    OP(OpReturn),
    OP(OpFunctionEnd),
};

/* first_shared[index] = words[index];
 * second_shared[index] = words[HALF + index];
 * barrier();
 * uint32_t *chosen; // which the shader keeps in memory
 * chosen = index % 2 == 1 ? &first_shared[63 - index] : &second_shared[63 - index];
 * words[2 * HALF + index] = *chosen; */
static const uint32_t shared_words[] = {
    BEGIN(VariablePointers, INDEX_INPUT, BUFFER, FIRST_SHARED, SECOND_SHARED),
    OP(OpConstant, U32, COUNT_OF_INVOCATIONS, INVOCATIONS),
    OP(OpConstant, U32, GROUP, WorkgroupScope),
    OP(OpConstant, U32, SHARED_BEFORE_AND_AFTER, AcquireRelease | WorkgroupMemory),
    OP(OpTypeArray, SHARED_WORDS, U32, COUNT_OF_INVOCATIONS),
    OP(OpTypePointer, SHARED_POINTER, Workgroup, SHARED_WORDS),
    OP(OpTypePointer, SHARED_WORD_POINTER, Workgroup, U32),
    OP(OpTypePointer, LOCAL_POINTER, Function, SHARED_WORD_POINTER),
    OP(OpVariable, SHARED_POINTER, FIRST_SHARED, Workgroup),
    OP(OpVariable, SHARED_POINTER, SECOND_SHARED, Workgroup),

    OP(OpFunction, VOID, MAIN, 0, FUNCTION),
    OP(OpLabel, ENTRY),
    OP(OpVariable, LOCAL_POINTER, CHOSEN, Function),
    OP(OpLoad, U32, INDEX, INDEX_INPUT),
    OP(OpIAdd, U32, INDEX_IN_SECOND, SECOND_HALF, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_FIRST, BUFFER, ZERO, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_SECOND, BUFFER, ZERO, INDEX_IN_SECOND),
    OP(OpLoad, U32, WORD, AT_FIRST),
    OP(OpLoad, U32, OTHER_WORD, AT_SECOND),
    OP(OpAccessChain, SHARED_WORD_POINTER, AT_FIRST_SHARED, FIRST_SHARED, INDEX),
    OP(OpAccessChain, SHARED_WORD_POINTER, AT_SECOND_SHARED, SECOND_SHARED, INDEX),
    OP(OpStore, AT_FIRST_SHARED, WORD),
    OP(OpStore, AT_SECOND_SHARED, OTHER_WORD),
    OP(OpControlBarrier, GROUP, GROUP, SHARED_BEFORE_AND_AFTER),

    OP(OpISub, U32, INDEX_FROM_END, LAST_INVOCATION, INDEX),
    OP(OpUMod, U32, INDEX_PARITY, INDEX, TWO),
    OP(OpIEqual, BOOL, IS_ODD, INDEX_PARITY, APP_OR(ONE, ZERO)),
    OP(OpAccessChain, SHARED_WORD_POINTER, FROM_FIRST, FIRST_SHARED, INDEX_FROM_END),
    OP(OpAccessChain, SHARED_WORD_POINTER, FROM_SECOND, SECOND_SHARED, INDEX_FROM_END),
    OP(OpSelect, SHARED_WORD_POINTER, SELECTED, IS_ODD, FROM_FIRST, FROM_SECOND),
    OP(OpStore, CHOSEN, SELECTED),
    OP(OpLoad, SHARED_WORD_POINTER, POINTER, CHOSEN),
    OP(OpLoad, U32, SUM, POINTER),
    OP(OpIAdd, U32, INDEX_OF_RESULT, RESULTS, INDEX),
    OP(OpAccessChain, WORD_POINTER, AT_RESULT, BUFFER, ZERO, INDEX_OF_RESULT),
    OP(OpStore, AT_RESULT, SUM),
    OP(OpReturn),
    OP(OpFunctionEnd),
};
/* clang-format on */

/* Runs the shader on two times HALF words; each odd invocation takes its sum of `steps` words from
 * the first half, each even one from the second. */
static void point(struct app *app, VkShaderModule module, bool from_end, uint32_t steps)
{
    enum { COUNT = 2 * HALF + INVOCATIONS };
    uint32_t expected[INVOCATIONS] = {0};
    struct app_buffer data = app_buffer(app, COUNT * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, module, NULL, 0, &data);
    uint32_t *words = data.map;
    for (uint32_t i = 0; i < 2 * HALF; i++) {
        words[i] = i * i + 1;
    }
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, 1);
    app_run(app, command);
    for (uint32_t i = 0; i < INVOCATIONS; i++) {
        uint32_t first = (i % 2 == 1 ? 0 : HALF) + (from_end ? INVOCATIONS - 1 - i : i);
        for (uint32_t step = 0; step < steps; step++) {
            expected[i] += words[first + step];
        }
    }
    app_expect_words(app, "pointed to", words + 2 * HALF, expected, INVOCATIONS);
}

static void variable_pointers_to_a_buffer(struct app *app)
{
    point(app, APP_SHADER(app, walk_words), false, STEPS);
}

static void variable_pointers_to_shared_memory(struct app *app)
{
    point(app, APP_SHADER(app, shared_words), true, 1);
}

#define VULKAN11 "VkPhysicalDeviceVulkan11Features."

const struct app_case app_cases_pointers[] = {
    APP_CASE(variable_pointers_to_a_buffer, VULKAN11 "variablePointersStorageBuffer"),
    APP_CASE(variable_pointers_to_shared_memory, VULKAN11 "variablePointersStorageBuffer",
             VULKAN11 "variablePointers"),
    {0},
};
