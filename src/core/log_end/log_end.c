/* log_end.c: how a member that lost the end of its log is noticed.
 *
 * The problem. A node that comes back may have a log that ends earlier than it did: its directory
 * was restored from an old copy, its machine lost power under `interval`, or its disk lied about a
 * sync. The log itself cannot tell: every record in it is sound. But what is missing was
 * acknowledged, and such a node would answer "not found" for it.
 *
 * Positions. The position at which a log ends only grows, byte for byte with what is put
 * (store/store.h). A node announces it in every hello, datagram and put, and in every
 * acknowledgement of one, together with the nonce of its boot. It covers all that was acknowledged
 * before. Under `interval` that is more than what is synced: so a kill, after which the page cache
 * is still there, loses nothing of it, and a loss of power is noticed. Each member has a *mark* of
 * each other one: the greatest position that this one announced, and in which boot. Marks are
 * saved, and sent in every hello. A hello comes first in each stream, so a node learns what a peer
 * remembers of it before it answers that peer, or is answered.
 *
 * Boots. Positions alone are fooled by a node that was set back and then grew past its old end
 * before it met a member that remembers. So a node writes down its boots, and where its log ended
 * when each of them began. What a boot put lies between its begin and the begin of the next:
 *
 *     boot:    | u ............... | v ........ | w (this one)
 *     begins:  1000                5000         6000
 *
 *     a mark says   the node knows                              so
 *     (u, 5000)     u ended at 5000                             nothing is lost
 *     (w, any)      w has not ended                             nothing is lost
 *     (u, 5200)     u ended at 5000                             200 bytes that u put are lost
 *     (q, any)      no boot q: the directory is older than q    all that q put is lost
 *
 * Example: N = 3, node A loses power in its boot x, and 2000 bytes that were not synced. A row
 * shows what is true after its step; a mark is (boot, position).
 *
 *     step                                 A's log ends  A announces  B's mark of A  C's mark of A
 *     A has put up to 5000 in boot x       5000          5000         (x, 5000)      (x, 4800)
 *     A loses power, starts with boot y    3000          nothing      (x, 5000)      (x, 4800)
 *     A's record of its boots is durable   3000          3000         (x, 5000)      (x, 4800)
 *     B's hello: 5000 > 3000, a loss       3000          nothing      (x, 5000)      (x, 4800)
 *     the lift of 2001 is durable          3000          5001         (x, 5000)      (x, 4800)
 *     C's hello: x is settled, no new loss 3000          5001         (x, 5000)      (x, 4800)
 *     A puts 500 bytes in boot y           3500          5501         (y, 5501)      (y, 5501)
 *
 * Had B and C been met after A's log had grown to 5600 in boot y, the marks would lie below the
 * log's end. They are still found right: x ended at 3000, where y began.
 *
 * What is announced must not overwrite the mark that tells of a loss: a node that was set back
 * grows, and soon announces more than it lost. So marks take positions by these rules:
 *
 *     source                    position, at most              boot
 *     the member's stream       LOG_END_POSITION_MAX           one that has had our hello
 *     the member's datagram     LOG_END_LEAP above the mark    one that has had our hello
 *     another member's marks    LOG_END_POSITION_MAX           that of our mark, if we have one
 *
 * (core/node/membership.c knows which boot of a member has had our hello.) A mark of another boot
 * in another member's hello counts for nothing: this boot of the third member may not have had our
 * hello yet, so it does not know what our mark says. And a node that comes back greets every member
 * that may live, and waits a little for their hellos before it answers clients: any one of them may
 * be the only one that remembers.
 *
 * A loss that was found is *settled*: the doubt is with the store, durably, and the marks of other
 * peers of the same boot, be they greater or less, must not raise it again. From then on the node
 * adds a *lift* to its positions, so that they lie above what it announced before the loss. Without
 * it a peer would not take the lesser positions for news, and a second loss would go unseen.
 *
 * Phases. Nothing is announced before the record of the boots is durable, else an honest crash
 * would look like a loss; nor before the lift is.
 *
 *     SILENT ---(the record is put)---> WRITING ---(it is stored)---> ANNOUNCING
 *       ^                                  |                              |
 *       '---(it is not stored, or a loss)--'-----------(a loss)-----------'
 *
 * What this cannot see: what was acknowledged in the moment before a node died, when every member
 * that had the position died too; and what a coordinator stored last itself, when it died before
 * its next message. (rt/power.c sees a loss of power by other signs.) Marks are put only along with
 * other records, at most once a second, so they cost no sync of their own. A member that had the
 * position and lives on has it in memory.
 *
 * Invariants: the last of own[] is this boot; begins never fall; nothing is announced before they
 * are durable; marks are of other members, one for each shard of each, and only grow. */
