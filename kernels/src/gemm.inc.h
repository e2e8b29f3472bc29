/* Products of tiles and weights at one position of the transform.

   A microkernel holds up to ROWS x PANEL_VECTORS vectors of sums in registers. Its panel of weights (LFK_DEPTH deep)
   stays in the L1 cache while all tiles of the block pass; the next panel is fetched into the L2 cache meanwhile. */

#define PANEL (PANEL_VECTORS * LANES)

#ifdef LFK_BF16_INSTRUCTIONS
/* Two neighbouring channels a step: pairs of a, broadcast, and b packed in pairs. */
typedef uint32_t pair_anywhere __attribute__((aligned(4), may_alias));
#endif

INLINE void micro(const int precision, const int rows, const int vectors, const void *a, int64_t a_stride,
                  const void *b, float *c, int64_t c_stride, int depth, int accumulate, const char *ahead,
                  int ahead_step) {
    vec sums[ROWS][PANEL_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) sums[r][v] = (vec){0};
    if (accumulate)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++) sums[r][v] = load_fp32(c + r * c_stride + v * LANES);
    if (precision == LFK_FP32) {
        const float *weights = b, *values = a;
        for (int k = 0; k < depth; k++) {
            vec w[PANEL_VECTORS];
            __builtin_prefetch(ahead, 0, 2);
            ahead += ahead_step;
            for (int v = 0; v < vectors; v++) w[v] = load_fp32(weights + v * LANES);
            weights += vectors * LANES;
            for (int r = 0; r < rows; r++) {
                vec value = values[r * a_stride + k] - (vec){0}; /* broadcast */
                for (int v = 0; v < vectors; v++) sums[r][v] += value * w[v];
            }
        }
    }
#ifdef LFK_BF16_INSTRUCTIONS
    else {
        const float *weights = b;
        const uint16_t *values = a;
        for (int k = 0; k < depth; k += 2) {
            __m512bh w[PANEL_VECTORS];
            __builtin_prefetch(ahead, 0, 2);
            ahead += ahead_step;
            for (int v = 0; v < vectors; v++) w[v] = (__m512bh)_mm512_loadu_ps(weights + v * LANES);
            weights += vectors * LANES;
            for (int r = 0; r < rows; r++) {
                uint32_t pair = *(const pair_anywhere *)(values + r * a_stride + k);
                __m512bh value = (__m512bh)_mm512_set1_epi32((int)pair);
                for (int v = 0; v < vectors; v++) sums[r][v] = (vec)_mm512_dpbf16_ps((__m512)sums[r][v], value, w[v]);
            }
        }
    }
#endif
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) store_fp32(c + r * c_stride + v * LANES, sums[r][v]);
}

/* One panel, with as many rows at a time as there are. A row and a panel's width have a microkernel each. */
INLINE void multiply_panel(const int precision, const int vectors, const char *a, int64_t a_stride, const void *b,
                           float *c, int64_t c_stride, int rows, int depth, int accumulate, const char *ahead) {
    const int size = precision == LFK_BF16 ? 2 : 4, steps = precision == LFK_BF16 ? depth / 2 : depth;
    const int64_t panel_bytes = (int64_t)depth * vectors * LANES * size;
    const int calls = (rows + ROWS - 1) / ROWS;
    const int ahead_step = (int)(panel_bytes / calls / steps);
    for (int r = 0; r < rows; r += ROWS) {
        const void *values = a + r * a_stride * size;
        float *sums = c + r * c_stride;
        switch (rows - r < ROWS ? rows - r : ROWS) {
#define CASE(N)                                                                                               \
    case N:                                                                                                   \
        micro(precision, N, vectors, values, a_stride, b, sums, c_stride, depth, accumulate, ahead, ahead_step); \
        break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
            CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#undef CASE
        }
        ahead += (int64_t)steps * ahead_step;
    }
}

INLINE void multiply_panels(const int precision, const void *a, int64_t a_stride, const void *b, float *c,
                            int64_t c_stride, int rows, int depth, int columns, int accumulate) {
    const int size = precision == LFK_BF16 ? 2 : 4;
    const char *weights = b;
    for (int column = 0; column < columns; column += PANEL) {
        const int vectors = (columns - column < PANEL ? columns - column : PANEL) / LANES;
        const char *next = weights + (int64_t)depth * vectors * LANES * size;
        switch (vectors) {
#define CASE(N)                                                                                                   \
    case N:                                                                                                       \
        multiply_panel(precision, N, a, a_stride, weights, c + column, c_stride, rows, depth, accumulate, next);  \
        break;
            CASE(1) CASE(2)
#if PANEL_VECTORS > 2
            CASE(3) CASE(4)
#endif
#undef CASE
        }
        weights = next;
    }
}

static void multiply(int precision, const void *a, int64_t a_stride, const void *b, float *c, int64_t c_stride,
                     int rows, int depth, int columns, int accumulate) {
#ifdef LFK_BF16_INSTRUCTIONS
    if (precision == LFK_BF16) {
        multiply_panels(LFK_BF16, a, a_stride, b, c, c_stride, rows, depth, columns, accumulate);
        return;
    }
#endif
    (void)precision;
    multiply_panels(LFK_FP32, a, a_stride, b, c, c_stride, rows, depth, columns, accumulate);
}
