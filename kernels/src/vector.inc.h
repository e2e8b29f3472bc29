/* Vectors of LANES floats, by the compiler's vector extension. Included once in each isa_*.c, whose file-wide target
   decides what they become; everything is static, so that no function of one instruction set can be linked in place
   of another's. A file may define LFK_BF16_INSTRUCTIONS where there are any. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "plan.h"

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float vec_anywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t vec_bits __attribute__((vector_size(LANES * 4)));
typedef uint16_t half_bits __attribute__((vector_size(LANES * 2)));
typedef uint16_t half_anywhere __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

INLINE vec load_fp32(const float *from) { return *(const vec_anywhere *)from; }
INLINE void store_fp32(float *to, vec value) { *(vec_anywhere *)to = value; }

/* bf16 is the upper half of fp32. */
INLINE vec load_bf16(const uint16_t *from) {
    half_bits half = *(const half_anywhere *)from;
    return (vec)(__builtin_convertvector(half, vec_bits) << 16);
}

INLINE void store_bf16(uint16_t *to, vec value) {
#ifdef LFK_BF16_INSTRUCTIONS
    *(half_anywhere *)to = (half_bits)_mm512_cvtneps_pbh((__m512)value);
#else
    vec_bits bits = (vec_bits)value; /* rounded to the nearest, ties to even; NaN is not kept */
    bits += 0x7fff + ((bits >> 16) & 1);
    *(half_anywhere *)to = __builtin_convertvector(bits >> 16, half_bits);
#endif
}

INLINE vec load(int type, const void *from, int64_t at) {
    return type == LFK_BF16 ? load_bf16((const uint16_t *)from + at) : load_fp32((const float *)from + at);
}

INLINE void store(int type, void *to, int64_t at, vec value) {
    if (type == LFK_BF16)
        store_bf16((uint16_t *)to + at, value);
    else
        store_fp32((float *)to + at, value);
}

/* The same for the last `count` channels of a pixel, where a whole vector would reach into the next. */
INLINE vec load_part(int type, const void *from, int64_t at, int count) {
    uint32_t space[LANES] = {0};
    size_t size = type == LFK_BF16 ? 2 : 4;
    memcpy(space, (const char *)from + at * (int64_t)size, size * (size_t)count);
    return load(type, space, 0);
}

INLINE void store_part(int type, void *to, int64_t at, int count, vec value) {
    uint32_t space[LANES];
    size_t size = type == LFK_BF16 ? 2 : 4;
    store(type, space, 0, value);
    memcpy((char *)to + at * (int64_t)size, space, size * (size_t)count);
}
