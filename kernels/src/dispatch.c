/* Which instruction sets this CPU, and its system, have. */
#include "dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#ifdef LFK_HAS_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Of the extended control register, what the system must save and restore of the registers. */
enum { VECTORS_OF_32_BYTES = 0x06, VECTORS_OF_64_BYTES = 0xe6, TILES = 0x60000 };

static int has(unsigned features, unsigned wanted) { return (features & wanted) == wanted; }

#ifdef LFK_HAS_AMX
/* bits of CPUID 7, for compilers whose header does not have them */
enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };

/* Linux keeps 8 KiB more for each thread of a process that asks; it refuses where a signal's stack is too small for them. */
static int may_use_tiles(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

/* __builtin_cpu_supports would do, but compilers come with libraries in which it always answers no. */
static int find_best(void) {
    unsigned eax, ebx, ecx, edx, saved, saved_high;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has(ecx, bit_OSXSAVE | bit_AVX | bit_FMA)) return LFK_PORTABLE;
    __asm__("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    if (!has(saved, VECTORS_OF_32_BYTES) || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has(ebx, bit_AVX2))
        return LFK_PORTABLE;
    if (!has(saved, VECTORS_OF_64_BYTES) || !has(ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ))
        return LFK_AVX2;
#ifdef LFK_HAS_AMX
    const int tiles = has(saved, TILES) && has(edx, AMX_BF16 | AMX_TILE);
#endif
    /* Where a CPU has no such leaf, it answers zeros. */
    __cpuid_count(7, 1, eax, ebx, ecx, edx);
    if (!has(eax, bit_AVX512BF16)) return LFK_AVX512;
#ifdef LFK_HAS_AMX
    if (tiles && may_use_tiles()) return LFK_AMX;
#endif
    return LFK_AVX512_BF16;
}
#endif

/* Asked for with every call, while a virtual machine may take long to answer: kept. */
static int best(void) {
#if defined(__x86_64__)
    static int known = -1;
    int found = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (found < 0) {
        found = find_best();
        __atomic_store_n(&known, found, __ATOMIC_RELAXED);
    }
    return found;
#else
    return LFK_PORTABLE;
#endif
}

int32_t lfk_abi(void) { return LFK_ABI; }

const lfk_isa *lfk_isa_of(int id) {
    if (id > best()) return 0;
    switch (id) {
    case LFK_PORTABLE:
        return &lfk_isa_portable;
#if defined(__x86_64__)
    case LFK_AVX2:
        return &lfk_isa_avx2;
    case LFK_AVX512:
        return &lfk_isa_avx512;
    case LFK_AVX512_BF16:
        return &lfk_isa_avx512_bf16;
#endif
#ifdef LFK_HAS_AMX
    case LFK_AMX:
        return &lfk_isa_amx;
#endif
    default:
        return 0;
    }
}

int32_t lfk_supported(int32_t isa, int32_t precision) {
    const lfk_isa *code = lfk_isa_of(isa);
    return code && (precision == LFK_FP32 || (precision == LFK_BF16 && code->bf16));
}

int32_t lfk_supports_direct(int32_t isa, int32_t precision) {
    const lfk_isa *code = lfk_isa_of(isa);
    return code && code->direct && precision == LFK_BF16;
}
