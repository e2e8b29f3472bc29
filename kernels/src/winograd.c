/* Plans, and the work on a block of tiles: transform the inputs, multiply, transform the products back. */
#include <stdlib.h>

#include "dispatch.h"

/* A cache line more than a power of two between matrices, so that the stores of one vector to all of them do not
   fall into one set of the cache. */
enum { LINE = 16 /* floats */, MOST_TILES = 48, FEWEST_TILES = 32 };

lfk_plan *lfk_plan_new(int32_t isa, int32_t precision, int32_t tile, int32_t inputs, const int32_t *channels_in,
                       int32_t outputs, const int32_t *channels_out, const uint8_t *connected) {
    if (!(tile == 1 ? lfk_supports_direct(isa, precision) : lfk_supported(isa, precision) && (tile == 2 || tile == 4)) ||
        inputs < 1 || inputs > LFK_MAX_MAPS ||
        outputs < 1 || outputs > LFK_MAX_MAPS)
        return 0;
    lfk_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return 0;
    plan->isa = lfk_isa_of(isa);
    plan->precision = precision;
    plan->tile = tile;
    plan->group = tile == 1 ? LFK_DIRECT_GROUP : lfk_group(precision);
    plan->inputs = inputs;
    plan->outputs = outputs;
    for (int i = 0; i < inputs; i++) {
        plan->channels_in[i] = channels_in[i];
        plan->padded_in[i] = lfk_round_up(channels_in[i], plan->isa->lanes * (tile == 1 ? 2 : 1));
        plan->depth_offset[i] = plan->depth_all;
        plan->depth_all += plan->padded_in[i];
    }
    const int64_t positions = (int64_t)lfk_side(tile) * lfk_side(tile);
    for (int o = 0; o < outputs; o++) {
        plan->channels_out[o] = channels_out[o];
        plan->padded_out[o] = lfk_round_up(channels_out[o], plan->isa->lanes);
        plan->weights_offset[o] = plan->weights_elements;
        for (int i = 0; i < inputs; i++) {
            plan->connected[o][i] = connected[o * inputs + i] != 0;
            if (plan->connected[o][i]) plan->depth_of[o] += plan->padded_in[i];
        }
        plan->weights_elements += positions * plan->depth_of[o] * plan->padded_out[o];
    }
    return plan;
}

void lfk_plan_free(lfk_plan *plan) { free(plan); }

static int element_bytes(const lfk_plan *plan) { return plan->precision == LFK_BF16 ? 2 : 4; }

int64_t lfk_weight_bytes(const lfk_plan *plan) { return plan->weights_elements * element_bytes(plan); }

static int64_t tiles_along(const lfk_plan *plan, int size) { return (size + plan->tile - 1) / plan->tile; }

/* Parts that the output channels can be shared between without one having much more to do than the others. */
static int most_parts(const lfk_plan *plan) {
    int64_t work = 0;
    int most = 0;
    for (int o = 0; o < plan->outputs; o++) {
        work += (int64_t)plan->depth_of[o] * ((plan->padded_out[o] + plan->group - 1) / plan->group);
        if (plan->depth_of[o] > most) most = plan->depth_of[o];
    }
    const int64_t parts = (work + most - 1) / most;
    return (int)(parts < LFK_MAX_PARTS ? parts : LFK_MAX_PARTS);
}

void lfk_share(lfk_job *job, int32_t threads) {
    const lfk_plan *plan = job->plan;
    if (plan->tile == 1) {
        lfk_direct_share(job, threads);
        return;
    }
    const int64_t tiles = job->batch * tiles_along(plan, job->height) * tiles_along(plan, job->width);
    /* As few blocks as there can be, in a multiple of the threads. */
    int64_t blocks = (tiles + MOST_TILES - 1) / MOST_TILES;
    blocks = (blocks + threads - 1) / threads * threads;
    job->parts = 1;
    /* Fewer tiles at a time make the weights, which are read for each block, cost more than the products. Parts cost
       the transforms of the inputs once more each. */
    const int most = most_parts(plan);
    while (blocks * FEWEST_TILES > tiles && 2 * job->parts <= most && blocks % 2 == 0) {
        blocks /= 2;
        job->parts *= 2;
    }
    job->block_tiles = (int32_t)((tiles + blocks - 1) / blocks);
}

/* The transformed inputs, then the products. */
typedef struct {
    lfk_matrices inputs, products;
    int64_t bytes;
} layout;

