/* Cooperative matrices: the invocations of a subgroup multiply them together. */
#include "app.h"
#include "spirv.h"

#include <stdio.h>
#include <string.h>

enum id {
    MAIN = 1,
    /* types */
    VOID,
    FUNCTION,
    F16,
    F32,
    S8,
    U8,
    S32,
    U32,
    BLOCK,
    BLOCK_POINTER,
    ARRAY_A,
    ARRAY_B,
    ARRAY_C,
    POINTER_A,
    POINTER_B,
    POINTER_C,
    MATRIX_A,
    MATRIX_B,
    MATRIX_C,
    /* constants */
    ZERO,
    ONE,
    TWO,
    THREE,
    SUBGROUP,
    ROWS,
    COLUMNS,
    DEPTH,
    COUNT_OF_ELEMENTS,
    ROW_MAJOR,
    B_MAJOR,
    USE_A,
    USE_B,
    USE_C,
    /* variables */
    BUFFER,
    /* labels */
    ENTRY,
    /* values */
    AT_RESULT,
    SUM,
    AT_A,
    AT_B,
    AT_C,
    A,
    B,
    C,
    BOUND,
};

/* Sides of matrices, and how many configurations of them a device may have. */
enum { SIDE_MAX = 64, ELEMENTS_MAX = SIDE_MAX * SIDE_MAX, CONFIGURATIONS_MAX = 256 };

static const struct component {
    VkComponentTypeKHR type;
    enum id id;
    uint32_t size;
    bool is_signed;
} components[] = {
    {VK_COMPONENT_TYPE_FLOAT16_KHR, F16, 2, true}, {VK_COMPONENT_TYPE_FLOAT32_KHR, F32, 4, true},
    {VK_COMPONENT_TYPE_SINT8_KHR, S8, 1, true},    {VK_COMPONENT_TYPE_UINT8_KHR, U8, 1, false},
    {VK_COMPONENT_TYPE_SINT32_KHR, S32, 4, true},  {VK_COMPONENT_TYPE_UINT32_KHR, U32, 4, false},
};

/* A (rows x depth) times B (depth x columns) plus C; the result has the type of C. */
struct product {
    const struct component *a, *b, *c;
    uint32_t rows, columns, depth;
    bool saturates;
};

static const struct component *find_component(VkComponentTypeKHR type)
{
    for (uint32_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (components[i].type == type) {
            return &components[i];
        }
    }
    return NULL;
}

/* The operand that says that a matrix has signs: of whole numbers only. */
static uint32_t signs(const struct component *of, uint32_t operands)
{
    return of->is_signed && of->id != F16 && of->id != F32 ? operands : 0;
}

/* What the module begins with: its numbers of 8 and 16 bits, and one subgroup of invocations. */
/* clang-format off */
#define BEGIN(invocations)                                                                         \
    HEADER(BOUND),                                                                                 \
    OP(OpCapability, Shader),                                                                      \
    OP(OpCapability, Float16),                                                                     \
    OP(OpCapability, Int8),                                                                        \
    OP(OpCapability, StorageBuffer16BitAccess),                                                    \
    OP(OpCapability, StorageBuffer8BitAccess),                                                     \
    OP(OpCapability, VulkanMemoryModel),                                                           \
    OP(OpCapability, CooperativeMatrixKHR),                                                        \
    OP(OpExtension, TEXT('S', 'P', 'V', '_'), TEXT('K', 'H', 'R', '_'),                            \
       TEXT('c', 'o', 'o', 'p'), TEXT('e', 'r', 'a', 't'), TEXT('i', 'v', 'e', '_'),               \
       TEXT('m', 'a', 't', 'r'), TEXT('i', 'x', 0, 0)),                                            \
    OP(OpMemoryModel, Logical, Vulkan),                                                            \
    OP(OpEntryPoint, GLCompute, MAIN, TEXT_MAIN, BUFFER),                                          \
    OP(OpExecutionMode, MAIN, LocalSize, invocations, 1, 1)
/* clang-format on */

/* struct { a_type a[4096]; b_type b[4096]; c_type c[4096], result[4096]; } buffer;
 * buffer.result = buffer.a * buffer.b + buffer.c; // B column by column */
