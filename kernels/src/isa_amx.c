/* Intel's matrix unit: products of 16 pixels by 32 channels and 32 channels by 16 outputs, bf16 summed in fp32.

   The inputs of a rectangle are copied with their border into rows of pixels, one after the other, so that any 16
   pixels from one on are a matrix, and those of another tap of the convolution begin elsewhere. Two matrices of pixels
   meet two of weights at a time: four products for four loads. Of each row two pixels come out that are none. */
#include "plan.h"
#ifdef LFK_HAS_AMX
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("amx-tile,amx-bf16,avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("amx-tile,amx-bf16,avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define LFK_BF16_INSTRUCTIONS
#define LANES 16
#include "vector.inc.h"

enum { PIXELS = 32, TILE_BYTES = 1024 };

/* LDTILECFG's operand: tiles of 16 rows of 64 bytes. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

static void use_tiles(void) {
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) shapes.row_bytes[i] = 64, shapes.rows[i] = 16;
    _tile_loadconfig(&shapes);
}

static int reflected(int at, int size) {
    if (at < 0) at = -at;
    return at >= size ? 2 * size - 2 - at : at;
}

/* Values of `channels` channels in bf16, with zeros up to `padded`. */
INLINE void copy_pixel(const lfk_map *map, int64_t at, int channels, int padded, uint16_t *to) {
    int c = 0;
    if (map->type == LFK_BF16)
        for (; c + 2 * LANES <= channels; c += 2 * LANES)
            _mm512_storeu_si512(to + c, _mm512_loadu_si512((const uint16_t *)map->data + at + c));
    for (; c + LANES <= channels; c += LANES) store_bf16(to + c, load(map->type, map->data, at + c));
    if (c < channels) {
        store_bf16(to + c, load_part(map->type, map->data, at + c, channels - c));
        c += LANES;
    }
    for (; c < padded; c += LANES) store_bf16(to + c, (vec){0});
}

static void copy_inputs(const lfk_job *job, const lfk_rectangle *part, uint16_t *pixels) {
    const lfk_plan *plan = job->plan;
    const int64_t stride = lfk_direct_stride(plan);
    for (int i = 0; i < plan->inputs; i++) {
        const lfk_map *map = &job->inputs[i];
        for (int y = -1; y <= part->height; y++) {
            const int64_t row =
                part->image * map->batch_stride + reflected(part->y + y, job->height) * map->row_stride;
            uint16_t *to = pixels + (int64_t)(y + 1) * (part->width + 2) * stride + plan->depth_offset[i];
            for (int x = -1; x <= part->width; x++, to += stride)
                copy_pixel(map, row + reflected(part->x + x, job->width) * map->pixel_stride, plan->channels_in[i],
                           plan->padded_in[i], to);
        }
    }
}

/* Sums for 32 pixels from `pixels` on and the 16 or 32 outputs of a group, into sums[32][32]. */
INLINE void multiply_tiles(const lfk_plan *plan, int o, int group, const int columns, const uint16_t *packed,
                           const uint16_t *pixels, int row_pixels, float *sums) {
    const int64_t stride = lfk_direct_stride(plan), bytes = stride * 2;
    const char *weights = (const char *)(packed + lfk_direct_weights_at(plan, o, group, columns, 0));
    _tile_zero(0);
    _tile_zero(1);
    if (columns == 32) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int i = 0; i < plan->inputs; i++) {
        if (!plan->connected[o][i]) continue;
        for (int k = 0; k < plan->padded_in[i]; k += LFK_DIRECT_DEPTH) {
            const int depth = plan->padded_in[i] - k < LFK_DIRECT_DEPTH ? plan->padded_in[i] - k : LFK_DIRECT_DEPTH;
            for (int tap = 0; tap < 9; tap++) {
                const uint16_t *from =
                    pixels + ((int64_t)(tap / 3) * row_pixels + tap % 3) * stride + plan->depth_offset[i] + k;
                for (int step = 0; step < depth; step += 32) {
                    _tile_loadd(4, from + step, (int)bytes);
                    _tile_loadd(6, weights, 64);
                    _tile_loadd(5, from + step + 16 * stride, (int)bytes);
                    _tile_dpbf16ps(0, 4, 6);
                    _tile_dpbf16ps(1, 5, 6);
                    if (columns == 32) {
                        _tile_loadd(7, weights + TILE_BYTES, 64);
                        _tile_dpbf16ps(2, 4, 7);
                        _tile_dpbf16ps(3, 5, 7);
                    }
                    weights += columns * 64;
                }
            }
        }
    }
    enum { ROW_BYTES = LFK_DIRECT_GROUP * 4 };
    _tile_stored(0, sums, ROW_BYTES);
    _tile_stored(1, sums + 16 * LFK_DIRECT_GROUP, ROW_BYTES);
    if (columns == 32) {
        _tile_stored(2, sums + 16, ROW_BYTES);
        _tile_stored(3, sums + 16 * LFK_DIRECT_GROUP + 16, ROW_BYTES);
    }
}

/* One pixel's sums to its outputs from `channel` on: `count` of them. */
INLINE void finish(const lfk_output *output, const float *sums, int64_t image, int64_t y, int64_t x, int channel, int count) {
#define AT(MAP) (image * (MAP)->batch_stride + y * (MAP)->row_stride + x * (MAP)->pixel_stride + channel)
#define READ(MAP) (part ? load_part((MAP)->type, (MAP)->data, AT(MAP), part) : load((MAP)->type, (MAP)->data, AT(MAP)))
    const int part = count < LANES ? count : 0;
    vec value = load_fp32(sums) + load_fp32(output->bias + channel);
    if (output->add.data) value += READ(&output->add);
    if (output->relu) value = (vec)((vec_bits)value & ~(vec_bits)(value < (vec){0})); /* NaN stays */
    if (output->residual.data) value += READ(&output->residual);
    if (part)
        store_part(output->out.type, output->out.data, AT(&output->out), part, value);
    else
        store(output->out.type, output->out.data, AT(&output->out), value);
#undef READ
#undef AT
}

void lfk_direct_amx(const lfk_job *job, const lfk_rectangle *part, void *scratch) {
    const lfk_plan *plan = job->plan;
    const int64_t stride = lfk_direct_stride(plan);
    const int row_pixels = part->width + 2;
    /* Of the last row, the two that are none need no place. */
    const int all = part->height * row_pixels - 2;
    float sums[PIXELS * LFK_DIRECT_GROUP] __attribute__((aligned(64)));
    copy_inputs(job, part, scratch);
    use_tiles();
    for (int o = 0; o < plan->outputs; o++) {
        for (int group = 0; group < plan->padded_out[o]; group += LFK_DIRECT_GROUP) {
            const int rest = plan->padded_out[o] - group, stored = plan->channels_out[o] - group;
            for (int first = 0; first < all; first += PIXELS) {
                const uint16_t *pixels = (const uint16_t *)scratch + first * stride;
                if (rest >= 32)
                    multiply_tiles(plan, o, group, 32, job->weights, pixels, row_pixels, sums);
                else
                    multiply_tiles(plan, o, group, 16, job->weights, pixels, row_pixels, sums);
                for (int p = 0; p < PIXELS && first + p < all; p++) {
                    const int y = (first + p) / row_pixels, x = (first + p) % row_pixels;
                    if (x >= part->width) continue;
                    for (int c = 0; c < stored && c < LFK_DIRECT_GROUP; c += LANES)
                        finish(&job->outputs[o], sums + p * LFK_DIRECT_GROUP + c, part->image, part->y + y, part->x + x,
                               group + c, stored - c);
                }
            }
        }
    }
    _tile_release();
}
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
