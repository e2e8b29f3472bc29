/* AVX-512: 32 registers of 16 values. */
#include "plan.h"
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define LANES 16
#define ROWS 6
#define PANEL_VECTORS 4
#include "vector.inc.h"
#include "transform.inc.h"
#include "gemm.inc.h"
#include "fourier.inc.h"
#include "nearest.inc.h"

const lfk_isa lfk_isa_avx512 = {LANES, PANEL, 0, transform_input, multiply, transform_output, fourier, nearest, 0};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
