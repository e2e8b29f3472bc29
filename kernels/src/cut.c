/* Minimum cuts by augmenting paths between two search trees that are kept from path to path: Boykov and Kolmogorov,
   "An experimental comparison of min-cut/max-flow algorithms for energy minimization in vision" (2004). */
#include "api.h"

typedef struct {
    int32_t distance, stamp; /* from the terminal, and when that was known */
    uint8_t parent, tree, queued, reserved;
} cut_node;

_Static_assert(sizeof(cut_node) + 2 * sizeof(int32_t) == LFK_CUT_SCRATCH, "a state and two queues");

/* What a node's parent is, beside a direction, 0 to 3. */
enum { TERMINAL = 4, ORPHAN = 5, FREE = 6 };
enum { SOURCE = 0, SINK = 1 };

typedef struct {
    int32_t *at;
    int64_t room, first, count;
} queue;

typedef struct {
    const int32_t *beside;
    int32_t *capacity, *excess;
    cut_node *nodes;
    queue active, orphans;
    int32_t time;
} graph;

static void push(queue *line, int32_t node) {
    line->at[(line->first + line->count++) % line->room] = node;
}

static int32_t pop(queue *line) {
    const int32_t node = line->at[line->first];
    line->first = line->first + 1 == line->room ? 0 : line->first + 1;
    line->count--;
    return node;
}

static void activate(graph *g, int32_t node) {
    if (g->nodes[node].queued) return;
    g->nodes[node].queued = 1;
    push(&g->active, node);
}

/* What can flow between a node of a tree and its neighbour, away from the source's root or towards the sink's. */
static int32_t outward(const graph *g, int tree, int32_t node, int direction) {
    return tree == SOURCE ? g->capacity[4 * (int64_t)node + direction]
                          : g->capacity[4 * (int64_t)g->beside[4 * (int64_t)node + direction] + (direction ^ 1)];
}

static int32_t inward(const graph *g, int tree, int32_t node, int direction) {
    return outward(g, tree ^ 1, node, direction);
}

static void make_orphan(graph *g, int32_t node) {
    g->nodes[node].parent = ORPHAN;
    push(&g->orphans, node);
}

static int32_t parent_of(const graph *g, int32_t node) {
    return g->beside[4 * (int64_t)node + g->nodes[node].parent];
}

/* The least that can flow from a node to its tree's root, or `most`. */
static int32_t bottleneck(const graph *g, int32_t node, int32_t most) {
    const int tree = g->nodes[node].tree;
    for (; g->nodes[node].parent != TERMINAL; node = parent_of(g, node)) {
        const int32_t room = inward(g, tree, node, g->nodes[node].parent);
        if (room < most) most = room;
    }
    const int32_t room = tree == SOURCE ? g->excess[node] : -g->excess[node];
    return room < most ? room : most;
}

static void flow_to_root(graph *g, int32_t node, int32_t flow) {
    const int tree = g->nodes[node].tree;
    while (g->nodes[node].parent != TERMINAL) {
        const int direction = g->nodes[node].parent;
        const int32_t parent = parent_of(g, node);
        int32_t *down = g->capacity + 4 * (int64_t)parent + (direction ^ 1), *up = g->capacity + 4 * (int64_t)node + direction;
        int32_t *used = tree == SOURCE ? down : up, *back = tree == SOURCE ? up : down;
        *used -= flow;
        *back += flow;
        if (!*used) make_orphan(g, node);
        node = parent;
    }
    g->excess[node] += tree == SOURCE ? -flow : flow;
    if (!g->excess[node]) make_orphan(g, node);
}

/* Whether a node's path leads to a terminal, and how far that is, or -1. */
static int32_t distance_to_root(graph *g, int32_t node) {
    int32_t length = 0, at = node;
    for (;;) {
        const cut_node *state = g->nodes + at;
        if (state->stamp == g->time) {
            length += state->distance;
            break;
        }
        if (state->parent == ORPHAN || state->parent == FREE) return -1;
        length++;
        if (state->parent == TERMINAL) {
            g->nodes[at].stamp = g->time;
            g->nodes[at].distance = 1;
            break;
        }
        at = parent_of(g, at);
    }
    for (int32_t left = length; g->nodes[node].stamp != g->time; node = parent_of(g, node)) {
        g->nodes[node].stamp = g->time;
        g->nodes[node].distance = left--;
    }
    return length;
}

