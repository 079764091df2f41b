#include "sim/schedule.h"

#include "base/check.h"
#include "base/rng.h"

/* How each kind is drawn: how long it lasts, and the range of its amount. */
static const struct {
    const char *name;
    uint32_t longest_ms;
    uint32_t amount_max;
    enum fault_about about;
} KIND[FAULT_KINDS] = {
    /* clang-format off */
    [FAULT_CRASH] = {"crash", 12000, 0, ABOUT_NODE},
    [FAULT_WIPE] = {"wipe", 3000, 0, ABOUT_NODE},
    [FAULT_PAUSE] = {"pause", 6000, 0, ABOUT_NODE},
    [FAULT_CUT] = {"cut", 10000, 0, ABOUT_PAIR},
    [FAULT_PARTITION] = {"partition", 12000, 0, ABOUT_SPLIT},
    [FAULT_LOSS] = {"loss", 10000, 30, ABOUT_NETWORK},
    [FAULT_DELAY] = {"delay", 10000, 300, ABOUT_NETWORK},
    [FAULT_DUPLICATE] = {"duplicate", 10000, 50, ABOUT_NETWORK},
    [FAULT_UDP_DEAD] = {"udp-dead", 10000, 0, ABOUT_NODE},
    [FAULT_SLOW_DISK] = {"slow-disk", 10000, 900, ABOUT_NODE},
    [FAULT_STALL] = {"stalled-disk", 8000, 0, ABOUT_NODE},
    [FAULT_TORN] = {"torn", 12000, 1000, ABOUT_NODE},
    [FAULT_SYNC_ERROR] = {"sync-error", 8000, 100, ABOUT_NODE},
    [FAULT_DISK_FULL] = {"disk-full", 10000, 0, ABOUT_NODE},
    [FAULT_ROT] = {"bit-rot", 12000, 1000, ABOUT_NODE},
    [FAULT_LOST] = {"lost-write", 12000, 0, ABOUT_NODE},
    [FAULT_MISDIRECTED] = {"misdirected", 12000, 1000, ABOUT_NODE},
    [FAULT_ROLLBACK] = {"rolled-back", 20000, 0, ABOUT_NODE},
    [FAULT_CLOCK_STEP] = {"clock-step", 20000, 20000, ABOUT_NODE},
    [FAULT_CLOCK_DRIFT] = {"clock-drift", 20000, 400, ABOUT_NODE},
    [FAULT_SLOW_STREAMS] = {"slow-streams", 10000, 400, ABOUT_NODE},
    [FAULT_AWAY] = {"away", 36000, 0, ABOUT_NODE},
    [FAULT_FLIP] = {"flipped-bits", 20000, 100, ABOUT_NETWORK},
    /* clang-format on */
};

enum {
    FAULT_EVERY_MS = 4000, /* on average one fault begins in that time */
    AWAY_LEAST_MS = 20000, /* longer than the age at which tombstones are erased (ERASE_AGE_MS) */
    TURNS = 8,             /* so many clocks go wrong, one after the other */
    TURN_MS = 3000,        /* each for so long at most */
    /* The next one goes wrong after so long at least: by then the one before does not count any
     * more (ATLAS_CLOCK_MS). */
    TURN_REST_MS = 3000,
};

static struct fault draw_one(struct rng *r, enum fault_kind kind, const struct schedule_options *o)
{
    uint32_t span = o->until_ms - o->from_ms;
    struct fault f = {.kind = kind};
    f.from_ms = o->from_ms + (uint32_t)rng_below(r, span);
    /* Half of the faults are short: races live there. */
    uint32_t longest = rng_below(r, 2) ? KIND[kind].longest_ms : KIND[kind].longest_ms / 20;
    f.until_ms = f.from_ms + 1 + (uint32_t)rng_below(r, longest);
    if (f.until_ms > o->until_ms)
        f.until_ms = o->until_ms;
    f.a = (uint32_t)rng_below(r, o->nodes);
    f.b = (f.a + 1 + (uint32_t)rng_below(r, o->nodes > 1 ? o->nodes - 1 : 1)) % o->nodes;
    if (kind == FAULT_PARTITION) {
        f.a = 1 + (uint32_t)rng_below(r, o->nodes > 1 ? o->nodes - 1 : 1);
        f.b = (uint32_t)rng_below(r, UINT32_MAX);
    }
    if (KIND[kind].amount_max)
        f.amount = 1 + (uint32_t)rng_below(r, KIND[kind].amount_max);
    return f;
}

