/* The search for the nearest vectors, shared between threads. */
#include "dispatch.h"

enum { ROWS = 48 /* that a thread takes at a time */ };

void lfk_nearest(lfk_nearest_job *job, void *scratch) {
    (void)scratch;
    const lfk_isa *isa = lfk_isa_of(job->isa);
    for (;;) {
        const int64_t first = __atomic_fetch_add(&job->next, ROWS, __ATOMIC_RELAXED);
        if (first >= job->count) return;
        isa->nearest(job, first, first + ROWS < job->count ? first + ROWS : job->count);
    }
}
