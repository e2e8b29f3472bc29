/* Fourier transforms along the rows and columns of a map, on vectors of channels: every butterfly is plain vector
   arithmetic, whatever the size. Stockham's mixed-radix algorithm, which sorts while it goes (Van Loan,
   "Computational frameworks for the fast Fourier transform", 1992, section 1.7). */

typedef struct {
    vec re, im;
} complex_vec;

INLINE complex_vec times(complex_vec a, float re, float im) {
    return (complex_vec){a.re * re - a.im * im, a.re * im + a.im * re};
}

INLINE complex_vec plus(complex_vec a, complex_vec b) { return (complex_vec){a.re + b.re, a.im + b.im}; }
INLINE complex_vec minus(complex_vec a, complex_vec b) { return (complex_vec){a.re - b.re, a.im - b.im}; }

/* One stage: `count` = radix * rest values at distance `stride` become `radix` times as many transforms of `rest`. The
   twiddle factor of p and k is root^(stride * p * k), root = exp(-2 pi i / size). */
INLINE void stage_4(const lfk_line *line, int rest, int stride, const complex_vec *from, complex_vec *to) {
    for (int p = 0; p < rest; p++) {
        const float *w1 = line->roots + 2 * (stride * p), *w2 = line->roots + 2 * (2 * stride * p),
                    *w3 = line->roots + 2 * (3 * stride * p);
        for (int q = 0; q < stride; q++) {
            const complex_vec *a = from + q + stride * p;
            complex_vec *b = to + q + stride * 4 * p;
            complex_vec a0 = a[0], a1 = a[stride * rest], a2 = a[2 * stride * rest], a3 = a[3 * stride * rest];
            complex_vec even = plus(a0, a2), odd = plus(a1, a3), back = minus(a0, a2), side = minus(a1, a3);
            b[0] = plus(even, odd);
            b[stride] = times((complex_vec){back.re + side.im, back.im - side.re}, w1[0], w1[1]);
            b[2 * stride] = times(minus(even, odd), w2[0], w2[1]);
            b[3 * stride] = times((complex_vec){back.re - side.im, back.im + side.re}, w3[0], w3[1]);
        }
    }
}

INLINE void stage_2(const lfk_line *line, int rest, int stride, const complex_vec *from, complex_vec *to) {
    for (int p = 0; p < rest; p++) {
        const float *w = line->roots + 2 * (stride * p);
        for (int q = 0; q < stride; q++) {
            complex_vec a0 = from[q + stride * p], a1 = from[q + stride * (p + rest)];
            to[q + stride * 2 * p] = plus(a0, a1);
            to[q + stride * (2 * p + 1)] = times(minus(a0, a1), w[0], w[1]);
        }
    }
}

/* An odd radix, the direct way: values radix-j and j share their cosines, and but for the sign their sines.
   work: radix values. */
INLINE void stage_odd(const lfk_line *line, const int radix, int rest, int stride, const complex_vec *from,
                      complex_vec *to, complex_vec *work) {
    const int half = radix / 2;
    complex_vec *sums = work, *differences = work + half;
    for (int p = 0; p < rest; p++) {
        for (int q = 0; q < stride; q++) {
            const complex_vec *a = from + q + stride * p;
            complex_vec *b = to + q + stride * radix * p;
            complex_vec all = a[0];
            for (int j = 1; j <= half; j++) {
                complex_vec low = a[stride * rest * j], high = a[stride * rest * (radix - j)];
                sums[j - 1] = plus(low, high);
                differences[j - 1] = minus(low, high);
                all = plus(all, sums[j - 1]);
            }
            b[0] = all;
            for (int k = 1; k <= half; k++) {
                complex_vec c = a[0], d = {{0}, {0}};
                int turn = 0; /* j * k modulo the radix */
                for (int j = 0; j < half; j++) {
                    turn += k;
                    if (turn >= radix) turn -= radix;
                    const float *root = line->roots + 2 * (line->size / radix * turn);
                    c.re += root[0] * sums[j].re;
                    c.im += root[0] * sums[j].im;
                    d.re -= root[1] * differences[j].re;
                    d.im -= root[1] * differences[j].im;
                }
                const float *low = line->roots + 2 * (stride * p * k);
                const float *high = line->roots + 2 * (stride * p * (radix - k));
                b[stride * k] = times((complex_vec){c.re + d.im, c.im - d.re}, low[0], low[1]);
                b[stride * (radix - k)] = times((complex_vec){c.re - d.im, c.im + d.re}, high[0], high[1]);
            }
        }
    }
}