/* The absence of another node, which ends when the disk of the first is lost: a lost disk hurts
 * most when another owner comes back that missed the last writes. */
static struct fault draw_absence(struct rng *r, const struct fault *wipe,
                                 const struct schedule_options *o)
{
    uint32_t ms = 500 + (uint32_t)rng_below(r, 8000);
    struct fault f = {.kind = FAULT_CRASH, .a = wipe->b, .b = wipe->a, .until_ms = wipe->until_ms};
    f.from_ms = wipe->from_ms > o->from_ms + ms ? wipe->from_ms - ms : o->from_ms;
    return f;
}

/* One node is away for long, and comes back while the run goes on. */
static struct fault draw_away(struct rng *r, const struct schedule_options *o)
{
    uint32_t span = o->until_ms - o->from_ms;
    struct fault f = {.kind = FAULT_AWAY, .a = (uint32_t)rng_below(r, o->nodes)};
    f.from_ms = o->from_ms + span / 8 + (uint32_t)rng_below(r, span / 4 + 1);
    f.until_ms = f.from_ms + AWAY_LEAST_MS +
                 (uint32_t)rng_below(r, KIND[FAULT_AWAY].longest_ms - AWAY_LEAST_MS);
    if (f.until_ms > o->until_ms)
        f.until_ms = o->until_ms;
    return f;
}

/* Bits flip in every second run of those that may have this fault. They are drawn last, from a
 * generator of their own: so all other faults of a seed are those that it had before this kind was
 * added, and seeds that once broke something keep their use. */
static void draw_flips(struct schedule *s, const struct schedule_options *o)
{
    struct rng r;
    rng_init(&r, o->seed ^ 0xf11bb175);
    for (uint64_t n = rng_below(&r, 2) ? 1 + rng_below(&r, 6) : 0; n > 0 && s->n < FAULTS_MAX; n--)
        s->fault[s->n++] = draw_one(&r, FAULT_FLIP, o);
}

/* Clocks go wrong one after the other, in short turns, and one at a time. A node that goes by what
 * a clock showed long after it was set right would count two of them as wrong at once. */
static void draw_turns(struct schedule *s, const struct schedule_options *o)
{
    struct rng r; /* a generator of their own: the other faults are the same without them */
    rng_init(&r, o->seed ^ 0x7c10c);
    if (o->nodes < 3 || rng_below(&r, 2))
        return;
    uint32_t at_ms = o->from_ms + (uint32_t)rng_below(&r, (o->until_ms - o->from_ms) / 2 + 1),
             node = (uint32_t)rng_below(&r, o->nodes);
    for (unsigned i = 0; i < TURNS && s->n < FAULTS_MAX; i++) {
        struct fault f = {.kind = FAULT_CLOCK_STEP, .from_ms = at_ms, .a = node};
        f.until_ms = at_ms + TURN_MS / 6 + (uint32_t)rng_below(&r, TURN_MS - TURN_MS / 6);
        f.amount = 1 + (uint32_t)rng_below(&r, KIND[FAULT_CLOCK_STEP].amount_max);
        if (f.until_ms > o->until_ms)
            return;
        s->fault[s->n++] = f;
        at_ms = f.until_ms + TURN_REST_MS + (uint32_t)rng_below(&r, TURN_REST_MS / 2);
        node = (node + 1 + (uint32_t)rng_below(&r, o->nodes - 1)) % o->nodes;
    }
}

static bool any(const enum fault_kind *on, unsigned n, enum fault_kind kind)
{
    for (unsigned i = 0; i < n; i++)
        if (on[i] == kind)
            return true;
    return false;
}

/* Whether disks of this run lose something that is noticed late: an owner that is away for long
 * could then not make up for it, and the others would wait for each other. */
static bool loses_silently(const enum fault_kind *on, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (fault_damages(on[i]) && on[i] != FAULT_WIPE)
            return true;
    return false;
}

static bool may_draw(const struct schedule_options *o, enum fault_kind kind)
{
    return o->kinds == 0 || o->kinds >> kind & 1;
}

