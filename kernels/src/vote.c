/* What patches say of the pixels that they lie over. */
#include "api.h"

enum { PIXELS = 256 /* that a thread takes at a time */ };

typedef float vec4 __attribute__((vector_size(16), aligned(4)));

static void said_of(const lfk_vote_job *job, int64_t pixel, float *said) {
    const int64_t row = pixel / job->width, column = pixel % job->width;
    vec4 total = {0};
    float weight = 0;
    for (int64_t down = -job->reach; down <= job->reach; down++) {
        if (row - down < 0 || row - down >= job->height) continue;
        for (int64_t across = -job->reach; across <= job->reach; across++) {
            if (column - across < 0 || column - across >= job->width) continue;
            const int64_t step = down * job->width + across, slot = job->slots[pixel - step];
            if (slot < 0) continue;
            const float loudness = job->loudness[slot];
            total += loudness * *(const vec4 *)(job->colours + 4 * (job->field[slot] + step));
            weight += loudness;
        }
    }
    for (int colour = 0; colour < 3; colour++) said[colour] = total[colour] / weight;
}

void lfk_vote(lfk_vote_job *job, void *scratch) {
    (void)scratch;
    for (;;) {
        const int64_t first = __atomic_fetch_add(&job->next, PIXELS, __ATOMIC_RELAXED);
        if (first >= job->count) return;
        const int64_t end = first + PIXELS < job->count ? first + PIXELS : job->count;
        for (int64_t i = first; i < end; i++) said_of(job, job->pixels[i], job->said + 3 * i);
    }
}
