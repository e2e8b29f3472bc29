/* Work on a job by all threads of a team that somebody else has. */
#include "api.h"

typedef struct {
    lfk_work *work;
    void *job;
    char *scratch;
    int64_t scratch_bytes;
    int32_t next;
} shared;

static void take_part(void *with) {
    shared *all = with;
    const int64_t number = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED);
    all->work(all->job, all->scratch + number * all->scratch_bytes);
}

void lfk_on_team(lfk_team *team, int32_t threads, lfk_work *work, void *job, void *scratch, int64_t scratch_bytes) {
    shared all = {work, job, scratch, scratch_bytes, 0};
    team(take_part, &all, (unsigned)threads, 0);
}