/* The transform of the values at `from`, which is overwritten; where it ends up, `from` or `to`, is returned. */
static complex_vec *transform_line(const lfk_line *line, complex_vec *from, complex_vec *to, complex_vec *work) {
    int rest = line->size, stride = 1;
    for (int i = 0; i < line->stages; i++) {
        const int radix = line->radices[i];
        rest /= radix;
        switch (radix) {
        case 4: stage_4(line, rest, stride, from, to); break;
        case 2: stage_2(line, rest, stride, from, to); break;
        case 3: stage_odd(line, 3, rest, stride, from, to, work); break;
        case 5: stage_odd(line, 5, rest, stride, from, to, work); break;
        default: stage_odd(line, radix, rest, stride, from, to, work);
        }
        stride *= radix;
        complex_vec *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

#if LANES == 16
#define FIRST_PAIRS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define LAST_PAIRS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif LANES == 8
#define FIRST_PAIRS 0, 8, 1, 9, 2, 10, 3, 11
#define LAST_PAIRS 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#else
#define FIRST_PAIRS 0, 4, 1, 5
#define LAST_PAIRS 2, 6, 3, 7
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#endif

/* `count` channels of a map, LANES or fewer. */
INLINE vec load_channels(const lfk_map *map, int64_t at, int count) {
    if (count < LANES) return load_part(map->type, map->data, at, count);
    return load(map->type, map->data, at);
}

INLINE void store_channels(const lfk_map *map, int64_t at, int count, vec value) {
    if (count < LANES)
        store_part(map->type, map->data, at, count, value);
    else
        store(map->type, map->data, at, value);
}

/* A spectrum's channel 2c is the real part of channel c, 2c + 1 the imaginary part. */
INLINE void store_pairs(const lfk_map *map, int64_t at, int count, complex_vec value) {
    store_channels(map, at, 2 * count < LANES ? 2 * count : LANES,
                   __builtin_shufflevector(value.re, value.im, FIRST_PAIRS));
    if (2 * count > LANES)
        store_channels(map, at + LANES, 2 * count - LANES,
                       __builtin_shufflevector(value.re, value.im, LAST_PAIRS));
}

INLINE complex_vec load_pairs(const lfk_map *map, int64_t at, int count) {
    vec first = load_channels(map, at, 2 * count < LANES ? 2 * count : LANES), last = {0};
    if (2 * count > LANES) last = load_channels(map, at + LANES, 2 * count - LANES);
    return (complex_vec){__builtin_shufflevector(first, last, EVENS), __builtin_shufflevector(first, last, ODDS)};
}

/* LANES channels of one image. Two real rows make the real and the imaginary part of one complex row. */
static void fourier_forward(const lfk_fourier_job *job, int image, int channel, int count, void *scratch) {
    const lfk_fourier *plan = job->plan;
    const int height = plan->columns.size, width = plan->rows.size, bins = width / 2 + 1;
    complex_vec *grid = scratch, *line = grid + (int64_t)height * bins, *other = line + plan->longest,
                *work = other + plan->longest;
    const float half_scale = 0.5f * plan->scale;
    for (int y = 0; y < height; y += 2) {
        const int64_t row = image * job->space.batch_stride + y * job->space.row_stride + channel;
        for (int x = 0; x < width; x++) {
            const int64_t at = row + x * job->space.pixel_stride;
            line[x].re = half_scale * load_channels(&job->space, at, count);
            line[x].im = y + 1 < height
                             ? half_scale * load_channels(&job->space, at + job->space.row_stride, count)
                             : (vec){0};
        }
        const complex_vec *done = transform_line(&plan->rows, line, other, work);
        complex_vec *first = grid + (int64_t)y * bins, *second = first + bins;
        for (int k = 0; k < bins; k++) {
            complex_vec a = done[k], b = done[k ? width - k : 0];
            first[k] = (complex_vec){a.re + b.re, a.im - b.im};
            if (y + 1 < height) second[k] = (complex_vec){a.im + b.im, b.re - a.re};
        }
    }
    for (int k = 0; k < bins; k++) {
        for (int y = 0; y < height; y++) line[y] = grid[(int64_t)y * bins + k];
        const complex_vec *done = transform_line(&plan->columns, line, other, work);
        const int64_t column =
            image * job->spectrum.batch_stride + k * job->spectrum.pixel_stride + 2 * channel;
        for (int y = 0; y < height; y++)
            store_pairs(&job->spectrum, column + y * job->spectrum.row_stride, count, done[y]);
    }
}

/* Backward is forward with real and imaginary parts exchanged, before and after. */
static void fourier_backward(const lfk_fourier_job *job, int image, int channel, int count, void *scratch) {
    const lfk_fourier *plan = job->plan;
    const int height = plan->columns.size, width = plan->rows.size, bins = width / 2 + 1;
    complex_vec *grid = scratch, *line = grid + (int64_t)height * bins, *other = line + plan->longest,
                *work = other + plan->longest;
    /* Row by row into the scratch memory: down a column, each value of the map lies in another page. */
    for (int y = 0; y < height; y++) {
        const int64_t row = image * job->spectrum.batch_stride + y * job->spectrum.row_stride + 2 * channel;
        for (int k = 0; k < bins; k++) {
            complex_vec value = load_pairs(&job->spectrum, row + k * job->spectrum.pixel_stride, count);
            grid[(int64_t)y * bins + k] = (complex_vec){value.im, value.re};
        }
    }
    for (int k = 0; k < bins; k++) {
        for (int y = 0; y < height; y++) line[y] = grid[(int64_t)y * bins + k];
        const complex_vec *done = transform_line(&plan->columns, line, other, work);
        for (int y = 0; y < height; y++) grid[(int64_t)y * bins + k] = (complex_vec){done[y].im, done[y].re};
    }
    for (int y = 0; y < height; y += 2) {
        const complex_vec *first = grid + (int64_t)y * bins, *second = first + bins;
        for (int k = 0; k < bins; k++) {
            complex_vec a = first[k], b = {{0}, {0}};
            if (y + 1 < height) b = second[k];
            if (k == 0 || 2 * k == width) {
                /* Of a real row these are real: what else is there is left out, as in every real transform. */
                line[k] = (complex_vec){b.re, a.re};
            } else {
                line[k] = (complex_vec){a.im + b.re, a.re - b.im};
                line[width - k] = (complex_vec){b.re - a.im, a.re + b.im};
            }
        }
        const int64_t added = image * job->add.batch_stride + y * job->add.row_stride + channel;
        if (job->add.data) {
            /* What is added, asked for before the transform that it can arrive behind. */
            const int64_t size = job->add.type == LFK_BF16 ? 2 : 4;
            for (int odd = 0; odd < 2 && y + odd < height; odd++)
                for (int x = 0; x < width; x++)
                    __builtin_prefetch((const char *)job->add.data + size * (added + odd * job->add.row_stride +
                                                                             x * job->add.pixel_stride));
        }
        const complex_vec *done = transform_line(&plan->rows, line, other, work);
        for (int odd = 0; odd < 2 && y + odd < height; odd++) {
            const int64_t row = image * job->space.batch_stride + (y + odd) * job->space.row_stride + channel;
            for (int x = 0; x < width; x++) {
                vec value = plan->scale * (odd ? done[x].re : done[x].im);
                if (job->add.data)
                    value += load_channels(
                        &job->add, added + odd * job->add.row_stride + x * job->add.pixel_stride, count);
                store_channels(&job->space, row + x * job->space.pixel_stride, count, value);
            }
        }
    }
}

static void fourier(const lfk_fourier_job *job, int image, int channel, int count, void *scratch) {
    if (job->inverse)
        fourier_backward(job, image, channel, count, scratch);
    else
        fourier_forward(job, image, channel, count, scratch);
}