#include "core/log_end/log_end.h"

#include "base/check.h"
#include "base/phase.h"
#include "wire/bytes.h"

enum {
    BOOTS_FORMAT = 1,
    BOOTS_HEAD = 10, /* format, lift, healing */
    BOOTS_MAX = BOOTS_HEAD + 2 + sizeof(struct log_end_boot) * (LOG_END_BOOTS + LOG_END_SETTLED),
    ENDS_FORMAT = 2,
    /* marks that are read at once: a later release may have a shard for each core */
    MARKS_MAX = 64 * LAYOUT_MEMBERS_MAX,
};

enum { STATE_BOOTS = 1, STATE_ENDS = 2 }; /* numbers of the tokens */

_Static_assert(sizeof(struct log_end_mark) == 32 && sizeof(struct log_end_boot) == 16,
               "marks and boots travel and rest as they are");

static const uint32_t phases[] = {
    [LOG_END_SILENT] = PHASE(LOG_END_SILENT) | PHASE(LOG_END_WRITING), /* a second loss */
    [LOG_END_WRITING] = PHASE(LOG_END_ANNOUNCING) | PHASE(LOG_END_SILENT),
    [LOG_END_ANNOUNCING] = PHASE(LOG_END_SILENT),
};

/* ---- Records: "boots" is u8 format | u64 lift | u8 healing | u8 n | n of own[] | u8 n | n of
 * settled[]. "ends" is u8 format | the marks. ---- */

/* Reads u8 n and n pairs. False when there are fewer, or more than fit. */
static bool read_pairs(struct slice *in, struct log_end_boot *out, unsigned *n, unsigned max)
{
    if (in->n < 1 || in->p[0] > max || in->n < 1 + in->p[0] * sizeof *out)
        return false;
    *n = in->p[0];
    size_t bytes = *n * sizeof *out;
    memcpy(out, in->p + 1, bytes);
    *in = slice_of(in->p + 1 + bytes, in->n - 1 - bytes);
    return true;
}

/* Begins never fall, and nothing is so far up that a sum of two would wrap. */
static bool boots_sound(const struct log_end *r)
{
    const uint64_t most = 4 * LOG_END_POSITION_MAX;
    bool sound = r->lift <= most;
    for (unsigned i = 0; i < r->own_n; i++)
        sound = sound && r->own[i].at <= most && (i == 0 || r->own[i - 1].at <= r->own[i].at);
    return sound;
}

static int recall_boots(struct log_end *r, struct slice in)
{
    if (in.n == 0)
        return 0;
    if (in.n < BOOTS_HEAD || in.p[0] != BOOTS_FORMAT)
        return ERR_BAD_MESSAGE;
    r->lift = get_u64(in.p + 1);
    r->healing = in.p[9];
    struct slice rest = slice_of(in.p + BOOTS_HEAD, in.n - BOOTS_HEAD);
    bool read = read_pairs(&rest, r->own, &r->own_n, LOG_END_BOOTS) &&
                read_pairs(&rest, r->settled, &r->settled_n, LOG_END_SETTLED);
    return read && rest.n == 0 && boots_sound(r) ? 0 : ERR_BAD_MESSAGE;
}

