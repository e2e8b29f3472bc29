/* Weights into the Winograd domain, G w G' in double precision, packed as the GEMM reads them; or as they are. */
#include <string.h>

#include "plan.h"

static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* As many output channels at a time as the compiler likes to have in vectors, and a packed row holds at least. */
enum { BATCH = 16 };

/* G of F(2x2, 3x3) and F(4x4, 3x3), for a batch of output channels: the rows are the interpolation points of
   transform.inc.h, each divided by the product of its distances to the other points. */
static void transform_lines(int tile, double (*w)[BATCH], int step, double (*to)[BATCH], int to_step) {
    const double root2 = 1.41421356237309504880, root_half = 0.70710678118654752440;
    for (int o = 0; o < BATCH; o++) {
        const double w0 = w[0][o], w1 = w[step][o], w2 = w[2 * step][o];
        to[0][o] = w0;
        if (tile == 2) {
            to[to_step][o] = 0.5 * (w0 + w1 + w2);
            to[2 * to_step][o] = 0.5 * (w0 - w1 + w2);
            to[3 * to_step][o] = w2;
        } else {
            to[to_step][o] = (w0 + root2 * w1 + 2 * w2) * (1 / 6.0);
            to[2 * to_step][o] = (w0 - root2 * w1 + 2 * w2) * (1 / 6.0);
            to[3 * to_step][o] = (w0 + root_half * w1 + 0.5 * w2) * (-1 / 1.5);
            to[4 * to_step][o] = (w0 - root_half * w1 + 0.5 * w2) * (-1 / 1.5);
            to[5 * to_step][o] = w2;
        }
    }
}

/* Output channels first..last-1. */
static void pack_channels(const lfk_plan *plan, int32_t output, int32_t input, const float *weights, int32_t first,
                          int32_t last, void *packed) {
    const int side = lfk_side(plan->tile), panel = plan->isa->panel;
    const int channels = plan->channels_in[input];
    int depth_before = 0; /* of the inputs that come before in the sum */
    for (int i = 0; i < input; i++)
        if (plan->connected[output][i]) depth_before += plan->padded_in[i];
    int count;
    for (int o = first; o < last; o += count) {
        const int group = o / plan->group * plan->group;
        const int rest = plan->padded_out[output] - group;
        const int columns = rest < plan->group ? rest : plan->group;
        const int panel_start = (o - group) / panel * panel, column = o - group - panel_start;
        const int width = columns - panel_start < panel ? columns - panel_start : panel;
        /* The next ones, but of this panel. */
        count = width - column < BATCH ? width - column : BATCH;
        if (count > last - o) count = last - o;
        for (int i = 0; i < channels; i++) {
            double taps[9][BATCH] = {{0}}, half[6 * 3][BATCH], done[6 * 6][BATCH];
            for (int c = 0; c < count; c++) {
                const float *w = weights + ((int64_t)(o + c) * channels + i) * 9;
                for (int k = 0; k < 9; k++) taps[k][c] = w[k];
            }
            for (int x = 0; x < 3; x++) transform_lines(plan->tile, taps + x, 3, half + x, 3);
            for (int y = 0; y < side; y++) transform_lines(plan->tile, half + y * 3, 1, done + y * side, 1);
            const int chunk = i / LFK_DEPTH * LFK_DEPTH, k = i - chunk;
            const int chunk_rest = plan->padded_in[input] - chunk;
            const int64_t depth = chunk_rest < LFK_DEPTH ? chunk_rest : LFK_DEPTH;
            for (int position = 0; position < side * side; position++) {
                const int64_t at = depth * panel_start + lfk_weights_at(plan, output, group, columns, position,
                                                                        depth_before + chunk);
                /* Within a panel: channel by channel in fp32, pair by pair in bf16. */
                if (plan->precision == LFK_BF16) {
                    uint16_t *to = (uint16_t *)packed + at + ((int64_t)(k / 2) * width + column) * 2 + k % 2;
                    for (int c = 0; c < count; c++) to[2 * c] = to_bf16((float)done[position][c]);
                } else {
                    float *to = (float *)packed + at + (int64_t)k * width + column;
                    for (int c = 0; c < count; c++) to[c] = (float)done[position][c];
                }
            }
        }
    }
}

/* The same for tile 1, as they are. */
static void pack_direct(const lfk_plan *plan, int32_t output, int32_t input, const float *weights, int32_t first,
                        int32_t last, uint16_t *packed) {
    const int channels = plan->channels_in[input];
    int depth_before = 0;
    for (int i = 0; i < input; i++)
        if (plan->connected[output][i]) depth_before += plan->padded_in[i];
    for (int o = first; o < last; o++) {
        const int group = o / LFK_DIRECT_GROUP * LFK_DIRECT_GROUP, column = o - group;
        const int rest = plan->padded_out[output] - group;
        const int columns = rest < LFK_DIRECT_GROUP ? rest : LFK_DIRECT_GROUP;
        for (int i = 0; i < channels; i++) {
            const int chunk = i / LFK_DIRECT_DEPTH * LFK_DIRECT_DEPTH, k = i - chunk;
            const int chunk_rest = plan->padded_in[input] - chunk;
            const int steps = (chunk_rest < LFK_DIRECT_DEPTH ? chunk_rest : LFK_DIRECT_DEPTH) / 32;
            uint16_t *to = packed + lfk_direct_weights_at(plan, output, group, columns, depth_before + chunk) +
                           (k / 32) * 32 * columns + column / 16 * 32 * 16 + (k % 32 / 2) * 32 + column % 16 * 2 + k % 2;
            for (int tap = 0; tap < 9; tap++)
                to[(int64_t)tap * steps * 32 * columns] = to_bf16(weights[((int64_t)o * channels + i) * 9 + tap]);
        }
    }
}

void lfk_pack(lfk_pack_job *job, void *scratch) {
    (void)scratch;
    /* A group at a time: threads that write beside each other take twice as long. */
    const int channels = job->plan->channels_out[job->output], group = job->plan->group;
    for (;;) {
        const int first = __atomic_fetch_add(&job->next, group, __ATOMIC_RELAXED);
        if (first >= channels) return;
        const int last = first + group < channels ? first + group : channels;
        if (job->plan->tile == 1)
            pack_direct(job->plan, job->output, job->input, job->weights, first, last, job->packed);
        else
            pack_channels(job->plan, job->output, job->input, job->weights, first, last, job->packed);
    }
}
