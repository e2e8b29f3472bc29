/* Moves of alpha expansion among shifted pictures, by minimum cuts. */
#include "api.h"

enum { LEFT = 0, RIGHT = 1, UP = 2, DOWN = 3 };
enum { OUTSIDE = -1, CANDIDATE = -2 };
/* What two labels differ by where neither can be seen beside the other. */
enum { UNSEEN = LFK_SEAM_FEATURES * 32 * 32 };

/* Where a pixel is, by its row and its column and by its index. */
typedef struct {
    int32_t row, column, index;
} place;

typedef struct {
    const lfk_expand_job *job;
    int64_t count;
    place *pixels;              /* of the nodes */
    int32_t *beside, *capacity; /* (count, 4) */
    int32_t *excess;
    void *scratch;
    uint8_t *reached;
} move;

static inline place place_of(const lfk_expand_job *job, int32_t pixel) {
    const int32_t width = (int32_t)job->width, row = pixel / width;
    return (place){row, pixel - row * width, pixel};
}

/* Which pixel of all planes one shows with a label, or -1. */
static inline int64_t source_of(const lfk_expand_job *job, place pixel, int32_t label) {
    const int32_t *shift = job->labels + 4 * (int64_t)label;
    const int64_t row = pixel.row + shift[1], column = pixel.column + shift[2];
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
static int32_t price(const lfk_expand_job *job, place pixel, int32_t label) {
    const int64_t source = source_of(job, pixel, label);
    if (source < 0 || job->costs[source] >= LFK_NEVER) return LFK_NEVER;
    const uint8_t *guide = job->guide + 4 * (int64_t)pixel.index;
    const uint8_t *shown = job->features + LFK_FEATURES * source + LFK_SEAM_FEATURES;
    const int32_t unlike = squares(guide, shown, LFK_FEATURES - LFK_SEAM_FEATURES) * guide[3] / 64;
    const int32_t total = job->costs[source] + job->labels[4 * (int64_t)label + 3] + unlike;
    return total < LFK_NEVER ? total : LFK_NEVER;
}

/* How different two labels are at a pixel, or -1. */
static inline int32_t difference(const lfk_expand_job *job, place pixel, int32_t one, int32_t other) {
    const int64_t first = source_of(job, pixel, one), second = source_of(job, pixel, other);
    if (first < 0 || second < 0 || job->costs[first] > LFK_NEVER || job->costs[second] > LFK_NEVER) return -1;
    return squares(job->features + LFK_FEATURES * first, job->features + LFK_FEATURES * second, LFK_SEAM_FEATURES);
}

/* What a seam between two pixels costs. */
static int32_t seam(const lfk_expand_job *job, place pixel, int32_t label, place beside, int32_t other) {
    if (label == other) return 0;
    const int32_t here = difference(job, pixel, label, other), there = difference(job, beside, label, other);
    if (here < 0 && there < 0) return 2 * UNSEEN;
    return here < 0 ? 2 * there : there < 0 ? 2 * here : here + there;
}

/* The pixel in a direction, whose index is below 0 where there is none. */
static inline place neighbour(const lfk_expand_job *job, place pixel, int direction) {
    const int32_t width = (int32_t)job->width;
    switch (direction) {
    case LEFT:
        return pixel.column ? (place){pixel.row, pixel.column - 1, pixel.index - 1} : (place){0, 0, OUTSIDE};
    case RIGHT:
        if (pixel.column + 1 == width) return (place){0, 0, OUTSIDE};
        return (place){pixel.row, pixel.column + 1, pixel.index + 1};
    case UP:
        return pixel.row ? (place){pixel.row - 1, pixel.column, pixel.index - width} : (place){0, 0, OUTSIDE};
    default:
        if (pixel.row + 1 == job->height) return (place){0, 0, OUTSIDE};
        return (place){pixel.row + 1, pixel.column, pixel.index + width};
    }
}

static void take(move *m, place pixel) {
    m->job->index[pixel.index] = (int32_t)m->count;
    m->pixels[m->count++] = pixel;
}

/* Find the pixels that the label may come to; what is not among them has OUTSIDE as its index. */
static void find_nodes(move *m) {
    const lfk_expand_job *job = m->job;
    for (int64_t i = 0; i < job->count; i++) {
        if (job->chosen[job->pixels[i]] == job->label) continue;
        const place pixel = place_of(job, job->pixels[i]);
        if (price(job, pixel, job->label) >= LFK_NEVER) continue;
        if (job->reach) job->index[pixel.index] = CANDIDATE;
        else take(m, pixel);
    }
    if (!job->reach) return;
    for (int64_t i = 0; i < job->count; i++) {
        if (job->index[job->pixels[i]] != CANDIDATE) continue;
        const place pixel = place_of(job, job->pixels[i]);
        for (int direction = 0; direction < 4; direction++) {
            const int32_t other = neighbour(job, pixel, direction).index;
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
                const place other = neighbour(job, m->pixels[first], direction);
                if (other.index >= 0 && job->index[other.index] == CANDIDATE) take(m, other);
            }
        }
    }
    for (int64_t i = 0; i < job->count; i++)
        if (job->index[job->pixels[i]] == CANDIDATE) job->index[job->pixels[i]] = OUTSIDE;
}