void schedule_draw(struct schedule *s, const struct schedule_options *o)
{
    struct rng r;
    rng_init(&r, o->seed ^ 0x5c8ed01e);
    s->n = 0;
    enum fault_kind on[FAULT_KINDS];
    unsigned on_n = 0;
    for (unsigned k = 0; k <= FAULT_AWAY; k++)
        if (rng_below(&r, 2) && may_draw(o, (enum fault_kind)k))
            on[on_n++] = (enum fault_kind)k;
    if (o->loss)
        s->fault[s->n++] = (struct fault){
            .kind = FAULT_LOSS, .from_ms = 0, .until_ms = o->until_ms, .amount = o->loss};
    if (o->until_ms <= o->from_ms)
        return;
    if (may_draw(o, FAULT_FLIP))
        draw_flips(s, o);
    if (on_n == 0)
        return;
    if (on[on_n - 1] == FAULT_AWAY && (--on_n == 0 || !loses_silently(on, on_n)))
        s->fault[s->n++] = draw_away(&r, o);
    if (on_n == 0)
        return;
    uint64_t want = (o->until_ms - o->from_ms) / FAULT_EVERY_MS * (1 + o->nodes / 8);
    for (uint64_t i = 0; i < want && s->n + 1 < FAULTS_MAX; i++) {
        const struct fault *f = &s->fault[s->n];
        s->fault[s->n++] = draw_one(&r, on[rng_below(&r, on_n)], o);
        if (f->kind == FAULT_WIPE && rng_below(&r, 2))
            s->fault[s->n++] = draw_absence(&r, f, o);
    }
    if (any(on, on_n, FAULT_CLOCK_STEP))
        draw_turns(s, o);
}

const char *fault_name(enum fault_kind kind)
{
    return KIND[kind].name;
}

bool fault_named(struct slice name, enum fault_kind *kind)
{
    for (unsigned k = 0; k < FAULT_KINDS; k++)
        if (slice_eq(name, slice_str(KIND[k].name))) {
            *kind = (enum fault_kind)k;
            return true;
        }
    return false;
}

enum fault_about fault_about(enum fault_kind kind)
{
    return KIND[kind].about;
}

bool fault_has_amount(enum fault_kind kind)
{
    return KIND[kind].amount_max > 0;
}

bool fault_refuses_writes(enum fault_kind kind)
{
    return kind == FAULT_SYNC_ERROR || kind == FAULT_DISK_FULL;
}

bool fault_spares_gossip(enum fault_kind kind)
{
    return kind == FAULT_SLOW_DISK || kind == FAULT_STALL || fault_refuses_writes(kind);
}

bool fault_damages(enum fault_kind kind)
{
    return kind == FAULT_WIPE || kind == FAULT_ROT || kind == FAULT_LOST ||
           kind == FAULT_MISDIRECTED || kind == FAULT_ROLLBACK;
}

bool fault_fits(const struct fault *f, uint32_t nodes)
{
    switch (KIND[f->kind].about) {
    case ABOUT_PAIR:
        return f->a < nodes && f->b < nodes;
    case ABOUT_NODE:
    case ABOUT_SPLIT: /* a of the nodes, which leaves a rest */
        return f->a < nodes;
    case ABOUT_NETWORK:
        break;
    }
    return true;
}

void schedule_print(const struct schedule *s, struct buf *out)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct fault *f = &s->fault[i];
        CHECK(!buf_printf(out, "%4u.%03us .. %4u.%03us %s", f->from_ms / 1000, f->from_ms % 1000,
                          f->until_ms / 1000, f->until_ms % 1000, KIND[f->kind].name));
        if (KIND[f->kind].about == ABOUT_SPLIT)
            CHECK(!buf_printf(out, " %u nodes from the rest, shuffle %u", f->a, f->b));
        else if (KIND[f->kind].about == ABOUT_PAIR)
            CHECK(!buf_printf(out, " n%u -> n%u", f->a, f->b));
        else if (KIND[f->kind].about == ABOUT_NODE)
            CHECK(!buf_printf(out, " n%u", f->a));
        if (KIND[f->kind].amount_max)
            CHECK(!buf_printf(out, " %u", f->amount));
        CHECK(!buf_printf(out, "\n"));
    }
}
