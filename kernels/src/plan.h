/* What the parts of the library share: the plan, and what an instruction set's code provides. */
#ifndef LFK_PLAN_H
#define LFK_PLAN_H

#include "api.h"

enum {
    /* Input channels that a GEMM sums up before it goes on to the next channels: a panel of weights of this depth
       stays in the L1 cache while all tiles of a block pass it. */
    LFK_DEPTH = 128,
    /* Parts that the groups of all outputs can be shared between. */
    LFK_MAX_PARTS = 16,
};

/* Where there is code for a matrix unit: Linux gives it to a process that asks. */
#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define LFK_HAS_AMX
#endif

/* Side of the square of inputs, and of the products, for a tile: 6, 4 or 3. */
static inline int lfk_side(int tile) { return tile + 2; }

/* Output channels whose products are held at a time, so that they are still in the cache when they are transformed back:
   256 bytes of weights for each input channel, in which both precisions are the fastest. */
static inline int lfk_group(int precision) { return precision == LFK_BF16 ? 128 : 64; }

static inline int lfk_round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/* Tiles first..first+count-1 in raster order over the maps of a batch. */
typedef struct {
    int batch, height, width;
    int tiles_y, tiles_x;
    int64_t first;
    int count;
} lfk_tiles;

/* Matrices of products or transformed inputs: one for each of side*side positions, tiles by channels. */
typedef struct {
    void *data;
    int64_t position_stride, tile_stride; /* elements */
} lfk_matrices;

/* A part of the outputs of one image of a batch. */
typedef struct {
    int image, y, x, height, width;
} lfk_rectangle;

/* The code that depends on the vectors of a CPU; each file isa_*.c provides one of these. */
typedef struct {
    int lanes;  /* fp32 values in a vector */
    int panel;  /* output channels in a panel of packed weights; the last panel of a group may be narrower */
    int bf16;   /* whether the GEMM works in bf16 too */
    void (*transform_input)(int tile, int precision, const lfk_tiles *tiles, const lfk_map *map, int channels,
                            lfk_matrices to);
    /* c[rows, columns] (+)= a[rows, depth] * b[depth, columns], b packed in panels; strides in elements. */
    void (*multiply)(int precision, const void *a, int64_t a_stride, const void *b, float *c, int64_t c_stride,
                     int rows, int depth, int columns, int accumulate);
    void (*transform_output)(int tile, const lfk_tiles *tiles, lfk_matrices from, const lfk_output *output,
                             int first_channel, int channels);
    /* `count` channels of an image, at most `lanes`. */
    void (*fourier)(const lfk_fourier_job *job, int image, int channel, int count, void *scratch);
    /* Of what is looked for, first..end-1. */
    void (*nearest)(const lfk_nearest_job *job, int64_t first, int64_t end);
    /* A rectangle of all outputs, product by product, in bf16: tile 1. NULL: there is no matrix unit to do it with. */
    void (*direct)(const lfk_job *job, const lfk_rectangle *part, void *scratch);
} lfk_isa;

extern const lfk_isa lfk_isa_portable, lfk_isa_avx2, lfk_isa_avx512, lfk_isa_avx512_bf16, lfk_isa_amx;

struct lfk_plan {
    const lfk_isa *isa;
    int precision, tile, group;
    int inputs, outputs;
    int channels_in[LFK_MAX_MAPS], channels_out[LFK_MAX_MAPS];
    int padded_in[LFK_MAX_MAPS], padded_out[LFK_MAX_MAPS]; /* to whole vectors, and pairs of them in inputs of tile 1 */
    int depth_offset[LFK_MAX_MAPS];                        /* of an input among all the transformed channels */
    int depth_all;
    uint8_t connected[LFK_MAX_MAPS][LFK_MAX_MAPS]; /* [output][input] */
    int depth_of[LFK_MAX_MAPS];                    /* summed over the inputs of an output */
    int64_t weights_offset[LFK_MAX_MAPS];          /* of an output's weights, elements */
    int64_t weights_elements;
};

/* How to transform a line of a size. */
typedef struct {
    int size, stages;
    int radices[16]; /* 2^14 has 7 fours; 3^8 * 2 has 9 */
    float *roots;    /* size complex roots of unity, exp(-2 pi i k / size) */
} lfk_line;

struct lfk_fourier {
    const lfk_isa *isa;
    lfk_line rows, columns;
    int longest; /* of the two sizes */
    float scale;
};

/* Offset in elements of the packed weights of output `o`: the group of channels that starts at `group` (of `columns`
   channels), a position, and the depth before. They lie in the order in which lfk_run reads them. */
static inline int64_t lfk_weights_at(const lfk_plan *plan, int o, int group, int columns, int position, int depth) {
    const int64_t side = lfk_side(plan->tile);
    return plan->weights_offset[o] + side * side * plan->depth_of[o] * group +
           ((int64_t)position * plan->depth_of[o] + depth) * columns;
}

/* Direct products, tile 1. Channels of an input that are multiplied before the next are: two lines of the cache of a pixel. */
enum { LFK_DIRECT_DEPTH = 64, LFK_DIRECT_GROUP = 32 };

/* Elements from a pixel to the next in a thread's copy of its inputs: an odd number of lines of the cache, so that the
   pixels of a tile do not fall into one set of it. */
static inline int64_t lfk_direct_stride(const lfk_plan *plan) { return (plan->depth_all / 64 * 64) + 96; }

/* Offset in elements of the weights of output `o` for the group of `columns` channels from `group` on, and the channels
   `depth` before. Then come LFK_DIRECT_DEPTH channels, or what is left of an input; of them the nine taps; of each
   32 channels at a time; of them 16 outputs at a time: what the matrix unit takes for one product. */
static inline int64_t lfk_direct_weights_at(const lfk_plan *plan, int o, int group, int columns, int depth) {
    return plan->weights_offset[o] + 9 * ((int64_t)plan->depth_of[o] * group + (int64_t)depth * columns);
}

int lfk_direct_columns(int width);
void lfk_direct_share(lfk_job *job, int32_t threads);
int64_t lfk_direct_scratch_bytes(const lfk_plan *plan, int32_t rows);
void lfk_direct_run(lfk_job *job, void *scratch);

#endif
