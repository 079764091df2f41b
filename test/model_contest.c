/* model_contest.c: see model_contest.h. */
#include "model_contest.h"

#include <string.h>

enum { OWNERS = 3, QUORUM = 2, WRITERS = 2, READERS = 3, OPS = WRITERS + READERS };

/* Stamps are small numbers. A plain writer's first is 1 + its index, if its clock is slow; then
 * come BEFORE, of a value that may have been written before all began, and the stamps of later
 * draws. */
enum { NOTHING = 0, BEFORE = WRITERS + 1, DRAWS = 3 };

/* What an owner has of a writer's message, or of a reader's question. */
enum note { NONE, SENT, TOOK, NEVER_TOOK, RECOVERS, UNSURE, CAME, READ, BACK };

/* All that is one owner's. Names of owners mean nothing, so these are sorted. */
struct owner {
    uint8_t top; /* the greatest stamp that is held */
    uint8_t recovering;
    uint8_t may_restart;
    uint8_t took;   /* a bit for each stamp that came when nothing greater was held */
    uint8_t unsure; /* a bit for each writer that began before its memory does */
    /* enum note, of the first round: NONE, SENT, TOOK, NEVER_TOOK, RECOVERS, UNSURE */
    uint8_t first[WRITERS];
    /* of the second round: NONE, SENT, CAME; of the question before it: READ */
    uint8_t second[WRITERS];
    uint8_t seen[WRITERS];  /* the stamp held when it answered */
    uint8_t read[READERS];  /* NONE, READ; BACK: a value is written back to it */
    uint8_t value[READERS]; /* READ: the stamp that it answered */
};

enum phase { IDLE, ASKING, FIRST, SECOND, READING, WRITING_BACK, OVER };

struct state {
    struct owner owner[OWNERS];
    uint8_t phase[OPS];
    uint8_t stamp[WRITERS][2]; /* of the rounds; NOTHING when no message bears it any more */
    uint8_t value[READERS];    /* WRITING_BACK: the stamp; OVER: the value that was returned */
    uint8_t before[OPS];       /* per operation: a bit for each that was over when it began */
    uint8_t begun, over;       /* operations, a bit each */
    uint8_t wrong;             /* the history is not linearizable */
};

static struct world world; /* the one that is being explored */

static bool without(enum part part)
{
    return world.left_out & part;
}

/* A writer's stamp by its k-th draw, of DRAWS. */
static uint8_t draw(unsigned k, unsigned w)
{
    return (uint8_t)(1 + w + WRITERS * k + (k > 0)); /* BEFORE lies after the first draws */
}

/* What a read returns that finds this stamp: the writer's index, or what was there before all
 * began. */
static uint8_t value_of(unsigned stamp)
{
    if (stamp == NOTHING || stamp == BEFORE)
        return (uint8_t)(WRITERS + stamp);
    return (uint8_t)((stamp - 1 - (stamp > BEFORE)) % WRITERS);
}

/* ---- Linearizability (Herlihy and Wing 1990): some order of the operations explains all answers
 * ---- */

static bool explained(const struct state *s, unsigned placed, unsigned value)
{
    if ((s->over & ~placed) == 0)
        return true;
    for (unsigned i = 0; i < OPS; i++) {
        bool writes = i < WRITERS;
        bool may_be_next = !(placed >> i & 1) && (writes ? s->begun : s->over) >> i & 1 &&
                           (s->before[i] & ~placed) == 0;
        if (!may_be_next || (!writes && s->value[i - WRITERS] != value))
            continue;
        if (explained(s, placed | 1u << i, writes ? i : value))
            return true;
    }
    return false;
}

static void op_begin(struct state *s, unsigned op, enum phase phase)
{
    s->phase[op] = (uint8_t)phase;
    s->begun |= (uint8_t)(1u << op);
    s->before[op] = s->over;
}

static void op_finish(struct state *s, unsigned op)
{
    s->phase[op] = OVER;
    s->over |= (uint8_t)(1u << op);
    s->wrong = !explained(s, 0, value_of(world.lost ? BEFORE : NOTHING));
}

/* ---- Owners ---- */

/* A write comes to an owner: TOOK, if nothing greater is held or it remembers that then nothing
 * was, or NEVER_TOOK. */
static enum note put(struct owner *o, unsigned stamp)
{
    bool remembered = o->took >> stamp & 1 && !without(FORGETS);
    if (stamp > o->top)
        o->top = (uint8_t)stamp;
    if (stamp == o->top)
        o->took |= (uint8_t)(1u << stamp);
    return stamp == o->top || remembered ? TOOK : NEVER_TOOK;
}

