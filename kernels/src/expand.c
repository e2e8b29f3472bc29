/* Moves of alpha expansion among shifted pictures, by minimum cuts. */
#include "api.h"

enum { LEFT = 0, RIGHT = 1, UP = 2, DOWN = 3 };
enum { OUTSIDE = -1, CANDIDATE = -2 };
/* What two labels differ by where neither can be seen beside the other. */
enum { UNSEEN = LFK_SEAM_FEATURES * 32 * 32 };

typedef struct {
    const lfk_expand_job *job;
    int64_t count;
    int32_t *pixels;             /* of the nodes */
    int32_t *beside, *capacity;  /* (count, 4) */
    int32_t *excess;
    void *scratch;
    uint8_t *reached;
} move;

/* Which pixel of all planes one shows with a label, or -1. */
static inline int64_t source_of(const lfk_expand_job *job, int32_t pixel, int32_t label) {
    const int32_t *shift = job->labels + 4 * (int64_t)label;
    const int64_t row = pixel / job->width + shift[1], column = pixel % job->width + shift[2];
    if (row < 0 || row >= job->height || column < 0 || column >= job->width) return -1;
    return (shift[0] * job->height + row) * job->width + column;
}

static inline int32_t squares(const uint8_t *one, const uint8_t *other, int count) {
    int32_t total = 0;
    for (int i = 0; i < count; i++) {
        const int32_t difference = one[i] - other[i];
        total += difference * difference;
    }
    return total;
}

/* What a pixel pays for a label, up to LFK_NEVER. */
static int32_t price(const lfk_expand_job *job, int32_t pixel, int32_t label) {
    const int64_t source = source_of(job, pixel, label);
    if (source < 0 || job->costs[source] >= LFK_NEVER) return LFK_NEVER;
    const uint8_t *guide = job->guide + 4 * (int64_t)pixel;
    const uint8_t *shown = job->features + LFK_FEATURES * source + LFK_SEAM_FEATURES;
    const int32_t unlike = squares(guide, shown, LFK_FEATURES - LFK_SEAM_FEATURES) * guide[3] / 16;
    const int32_t total = job->costs[source] + job->labels[4 * (int64_t)label + 3] + unlike;
    return total < LFK_NEVER ? total : LFK_NEVER;
}

/* How different two labels are at a pixel, or -1. */
static int32_t difference(const lfk_expand_job *job, int32_t pixel, int32_t one, int32_t other) {
    const int64_t first = source_of(job, pixel, one), second = source_of(job, pixel, other);
    if (first < 0 || second < 0 || job->costs[first] > LFK_NEVER || job->costs[second] > LFK_NEVER) return -1;
    return squares(job->features + LFK_FEATURES * first, job->features + LFK_FEATURES * second, LFK_SEAM_FEATURES);
}

/* What a seam between two pixels costs. */
static int32_t seam(const lfk_expand_job *job, int32_t pixel, int32_t label, int32_t beside, int32_t other) {
    if (label == other) return 0;
    const int32_t here = difference(job, pixel, label, other), there = difference(job, beside, label, other);
    if (here < 0 && there < 0) return 2 * UNSEEN;
    return here < 0 ? 2 * there : there < 0 ? 2 * here : here + there;
}

static int32_t neighbour(const lfk_expand_job *job, int32_t pixel, int direction) {
    const int32_t width = (int32_t)job->width, column = pixel % width;
    switch (direction) {
    case LEFT:
        return column ? pixel - 1 : -1;
    case RIGHT:
        return column + 1 < width ? pixel + 1 : -1;
    case UP:
        return pixel - width;
    default:
        return pixel + width < width * job->height ? pixel + width : -1;
    }
}

static void take(move *m, int32_t pixel) {
    m->job->index[pixel] = (int32_t)m->count;
    m->pixels[m->count++] = pixel;
}

/* Find the pixels that the label may come to; what is not among them has OUTSIDE as its index. */
static void find_nodes(move *m) {
    const lfk_expand_job *job = m->job;
    for (int64_t i = 0; i < job->count; i++) {
        const int32_t pixel = job->pixels[i];
        if (job->chosen[pixel] == job->label || price(job, pixel, job->label) >= LFK_NEVER) continue;
        if (job->reach) job->index[pixel] = CANDIDATE;
        else take(m, pixel);
    }
    if (!job->reach) return;
    for (int64_t i = 0; i < job->count; i++) {
        const int32_t pixel = job->pixels[i];
        if (job->index[pixel] != CANDIDATE) continue;
        for (int direction = 0; direction < 4; direction++) {
            const int32_t other = neighbour(job, pixel, direction);
            if (other < 0 || job->chosen[other] != job->label) continue;
            take(m, pixel);
            break;
        }
    }
    int64_t first = 0;
    for (int ring = 1; ring < job->reach; ring++) {
        const int64_t end = m->count;
        for (; first < end; first++) {
            for (int direction = 0; direction < 4; direction++) {
                const int32_t other = neighbour(job, m->pixels[first], direction);
                if (other >= 0 && job->index[other] == CANDIDATE) take(m, other);
            }
        }
    }
    for (int64_t i = 0; i < job->count; i++)
        if (job->index[job->pixels[i]] == CANDIDATE) job->index[job->pixels[i]] = OUTSIDE;
}

