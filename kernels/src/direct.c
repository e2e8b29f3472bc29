/* Convolutions by the products of their definition, for processors with a matrix unit: how the work is shared. */
#include "plan.h"

/* MOST_BYTES: of a thread's copy of its inputs, which stays in the L2 cache beside the weights of a group of outputs. */
enum { MOST_COLUMNS = 96, MOST_ROWS = 16, FEWEST_ROWS = 2, MOST_BYTES = 900 << 10, ITEMS_PER_THREAD = 4 };

static int divide_up(int value, int by) { return (value + by - 1) / by; }

/* Columns of a rectangle: equal parts of the width. */
int lfk_direct_columns(int width) { return divide_up(width, divide_up(width, MOST_COLUMNS)); }

void lfk_direct_share(lfk_job *job, int32_t threads) {
    const int columns = lfk_direct_columns(job->width);
    const int64_t row_bytes = (columns + 2) * lfk_direct_stride(job->plan) * 2;
    int rows = MOST_ROWS;
    while (rows > FEWEST_ROWS && (rows + 2) * row_bytes > MOST_BYTES) rows--;
    const int64_t across = (int64_t)job->batch * divide_up(job->width, columns);
    while (rows > FEWEST_ROWS && across * divide_up(job->height, rows) < ITEMS_PER_THREAD * threads) rows--;
    job->parts = 1;
    job->block_tiles = divide_up(job->height, divide_up(job->height, rows));
}

/* The copy of the inputs, and beyond its end what the last tiles of pixels reach into. */
int64_t lfk_direct_scratch_bytes(const lfk_plan *plan, int32_t rows) {
    return ((int64_t)(rows + 2) * (MOST_COLUMNS + 2) + LFK_DIRECT_GROUP + 2) * lfk_direct_stride(plan) * 2;
}

void lfk_direct_run(lfk_job *job, void *scratch) {
    const int columns = lfk_direct_columns(job->width), rows = job->block_tiles;
    const int across = divide_up(job->width, columns), down = divide_up(job->height, rows);
    for (;;) {
        const int64_t item = __atomic_fetch_add(&job->next_block, 1, __ATOMIC_RELAXED);
        if (item >= (int64_t)job->batch * across * down) return;
        lfk_rectangle part = {(int)(item / across / down), (int)(item / across % down) * rows, (int)(item % across) * columns, 0, 0};
        part.height = job->height - part.y < rows ? job->height - part.y : rows;
        part.width = job->width - part.x < columns ? job->width - part.x : columns;
        job->plan->isa->direct(job, &part, scratch);
    }
}