static bool marks_of(struct slice in, unsigned *n)
{
    *n = (unsigned)(in.n / sizeof(struct log_end_mark));
    return in.n % sizeof(struct log_end_mark) == 0 && *n <= MARKS_MAX;
}

static struct log_end_mark mark_at(struct slice in, unsigned i)
{
    struct log_end_mark m;
    CHECK((i + 1) * sizeof m <= in.n);
    memcpy(&m, in.p + i * sizeof m, sizeof m);
    return m;
}

/* The mark of a member's shard, or NULL. */
static struct log_end_mark *find(struct log_end *r, uint64_t id, uint64_t shard)
{
    for (unsigned i = 0; i < r->mark_n; i++)
        if (r->mark[i].id == id && r->mark[i].shard == shard)
            return &r->mark[i];
    return NULL;
}

/* Takes a mark that was saved. False for one that no node saves: of itself, of no position, or a
 * second one of the same log. A shard that is not known here is passed over: a later release saved
 * it. */
static bool recall_mark(struct log_end *r, const struct log_end_mark *m)
{
    if (m->shard >= SHARDS)
        return true;
    if (m->id == r->self || m->position == 0 || r->mark_n == LOG_END_MARKS ||
        find(r, m->id, m->shard))
        return false;
    r->mark[r->mark_n++] = *m;
    return true;
}

static int recall_ends(struct log_end *r, struct slice in)
{
    if (in.n == 0)
        return 0;
    struct slice marks = slice_of(in.p + 1, in.n - 1);
    unsigned n;
    bool sound = in.p[0] == ENDS_FORMAT && marks_of(marks, &n);
    for (unsigned i = 0; sound && i < n; i++) {
        struct log_end_mark m = mark_at(marks, i);
        sound = recall_mark(r, &m);
    }
    return sound ? 0 : ERR_BAD_MESSAGE;
}

/* Appends a pair; where there is no room the oldest one goes. */
static void remember(struct log_end_boot *pair, unsigned *n, unsigned max, struct log_end_boot last)
{
    CHECK(*n <= max);
    if (*n == max)
        memmove(pair, pair + 1, --*n * sizeof *pair);
    pair[(*n)++] = last;
}

/* This boot begins where the log ends now. The record of the boots may have survived where the log
 * behind it did not: then some boots began above this end. What they put is gone, and what the boot
 * before them put above this end as well. Their begins are lowered, so that a mark above this end
 * tells of a loss whichever of these boots it names. */
static void begin(struct log_end *r)
{
    uint64_t end = r->position + r->lift;
    for (unsigned i = 0; i < r->own_n; i++)
        if (r->own[i].at > end)
            r->own[i].at = end;
    remember(r->own, &r->own_n, LOG_END_BOOTS, (struct log_end_boot){r->boot, end});
    r->boots_dirty = true;
}

int log_end_init(struct log_end *r, const struct log_end_options *o)
{
    CHECK(o->self != 0 && o->boot != 0);
    *r = (struct log_end){.self = o->self,
                          .boot = o->boot,
                          .position = o->position,
                          .boots_serial = o->boots_serial,
                          .ends_serial = o->ends_serial};
    buf_init(&r->boots_bytes, BOOTS_MAX);
    buf_init(&r->ends_bytes, 1 + sizeof r->mark);
    int error = recall_boots(r, o->boots);
    error = error ? error : recall_ends(r, o->ends);
    if (!error)
        begin(r);
    return error;
}

static void on_close(void *p)
{
    struct log_end *r = p;
    buf_close(&r->boots_bytes);
    buf_close(&r->ends_bytes);
}

/* ---- Other members ---- */

