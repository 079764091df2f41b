/* coord_read.c: a read: one owner gives the record, R-1 give its version alone, and the client is
 * answered only when R owners hold the newest.
 *
 * Repair before the reply. The newest of R answers may be held by fewer than R owners: by a write
 * that is still under way, or one whose coordinator died. To answer with it and leave it so would
 * let the next read miss it: time would run backwards for the client. So the owners among those
 * asked that lack it get the record first (the write-back of Attiya, Bar-Noy and Dolev 1995). That
 * is also how a member that was away catches up on what is read. When the answers agree, which is
 * nearly always, a read costs one round and one value.
 *
 * A worked example, N = 3, R = 2: a write stamped 7 has come to B alone when its coordinator dies.
 *
 *     A      B      C
 *     5      7      5      A and B are asked: B holds the newest, A lacks it
 *     7      7      5      A gets 7; then R owners hold it, and the client gets 7
 *     7      7      5      any two owners: one holds 7, so no later read returns 5
 *
 * An owner may hold a greater version by the time that the repair comes to it. That it took ours
 * before (it answers 0) is as good. If it never took ours, what we would return may yet be stamped
 * a second time, above what other readers see meanwhile (coord_write.c). So the read begins anew.
 *
 * Hedging. A read that has lasted longer than 99 in 100 answers of late asks one more owner
 * (hedge.h). The owners that answer first count; the silent one still may.
 *
 * Fail-over. An owner that refuses, whose stream breaks, or that stays silent for a tick is passed
 * over for the next one; an owner that is taken for silent is asked last. Where a later step goes
 * wrong (the owner of the newest value is gone, a repair is refused) the read begins anew: reads
 * change nothing, and the deadline bounds how often. */
#include "base/check.h"
#include "core/coord/coord_op.h"

/* Whether it is a write that reads first. */
static bool is_write(const struct op *op)
{
    return op->kind == OP_DEL || op->kind == OP_EXPIRE || op->kind == OP_PUT;
}

void read_begin(struct coord *c, struct op *op, struct out *out)
{
    op_enter(c, op, PHASE_READ);
    op->have_value = false;
    op->data.n = op->key_n;
    op_reset(op);
    for (unsigned i = 0; i < op->owner_n; i++)
        op->owner[i].read = false;
    op->need = op->kind == OP_WHERE ? op->owner_n
                                    : op_read_need(c, is_write(op) ? LEVEL_QUORUM : op->level);
    CHECK(op->need >= 1 && op->need <= op->owner_n);
    unsigned reachable = op_reachable_n(c, op);
    if (op->kind != OP_WHERE && reachable < op->need)
        op_finish(c, op, ERR_NO_QUORUM, reachable, out);
    else
        read_drive(c, op, false, out);
}

/* Index of the owner to ask next, and the member that it is: this node first (it costs no message),
 * then the others in turn, those taken for silent last. -1 when no owner is left. */
static int next_owner(const struct coord *c, const struct op *op, const struct member **next)
{
    int own = op_owner_index(op, c->self), found = -1;
    if (own >= 0 && op->owner[own].asked.state == OWNER_IDLE) {
        *next = op_member(c, op, (unsigned)own);
        return own;
    }
    for (unsigned k = 0; k < op->owner_n; k++) {
        unsigned i = (c->turn + k) % op->owner_n;
        const struct member *m =
            op->owner[i].asked.state == OWNER_IDLE ? op_member(c, op, i) : NULL;
        if (!member_reachable(m, c->now->ms))
            continue;
        *next = m;
        found = (int)i;
        if (!coord_silent(c, m))
            break;
    }
    return found;
}

static bool wants_value(const struct op *op)
{
    return op->kind == OP_GET || op->kind == OP_EXPIRE;
}

/* Whether the value of the newest record is needed: for the answer, to be written back, or for
 * owners that are to be given it. */
static bool misses_value(const struct coord *c, const struct op *op, bool agreed)
{
    bool used = wants_value(op) && op_live(c, op);
    return op->record.kind == RECORD_VALUE && !op->have_value && (used || !agreed);
}

static void ask_one(struct coord *c, struct op *op, unsigned i, const struct member *m,
                    struct out *out)
{
    CHECK(op->owner[i].asked.state == OWNER_IDLE);
    bool value = wants_value(op) && op->value_from == OWNERS_MAX;
    if (value)
        op->value_from = (uint8_t)i;
    op_send_get(c, op, i, m, value ? GET_VALUE : GET_DIGEST, out);
}

/* Asks owners until as many are asked as must still answer. */
static void drive_asking(struct coord *c, struct op *op, bool late, struct out *out)
{
    unsigned awaited = 0, done = op_count(op, OWNER_DONE);
    CHECK(op->phase == PHASE_READ && done <= op->need);
    for (unsigned i = 0; i < op->owner_n; i++) {
        struct op_owner *o = &op->owner[i];
        if (o->asked.state != OWNER_ASKED)
            continue;
        bool lost = op_lost(c, op, i);
        if (lost)
            o->asked.state = OWNER_IDLE;
        awaited += !lost && !late;
        if ((lost || late) && op->value_from == i)
            op->value_from = OWNERS_MAX;
    }
    const struct member *m;
    for (int i; awaited < op->need - done && (i = next_owner(c, op, &m)) >= 0; awaited++)
        ask_one(c, op, (unsigned)i, m, out);
    c->turn++;
}

