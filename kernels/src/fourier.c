/* Plans of Fourier transforms, and the sharing of channels between threads. */
#include <math.h>
#include <stdlib.h>

#include "dispatch.h"

static int make_line(lfk_line *line, int size) {
    int rest = size;
    line->size = size;
    while (rest % 4 == 0) {
        line->radices[line->stages++] = 4;
        rest /= 4;
    }
    for (int prime = 2; rest > 1; prime++) {
        if (prime * prime > rest) prime = rest;
        while (rest % prime == 0) {
            line->radices[line->stages++] = prime;
            rest /= prime;
        }
    }
    line->roots = malloc(sizeof(float) * 2 * (size_t)size);
    if (!line->roots) return 0;
    for (int i = 0; i < size; i++) {
        const double angle = -2 * 3.14159265358979323846 * i / size;
        line->roots[2 * i] = (float)cos(angle);
        line->roots[2 * i + 1] = (float)sin(angle);
    }
    return 1;
}

lfk_fourier *lfk_fourier_new(int32_t isa, int32_t height, int32_t width) {
    if (!lfk_supported(isa, LFK_FP32) || height < 1 || width < 1 || height > LFK_MAX_SIDE || width > LFK_MAX_SIDE)
        return 0;
    lfk_fourier *plan = calloc(1, sizeof *plan);
    if (!plan) return 0;
    plan->isa = lfk_isa_of(isa);
    plan->longest = height > width ? height : width;
    plan->scale = (float)(1 / sqrt((double)height * width));
    if (!make_line(&plan->rows, width) || !make_line(&plan->columns, height)) {
        lfk_fourier_free(plan);
        return 0;
    }
    return plan;
}

void lfk_fourier_free(lfk_fourier *plan) {
    free(plan->rows.roots);
    free(plan->columns.roots);
    free(plan);
}

int64_t lfk_fourier_scratch_bytes(const lfk_fourier *plan) {
    const int64_t values = (int64_t)plan->columns.size * (plan->rows.size / 2 + 1) + 3 * (int64_t)plan->longest;
    return values * 2 * plan->isa->lanes * 4;
}

void lfk_fourier_run(lfk_fourier_job *job, void *scratch) {
    const int lanes = job->plan->isa->lanes;
    const int groups = (job->channels + lanes - 1) / lanes;
    for (;;) {
        const int block = __atomic_fetch_add(&job->next_block, 1, __ATOMIC_RELAXED);
        if (block >= job->batch * groups) return;
        const int channel = block % groups * lanes;
        const int rest = job->channels - channel;
        job->plan->isa->fourier(job, block / groups, channel, rest < lanes ? rest : lanes, scratch);
    }
}