/* An owner's memory begins anew. To writes that began before it has nothing to say. */
static void forget(struct state *s, struct owner *o)
{
    o->took = 0;
    for (unsigned w = 0; w < WRITERS && !without(NEW_LIFE_KNOWS); w++)
        o->unsure |= (uint8_t)((s->phase[w] == FIRST) << w);
}

static void restart(struct model_search *m, const struct state *s, unsigned o)
{
    if (!s->owner[o].may_restart)
        return;
    struct state t = *s;
    t.owner[o].may_restart = false;
    forget(&t, &t.owner[o]);
    model_step(m, &t, "O%u restarts, and remembers no write", o);
}

/* What was taken while something was missing proves nothing, so it is forgotten. */
static void recover(struct model_search *m, const struct state *s, unsigned o)
{
    if (!s->owner[o].recovering)
        return;
    struct state t = *s;
    struct owner *owner = &t.owner[o];
    unsigned greatest = NOTHING;
    for (unsigned i = 0; i < OWNERS; i++)
        greatest = s->owner[i].top > greatest ? s->owner[i].top : greatest;
    owner->recovering = false;
    if (!without(REMEMBERS_ALL))
        forget(&t, owner);
    put(owner, greatest);
    model_step(m, &t, "O%u has recovered, and holds %u", o, owner->top);
}

/* ---- Writers ---- */

static void send(struct state *s, unsigned w, unsigned round, unsigned stamp)
{
    s->stamp[w][round] = (uint8_t)stamp;
    for (unsigned o = 0; o < OWNERS; o++)
        (round ? s->owner[o].second : s->owner[o].first)[w] = SENT;
}

/* A stamp was settled on, after asking or after a first round: answers to that are over, messages
 * under way are not. */
static void second_round(struct model_search *m, const struct state *s, unsigned w,
                         unsigned greatest, const char *why)
{
    for (unsigned k = 0; k < DRAWS; k++) {
        if (draw(k, w) <= greatest)
            continue;
        struct state t = *s;
        t.phase[w] = SECOND;
        send(&t, w, 1, draw(k, w));
        model_step(m, &t, "W%u sends stamp %u (%s)", w, draw(k, w), why);
    }
}

static unsigned acks(const struct state *s, unsigned w)
{
    unsigned n = 0;
    for (unsigned o = 0; o < OWNERS; o++)
        n += s->owner[o].second[w] == CAME;
    return n;
}

/* A first round's message comes to an owner; what it answers. */
static enum note answer_first(struct owner *owner, unsigned w, unsigned stamp)
{
    enum note note = put(owner, stamp);
    if (owner->recovering && !without(RECOVERING_ACKS))
        return RECOVERS;
    return note == NEVER_TOOK && owner->unsure >> w & 1 ? UNSURE : note;
}

static void come_first(struct model_search *m, const struct state *s, unsigned w, unsigned o)
{
    static const char *const SAYS[] = {[TOOK] = "taken",
                                       [NEVER_TOOK] = "never taken",
                                       [RECOVERS] = "taken, but it is recovering",
                                       [UNSURE] = "it is unsure"};
    struct state t = *s;
    struct owner *owner = &t.owner[o];
    enum note note = answer_first(owner, w, s->stamp[w][0]);
    owner->first[w] = (uint8_t)note;
    owner->seen[w] = owner->top;
    if (without(LATE_ACK) && s->phase[w] == SECOND && note == TOOK) {
        owner->second[w] = CAME;
        if (acks(&t, w) == QUORUM)
            op_finish(&t, w);
    }
    model_step(m, &t, "O%u gets W%u's stamp %u: %s, holds %u", o, w, s->stamp[w][0], SAYS[note],
               owner->top);
}

static void come_second(struct model_search *m, const struct state *s, unsigned w, unsigned o)
{
    struct state t = *s;
    put(&t.owner[o], s->stamp[w][1]);
    t.owner[o].second[w] = CAME;
    bool acked = s->phase[w] == SECOND && acks(&t, w) == QUORUM;
    if (acked)
        op_finish(&t, w);
    model_step(m, &t, "O%u gets W%u's stamp %u, holds %u%s", o, w, s->stamp[w][1], t.owner[o].top,
               acked ? "; ACKNOWLEDGED" : "");
}

static void answer_question(struct model_search *m, const struct state *s, unsigned w, unsigned o)
{
    if (s->owner[o].second[w] == READ || (s->owner[o].recovering && !without(RECOVERING_IS_ASKED)))
        return;
    struct state t = *s;
    if (t.phase[w] == IDLE)
        op_begin(&t, w, ASKING);
    t.owner[o].second[w] = READ;
    t.owner[o].seen[w] = t.owner[o].top;
    model_step(m, &t, "W%u asks O%u, which holds %u", w, o, t.owner[o].top);
}

