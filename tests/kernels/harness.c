/* `harness LIBRARY`: every instruction set that this CPU has against plain sums in double precision.

   For systems where there is no torch to compare with, or no system at all but an emulator. test_wheels.py builds it
   for each platform; test_kernel_conv.py and test_fourier.py ask the same, and more, where there is torch. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#ifdef _WIN32
#include <windows.h>
static void *library(const char *path) { return (void *)LoadLibraryA(path); }
static void *function(void *from, const char *name) { return (void *)GetProcAddress((HMODULE)from, name); }
#else
#include <dlfcn.h>
static void *library(const char *path) { return dlopen(path, RTLD_NOW); }
static void *function(void *from, const char *name) { return dlsym(from, name); }
#endif

static __typeof__(lfk_abi) *abi;
static __typeof__(lfk_supported) *supported;
static __typeof__(lfk_supports_direct) *supports_direct;
static __typeof__(lfk_plan_new) *plan_new;
static __typeof__(lfk_plan_free) *plan_free;
static __typeof__(lfk_weight_bytes) *weight_bytes;
static __typeof__(lfk_pack) *pack;
static __typeof__(lfk_share) *share;
static __typeof__(lfk_scratch_bytes) *scratch_bytes;
static __typeof__(lfk_run) *run;
static __typeof__(lfk_fourier_new) *fourier_new;
static __typeof__(lfk_fourier_free) *fourier_free;
static __typeof__(lfk_fourier_scratch_bytes) *fourier_scratch_bytes;
static __typeof__(lfk_fourier_run) *fourier_run;
static __typeof__(lfk_nearest) *nearest;
static __typeof__(lfk_vote) *vote;

static const char *const ISAS[] = {"portable", "avx2", "avx512", "avx512_bf16", "amx"}, *const TYPES[] = {"fp32", "bf16"};
static int failures;

static void verdict(const char *what, int isa, double error, double bound) {
    const int fine = error <= bound; /* not of a NaN */
    printf("%s %s: %.1e, at most %.1e%s\n", ISAS[isa], what, error, bound, fine ? "" : " FAILED");
    failures += !fine;
}

/* Between -1 and 1. */
static float next_value(void) {
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (float)((int)(state >> 8) - (1 << 23)) / (1 << 23);
}

/* Memory from 64 bytes on, as vectors in scratch memory want it. */
static void *room(int64_t bytes) {
    char *all = calloc(1, (size_t)bytes + 128);
    if (!all) exit(3);
    return (void *)(((uintptr_t)all + 64) / 64 * 64);
}

static float *values(int64_t count) {
    float *made = room(count * 4);
    for (int64_t i = 0; i < count; i++) made[i] = next_value();
    return made;
}

