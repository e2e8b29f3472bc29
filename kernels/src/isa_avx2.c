/* AVX2 and FMA: 16 registers of 8 values. */
#include "plan.h"
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define ROWS 6
#define PANEL_VECTORS 2
#include "vector.inc.h"
#include "transform.inc.h"
#include "gemm.inc.h"
#include "fourier.inc.h"
#include "nearest.inc.h"

const lfk_isa lfk_isa_avx2 = {LANES, PANEL, 0, transform_input, multiply, transform_output, fourier, nearest, 0};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
