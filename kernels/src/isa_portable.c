/* Vectors of 16 bytes, which every CPU of today has (SSE2, NEON), by the compiler alone. */
#define LANES 4
#if defined(__aarch64__)
#define ROWS 6
#define PANEL_VECTORS 4 /* 32 registers */
#else
#define ROWS 6
#define PANEL_VECTORS 2 /* 16 registers */
#endif
#include "vector.inc.h"
#include "transform.inc.h"
#include "gemm.inc.h"
#include "fourier.inc.h"
#include "nearest.inc.h"

const lfk_isa lfk_isa_portable = {LANES, PANEL, 0, transform_input, multiply, transform_output, fourier, nearest, 0};