static float read_bf16(uint16_t from) {
    uint32_t bits = (uint32_t)from << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* A map with a column of channels to spare, in the type that is asked for. */
static lfk_map map_of(const float *from, int batch, int height, int width, int channels, int type) {
    const int64_t pixel = channels + 3, row = pixel * width, image = row * height, size = type == LFK_BF16 ? 2 : 4;
    char *data = room(batch * image * size);
    for (int64_t i = 0; from && i < (int64_t)batch * height * width; i++)
        for (int c = 0; c < channels; c++) {
            uint32_t bits;
            memcpy(&bits, &from[i * channels + c], 4);
            const uint16_t half = (uint16_t)(bits >> 16); /* cut off: what counts is what is in the map */
            memcpy(data + (i * pixel + c) * size, type == LFK_BF16 ? (const void *)&half : &bits, (size_t)size);
        }
    return (lfk_map){data, image, row, pixel, type, 0};
}

static double at(const lfk_map *map, int image, int y, int x, int channel) {
    const int64_t i = image * map->batch_stride + y * map->row_stride + x * map->pixel_stride + channel;
    return map->type == LFK_BF16 ? read_bf16(((uint16_t *)map->data)[i]) : ((float *)map->data)[i];
}

static int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

/* Two inputs and two outputs, of which the second takes part of the first input alone; the largest error in parts of
   the largest sum of absolute products. */
static double convolution(int isa, int precision, int type, int tile, int batch, int height, int width, int local,
                          int other) {
    const int32_t channels[2] = {local, other};
    const uint8_t connected[4] = {1, 1, 1, 0};
    lfk_plan *plan = plan_new(isa, precision, tile, 2, channels, 2, channels, connected);
    if (!plan) return NAN;
    void *packed = room(weight_bytes(plan));
    float *weights[4] = {0};
    lfk_job job = {.plan = plan, .weights = packed, .batch = batch, .height = height, .width = width};
    for (int path = 0; path < 4; path++) {
        if (!connected[path]) continue;
        weights[path] = values((int64_t)channels[path / 2] * channels[path % 2] * 9);
        lfk_pack_job packing = {plan, path / 2, path % 2, weights[path], packed, 0, 0};
        pack(&packing, 0);
    }
    float *biases[2];
    for (int i = 0; i < 2; i++) {
        const int64_t count = (int64_t)batch * height * width * channels[i];
        biases[i] = values((channels[i] + 15) / 16 * 16);
        job.inputs[i] = map_of(values(count), batch, height, width, channels[i], type);
        job.outputs[i].out = map_of(0, batch, height, width, channels[i], type);
        job.outputs[i].residual = map_of(values(count), batch, height, width, channels[i], type);
        job.outputs[i].bias = biases[i];
        job.outputs[i].relu = 1;
    }
    share(&job, 2); /* one block in two parts, so small are the maps */
    run(&job, room(scratch_bytes(plan, job.block_tiles)));
    double worst = 0, largest = 0;
    for (int o = 0; o < 2; o++)
        for (int b = 0; b < batch; b++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                    for (int c = 0; c < channels[o]; c++) {
                        double sum = biases[o][c], size = 0;
                        for (int i = 0; i < 2; i++) {
                            const float *w = weights[2 * o + i];
                            for (int k = 0; w && k < 9; k++) {
                                const int from_y = reflected(y + k / 3 - 1, height), from_x = reflected(x + k % 3 - 1, width);
                                for (int d = 0; d < channels[i]; d++) {
                                    const double product = w[(c * channels[i] + d) * 9 + k] *
                                                           at(&job.inputs[i], b, from_y, from_x, d);
                                    sum += product;
                                    size += fabs(product);
                                }
                            }
                        }
                        sum = (sum > 0 ? sum : 0) + at(&job.outputs[o].residual, b, y, x, c);
                        double error = fabs(at(&job.outputs[o].out, b, y, x, c) - sum);
                        if (type == LFK_BF16) error -= fabs(sum) / 256; /* what rounding the result may do */
                        if (!(error <= worst)) worst = error;
                        if (size > largest) largest = size;
                    }
    plan_free(plan);
    return worst / largest;
}

/* Forward against the definition of the transform, and back: the largest error, of values between -1 and 1. */
static double transforms(int isa, int height, int width, int channels) {
    const int bins = width / 2 + 1;
    lfk_fourier *plan = fourier_new(isa, height, width);
    if (!plan) return NAN;
    void *scratch = room(fourier_scratch_bytes(plan));
    lfk_map space = map_of(values((int64_t)height * width * channels), 1, height, width, channels, LFK_FP32);
    lfk_map spectrum = map_of(0, 1, height, bins, 2 * channels, LFK_FP32);
    lfk_map back = map_of(0, 1, height, width, channels, LFK_FP32);
    lfk_fourier_job forward = {plan, 1, channels, 0, 0, space, spectrum, {0}};
    lfk_fourier_job backward = {plan, 1, channels, 1, 0, back, spectrum, space};
    fourier_run(&forward, scratch);
    fourier_run(&backward, scratch);
    const double turn = -2 * 3.14159265358979323846;
    double worst = 0;
    double (*rows)[2] = room((int64_t)height * 16);
    for (int c = 0; c < channels; c++) {
        for (int k = 0; k < bins; k++) {
            for (int y = 0; y < height; y++) {
                rows[y][0] = rows[y][1] = 0;
                for (int x = 0; x < width; x++) {
                    const double value = at(&space, 0, y, x, c), angle = turn * (k * x % width) / width;
                    rows[y][0] += value * cos(angle);
                    rows[y][1] += value * sin(angle);
                }
            }
            for (int j = 0; j < height; j++) {
                double re = 0, im = 0;
                for (int y = 0; y < height; y++) {
                    const double angle = turn * (j * y % height) / height;
                    re += rows[y][0] * cos(angle) - rows[y][1] * sin(angle);
                    im += rows[y][0] * sin(angle) + rows[y][1] * cos(angle);
                }
                const double scale = 1 / sqrt((double)height * width);
                const double error = fabs(at(&spectrum, 0, j, k, 2 * c) - re * scale) +
                                     fabs(at(&spectrum, 0, j, k, 2 * c + 1) - im * scale);
                if (!(error <= worst)) worst = error;
            }
        }
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const double error = fabs(at(&back, 0, y, x, c) - 2 * at(&space, 0, y, x, c));
                if (!(error <= worst)) worst = error;
            }
    }
    fourier_free(plan);
    return worst;
}

/* The least cost and what its place costs: the largest error. */
static double search(int isa, int sources, int depth, int count) {
    float *described = values((int64_t)sources * depth), *lengths = values(sources);
    float *wanted = values((int64_t)count * depth), *costs = room(count * 4);
    int64_t *places = room(count * 8);
    lfk_nearest_job job = {isa, sources, depth, described, lengths, wanted, count, costs, places, 0};
    nearest(&job, 0);
    double worst = 0;
    for (int i = 0; i < count; i++) {
        double least = INFINITY, there = NAN;
        for (int s = 0; s < sources; s++) {
            double cost = lengths[s];
            for (int k = 0; k < depth; k++)
                cost += (double)wanted[i * depth + k] *
                        described[((int64_t)(s / LFK_NEAREST_PANEL) * depth + k) * LFK_NEAREST_PANEL +
                                  s % LFK_NEAREST_PANEL];
            if (cost < least) least = cost;
            if (s == places[i]) there = cost;
        }
        const double error = fabs(costs[i] - there) + (there - least);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

/* One patch over nine pixels at a corner, and one over all: the largest error. */
static double votes(void) {
    enum { SIDE = 9, MIDDLE = SIDE / 2 * SIDE + SIDE / 2 };
    float *colours = values(SIDE * SIDE * 4), said[2 * 3];
    int64_t *slots = room(SIDE * SIDE * 8);
    for (int i = 0; i < SIDE * SIDE; i++) slots[i] = -1;
    slots[0] = 1;
    slots[MIDDLE] = 0;
    const int64_t field[2] = {3 * SIDE + 3, 5 * SIDE + 4}, pixels[2] = {0, 2 * SIDE + 2};
    const float loudness[2] = {0.5f, 2};
    lfk_vote_job job = {SIDE, SIDE, 3, colours, slots, field, loudness, pixels, 2, said, 0};
    vote(&job, 0);
    double worst = 0;
    for (int c = 0; c < 3; c++) {
        const double first = colours[4 * (5 * SIDE + 4) + c];
        const double second = (0.5 * colours[4 * (1 * SIDE + 1) + c] + 2 * colours[4 * (7 * SIDE + 6) + c]) / 2.5;
        const double error = fabs(said[c] - first) + fabs(said[3 + c] - second);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

int main(int count, char **arguments) {
    void *from = count == 2 ? library(arguments[1]) : 0;
    if (!from) return fprintf(stderr, "harness: cannot load %s\n", count == 2 ? arguments[1] : "nothing"), 2;
#define FIND(NAME) \
    if (!(NAME = (__typeof__(NAME))function(from, "lfk_" #NAME))) return fprintf(stderr, "harness: no lfk_" #NAME "\n"), 2
    FIND(abi);
    FIND(supported);
    FIND(supports_direct);
    FIND(plan_new);
    FIND(plan_free);
    FIND(weight_bytes);
    FIND(pack);
    FIND(share);
    FIND(scratch_bytes);
    FIND(run);
    FIND(fourier_new);
    FIND(fourier_free);
    FIND(fourier_scratch_bytes);
    FIND(fourier_run);
    FIND(nearest);
    FIND(vote);
    if (abi() != LFK_ABI) return fprintf(stderr, "harness: another version of the interface\n"), 2;
    static const int maps[][5] = {{1, 8, 8, 16, 16}, {2, 7, 5, 24, 40}, {1, 2, 3, 5, 7}, {1, 13, 10, 48, 144}};
    static const int sizes[][3] = {{8, 8, 16}, {7, 9, 5}, {30, 35, 24}, {1, 1, 3}, {31, 67, 9}, {45, 64, 20}, {64, 1, 16}};
    /* Those of test_kernel_conv.py. */
    static const double bounds[2][2] = {{3e-7, 1e-6}, {4e-3, 1.5e-2}};
    static const int tiles[] = {2, 4, 1};
    for (int isa = 0; isa < LFK_ISAS; isa++) {
        char what[80];
        for (int precision = 0; precision < 2; precision++)
            for (int variant = 0; variant < 6 && supported(isa, precision); variant++) {
                const int tile = tiles[variant / 2], type = variant % 2;
                if (tile == 1 && !supports_direct(isa, precision)) continue;
                double worst = 0;
                for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
                    const int *m = maps[i];
                    const double error = convolution(isa, precision, type, tile, m[0], m[1], m[2], m[3], m[4]);
                    if (!(error <= worst)) worst = error;
                }
                snprintf(what, sizeof what, "F(%dx%d, 3x3) in %s of %s maps", tile, tile, TYPES[precision], TYPES[type]);
                verdict(what, isa, worst, bounds[precision][tile == 4]);
            }
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && supported(isa, LFK_FP32); i++) {
            snprintf(what, sizeof what, "Fourier transforms of %dx%d", sizes[i][0], sizes[i][1]);
            verdict(what, isa, transforms(isa, sizes[i][0], sizes[i][1], sizes[i][2]), 6e-6);
        }
        if (supported(isa, LFK_FP32)) verdict("nearest of 192", isa, search(isa, 192, 24, 61), 1e-5);
    }
    verdict("votes", LFK_PORTABLE, votes(), 1e-6);
    return failures != 0;
}
