/* The C interface of the library: 3x3 convolutions of channels-last maps by Winograd's minimal filtering, and Fourier
   transforms of them.

   Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast algorithms for convolutional
   neural networks" (2016), which names the variants F(2x2, 3x3) and F(4x4, 3x3).

   A plan says which convolutions there are: each output is a sum of convolutions of some of the inputs. A job is one
   use of a plan. Any number of threads may call lfk_run with the same job at the same time: each takes blocks of
   tiles until none is left. The library starts no thread, allocates nothing but plans, and keeps no state. */
#ifndef LFK_API_H
#define LFK_API_H

#include <stdint.h>

#if defined(_WIN32)
#define LFK_EXPORT __declspec(dllexport)
#else
#define LFK_EXPORT __attribute__((visibility("default")))
#endif

enum { LFK_ABI = 6, LFK_MAX_MAPS = 4, LFK_MAX_SIDE = 16384 };

typedef enum { LFK_FP32 = 0, LFK_BF16 = 1 } lfk_type;

/* Instruction sets, the slowest first. */
typedef enum { LFK_PORTABLE = 0, LFK_AVX2 = 1, LFK_AVX512 = 2, LFK_AVX512_BF16 = 3, LFK_AMX = 4, LFK_ISAS = 5 } lfk_isa_id;

typedef struct lfk_plan lfk_plan;

/* Where the values of a (batch, height, width, channels) map lie; channels are contiguous, strides in elements. */
typedef struct {
    void *data; /* NULL: there is no such map */
    int64_t batch_stride, row_stride, pixel_stride;
    int32_t type; /* lfk_type */
    int32_t reserved;
} lfk_map;

/* out = activation(convolutions + bias + add) + residual */
typedef struct {
    lfk_map out;
    lfk_map add;       /* optional; may be `out` itself */
    lfk_map residual;  /* optional; may be `out` itself */
    const float *bias; /* channels, rounded up to a multiple of 16 */
    int32_t relu;
    int32_t reserved;
} lfk_output;

typedef struct {
    const lfk_plan *plan;
    const void *weights; /* as lfk_pack made them */
    int32_t batch, height, width; /* height and width 2 or more: the padding reflects */
    int32_t block_tiles, parts;   /* what a thread takes at a time, as lfk_share says; of tile 1, rows */
    int32_t next_block;           /* 0 at first; shared between the threads */
    lfk_map inputs[LFK_MAX_MAPS];
    lfk_output outputs[LFK_MAX_MAPS];
} lfk_job;

LFK_EXPORT int32_t lfk_abi(void);

/* Whether this CPU runs `isa` and the code for it computes in `precision`. */
LFK_EXPORT int32_t lfk_supported(int32_t isa, int32_t precision);

/* Whether this CPU multiplies directly, tile 1, with `isa` in `precision`: with a matrix unit, in bf16. */
LFK_EXPORT int32_t lfk_supports_direct(int32_t isa, int32_t precision);

/* tile: 2 or 4, the side of the square of outputs that is computed at a time by Winograd's filtering; or 1, where
   lfk_supports_direct says so, for the products of the definition. connected[o * inputs + i] is 1 where
   output o takes part of input i. NULL: an argument is out of range, or there is no memory. */
LFK_EXPORT lfk_plan *lfk_plan_new(int32_t isa, int32_t precision, int32_t tile, int32_t inputs,
                                  const int32_t *channels_in, int32_t outputs, const int32_t *channels_out,
                                  const uint8_t *connected);
LFK_EXPORT void lfk_plan_free(lfk_plan *plan);

LFK_EXPORT int64_t lfk_weight_bytes(const lfk_plan *plan);

/* The weights of one connection, to be transformed into their place in `packed`, which was zero before. */
typedef struct {
    const lfk_plan *plan;
    int32_t output, input;
    const float *weights; /* (O, I, 3, 3) */
    void *packed;
    int32_t next; /* 0 at first; shared between the threads */
    int32_t reserved;
} lfk_pack_job;

LFK_EXPORT void lfk_pack(lfk_pack_job *job, void *scratch);

/* Say in a job how `threads` should share the work: in blocks of so many tiles, and where there are few tiles, each block
   in parts of the output channels. Then the scratch memory that each needs, aligned to 64 bytes. */
LFK_EXPORT void lfk_share(lfk_job *job, int32_t threads);
LFK_EXPORT int64_t lfk_scratch_bytes(const lfk_plan *plan, int32_t block_tiles);

LFK_EXPORT void lfk_run(lfk_job *job, void *scratch);

/* Real Fourier transforms in two dimensions, scaled by 1 / sqrt(height * width) in both directions. */
typedef struct lfk_fourier lfk_fourier;

typedef struct {
    const lfk_fourier *plan;
    int32_t batch, channels;
    int32_t inverse;
    int32_t next_block; /* 0 at first; shared between the threads */
    lfk_map space;      /* (batch, height, width, channels): read, or written where inverse */
    lfk_map spectrum;   /* (batch, height, width / 2 + 1, 2 * channels): channel 2c the real part, 2c + 1 the imaginary */
    lfk_map add;        /* optional, for inverse: added to the result; may be `space` itself */
} lfk_fourier_job;

/* Any size up to LFK_MAX_SIDE; fast where its prime factors are small. NULL as for lfk_plan_new. */
LFK_EXPORT lfk_fourier *lfk_fourier_new(int32_t isa, int32_t height, int32_t width);
LFK_EXPORT void lfk_fourier_free(lfk_fourier *plan);
LFK_EXPORT int64_t lfk_fourier_scratch_bytes(const lfk_fourier *plan);
LFK_EXPORT void lfk_fourier_run(lfk_fourier_job *job, void *scratch);

