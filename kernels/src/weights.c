/* Weights into the Winograd domain, G w G' in double precision, packed as the GEMM reads them. */
#include <math.h>
#include <string.h>

#include "plan.h"

/* G of F(2x2, 3x3) and F(4x4, 3x3): the rows are the interpolation points of transform.inc.h, each divided by the
   product of its distances to the other points. */
static void transform_line(int tile, const double *w, int step, double *to, int to_step) {
    double w0 = w[0], w1 = w[step], w2 = w[2 * step];
    if (tile == 2) {
        to[0] = w0;
        to[to_step] = 0.5 * (w0 + w1 + w2);
        to[2 * to_step] = 0.5 * (w0 - w1 + w2);
        to[3 * to_step] = w2;
        return;
    }
    const double root2 = 1.41421356237309504880, root_half = 0.70710678118654752440;
    to[0] = w0;
    to[to_step] = (w0 + root2 * w1 + 2 * w2) / 6;
    to[2 * to_step] = (w0 - root2 * w1 + 2 * w2) / 6;
    to[3 * to_step] = (w0 + root_half * w1 + 0.5 * w2) / -1.5;
    to[4 * to_step] = (w0 - root_half * w1 + 0.5 * w2) / -1.5;
    to[5 * to_step] = w2;
}

static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void lfk_pack_weights(const lfk_plan *plan, int32_t output, int32_t input, const float *weights, int32_t first,
                      int32_t last, void *packed) {
    const int side = lfk_side(plan->tile), panel = plan->isa->panel;
    const int channels = plan->channels_in[input];
    int depth_before = 0; /* of the inputs that come before in the sum */
    for (int i = 0; i < input; i++)
        if (plan->connected[output][i]) depth_before += plan->padded_in[i];
    for (int o = first; o < last; o++) {
        const int group = o / LFK_GROUP * LFK_GROUP;
        const int rest = plan->padded_out[output] - group;
        const int columns = rest < LFK_GROUP ? rest : LFK_GROUP;
        const int column = o - group, panel_start = column / panel * panel;
        const int width = columns - panel_start < panel ? columns - panel_start : panel;
        for (int i = 0; i < channels; i++) {
            const float *w = weights + ((int64_t)o * channels + i) * 9;
            double taps[9], half[6 * 3], done[6 * 6];
            for (int k = 0; k < 9; k++) taps[k] = w[k];
            for (int x = 0; x < 3; x++) transform_line(plan->tile, taps + x, 3, half + x, 3);
            for (int y = 0; y < side; y++) transform_line(plan->tile, half + y * 3, 1, done + y * side, 1);
            const int chunk = i / LFK_DEPTH * LFK_DEPTH, k = i - chunk;
            const int chunk_rest = plan->padded_in[input] - chunk;
            const int depth = chunk_rest < LFK_DEPTH ? chunk_rest : LFK_DEPTH;
            /* Within a panel: channel by channel in fp32, pair by pair in bf16. */
            const int64_t within = (int64_t)depth * panel_start +
                                   (plan->precision == LFK_BF16
                                        ? (int64_t)(k / 2) * width * 2 + (column - panel_start) * 2 + k % 2
                                        : (int64_t)k * width + (column - panel_start));
            for (int position = 0; position < side * side; position++) {
                const int64_t at =
                    lfk_weights_at(plan, output, group, columns, position, depth_before + chunk) + within;
                if (plan->precision == LFK_BF16)
                    ((uint16_t *)packed)[at] = to_bf16((float)done[position]);
                else
                    ((float *)packed)[at] = (float)done[position];
            }
        }
    }
}