static void ask(struct model_search *m, const struct state *s, unsigned w)
{
    unsigned answers = 0, greatest = 0;
    for (unsigned o = 0; o < OWNERS; o++)
        if (s->owner[o].second[w] == READ) {
            answers++;
            greatest = s->owner[o].seen[w] > greatest ? s->owner[o].seen[w] : greatest;
        }
    if (answers == (without(ASKS_ONE) ? 1 : QUORUM))
        second_round(m, s, w, greatest, "it has asked");
    else
        for (unsigned o = 0; o < OWNERS; o++)
            answer_question(m, s, w, o);
}

/* What a writer knows of its first round when the answers of some owners have reached it. */
static void decide(struct model_search *m, const struct state *s, unsigned w, unsigned reached)
{
    unsigned took = 0, never = 0, recovering = 0, greatest = s->stamp[w][0];
    for (unsigned o = 0; o < OWNERS; o++) {
        if (!(reached >> o & 1))
            continue;
        const struct owner *from = &s->owner[o];
        if (from->first[w] <= SENT)
            return;
        took += from->first[w] == TOOK;
        never += from->first[w] == NEVER_TOOK;
        recovering += from->first[w] == RECOVERS;
        if (from->first[w] == NEVER_TOOK && from->seen[w] > greatest && !without(NOT_ABOVE))
            greatest = from->seen[w];
    }
    bool unseen = never + (without(RECOVERING_NEVER) ? recovering : 0) > OWNERS - QUORUM;
    bool sound = took + never > OWNERS - QUORUM;
    if (took >= QUORUM || (without(GREATER_IS_ACK) && took + never >= QUORUM)) {
        struct state t = *s;
        op_finish(&t, w);
        model_step(m, &t, "W%u, stamp %u, is ACKNOWLEDGED", w, s->stamp[w][0]);
    } else if (never > 0 && sound && (unseen || without(BET))) {
        second_round(m, s, w, greatest, unseen ? "it was never taken" : "a bet");
    }
}

static void writer_begins(struct model_search *m, const struct state *s, unsigned w)
{
    for (unsigned k = 0; k <= world.faster; k++) {
        struct state t = *s;
        op_begin(&t, w, FIRST);
        send(&t, w, 0, draw(k, w));
        for (unsigned o = 0; o < OWNERS; o++)
            come_first(m, &t, w, o);
    }
}

static void writer_steps(struct model_search *m, const struct state *s, unsigned w)
{
    if (s->phase[w] == ASKING || (s->phase[w] == IDLE && world.ask >> w & 1))
        ask(m, s, w);
    else if (s->phase[w] == IDLE)
        writer_begins(m, s, w);
    for (unsigned o = 0; o < OWNERS; o++) {
        if (s->owner[o].first[w] == SENT || s->phase[w] == FIRST)
            come_first(m, s, w, o);
        if (s->owner[o].second[w] == SENT)
            come_second(m, s, w, o);
    }
    for (unsigned reached = 1; s->phase[w] == FIRST && reached < 1u << OWNERS; reached++)
        decide(m, s, w, reached);
}

/* ---- Readers ---- */

static void reader_returns(struct state *s, unsigned r, unsigned stamp)
{
    s->value[r] = value_of(stamp);
    op_finish(s, WRITERS + r);
}

/* Two owners have answered: this one, and another. */
static void compare(struct state *s, unsigned r, struct owner *one, struct owner *other)
{
    struct owner *lesser = one->value[r] < other->value[r] ? one : other;
    unsigned least = lesser->value[r], greatest = (lesser == one ? other : one)->value[r];
    one->read[r] = other->read[r] = NONE;
    if (least == greatest || without(NO_WRITE_BACK)) {
        reader_returns(s, r, greatest);
        return;
    }
    s->phase[WRITERS + r] = WRITING_BACK;
    s->value[r] = (uint8_t)greatest;
    lesser->read[r] = BACK;
}

static void read_owner(struct model_search *m, const struct state *s, unsigned r, unsigned o)
{
    if (s->owner[o].read[r] == READ || (s->owner[o].recovering && !without(RECOVERING_IS_READ)))
        return;
    struct state t = *s;
    struct owner *other = NULL;
    for (unsigned i = 0; i < OWNERS; i++)
        if (t.owner[i].read[r] == READ)
            other = &t.owner[i];
    if (t.phase[WRITERS + r] == IDLE)
        op_begin(&t, WRITERS + r, READING);
    t.owner[o].read[r] = READ;
    t.owner[o].value[r] = t.owner[o].top;
    if (other)
        compare(&t, r, &t.owner[o], other);
    bool returns = t.phase[WRITERS + r] == OVER;
    model_step(m, &t, "R%u reads O%u, which holds %u%s", r, o, s->owner[o].top,
               returns ? "; RETURNS the greater" : "");
}