static bool any_lost(const struct coord *c, const struct op *op)
{
    for (unsigned i = 0; i < op->owner_n; i++)
        if (op->owner[i].asked.state == OWNER_ASKED && op_lost(c, op, i))
            return true;
    return false;
}

/* Whether so many owners failed or are known to be gone that the others are too few. */
static bool hopeless(const struct coord *c, const struct op *op)
{
    unsigned left = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        left += op->owner[i].asked.state != OWNER_FAILED &&
                (op->owner[i].asked.state == OWNER_DONE || !member_gone(op_member(c, op, i)));
    return op->kind != OP_WHERE && left < op->need;
}

void read_drive(struct coord *c, struct op *op, bool late, struct out *out)
{
    if (op->kind == OP_WHERE && late)
        /* an owner that did not answer by now is shown as silent */
        op_finish(c, op, 0, op_count(op, OWNER_DONE), out);
    else if (op->phase == PHASE_READ && hopeless(c, op))
        read_expire(c, op, out); /* to wait for the deadline would help nobody */
    else if (op->phase == PHASE_READ)
        drive_asking(c, op, late, out);
    else if (late || any_lost(c, op))
        read_begin(c, op, out);
}

/* ---- Judging ---- */

/* The order of what an owner answered that it holds, and a record. */
static int seen_cmp(const struct op_owner *o, const struct record *r)
{
    struct record seen = owner_record(o);
    return record_cmp(&seen, r);
}

/* The owner that answered with the newest record; NULL: none was read. */
static const struct op_owner *newest_owner(const struct op *op)
{
    const struct op_owner *newest = NULL;
    struct record best = {0};
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        if (!o->read || (newest && seen_cmp(o, &best) <= 0))
            continue;
        newest = o;
        best = owner_record(o);
    }
    return newest;
}

static bool holds_newest(const struct op *op, unsigned i)
{
    return op->owner[i].read && seen_cmp(&op->owner[i], &op->record) >= 0;
}

static unsigned holders(const struct op *op)
{
    unsigned n = 0;
    for (unsigned i = 0; i < op->owner_n; i++)
        n += holds_newest(op, i);
    return n;
}

static void take_newest(struct op *op)
{
    const struct op_owner *o = newest_owner(op);
    CHECK(o);
    if (op->have_value && seen_cmp(o, &op->record) == 0)
        return;
    op->record = owner_record(o);
    op->size = o->size;
    op->have_value = false;
    op->data.n = op->key_n;
}

/* Asks an owner that holds the newest record for its value. Where none can be asked now, the next
 * tick begins the read anew. */
static void fetch(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->record.kind == RECORD_VALUE && !op->have_value);
    op_enter(c, op, PHASE_FETCH);
    op_reset(op);
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        bool fit = holds_newest(op, i) && o->asked.state != OWNER_FAILED;
        const struct member *m = fit ? op_member(c, op, i) : NULL;
        if (!member_reachable(m, c->now->ms))
            continue;
        op_send_get(c, op, i, m, GET_VALUE, out);
        return;
    }
}

/* Sends the newest record to the owners that answered with an older one. */
static void repair(struct coord *c, struct op *op, struct out *out)
{
    op_enter(c, op, PHASE_REPAIR);
    op_reset(op);
    for (unsigned i = 0; i < op->owner_n; i++) {
        const struct op_owner *o = &op->owner[i];
        bool stale = o->read && !holds_newest(op, i) && o->asked.state != OWNER_FAILED;
        const struct member *m = stale ? op_member(c, op, i) : NULL;
        if (member_reachable(m, c->now->ms))
            op_send_put(c, op, i, m, out);
    }
}

/* R owners hold the newest record: the read is over. */
static void read_done(struct coord *c, struct op *op, struct out *out)
{
    CHECK(holders(op) >= op->need);
    if (op->kind == OP_EXPIRE)
        expire_decide(c, op, out);
    else
        op_finish(c, op, 0, op->need, out);
}

/* Enough owners have answered: replies, or does first what is needed for that. */
static void judge(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->phase == PHASE_FETCH || op_count(op, OWNER_DONE) >= op->need);
    take_newest(op);
    hlc_see(&c->clock, op->record.version.stamp, c->now->wall_ms, CLOCK_SKEW_MAX_MS);
    if (op->kind == OP_DEL || op->kind == OP_PUT) {
        /* what is written supersedes what was read, which needs no repair */
        op->existed = op_live(c, op);
        op->ordered = true;
        write_begin(c, op, out);
        return;
    }
    bool agreed = holders(op) >= op->need;
    if (misses_value(c, op, agreed))
        fetch(c, op, out);
    else if (agreed)
        read_done(c, op, out);
    else
        repair(c, op, out);
}