static VkShaderModule product_shader(struct app *app, const struct product *p,
                                     uint32_t subgroup_size)
{
    const uint32_t operands = signs(p->a, MatrixASignedComponents) |
                              signs(p->b, MatrixBSignedComponents) |
                              signs(p->c, MatrixCSignedComponents | MatrixResultSignedComponents) |
                              (p->saturates ? SaturatingAccumulation : 0);
    /* clang-format off */
    const uint32_t words[] = {
        BEGIN(subgroup_size),
        OP(OpDecorate, ARRAY_A, ArrayStride, p->a->size),
        OP(OpDecorate, ARRAY_B, ArrayStride, p->b->size),
        OP(OpDecorate, ARRAY_C, ArrayStride, p->c->size),
        OP(OpDecorate, BLOCK, Block),
        OP(OpMemberDecorate, BLOCK, 0, Offset, 0 * 4 * ELEMENTS_MAX),
        OP(OpMemberDecorate, BLOCK, 1, Offset, 1 * 4 * ELEMENTS_MAX),
        OP(OpMemberDecorate, BLOCK, 2, Offset, 2 * 4 * ELEMENTS_MAX),
        OP(OpMemberDecorate, BLOCK, 3, Offset, 3 * 4 * ELEMENTS_MAX),
        OP(OpDecorate, BUFFER, DescriptorSet, 0),
        OP(OpDecorate, BUFFER, Binding, 0),

        OP(OpTypeVoid, VOID),
        OP(OpTypeFunction, FUNCTION, VOID),
        OP(OpTypeFloat, F16, 16),
        OP(OpTypeFloat, F32, 32),
        OP(OpTypeInt, S8, 8, 1),
        OP(OpTypeInt, U8, 8, 0),
        OP(OpTypeInt, S32, 32, 1),
        OP(OpTypeInt, U32, 32, 0),
        OP(OpConstant, U32, ZERO, 0),
        OP(OpConstant, U32, ONE, 1),
        OP(OpConstant, U32, TWO, 2),
        OP(OpConstant, U32, THREE, 3),
        OP(OpConstant, U32, ROWS, p->rows),
        OP(OpConstant, U32, COLUMNS, p->columns),
        OP(OpConstant, U32, DEPTH, p->depth),
        OP(OpConstant, U32, COUNT_OF_ELEMENTS, ELEMENTS_MAX),
        OP(OpConstant, U32, SUBGROUP, SubgroupScope),
        OP(OpConstant, U32, ROW_MAJOR, RowMajor),
        OP(OpConstant, U32, B_MAJOR, APP_OR(ColumnMajor, RowMajor)),
        OP(OpConstant, U32, USE_A, MatrixA),
        OP(OpConstant, U32, USE_B, MatrixB),
        OP(OpConstant, U32, USE_C, MatrixAccumulator),
        OP(OpTypeArray, ARRAY_A, p->a->id, COUNT_OF_ELEMENTS),
        OP(OpTypeArray, ARRAY_B, p->b->id, COUNT_OF_ELEMENTS),
        OP(OpTypeArray, ARRAY_C, p->c->id, COUNT_OF_ELEMENTS),
        OP(OpTypeStruct, BLOCK, ARRAY_A, ARRAY_B, ARRAY_C, ARRAY_C),
        OP(OpTypePointer, BLOCK_POINTER, StorageBuffer, BLOCK),
        OP(OpTypePointer, POINTER_A, StorageBuffer, p->a->id),
        OP(OpTypePointer, POINTER_B, StorageBuffer, p->b->id),
        OP(OpTypePointer, POINTER_C, StorageBuffer, p->c->id),
        OP(OpTypeCooperativeMatrixKHR, MATRIX_A, p->a->id, SUBGROUP, ROWS, DEPTH, USE_A),
        OP(OpTypeCooperativeMatrixKHR, MATRIX_B, p->b->id, SUBGROUP, DEPTH, COLUMNS, USE_B),
        OP(OpTypeCooperativeMatrixKHR, MATRIX_C, p->c->id, SUBGROUP, ROWS, COLUMNS, USE_C),
        OP(OpVariable, BLOCK_POINTER, BUFFER, StorageBuffer),

        OP(OpFunction, VOID, MAIN, 0, FUNCTION),
        OP(OpLabel, ENTRY),
        OP(OpAccessChain, POINTER_A, AT_A, BUFFER, ZERO, ZERO),
        OP(OpAccessChain, POINTER_B, AT_B, BUFFER, ONE, ZERO),
        OP(OpAccessChain, POINTER_C, AT_C, BUFFER, TWO, ZERO),
        OP(OpAccessChain, POINTER_C, AT_RESULT, BUFFER, THREE, ZERO),
        OP(OpCooperativeMatrixLoadKHR, MATRIX_A, A, AT_A, ROW_MAJOR, DEPTH),
        OP(OpCooperativeMatrixLoadKHR, MATRIX_B, B, AT_B, B_MAJOR, DEPTH),
        OP(OpCooperativeMatrixLoadKHR, MATRIX_C, C, AT_C, ROW_MAJOR, COLUMNS),
        OP(OpCooperativeMatrixMulAddKHR, MATRIX_C, SUM, A, B, C, operands),
        OP(OpCooperativeMatrixStoreKHR, AT_RESULT, SUM, ROW_MAJOR, COLUMNS),
        OP(OpReturn),
        OP(OpFunctionEnd),
    };
    /* clang-format on */
    return APP_SHADER(app, words);
}

