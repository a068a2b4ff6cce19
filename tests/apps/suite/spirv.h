/* SPIR-V written by hand, for what no GLSL compiler at hand can say: a module is an array of words,
 * each instruction one OP() of its opcode and operands, in the order of the specification.
 *
 *     OP(OpTypeInt, U32, 32, 0),     // %U32 = OpTypeInt 32 0
 *     OP(OpIAdd, U32, SUM, ONE, TWO) // %SUM = OpIAdd %U32 %ONE %TWO
 */
#ifndef PV_APPS_SPIRV_H
#define PV_APPS_SPIRV_H

#include <stdint.h>

/* The first word of an instruction has its length above its opcode. */
#define OP(...)                                                                                    \
    (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) << 16) | __VA_ARGS__

/* What a module begins with; all ids are less than the bound. SPIR-V 1.5 is in Vulkan 1.2. */
#define HEADER(bound) 0x07230203, 0x00010500, 0, bound, 0

/* Four bytes of a text, which ends with a zero. */
#define TEXT(a, b, c, d)                                                                           \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define TEXT_MAIN TEXT('m', 'a', 'i', 'n'), 0

enum opcode {
    OpExtension = 10,
    OpMemoryModel = 14,
    OpEntryPoint = 15,
    OpExecutionMode = 16,
    OpCapability = 17,
    OpTypeVoid = 19,
    OpTypeBool = 20,
    OpTypeInt = 21,
    OpTypeFloat = 22,
    OpTypeArray = 28,
    OpTypeRuntimeArray = 29,
    OpTypeStruct = 30,
    OpTypePointer = 32,
    OpTypeFunction = 33,
    OpConstant = 43,
    OpFunction = 54,
    OpFunctionEnd = 56,
    OpVariable = 59,
    OpLoad = 61,
    OpStore = 62,
    OpAccessChain = 65,
    OpPtrAccessChain = 67,
    OpDecorate = 71,
    OpMemberDecorate = 72,
    OpIAdd = 128,
    OpISub = 130,
    OpUMod = 137,
    OpSelect = 169,
    OpIEqual = 170,
    OpULessThan = 176,
    OpControlBarrier = 224,
    OpPhi = 245,
    OpLoopMerge = 246,
    OpLabel = 248,
    OpBranch = 249,
    OpBranchConditional = 250,
    OpReturn = 253,
    OpTypeCooperativeMatrixKHR = 4456,
    OpCooperativeMatrixLoadKHR = 4457,
    OpCooperativeMatrixStoreKHR = 4458,
    OpCooperativeMatrixMulAddKHR = 4459,
};

enum capability {
    Shader = 1,
    Float16 = 9,
    Int8 = 39,
    StorageBuffer16BitAccess = 4433,
    VariablePointersStorageBuffer = 4441,
    VariablePointers = 4442,
    StorageBuffer8BitAccess = 4448,
    VulkanMemoryModel = 5345,
    CooperativeMatrixKHR = 6022,
};

enum memory_model { Logical = 0, GLSL450 = 1, Vulkan = 3 };

enum execution { GLCompute = 5, LocalSize = 17 };

enum storage_class { Input = 1, Workgroup = 4, Function = 7, StorageBuffer = 12 };

enum decoration {
    Block = 2,
    ArrayStride = 6,
    BuiltIn = 11,
    Binding = 33,
    DescriptorSet = 34,
    Offset = 35,
};

enum built_in { LocalInvocationIndex = 29 };

enum scope { WorkgroupScope = 2, SubgroupScope = 3 };

enum semantics { AcquireRelease = 0x8, WorkgroupMemory = 0x100 };

enum matrix_layout { RowMajor = 0, ColumnMajor = 1 };

enum matrix_use { MatrixA = 0, MatrixB = 1, MatrixAccumulator = 2 };

enum matrix_operands {
    MatrixASignedComponents = 0x1,
    MatrixBSignedComponents = 0x2,
    MatrixCSignedComponents = 0x4,
    MatrixResultSignedComponents = 0x8,
    SaturatingAccumulation = 0x10,
};

#endif