static void write_back(struct model_search *m, const struct state *s, unsigned r, unsigned o)
{
    struct state t = *s;
    unsigned stamp = s->value[r];
    bool taken = put(&t.owner[o], stamp) == TOOK && !s->owner[o].recovering;
    t.owner[o].read[r] = NONE;
    if (taken || without(REFUSED_IS_GOOD))
        reader_returns(&t, r, stamp);
    else
        t.phase[WRITERS + r] = OVER; /* but it has returned nothing */
    model_step(m, &t, "R%u writes %u back to O%u: %s", r, stamp, o,
               t.over >> (WRITERS + r) & 1 ? "RETURNS it" : "refused");
}

static void reader_steps(struct model_search *m, const struct state *s, unsigned r)
{
    enum phase phase = s->phase[WRITERS + r];
    enum phase before = r > 0 ? s->phase[WRITERS + r - 1] : OVER;
    bool may_begin = world.at_once ? before != IDLE : before == OVER;
    for (unsigned o = 0; o < OWNERS; o++)
        if (phase == READING || (phase == IDLE && may_begin))
            read_owner(m, s, r, o);
        else if (s->owner[o].read[r] == BACK)
            write_back(m, s, r, o);
}

/* ---- The model ---- */

static void next(struct model_search *m, const void *state)
{
    const struct state *s = state;
    for (unsigned o = 0; o < OWNERS; o++) {
        restart(m, s, o);
        recover(m, s, o);
    }
    for (unsigned w = 0; w < WRITERS; w++)
        writer_steps(m, s, w);
    for (unsigned r = 0; r < world.readers; r++)
        reader_steps(m, s, r);
}

/* Forgets what nothing depends on any more: answers that were counted, and stamps that no message
 * bears. */
static void forget_answers(struct state *s, unsigned w)
{
    bool first = false, second = false;
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = &s->owner[i];
        if (s->phase[w] != FIRST && o->first[w] != SENT)
            o->first[w] = NONE;
        if (s->phase[w] != FIRST)
            o->unsure &= (uint8_t) ~(1u << w);
        if (s->phase[w] == OVER && o->second[w] != SENT)
            o->second[w] = NONE;
        if (o->first[w] != NEVER_TOOK && o->second[w] != READ)
            o->seen[w] = 0;
        first |= o->first[w] == SENT;
        second |= o->second[w] == SENT;
    }
    if (s->phase[w] != FIRST && !first)
        s->stamp[w][0] = NOTHING;
    if (!second)
        s->stamp[w][1] = NOTHING;
}

static unsigned stamps_under_way(const struct state *s)
{
    unsigned bits = 0;
    for (unsigned w = 0; w < WRITERS; w++)
        bits |= 1u << s->stamp[w][0];
    for (unsigned r = 0; r < READERS; r++)
        bits |= s->phase[WRITERS + r] == WRITING_BACK ? 1u << s->value[r] : 0;
    for (unsigned o = 0; o < OWNERS; o++) {
        bits |= 1u << s->owner[o].top;
        for (unsigned r = 0; r < READERS; r++)
            bits |= 1u << s->owner[o].value[r];
    }
    return bits;
}

static void swap_if_greater(struct owner *a, struct owner *b)
{
    if (memcmp(a, b, sizeof *a) <= 0)
        return;
    struct owner c = *a;
    *a = *b;
    *b = c;
}

static void canonical(void *state)
{
    struct state *s = state;
    for (unsigned w = 0; w < WRITERS; w++)
        forget_answers(s, w);
    for (unsigned o = 0; o < OWNERS; o++)
        for (unsigned r = 0; r < READERS; r++)
            s->owner[o].value[r] = s->owner[o].read[r] == READ ? s->owner[o].value[r] : NOTHING;
    unsigned under_way = stamps_under_way(s);
    for (unsigned o = 0; o < OWNERS; o++)
        s->owner[o].took &= (uint8_t)under_way;
    swap_if_greater(&s->owner[0], &s->owner[1]);
    swap_if_greater(&s->owner[1], &s->owner[2]);
    swap_if_greater(&s->owner[0], &s->owner[1]);
}

static const char *broken(const void *state)
{
    return ((const struct state *)state)->wrong ? "the history is not linearizable" : NULL;
}

static struct state beginning(void)
{
    struct state s = {0};
    if (world.lost)
        put(&s.owner[0], BEFORE);
    s.owner[2].recovering = world.recovering || world.lost;
    s.owner[2].may_restart = world.restarts;
    return s;
}

enum model_result contest_explore(const char *name, const struct world *w, uint32_t states_max,
                                  struct model_report *report)
{
    world = *w;
    struct state first = beginning();
    struct model m = {.state_n = sizeof first,
                      .first = &first,
                      .next = next,
                      .canonical = canonical,
                      .broken = broken,
                      .states_max = states_max};
    return model_explore(&m, name, report);
}
