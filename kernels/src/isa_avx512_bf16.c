/* AVX-512 with products of bf16: twice as many in an instruction, summed in fp32. */
#include "plan.h"
#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define LFK_BF16_INSTRUCTIONS
#define LANES 16
#define ROWS 6
#define PANEL_VECTORS 4
#include "vector.inc.h"
#include "transform.inc.h"
#include "gemm.inc.h"
#include "fourier.inc.h"
#include "nearest.inc.h"

const lfk_isa lfk_isa_avx512_bf16 = {LANES, PANEL, 1, transform_input, multiply, transform_output, fourier, nearest, 0};
#ifdef LFK_HAS_AMX
void lfk_direct_amx(const lfk_job *job, const lfk_rectangle *part, void *scratch);
/* The same, and a unit for products of matrices beside it. */
const lfk_isa lfk_isa_amx = {LANES, PANEL, 1, transform_input, multiply, transform_output, fourier, nearest, lfk_direct_amx};
#endif
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