static layout lay_out(const lfk_plan *plan, int32_t block_tiles, void *scratch) {
    const int64_t positions = (int64_t)lfk_side(plan->tile) * lfk_side(plan->tile);
    layout it;
    it.inputs.data = scratch;
    it.inputs.tile_stride = plan->depth_all;
    it.inputs.position_stride = it.inputs.tile_stride * block_tiles + LINE * 4 / element_bytes(plan);
    const int64_t input_bytes = positions * it.inputs.position_stride * element_bytes(plan);
    it.products.data = (char *)scratch + (input_bytes + 63) / 64 * 64;
    it.products.position_stride = plan->group;
    it.products.tile_stride = positions * plan->group + LINE;
    it.bytes = (input_bytes + 63) / 64 * 64 + block_tiles * it.products.tile_stride * 4;
    return it;
}

int64_t lfk_scratch_bytes(const lfk_plan *plan, int32_t block_tiles) {
    return plan->tile == 1 ? lfk_direct_scratch_bytes(plan, block_tiles) : lay_out(plan, block_tiles, 0).bytes;
}

/* The products of a group of output channels at all positions. */
static void multiply_group(const lfk_plan *plan, const void *weights, int o, int group, int columns, int rows,
                           const layout *memory) {
    const int positions = lfk_side(plan->tile) * lfk_side(plan->tile);
    const int size = element_bytes(plan);
    for (int position = 0; position < positions; position++) {
        float *sums = (float *)memory->products.data + position * memory->products.position_stride;
        const char *values = (const char *)memory->inputs.data + position * memory->inputs.position_stride * size;
        int depth_before = 0;
        for (int i = 0; i < plan->inputs; i++) {
            if (!plan->connected[o][i]) continue;
            for (int k = 0; k < plan->padded_in[i]; k += LFK_DEPTH) {
                const int rest = plan->padded_in[i] - k;
                const int depth = rest < LFK_DEPTH ? rest : LFK_DEPTH;
                const int64_t at = lfk_weights_at(plan, o, group, columns, position, depth_before);
                plan->isa->multiply(plan->precision, values + (plan->depth_offset[i] + k) * size,
                                    memory->inputs.tile_stride, (const char *)weights + at * size, sums,
                                    memory->products.tile_stride, rows, depth, columns, depth_before > 0);
                depth_before += depth;
            }
        }
    }
}

/* Which part the next group of output channels belongs to: the one that has the least to do so far. */
static int next_owner(const lfk_plan *plan, int parts, int64_t *work, int o) {
    int least = 0;
    for (int part = 1; part < parts; part++)
        if (work[part] < work[least]) least = part;
    work[least] += plan->depth_of[o];
    return least;
}

static void run_block(const lfk_job *job, const lfk_tiles *tiles, int part, const layout *memory) {
    const lfk_plan *plan = job->plan;
    int64_t work[LFK_MAX_PARTS] = {0}, again[LFK_MAX_PARTS] = {0};
    uint8_t needed[LFK_MAX_MAPS] = {0};
    for (int o = 0; o < plan->outputs; o++)
        for (int group = 0; group < plan->padded_out[o]; group += plan->group)
            if (next_owner(plan, job->parts, work, o) == part)
                for (int i = 0; i < plan->inputs; i++) needed[i] |= plan->connected[o][i];
    for (int i = 0; i < plan->inputs; i++) {
        if (!needed[i]) continue;
        lfk_matrices to = memory->inputs;
        to.data = (char *)to.data + plan->depth_offset[i] * element_bytes(plan);
        plan->isa->transform_input(plan->tile, plan->precision, tiles, &job->inputs[i], plan->channels_in[i], to);
    }
    for (int o = 0; o < plan->outputs; o++) {
        for (int group = 0; group < plan->padded_out[o]; group += plan->group) {
            if (next_owner(plan, job->parts, again, o) != part) continue;
            const int rest = plan->padded_out[o] - group;
            const int columns = rest < plan->group ? rest : plan->group;
            const int stored = plan->channels_out[o] - group < columns ? plan->channels_out[o] - group : columns;
            multiply_group(plan, job->weights, o, group, columns, tiles->count, memory);
            plan->isa->transform_output(plan->tile, tiles, memory->products, &job->outputs[o], group, stored);
        }
    }
}

void lfk_run(lfk_job *job, void *scratch) {
    const lfk_plan *plan = job->plan;
    if (plan->tile == 1) {
        lfk_direct_run(job, scratch);
        return;
    }
    const layout memory = lay_out(plan, job->block_tiles, scratch);
    lfk_tiles tiles = {job->batch, job->height, job->width, (int)tiles_along(plan, job->height),
                       (int)tiles_along(plan, job->width), 0, 0};
    const int64_t all = (int64_t)job->batch * tiles.tiles_y * tiles.tiles_x;
    for (;;) {
        const int64_t item = __atomic_fetch_add(&job->next_block, 1, __ATOMIC_RELAXED);
        tiles.first = item / job->parts * job->block_tiles;
        if (tiles.first >= all) return;
        tiles.count = (int)(all - tiles.first < job->block_tiles ? all - tiles.first : job->block_tiles);
        run_block(job, &tiles, (int)(item % job->parts), &memory);
    }
}