/* A node between which and its neighbours nothing flows yet. */
static void isolate(move *m, int64_t node) {
    for (int direction = 0; direction < 4; direction++) {
        const int32_t other = neighbour(m->job, m->pixels[node], direction).index;
        m->beside[4 * node + direction] = other < 0 ? OUTSIDE : m->job->index[other];
        m->capacity[4 * node + direction] = 0;
    }
}

/* The source's side takes the label. Of two nodes one alone taking it costs the seams beside it; Kolmogorov and Zabih,
   "What energy functions can be minimized via graph cuts?" (2004), section 4, have the sums. */
static void connect(move *m, int64_t node) {
    const lfk_expand_job *job = m->job;
    const place pixel = m->pixels[node];
    const int32_t own = job->chosen[pixel.index];
    int32_t saved = price(job, pixel, own) - price(job, pixel, job->label);
    for (int direction = 0; direction < 4; direction++) {
        const place beside = neighbour(job, pixel, direction);
        const int32_t index = m->beside[4 * node + direction];
        if (beside.index < 0 || job->chosen[beside.index] == LFK_UNLABELLED) continue;
        const int32_t other = job->chosen[beside.index];
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

/* By how much the energy falls. */
static int64_t gain_of(const move *m) {
    const lfk_expand_job *job = m->job;
    int64_t gain = 0;
    for (int64_t node = 0; node < m->count; node++) {
        if (!m->reached[node]) continue;
        const place pixel = m->pixels[node];
        const int32_t own = job->chosen[pixel.index];
        gain += price(job, pixel, own) - price(job, pixel, job->label);
        for (int direction = 0; direction < 4; direction++) {
            const place beside = neighbour(job, pixel, direction);
            const int32_t index = m->beside[4 * node + direction];
            if (beside.index < 0 || job->chosen[beside.index] == LFK_UNLABELLED) continue;
            /* A seam between two that both change is met twice: counted from the first. */
            if (index >= 0 && m->reached[index] && (direction == LEFT || direction == UP)) continue;
            const int32_t other = job->chosen[beside.index];
            gain += seam(job, pixel, own, beside, other);
            gain -= seam(job, pixel, job->label, beside, index >= 0 && m->reached[index] ? job->label : other);
        }
    }
    return gain;
}

void lfk_expand(lfk_expand_job *job) {
    const int64_t most = job->count;
    int32_t *room = (int32_t *)((place *)job->scratch + most);
    move m = {job, 0, job->scratch, room, room + 4 * most, room + 8 * most, room + 9 * most, 0};
    m.reached = (uint8_t *)m.scratch + LFK_CUT_SCRATCH * most;
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
        job->index[m.pixels[node].index] = OUTSIDE;
        if (job->gain && m.reached[node]) job->chosen[m.pixels[node].index] = (uint16_t)job->label;
    }
}