static void adopt(graph *g, int32_t node) {
    cut_node *state = g->nodes + node;
    const int tree = state->tree;
    const int32_t *beside = g->beside + 4 * (int64_t)node;
    int32_t nearest = INT32_MAX;
    int chosen = FREE;
    for (int direction = 0; direction < 4; direction++) {
        const int32_t other = beside[direction];
        if (other < 0 || g->nodes[other].parent == FREE || g->nodes[other].tree != tree) continue;
        if (!inward(g, tree, node, direction)) continue;
        const int32_t distance = distance_to_root(g, other);
        if (distance >= 0 && distance < nearest) {
            nearest = distance;
            chosen = direction;
        }
    }
    state->parent = (uint8_t)chosen;
    if (chosen != FREE) {
        state->stamp = g->time;
        state->distance = nearest + 1;
        return;
    }
    for (int direction = 0; direction < 4; direction++) {
        const int32_t other = beside[direction];
        if (other < 0 || g->nodes[other].parent == FREE || g->nodes[other].tree != tree) continue;
        if (inward(g, tree, node, direction)) activate(g, other);
        if (g->nodes[other].parent == (direction ^ 1)) make_orphan(g, other);
    }
}

/* Push what fits along a path: `from` of the source's tree, its neighbour of the sink's. */
static void augment(graph *g, int32_t from, int direction) {
    const int32_t to = g->beside[4 * (int64_t)from + direction];
    int32_t *used = g->capacity + 4 * (int64_t)from + direction;
    const int32_t flow = bottleneck(g, to, bottleneck(g, from, *used));
    *used -= flow;
    g->capacity[4 * (int64_t)to + (direction ^ 1)] += flow;
    flow_to_root(g, from, flow);
    flow_to_root(g, to, flow);
    g->time++;
    while (g->orphans.count) adopt(g, pop(&g->orphans));
}

/* Grow a tree from an active node until it meets the other: then it stays active, and this is true. */
static int grow(graph *g, int32_t node) {
    const cut_node *state = g->nodes + node;
    for (int direction = 0; direction < 4; direction++) {
        const int32_t other = g->beside[4 * (int64_t)node + direction];
        if (other < 0 || !outward(g, state->tree, node, direction)) continue;
        cut_node *met = g->nodes + other;
        if (met->parent == FREE) {
            *met = (cut_node){state->distance + 1, state->stamp, (uint8_t)(direction ^ 1), state->tree, met->queued, 0};
            activate(g, other);
        } else if (met->tree != state->tree) {
            if (state->tree == SOURCE) augment(g, node, direction);
            else augment(g, other, direction ^ 1);
            return 1;
        } else if (met->parent < TERMINAL && met->stamp <= state->stamp && met->distance > state->distance + 1) {
            met->parent = (uint8_t)(direction ^ 1);
            met->stamp = state->stamp;
            met->distance = state->distance + 1;
        }
    }
    return 0;
}

void lfk_cut(lfk_cut_job *job) {
    const int64_t count = job->count;
    int32_t *lines = (int32_t *)((cut_node *)job->scratch + count);
    graph g = {job->beside, job->capacity, job->excess, job->scratch, {lines, count, 0, 0}, {lines + count, count, 0, 0}, 0};
    for (int32_t node = 0; node < count; node++) {
        const int32_t excess = g.excess[node];
        g.nodes[node] = (cut_node){1, 0, excess ? TERMINAL : FREE, excess < 0 ? SINK : SOURCE, 0, 0};
        if (excess) activate(&g, node);
    }
    while (g.active.count) {
        const int32_t node = g.active.at[g.active.first];
        if (g.nodes[node].parent == FREE || !grow(&g, node)) {
            pop(&g.active);
            g.nodes[node].queued = 0;
        }
    }
    for (int64_t node = 0; node < count; node++)
        job->reached[node] = g.nodes[node].parent != FREE && g.nodes[node].tree == SOURCE;
}