/* Of a whole number that is small enough to have an exact half. */
static uint32_t encode(const struct component *as, int value)
{
    const float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    if (as->id == F16) {
        uint32_t magnitude = bits & INT32_MAX;
        return bits >> 31 << 15 | (magnitude == 0 ? 0 : (magnitude >> 13) - (112u << 10));
    }
    return as->id == F32 ? bits : (uint32_t)value;
}

/* Fills a matrix with numbers between -3 and 3, or 0 and 6, and keeps what they are. Square
 * ones are not symmetric, but for sides 1, 2, 48 and 50. */
static void fill(uint8_t *to, const struct component *as, bool is_signed, uint32_t count,
                 uint32_t seed, int *values)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (int)((i * i / 7 + seed) % 7) - (is_signed ? 3 : 0);
        uint32_t bits = encode(as, values[i]);
        memcpy(to + (size_t)i * as->size, &bits, as->size);
    }
}

static void multiply(struct app *app, const struct product *p, uint32_t subgroup_size)
{
    static int a[ELEMENTS_MAX], b[ELEMENTS_MAX], c[ELEMENTS_MAX];
    static uint32_t expected[ELEMENTS_MAX];
    enum { PART = 4 * ELEMENTS_MAX };
    struct app_buffer data = app_buffer(app, 4 * PART, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    uint8_t *map = data.map;
    struct app_kernel kernel =
        app_kernel(app, product_shader(app, p, subgroup_size), NULL, 0, &data);
    bool can_be_less = p->c->is_signed;
    fill(map, p->a, can_be_less && p->a->is_signed, p->rows * p->depth, 1, a);
    fill(map + PART, p->b, can_be_less && p->b->is_signed, p->depth * p->columns, 2, b);
    fill(map + 2 * PART, p->c, can_be_less, p->rows * p->columns, 4, c);
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, 1);
    app_run(app, command);
    for (uint32_t i = 0; i < p->rows * p->columns; i++) {
        const uint32_t row = i / p->columns, column = i % p->columns;
        int sum = c[i];
        for (uint32_t k = 0; k < p->depth; k++) {
            sum += a[row * p->depth + k] * b[column * p->depth + k];
        }
        uint32_t bits = encode(p->c, sum);
        memcpy((uint8_t *)expected + (size_t)i * p->c->size, &bits, p->c->size);
    }
    char what[64];
    snprintf(what, sizeof(what), "%ux%ux%u of types %d, %d, %d", p->rows, p->columns, p->depth,
             (int)p->a->type, (int)p->b->type, (int)p->c->type);
    app_expect_words(app, what, (const uint32_t *)(const void *)(map + 3 * PART), expected,
                     p->rows * p->columns * p->c->size / sizeof(uint32_t));
}

/* All configurations that the device has, of the numbers that are in `components`, with sides of up
 * to SIDE_MAX and results of the type of C. */
static void cooperative_matrices(struct app *app)
{
    static VkCooperativeMatrixPropertiesKHR found[CONFIGURATIONS_MAX];
    uint32_t count = CONFIGURATIONS_MAX, used = 0;
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup};
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get_configurations =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)app->get_instance_proc(
            app->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    for (uint32_t i = 0; i < CONFIGURATIONS_MAX; i++) {
        found[i] = (VkCooperativeMatrixPropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    }
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    app_check(app, get_configurations(app->gpu, &count, found),
              "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    for (uint32_t i = 0; i < count; i++) {
        const struct product product = {
            .a = find_component(found[i].AType),
            .b = find_component(found[i].BType),
            .c = find_component(found[i].CType),
            .rows = found[i].MSize,
            .columns = found[i].NSize,
            .depth = found[i].KSize,
            .saturates = found[i].saturatingAccumulation,
        };
        if (found[i].scope == VK_SCOPE_SUBGROUP_KHR && found[i].CType == found[i].ResultType &&
            product.a != NULL && product.b != NULL && product.c != NULL &&
            product.rows <= SIDE_MAX && product.columns <= SIDE_MAX && product.depth <= SIDE_MAX) {
            multiply(app, &product, subgroup.subgroupSize);
            used++;
        }
    }
    if (used == 0) {
        app_skip(app, "no cooperative matrices of 8, 16 or 32 bits");
    }
}

#define VULKAN11 "VkPhysicalDeviceVulkan11Features."
#define VULKAN12 "VkPhysicalDeviceVulkan12Features."

const struct app_case app_cases_matrices[] = {
    APP_CASE(cooperative_matrices, "VK_KHR_cooperative_matrix",
             "VkPhysicalDeviceCooperativeMatrixFeaturesKHR.cooperativeMatrix",
             VULKAN11 "storageBuffer16BitAccess", VULKAN12 "storageBuffer8BitAccess",
             VULKAN12 "shaderFloat16", VULKAN12 "shaderInt8", VULKAN12 "vulkanMemoryModel"),
    {0},
};
