/* Which instruction sets this CPU, and its system, have. */
#include "dispatch.h"

int32_t lfk_abi(void) { return LFK_ABI; }

const lfk_isa *lfk_isa_of(int id) {
    switch (id) {
    case LFK_PORTABLE:
        return &lfk_isa_portable;
#if defined(__x86_64__)
    case LFK_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &lfk_isa_avx2 : 0;
    case LFK_AVX512:
    case LFK_AVX512_BF16: {
        int found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("fma");
        if (id == LFK_AVX512) return found ? &lfk_isa_avx512 : 0;
        return found && __builtin_cpu_supports("avx512bf16") ? &lfk_isa_avx512_bf16 : 0;
    }
#endif
    default:
        return 0;
    }
}

int32_t lfk_supported(int32_t isa, int32_t precision) {
    const lfk_isa *code = lfk_isa_of(isa);
    return code && (precision == LFK_FP32 || (precision == LFK_BF16 && code->bf16));
}