void log_end_note(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position)
{
    struct log_end_mark *m = find(r, id, position.shard);
    if (id == r->self || boot == 0 || position.shard >= SHARDS ||
        position.end > LOG_END_POSITION_MAX || position.end <= (m ? m->position : 0) ||
        (!m && r->mark_n == LOG_END_MARKS))
        return;
    m = m ? m : &r->mark[r->mark_n++];
    *m = (struct log_end_mark){id, boot, position.end, position.shard};
    r->marks_dirty = true;
}

void log_end_note_packet(struct log_end *r, uint64_t id, uint64_t boot,
                         struct log_position position)
{
    const struct log_end_mark *m = find(r, id, position.shard);
    if (position.end <= (m ? m->position : 0) + LOG_END_LEAP)
        log_end_note(r, id, boot, position);
}

/* A peer's mark of a third member. One of another boot than that of our mark is left: this boot of
 * the third member may not have had our hello. */
static void note_third(struct log_end *r, const struct log_end_mark *theirs)
{
    const struct log_end_mark *m = find(r, theirs->id, theirs->shard);
    if (!m || m->boot == theirs->boot)
        log_end_note(r, theirs->id, theirs->boot,
                     (struct log_position){(uint16_t)theirs->shard, theirs->position});
}

uint64_t log_end_boot_of(const struct log_end *r, uint64_t id)
{
    for (unsigned i = 0; i < r->mark_n; i++)
        if (r->mark[i].id == id && r->mark[i].shard == 0)
            return r->mark[i].boot;
    return 0;
}

/* ---- The own log ---- */

void log_end_position(struct log_end *r, uint64_t position)
{
    CHECK(position >= r->position);
    r->position = position;
}

/* Nothing is announced until what changed of the boots is durable. */
static void silence(struct log_end *r)
{
    phase_enter(&r->phase, LOG_END_SILENT, phases);
    r->boots_dirty = true;
    r->boots_tried_ms = 0;
}

/* Whether the log has all that this boot of ours put up to the position. */
static bool is_there(const struct log_end *r, uint64_t boot, uint64_t position)
{
    for (unsigned i = 0; i < r->own_n; i++)
        if (r->own[i].boot == boot) /* this boot, the last one, has not ended */
            return i + 1 == r->own_n || position <= r->own[i + 1].at;
    return false;
}

static bool is_settled(const struct log_end *r, uint64_t boot)
{
    for (unsigned i = 0; i < r->settled_n; i++)
        if (r->settled[i].boot == boot)
            return true;
    return false;
}

/* From now on every position that is announced lies above that one. */
static void lift_above(struct log_end *r, uint64_t position)
{
    if (r->position + r->lift > position)
        return;
    r->lift = position + 1 - r->position;
    silence(r);
}

static void settle(struct log_end *r, const struct log_end_mark *m)
{
    remember(r->settled, &r->settled_n, LOG_END_SETTLED,
             (struct log_end_boot){m->boot, m->position});
    r->healing = true;
    silence(r);
}

/* A peer's mark of our log. True when it tells of a loss that was not known. */
static bool compare(struct log_end *r, const struct log_end_mark *m)
{
    CHECK(m->id == r->self);
    if (m->position > LOG_END_OWN_MAX || is_there(r, m->boot, m->position))
        return false;
    lift_above(r, m->position);
    if (is_settled(r, m->boot))
        return false;
    settle(r, m);
    return true;
}

bool log_end_compare(struct log_end *r, struct slice marks)
{
    unsigned n;
    bool lost = false;
    if (!marks_of(marks, &n))
        return false;
#ifdef CANARY_LOG_END_UNNOTICED
    return false;
#endif
    for (unsigned i = 0; i < n; i++) {
        struct log_end_mark m = mark_at(marks, i);
        if (m.shard >= SHARDS)
            continue;
        if (m.id == r->self)
            lost |= compare(r, &m);
        else
            note_third(r, &m);
    }
    return lost;
}

void log_end_healing(struct log_end *r, bool healing)
{
    r->boots_dirty |= r->healing != healing;
    r->healing = healing;
}