/* Notes what an owner answered that it holds, with the value when it came along. False when there
 * was no memory for the value. */
static bool take_answer(struct op *op, struct op_owner *o, const struct record *r, uint32_t size,
                        bool with_value)
{
    o->read = true;
    o->kind = r->kind;
    o->size = size;
    o->expiry_ms = r->expiry_ms;
    o->seen = r->version;
    if (op->kind == OP_PUT)
        return true; /* the value that will be written stands where one that is read would */
    if (!with_value || r->kind != RECORD_VALUE ||
        (op->have_value && version_cmp(&r->version, &op->record.version) < 0))
        return true;
    op->data.n = op->key_n;
    op->have_value = buf_slice(&op->data, r->value) == 0;
    op->record = (struct record){.kind = r->kind, .version = r->version, .expiry_ms = r->expiry_ms};
    op->size = size;
    return op->have_value;
}

static void owner_failed(struct coord *c, struct op *op, unsigned i, int error, struct out *out)
{
    struct op_owner *o = &op->owner[i];
    bool for_good = error == ERR_IO || error == ERR_TOO_OLD || error == ERR_CORRUPT ||
                    error == ERR_NO_SPACE || error == ERR_NOT_A_MEMBER || error == ERR_RECOVERING;
    CHECK(error && op->phase != PHASE_WRITE);
    o->asked.state = for_good ? OWNER_FAILED : OWNER_IDLE;
    o->recovering = error == ERR_RECOVERING;
    op->refusal = o->error = error;
    if (op->value_from == i)
        op->value_from = OWNERS_MAX;
    if (op->owner_n - op_count(op, OWNER_FAILED) < op->need && op->kind != OP_WHERE)
        op_finish(c, op, error, op_count(op, OWNER_DONE), out);
    else if (for_good && op->phase != PHASE_READ)
        read_begin(c, op, out); /* without this owner */
    else if (for_good)
        drive_asking(c, op, false, out);
    /* An owner that refused for now (another epoch) is asked again at the next tick, or when the
     * layout comes: at once would be again and again, as fast as the network allows. */
}

void read_answer(struct coord *c, struct op *op, unsigned i, int error, const struct record *record,
                 uint32_t size, struct out *out)
{
    CHECK(i < op->owner_n && op->need <= op->owner_n);
    struct op_owner *o = &op->owner[i];
    if (op->phase > PHASE_FETCH || o->asked.state != OWNER_ASKED)
        return; /* late: what it was asked for is settled */
    /* how fast the own store answers says nothing about others */
    if (op->phase == PHASE_READ && o->id != c->self)
        hedge_note(&c->hedge, c->now->ms - o->asked_ms);
    if (error) {
        owner_failed(c, op, i, error, out);
        return;
    }
    bool with_value = record->value.n == size;
    if (op->phase == PHASE_FETCH && !with_value)
        return; /* a late answer to the first question */
    if (!take_answer(op, o, record, size, with_value)) {
        op_finish(c, op, ERR_BUSY, op_count(op, OWNER_DONE), out);
        return;
    }
    o->asked.state = OWNER_DONE;
    if (op->kind == OP_WHERE) {
        if (op_count(op, OWNER_ASKED) == 0)
            op_finish(c, op, 0, op_count(op, OWNER_DONE), out);
    } else if (op->phase == PHASE_FETCH || op_count(op, OWNER_DONE) >= op->need) {
        judge(c, op, out);
    }
}

void repair_answer(struct coord *c, struct op *op, unsigned i, const struct put_answer *a,
                   struct out *out)
{
    int error = !a->error && a->unsound ? ERR_RECOVERING : a->error;
    const struct version *held = &a->held;
    struct op_owner *o = &op->owner[i];
    o->repairs = (uint8_t)(o->repairs - (o->repairs > 0));
    if (op->phase != PHASE_REPAIR || o->asked.state != OWNER_ASKED)
        return;
    if (error == ERR_SUPERSEDED) {
        read_begin(c, op, out); /* the owner may never have held this version: see above */
        return;
    }
    /* the owner holds nothing, and takes nothing older than its floor */
    bool erased = error == ERR_TOO_OLD && !op_live(c, op);
    if (error && !erased) {
        owner_failed(c, op, i, error, out);
        return;
    }
    if (erased)
        held = &op->record.version;
    if (version_cmp(held, &op->record.version) < 0)
        return;
    o->asked.state = OWNER_DONE;
    o->seen = *held;
    o->kind = op->record.kind;
    o->expiry_ms = op->record.expiry_ms;
    if (holders(op) >= op->need)
        read_done(c, op, out);
}

void read_expire(struct coord *c, struct op *op, struct out *out)
{
    unsigned done = op_count(op, OWNER_DONE);
    CHECK(op->phase != PHASE_WRITE);
    op_finish(c, op,
              op->kind == OP_WHERE       ? 0
              : op->refusal && done == 0 ? op->refusal
                                         : ERR_NO_QUORUM,
              done, out);
}
