/* Which of many vectors are the nearest to given ones: all products, and the least sum of each row so far, in
   registers. */

typedef int32_t vec_places __attribute__((vector_size(LANES * 4)));

/* `rows` of what is looked for, at most ROWS, against all sources. */
INLINE void nearest_to(const int rows, const lfk_nearest_job *job, int64_t first) {
    const float *wanted = job->wanted + first * job->depth;
    vec least[ROWS];
    vec_places places[ROWS], lanes;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = lane;
    for (int r = 0; r < rows; r++) {
        least[r] = (vec){0} + __builtin_inff();
        places[r] = (vec_places){0};
    }
    for (int64_t panel = 0; panel < job->sources; panel += PANEL) {
        const float *described = job->described + panel / LFK_NEAREST_PANEL * LFK_NEAREST_PANEL * job->depth +
                                 panel % LFK_NEAREST_PANEL;
        vec sums[ROWS][PANEL_VECTORS];
        for (int v = 0; v < PANEL_VECTORS; v++)
            for (int r = 0; r < rows; r++) sums[r][v] = load_fp32(job->lengths + panel + v * LANES);
        for (int64_t k = 0; k < job->depth; k++) {
            vec d[PANEL_VECTORS];
            for (int v = 0; v < PANEL_VECTORS; v++) d[v] = load_fp32(described + k * LFK_NEAREST_PANEL + v * LANES);
            for (int r = 0; r < rows; r++) {
                vec value = wanted[r * job->depth + k] - (vec){0}; /* broadcast */
                for (int v = 0; v < PANEL_VECTORS; v++) sums[r][v] += value * d[v];
            }
        }
        for (int v = 0; v < PANEL_VECTORS; v++) {
            const vec_places here = lanes + (int32_t)(panel + v * LANES);
            for (int r = 0; r < rows; r++) {
                const vec_places nearer = sums[r][v] < least[r];
                least[r] = (vec)((nearer & (vec_places)sums[r][v]) | (~nearer & (vec_places)least[r]));
                places[r] = (nearer & here) | (~nearer & places[r]);
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        int best = 0;
        for (int lane = 1; lane < LANES; lane++)
            if (least[r][lane] < least[r][best] ||
                (least[r][lane] == least[r][best] && places[r][lane] < places[r][best]))
                best = lane;
        job->costs[first + r] = least[r][best];
        job->places[first + r] = places[r][best];
    }
}

static void nearest(const lfk_nearest_job *job, int64_t first, int64_t end) {
    for (; first + ROWS <= end; first += ROWS) nearest_to(ROWS, job, first);
    for (; first < end; first++) nearest_to(1, job, first);
}