/* ---- Saving ---- */

static bool append_pairs(struct buf *out, const struct log_end_boot *pair, unsigned n)
{
    uint8_t count = (uint8_t)n;
    return buf_append(out, &count, 1) == 0 && buf_append(out, pair, n * sizeof *pair) == 0;
}

static bool encode_boots(struct log_end *r)
{
    uint8_t head[BOOTS_HEAD] = {BOOTS_FORMAT};
    put_u64(head + 1, r->lift);
    head[9] = r->healing;
    r->boots_bytes.n = 0;
    return buf_append(&r->boots_bytes, head, sizeof head) == 0 &&
           append_pairs(&r->boots_bytes, r->own, r->own_n) &&
           append_pairs(&r->boots_bytes, r->settled, r->settled_n);
}

static bool encode_ends(struct log_end *r)
{
    uint8_t format = ENDS_FORMAT;
    r->ends_bytes.n = 0;
    return buf_append(&r->ends_bytes, &format, 1) == 0 &&
           buf_slice(&r->ends_bytes, log_end_marks(r)) == 0;
}

static void save_boots(struct log_end *r, uint64_t now_ms, struct out *out)
{
    if (!encode_boots(r))
        return;
    if (r->phase == LOG_END_SILENT)
        phase_enter(&r->phase, LOG_END_WRITING, phases);
    r->boots_dirty = false;
    r->boots_tried_ms = now_ms;
    r->boots_open++;
    out_state(out, TOKEN(TOKEN_LOG_END, STATE_BOOTS), SLICE("boots"), ++r->boots_serial,
              buf_view(&r->boots_bytes));
}

static void save_ends(struct log_end *r, uint64_t now_ms, struct out *out)
{
    if (!encode_ends(r))
        return;
    r->marks_dirty = false;
    r->marks_put_ms = now_ms;
    out_state(out, TOKEN(TOKEN_LOG_END, STATE_ENDS), SLICE("ends"), ++r->ends_serial,
              buf_view(&r->ends_bytes));
}

void log_end_save(struct log_end *r, uint64_t now_ms, bool riding, struct out *out)
{
    if (r->boots_dirty && (r->boots_tried_ms == 0 || now_ms >= r->boots_tried_ms + LOG_END_SAVE_MS))
        save_boots(r, now_ms, out);
    if (r->marks_dirty && riding && now_ms >= r->marks_put_ms + LOG_END_SAVE_MS)
        save_ends(r, now_ms, out);
}

/* Nothing waits for the marks to be stored. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct log_end *r = p;
    (void)now;
    (void)out;
    if (number != STATE_BOOTS)
        return;
    CHECK(r->boots_open > 0);
    r->boots_open--;
    r->boots_dirty |= ev->stored.error != 0;
    if (r->phase == LOG_END_WRITING && (ev->stored.error || r->boots_open == 0))
        phase_enter(&r->phase, ev->stored.error ? LOG_END_SILENT : LOG_END_ANNOUNCING, phases);
}

static void on_check(const void *p, const struct moment *now)
{
    const struct log_end *r = p;
    (void)now;
    CHECK(r->own_n > 0 && r->own_n <= LOG_END_BOOTS && r->own[r->own_n - 1].boot == r->boot);
    for (unsigned i = 1; i < r->own_n; i++)
        CHECK(r->own[i - 1].at <= r->own[i].at);
    CHECK(r->phase != LOG_END_SILENT || r->boots_dirty);
    CHECK(r->phase != LOG_END_WRITING || r->boots_open > 0);
    CHECK(r->settled_n <= LOG_END_SETTLED && r->mark_n <= LOG_END_MARKS);
    for (unsigned i = 0; i < r->mark_n; i++)
        CHECK(r->mark[i].id != r->self && r->mark[i].shard < SHARDS && r->mark[i].position > 0);
}

const struct protocol log_end_protocol = {
    .stored = on_stored, .check = on_check, .close = on_close};
