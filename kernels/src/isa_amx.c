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

enum { PIXELS = 32, TILE_BYTES = 1024, AHEAD = 6 /* pixels */ };

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
        const int size = map->type == LFK_BF16 ? 2 : 4;
        for (int y = -1; y <= part->height; y++) {
            const int64_t row =
                part->image * map->batch_stride + reflected(part->y + y, job->height) * map->row_stride;
            uint16_t *to = pixels + (int64_t)(y + 1) * (part->width + 2) * stride + plan->depth_offset[i];
            for (int x = -1; x <= part->width; x++, to += stride) {
                const int64_t at = row + reflected(part->x + x, job->width) * map->pixel_stride;
                /* Pixels that come soon; a wrong address costs nothing. */
                for (int line = 0; line < plan->channels_in[i] * size; line += 64)
                    __builtin_prefetch((const char *)map->data + (at + AHEAD * map->pixel_stride) * size + line, 0, 3);
                copy_pixel(map, at, plan->channels_in[i], plan->padded_in[i], to);
            }
        }
    }
}

/* Pixels of a rectangle in the order of their sums: its rows are two longer than it. */
typedef struct {
    const lfk_rectangle *part;
    int y, x, left;
} walk;

static void go_on(walk *at) {
    at->left--;
    if (++at->x == at->part->width + 2) at->x = 0, at->y++;
}

static int64_t offset(const lfk_map *map, const walk *at) {
    return at->part->image * map->batch_stride + (at->part->y + at->y) * map->row_stride +
           (at->part->x + at->x) * map->pixel_stride;
}

/* Ask for what a pixel's outputs and what is added to them lie in, before the products are there. */
INLINE void fetch_pixel(const lfk_output *output, int channel, walk *at) {
    const lfk_map *maps[] = {&output->out, &output->add, &output->residual};
    if (at->x < at->part->width)
        for (int m = 0; m < 3; m++)
            if (maps[m]->data)
                __builtin_prefetch((const char *)maps[m]->data +
                                       (offset(maps[m], at) + channel) * (maps[m]->type == LFK_BF16 ? 2 : 4), 0, 3);
    go_on(at);
}

/* Sums that are complete, and how far they have become outputs: `channels` from `channel` on. */
typedef struct {
    float sums[PIXELS * LFK_DIRECT_GROUP] __attribute__((aligned(64)));
    const lfk_output *output;
    int channel, channels;
    const float *next;
    walk at;
} finishing;

INLINE void finish_pixel(finishing *done) {
    const lfk_output *output = done->output;
    const lfk_map *out = &output->out, *add = &output->add, *residual = &output->residual;
    const float *sums = done->next;
    done->next += LFK_DIRECT_GROUP;
    if (done->at.x < done->at.part->width) {
        const int64_t to = offset(out, &done->at), from_add = offset(add, &done->at);
        const int64_t from_residual = offset(residual, &done->at);
        for (int c = 0; c < done->channels; c += LANES) {
            const int part = done->channels - c < LANES ? done->channels - c : 0, o = done->channel + c;
#define READ(MAP, AT) (part ? load_part((MAP)->type, (MAP)->data, AT, part) : load((MAP)->type, (MAP)->data, AT))
            vec value = load_fp32(sums + c) + load_fp32(output->bias + o);
            if (add->data) value += READ(add, from_add + o);
            if (output->relu) value = (vec)((vec_bits)value & ~(vec_bits)(value < (vec){0})); /* NaN stays */
            if (residual->data) value += READ(residual, from_residual + o);
            if (part)
                store_part(out->type, out->data, to + o, part, value);
            else
                store(out->type, out->data, to + o, value);
#undef READ
        }
    }
    go_on(&done->at);
}

/* Sums for 32 pixels from `pixels` on and the 16 or 32 outputs of a group. While the unit multiplies, the vectors finish
   the sums that were complete before, and memory is asked for that these will want. */
INLINE void multiply_tiles(const lfk_plan *plan, int o, int group, const int columns, const uint16_t *packed,
                           const uint16_t *pixels, int row_pixels, finishing *before, finishing *now) {
    const int64_t stride = lfk_direct_stride(plan), bytes = stride * 2;
    const char *weights = (const char *)(packed + lfk_direct_weights_at(plan, o, group, columns, 0));
    walk fetching = now->at;
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
                    if (before->at.left) finish_pixel(before);
                    if (fetching.left) fetch_pixel(now->output, group, &fetching);
                }
            }
        }
    }
    enum { ROW_BYTES = LFK_DIRECT_GROUP * 4 };
    _tile_stored(0, now->sums, ROW_BYTES);
    _tile_stored(1, now->sums + 16 * LFK_DIRECT_GROUP, ROW_BYTES);
    if (columns == 32) {
        _tile_stored(2, now->sums + 16, ROW_BYTES);
        _tile_stored(3, now->sums + 16 * LFK_DIRECT_GROUP + 16, ROW_BYTES);
    }
    while (before->at.left) finish_pixel(before);
}

void lfk_direct_amx(const lfk_job *job, const lfk_rectangle *part, void *scratch) {
    const lfk_plan *plan = job->plan;
    const int64_t stride = lfk_direct_stride(plan);
    const int row_pixels = part->width + 2;
    /* Of the last row, the two that are none need no place. */
    const int all = part->height * row_pixels - 2;
    finishing turns[2];
    int turn = 0;
    turns[1].at.left = 0;
    copy_inputs(job, part, scratch);
    use_tiles();
    for (int o = 0; o < plan->outputs; o++) {
        for (int group = 0; group < plan->padded_out[o]; group += LFK_DIRECT_GROUP) {
            const int columns = plan->padded_out[o] - group < LFK_DIRECT_GROUP ? 16 : LFK_DIRECT_GROUP;
            const int channels = plan->channels_out[o] - group < columns ? plan->channels_out[o] - group : columns;
            for (int first = 0; first < all; first += PIXELS, turn = !turn) {
                const uint16_t *pixels = (const uint16_t *)scratch + first * stride;
                finishing *now = &turns[turn], *before = &turns[!turn];
                now->output = &job->outputs[o];
                now->channel = group;
                now->channels = channels;
                now->next = now->sums;
                now->at = (walk){part, first / row_pixels, first % row_pixels, all - first < PIXELS ? all - first : PIXELS};
                if (columns == LFK_DIRECT_GROUP)
                    multiply_tiles(plan, o, group, LFK_DIRECT_GROUP, job->weights, pixels, row_pixels, before, now);
                else
                    multiply_tiles(plan, o, group, 16, job->weights, pixels, row_pixels, before, now);
            }
        }
    }
    while (turns[!turn].at.left) finish_pixel(&turns[!turn]);
    _tile_release();
}
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