/* Pixels from the patches that lie over them: each patch is a source's, and the louder it is the more it counts. */
typedef struct {
    int64_t height, width;
    int64_t reach;         /* of a patch from its middle: its side is 2 * reach + 1 */
    const float *colours;  /* (height * width, 4), of which three count */
    const int64_t *slots;  /* (height * width): which patch has its middle there, or -1 */
    const int64_t *field;  /* for each patch its source: the pixel in its middle, `reach` inside the picture */
    const float *loudness; /* for each patch */
    const int64_t *pixels; /* (count), each with a patch over it */
    int64_t count;
    float *said;  /* (count, 3): the result */
    int64_t next; /* 0 at first; shared between the threads */
} lfk_vote_job;

LFK_EXPORT void lfk_vote(lfk_vote_job *job, void *scratch);

/* The nearest of some vectors, the sources, to each of some others: the least of a source's length and its scalar
   product with what is looked for. With a length of its square, and -2 times what is looked for, that is the
   distance. */
enum { LFK_NEAREST_PANEL = 64 };

typedef struct {
    int64_t isa;            /* lfk_isa_id */
    int64_t sources, depth; /* sources: a multiple of LFK_NEAREST_PANEL, below 2^31 */
    const float *described; /* (sources / LFK_NEAREST_PANEL, depth, LFK_NEAREST_PANEL) */
    const float *lengths;   /* (sources); infinite: never the nearest, but for want of any */
    const float *wanted;    /* (count, depth) */
    int64_t count;
    float *costs;    /* (count): the results, */
    int64_t *places; /* (count): and which source it is; of several the first */
    int64_t next;    /* 0 at first; shared between the threads */
} lfk_nearest_job;

LFK_EXPORT void lfk_nearest(lfk_nearest_job *job, void *scratch);

/* The minimum cut of a graph in which each node has four neighbours at most, as in a grid. Of several the one with the
   fewest nodes on the source's side, which is the same whatever the algorithm. */
enum { LFK_CUT_SCRATCH = 20 /* bytes for each node */ };

typedef struct {
    int64_t count;
    const int32_t *beside; /* (count, 4): which node, or -1; what is in direction d of one has that one in d ^ 1 */
    int32_t *capacity;     /* (count, 4), towards each; what is left of it afterwards. There and back together below 2^31 */
    int32_t *excess;       /* (count): from the source where above 0, to the sink where below; what is left of it afterwards */
    uint8_t *reached;      /* (count), the result: 1 on the source's side */
    void *scratch;         /* LFK_CUT_SCRATCH for each node */
} lfk_cut_job;

/* On the caller's thread alone. */
LFK_EXPORT void lfk_cut(lfk_cut_job *job);

/* One move of alpha expansion: the pixels that are better off with one label take it, all at once (Boykov et al., 2001,
   "Fast approximate energy minimization via graph cuts"). Labels are shifted pictures: what a pixel shows with one is a
   pixel of a plane. A pixel pays for what it uses, and two beside each other with different labels for how different
   these labels are at both. */
enum {
    LFK_FEATURES = 8,       /* of a pixel: five that seams are measured in, three that a guide is */
    LFK_SEAM_FEATURES = 5,
    LFK_NEVER = 1 << 24,    /* what it costs to use a pixel that is known and must not be used */
    LFK_UNKNOWN = LFK_NEVER + 1, /* ... and one of which nothing is known */
    LFK_UNLABELLED = 0xffff,
    LFK_EXPAND_SCRATCH = 72 /* bytes for each pixel that may change */
};

typedef struct {
    int64_t height, width;
    const uint8_t *features; /* (planes, height, width, LFK_FEATURES) */
    const int32_t *costs;    /* (planes, height, width): of using a pixel, up to LFK_UNKNOWN */
    const int32_t *labels;   /* (labels, 4): plane, down, across, cost of a pixel */
    uint16_t *chosen;        /* (height, width): the labels; LFK_UNLABELLED: no pixel of the energy. Changed */
    const uint8_t *guide;    /* (height, width, 4): three features and how much they count, in 1/64 */
    const int32_t *pixels;   /* (count): those that may change, all of them labelled */
    int64_t count;
    int32_t label;           /* that they may take */
    int32_t reach;           /* only pixels so near to one that has it; 0: all */
    int32_t *index;          /* (height, width), all -1 before and afterwards */
    void *scratch;           /* LFK_EXPAND_SCRATCH for each of the pixels */
    int64_t gain;            /* the result: by how much the energy fell, 0 or more */
} lfk_expand_job;

/* On the caller's thread alone. */
LFK_EXPORT void lfk_expand(lfk_expand_job *job);

/* What lfk_pack, lfk_run, lfk_fourier_run, lfk_vote and lfk_nearest are. */
typedef void lfk_work(void *job, void *scratch);

/* Calls `part` with `with` on a number of threads at the same time, and waits for all: GOMP_parallel of the OpenMP that
   the program has already. On its threads, which are awake between two of the program's own operations, a job begins
   without a wait. */
typedef void lfk_team(void (*part)(void *with), void *with, unsigned threads, unsigned flags);

/* Work on a job by a team. `scratch` has `scratch_bytes`, a multiple of 64, for each thread. */
LFK_EXPORT void lfk_on_team(lfk_team *team, int32_t threads, lfk_work *work, void *job, void *scratch,
                            int64_t scratch_bytes);

#endif
