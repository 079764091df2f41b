/* ring_flow.c: which vnodes each member owns: as many places as possible stay where they are.
 *
 * A layout is a flow. Each unit is a place. It runs from the source to a vnode, from there to a
 * pair (vnode, zone), from there to a member of that zone, and from the member to the sink:
 *
 *     source --(spare)--> vnode --(loose_max)--> pair --(1)--> member --(share[m])--> sink
 *        |                                        ^
 *        '--------------(must)--------------------'
 *
 *     spare       n, less the units of the vnode that go straight to its pairs
 *     must        1 where every vnode must have an owner of every zone, else 0
 *     loose_max   what a zone may have in a vnode beyond that
 *     1           an owner has one place of a vnode; this edge costs 0 where the member had the
 *                 vnode before, else 1
 *
 * Capacities make owners distinct and keep zones apart; costs count moves. ring_share.c gave shares
 * for which a full flow exists, and the full flow of least cost is the layout of fewest moves.
 *
 * It is found by the primal-dual method (Ford and Fulkerson 1962; Ahuja, Magnanti, Orlin, "Network
 * flows", 9.8): keep a price a node, so that no edge with room has a negative reduced cost; augment
 * along edges of reduced cost 0 only, in blocking flows by levels (Dinic 1970); when no such path
 * is left, raise by 1 the prices of all that cannot be reached (costs are whole numbers). The price
 * of the sink is the cost of a path: 0 keeps a place, 1 fills a hole, 2 and more shove others
 * about, so it stays tiny.
 *
 * The graph is never built: the edges are read off has[] and the counters. The members of a pair
 * are tried in an order that a hash of the pair gives, so that owners are mixed: when a member
 * dies, all others share its load. */
#include "core/ring/ring_work.h"

#include "base/check.h"
#include "base/error.h"

enum { UNREACHED = 0xffff, NOBODY = 0xffff };

/* Nodes are numbered: vnodes, then pairs (vnode by vnode), then members. */
struct flow {
    struct ring_work *w;
    uint32_t pair0, member0, node_n;
    uint8_t loose_max; /* the most units from a vnode's node to one of its pairs */
    uint16_t sink_price;
    uint16_t *price; /* by node */
    uint16_t *level; /* by node: its distance along edges of reduced cost 0 */
    uint32_t *arc;   /* by node: the next edge to try in this blocking flow */
    uint32_t *queue;
    uint8_t *spare; /* by vnode: units still to be sent through its node */
    uint8_t *must;  /* by pair: units still to be sent straight to it */
    uint8_t *loose; /* by pair: units that came to it through its vnode's node */
    uint32_t *room; /* by member: places it still gets */
};

static void flow_reach(struct flow *f, uint32_t node, uint16_t level, uint32_t *tail)
{
    if (f->level[node] != UNREACHED)
        return;
    f->level[node] = level;
    f->queue[(*tail)++] = node;
}

static uint16_t pair_zone(const struct flow *f, uint32_t pair)
{
    return (uint16_t)(pair % f->w->zone_n);
}

/* The index of (member, vnode) in has[] and had[]. */
static size_t owns_at(const struct flow *f, uint16_t m, uint32_t vnode)
{
    return (size_t)m * f->w->next->vnodes + vnode;
}

/* Whether a unit may go from a pair to member m at no reduced cost; and whether one may come
 * back. */
static bool flow_gives(const struct flow *f, uint32_t pair, uint16_t m)
{
    size_t at = owns_at(f, m, pair / f->w->zone_n);
    return !f->w->has[at] && f->price[f->pair0 + pair] + !f->w->had[at] == f->price[f->member0 + m];
}

static bool flow_takes_back(const struct flow *f, uint16_t m, uint32_t vnode, uint32_t pair)
{
    size_t at = owns_at(f, m, vnode);
    return f->w->has[at] && f->price[f->pair0 + pair] + !f->w->had[at] == f->price[f->member0 + m];
}

static bool flow_loosens(const struct flow *f, uint32_t vnode, uint32_t pair)
{
    return f->loose[pair] < f->loose_max && f->price[vnode] == f->price[f->pair0 + pair];
}

static bool flow_ends(const struct flow *f, uint16_t m)
{
    return f->room[m] > 0 && f->price[f->member0 + m] == f->sink_price;
}