/* A node between which and its neighbours nothing flows yet. */
static void isolate(move *m, int64_t node) {
    for (int direction = 0; direction < 4; direction++) {
        const int32_t other = neighbour(m->job, m->pixels[node], direction);
        const int32_t index = other < 0 ? OUTSIDE : m->job->index[other];
        m->beside[4 * node + direction] = index;
        m->capacity[4 * node + direction] = 0;
    }
}

/* The source's side takes the label. Of two nodes one alone taking it costs the seams beside it; Kolmogorov and Zabih,
   "What energy functions can be minimized via graph cuts?" (2004), section 4, have the sums. */
static void connect(move *m, int64_t node) {
    const lfk_expand_job *job = m->job;
    const int32_t pixel = m->pixels[node], own = job->chosen[pixel];
    int32_t saved = price(job, pixel, own) - price(job, pixel, job->label);
    for (int direction = 0; direction < 4; direction++) {
        const int32_t beside = neighbour(job, pixel, direction), index = m->beside[4 * node + direction];
        if (beside < 0 || job->chosen[beside] == LFK_UNLABELLED) continue;
        const int32_t other = job->chosen[beside];
        if (index < 0) {
            saved += seam(job, pixel, own, beside, other) - seam(job, pixel, job->label, beside, other);
        } else if (direction == RIGHT || direction == DOWN) {
            const int32_t before = seam(job, pixel, own, beside, other);
            const int32_t one = seam(job, pixel, job->label, beside, other);
            const int32_t another = seam(job, pixel, own, beside, job->label);
            saved += before - one;
            m->excess[index] += one;
            const int32_t room = one + another - before;
            if (room > 0) m->capacity[4 * (int64_t)index + (direction ^ 1)] = room;
        }
    }
    m->excess[node] += saved;
}

static int32_t label_after(const move *m, int32_t pixel, int32_t index) {
    return index >= 0 && m->reached[index] ? m->job->label : m->job->chosen[pixel];
}

/* By how much the energy falls. */
static int64_t gain_of(const move *m) {
    const lfk_expand_job *job = m->job;
    int64_t gain = 0;
    for (int64_t node = 0; node < m->count; node++) {
        if (!m->reached[node]) continue;
        const int32_t pixel = m->pixels[node], own = job->chosen[pixel];
        gain += price(job, pixel, own) - price(job, pixel, job->label);
        for (int direction = 0; direction < 4; direction++) {
            const int32_t beside = neighbour(job, pixel, direction), index = m->beside[4 * node + direction];
            if (beside < 0 || job->chosen[beside] == LFK_UNLABELLED) continue;
            /* A seam between two that both change is met twice: counted from the first. */
            if (index >= 0 && m->reached[index] && (direction == LEFT || direction == UP)) continue;
            const int32_t other = job->chosen[beside];
            gain += seam(job, pixel, own, beside, other);
            gain -= seam(job, pixel, job->label, beside, label_after(m, beside, index));
        }
    }
    return gain;
}

void lfk_expand(lfk_expand_job *job) {
    int32_t *room = job->scratch;
    move m = {job, 0, room, room + job->count, room + 5 * job->count, room + 9 * job->count, room + 10 * job->count, 0};
    m.reached = (uint8_t *)m.scratch + LFK_CUT_SCRATCH * job->count;
    find_nodes(&m);
    for (int64_t node = 0; node < m.count; node++) {
        isolate(&m, node);
        m.excess[node] = 0;
    }
    for (int64_t node = 0; node < m.count; node++) connect(&m, node);
    lfk_cut_job cut = {m.count, m.beside, m.capacity, m.excess, m.reached, m.scratch};
    lfk_cut(&cut);
    /* Seams are no metric, so the cut may be wrong about two that change together. */
    job->gain = gain_of(&m);
    if (job->gain < 0) job->gain = 0;
    for (int64_t node = 0; node < m.count; node++) {
        job->index[m.pixels[node]] = OUTSIDE;
        if (job->gain && m.reached[node]) job->chosen[m.pixels[node]] = (uint16_t)job->label;
    }
}