/* The neighbours of one node along edges of reduced cost 0. */
static void flow_visit(struct flow *f, uint32_t node, uint32_t *tail)
{
    const struct ring_work *w = f->w;
    uint16_t next = (uint16_t)(f->level[node] + 1);

    if (node < f->pair0) {
        for (uint32_t pair = node * w->zone_n; pair < (node + 1) * w->zone_n; pair++)
            if (flow_loosens(f, node, pair))
                flow_reach(f, f->pair0 + pair, next, tail);
    } else if (node < f->member0) {
        uint32_t pair = node - f->pair0, vnode = pair / w->zone_n;
        uint16_t z = pair_zone(f, pair);
        for (uint16_t i = w->zone_first[z]; i < w->zone_first[z + 1]; i++)
            if (flow_gives(f, pair, w->zone_member[i]))
                flow_reach(f, f->member0 + w->zone_member[i], next, tail);
        if (f->loose[pair] > 0 && f->price[vnode] == f->price[node])
            flow_reach(f, vnode, next, tail);
    } else {
        uint16_t m = (uint16_t)(node - f->member0);
        for (uint32_t v = 0, pair = w->zone[m]; v < w->next->vnodes; v++, pair += w->zone_n)
            if (flow_takes_back(f, m, v, pair))
                flow_reach(f, f->pair0 + pair, next, tail);
    }
}

/* Levels all that the source reaches at no reduced cost. True when the sink is among it. */
static bool flow_levels(struct flow *f)
{
    uint32_t head = 0, tail = 0;
    bool sink = false;

    for (uint32_t i = 0; i < f->node_n; i++) {
        f->level[i] = UNREACHED;
        f->arc[i] = 0;
    }
    for (uint32_t v = 0; v < f->pair0; v++)
        if (f->spare[v] > 0)
            flow_reach(f, v, 0, &tail);
    for (uint32_t node = f->pair0; node < f->member0; node++)
        if (f->must[node - f->pair0] > 0)
            flow_reach(f, node, 0, &tail);
    while (head < tail) {
        uint32_t node = f->queue[head++];
        flow_visit(f, node, &tail);
        sink = sink || (node >= f->member0 && flow_ends(f, (uint16_t)(node - f->member0)));
    }
    return sink;
}

/* The j-th member of a pair's zone, in the order of that pair. The order is one of 2^k >= size
 * numbers, so it has gaps: NOBODY. It is made by two rounds of multiply, add and fold, each of
 * which is one to one in k bits, keyed by a hash of the pair (the finaliser of splitmix64). */
static uint16_t flow_member(const struct flow *f, uint32_t pair, uint32_t j, uint32_t size)
{
    uint16_t z = pair_zone(f, pair), first = f->w->zone_first[z];
    uint32_t mask = size - 1;
    uint64_t h = (pair + 1) * 0x9e3779b97f4a7c15u;

    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    for (int round = 0; round < 2; round++, h >>= 24) {
        j = (j * (uint32_t)(h | 1) + (uint32_t)(h >> 12)) & mask;
        j ^= j >> 2;
    }
    return j < (uint32_t)(f->w->zone_first[z + 1] - first) ? f->w->zone_member[first + j] : NOBODY;
}

static uint32_t flow_order_size(uint32_t size)
{
    uint32_t n = 1;

    while (n < size)
        n *= 2;
    return n;
}

/* Sends one unit from a node to the sink, down the levels. It recurses as deep as the levels go,
 * which is the length of a shortest path. */
static bool flow_push(struct flow *f, uint32_t node);

static bool flow_push_vnode(struct flow *f, uint32_t vnode)
{
    for (; f->arc[vnode] < f->w->zone_n; f->arc[vnode]++) {
        uint32_t pair = vnode * f->w->zone_n + f->arc[vnode];
        if (f->level[f->pair0 + pair] != f->level[vnode] + 1 || !flow_loosens(f, vnode, pair) ||
            !flow_push(f, f->pair0 + pair))
            continue;
        f->loose[pair]++;
        return true;
    }
    return false;
}

static bool flow_push_pair(struct flow *f, uint32_t pair)
{
    uint32_t node = f->pair0 + pair, vnode = pair / f->w->zone_n;
    uint16_t z = pair_zone(f, pair);
    uint32_t size = flow_order_size((uint32_t)(f->w->zone_first[z + 1] - f->w->zone_first[z]));

    for (; f->arc[node] < size; f->arc[node]++) {
        uint16_t m = flow_member(f, pair, f->arc[node], size);
        if (m == NOBODY || f->level[f->member0 + m] != f->level[node] + 1 ||
            !flow_gives(f, pair, m) || !flow_push(f, f->member0 + m))
            continue;
        f->w->has[owns_at(f, m, vnode)] = 1;
        return true;
    }
    if (f->arc[node] == size && f->loose[pair] > 0 && f->price[vnode] == f->price[node] &&
        f->level[vnode] == f->level[node] + 1 && flow_push(f, vnode)) {
        f->loose[pair]--;
        return true;
    }
    f->arc[node] = size + 1;
    return false;
}

static bool flow_push_member(struct flow *f, uint16_t m)
{
    uint32_t node = f->member0 + m;

    if (flow_ends(f, m)) {
        f->room[m]--;
        return true;
    }
    for (; f->arc[node] < f->w->next->vnodes; f->arc[node]++) {
        uint32_t vnode = f->arc[node], pair = vnode * f->w->zone_n + f->w->zone[m];
        if (f->level[f->pair0 + pair] != f->level[node] + 1 ||
            !flow_takes_back(f, m, vnode, pair) || !flow_push(f, f->pair0 + pair))
            continue;
        f->w->has[owns_at(f, m, vnode)] = 0;
        return true;
    }
    return false;
}

static bool flow_push(struct flow *f, uint32_t node)
{
    if (node < f->pair0)
        return flow_push_vnode(f, node);
    if (node < f->member0)
        return flow_push_pair(f, node - f->pair0);
    return flow_push_member(f, (uint16_t)(node - f->member0));
}

/* Pushes until no path down the levels is left. Returns the units that arrived. */
static uint32_t flow_block(struct flow *f)
{
    uint32_t sent = 0;

    for (uint32_t v = 0; v < f->pair0; v++) {
        for (; f->spare[v] > 0 && flow_push(f, v); f->spare[v]--)
            sent++;
    }
    for (uint32_t pair = 0; pair < f->member0 - f->pair0; pair++) {
        for (; f->must[pair] > 0 && flow_push(f, f->pair0 + pair); f->must[pair]--)
            sent++;
    }
    return sent;
}

/* A path visits no member twice, so it costs at most one a member: a price beyond that means that
 * there is none, against what ring_share.c promises. */
static void flow_raise(struct flow *f)
{
    for (uint32_t i = 0; i < f->node_n; i++)
        f->price[i] = (uint16_t)(f->price[i] + (f->level[i] == UNREACHED));
    f->sink_price++;
    CHECK(f->sink_price <= f->w->next->member_n);
}

static void flow_run(struct flow *f)
{
    const struct ring_work *w = f->w;
    uint32_t left = (uint32_t)w->next->vnodes * w->next->n;
    uint8_t must = ring_zone_min(w);

    memset(f->spare, w->next->n - must * w->zone_n, f->pair0);
    memset(f->must, must, f->member0 - f->pair0);
    f->loose_max = (uint8_t)(ring_zone_max(w) - must);
    memcpy(f->room, w->share, w->next->member_n * sizeof *f->room);
    while (left > 0) {
        if (flow_levels(f))
            left -= flow_block(f);
        else
            flow_raise(f);
    }
}

int ring_flow(struct ring_work *w)
{
    uint32_t vnodes = w->next->vnodes, pair_n = vnodes * w->zone_n;
    struct flow f = {.w = w,
                     .pair0 = vnodes,
                     .member0 = vnodes + pair_n,
                     .node_n = vnodes + pair_n + w->next->member_n};

    f.price = ring_take(w, f.node_n, sizeof *f.price);
    f.level = ring_take(w, f.node_n, sizeof *f.level);
    f.arc = ring_take(w, f.node_n, sizeof *f.arc);
    f.queue = ring_take(w, f.node_n, sizeof *f.queue);
    f.spare = ring_take(w, vnodes, sizeof *f.spare);
    f.must = ring_take(w, pair_n, sizeof *f.must);
    f.loose = ring_take(w, pair_n, sizeof *f.loose);
    f.room = ring_take(w, w->next->member_n, sizeof *f.room);
    if (w->failed)
        return ERR_NO_MEMORY;
    flow_run(&f);
    return 0;
}
