/* log_end.c: how far each member's log reached.
 *
 * The problem. A node that comes back may have a log that ends before where it ended: its directory
 * was restored from an old copy, its machine lost power under `interval`, its disk lied about a
 * sync. Nothing in the log itself can tell: what is there is whole. But what is missing was
 * acknowledged, and such a node would answer "not found".
 *
 * The way. A log position only grows, byte for byte with what is put (store.h). Every hello, every
 * datagram, every put and every acknowledgement of one carries the sender's boot nonce and its
 * position, and covers all that was acknowledged before; under `interval` that is more than what is
 * synced, so a kill, after which the page cache is still there, loses none of it, and a loss of
 * power is seen. Peers keep the greatest that each member announced, on disk too, and say it in
 * their hellos. A hello comes first in each stream, so a node has learnt what a peer knows of it
 * before it answers that peer, or is answered.
 *
 * Positions alone would be fooled by a node that was rolled back and has grown past its old end
 * before it meets who remembers. So a node writes down its own boots and where the log ended at
 * each: what a boot put is what lies between it and the next. A peer that says "you were at q in
 * boot X" is right when X is not among them (the copy is older than X), or ended before q.
 *
 *     own:      | boot A ........ | boot B .... | boot C (now)        told (B, q):   fine where q is at or before C's begin
 *
 * What a peer remembers it must not overwrite before it has told it: a node that was set back
 * grows, and soon announces more than it lost. So what a process announces counts from when a
 * stream brought it our hello (membership.c), and hearsay of another boot than the one remembered
 * counts for nothing. And a node that comes back greets every member that may live, and waits a
 * little for their hellos before it answers clients: any one of them may be the only one that
 * remembers.
 *
 * A loss that was found is *settled*: the doubt is with the store, durably, and the same peer's
 * memory must not raise it again and again. And from then on the node adds a lift to its positions,
 * so that they are above what it announced before it lost them: else a peer would not take the
 * lesser ones for news, and a second loss go unseen.
 *
 * What it cannot see: what was acknowledged in the moment before a node died, when all who heard of
 * it died too; and what a coordinator stored last of all itself, when it died before its next
 * message. (rt/power.c sees a loss of power by other signs.) What peers keep is put only along with
 * other records, at most once a second: it costs no sync of its own. Whoever heard it and lives on
 * has it in memory.
 *
 * Invariants: the last of own[] is this boot; their begins never fall; nothing is announced before
 * they are durable (else an honest crash would look like a loss); marks are of others, one a shard
 * of each, and only grow. */
#include "core/log_end/log_end.h"

#include "base/check.h"
#include "wire/bytes.h"

enum {
    BOOTS_FORMAT = 1,
    REACHED_FORMAT = 2,
    PAIR = 16,
    BOOTS_HEAD = 11,
    BOOTS_MAX = BOOTS_HEAD + 1 + PAIR * (LOG_END_BOOTS + LOG_END_SETTLED),
    /* read at once: a later release may have a shard for each core */
    MARKS_MAX = 64 * LAYOUT_MEMBERS_MAX,
};

enum { STATE_BOOTS = 1, STATE_ENDS = 2 }; /* numbers of its tokens */

_Static_assert(sizeof(struct log_end_mark) == 32, "marks travel as they are");

/* ---- Records: "boots" is u8 format | u64 lift | u8 healing | u8 n | n pairs (boot, begin) | u8 n
 * | n pairs (boot, settled up to). "ends" is u8 format | the marks, 32 bytes each. ---- */

/* Reads u8 n and n pairs. False when there are not so many, or more than fit. */
static bool read_pairs(struct slice *in, struct log_end_boot *out, unsigned *n, unsigned max)
{
    if (in->n < 1 || in->p[0] > max || in->n < 1u + PAIR * in->p[0])
        return false;
    *n = in->p[0];
    for (unsigned i = 0; i < *n; i++)
        out[i] =
            (struct log_end_boot){get_u64(in->p + 1 + PAIR * i), get_u64(in->p + 9 + PAIR * i)};
    *in = slice_of(in->p + 1 + PAIR * *n, in->n - 1 - PAIR * *n);
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
    struct slice rest = slice_of(in.p + 10, in.n - 10);
    if (!read_pairs(&rest, r->own, &r->own_n, LOG_END_BOOTS) ||
        !read_pairs(&rest, r->settled, &r->settled_n, LOG_END_SETTLED))
        return ERR_BAD_MESSAGE;
    r->settled_at = r->settled_n % LOG_END_SETTLED;
    return rest.n == 0 && boots_sound(r) ? 0 : ERR_BAD_MESSAGE;
}

static bool marks_of(struct slice in, unsigned *n)
{
    *n = (unsigned)(in.n / sizeof(struct log_end_mark));
    return in.n % sizeof(struct log_end_mark) == 0 && *n <= MARKS_MAX;
}

/* Where the mark of a member's shard is, or -1. */
static int find(const struct log_end *r, uint64_t id, uint64_t shard)
{
    for (unsigned i = 0; i < r->mark_n; i++)
        if (r->mark[i].id == id && r->mark[i].shard == shard)
            return (int)i;
    return -1;
}

/* Takes a mark that was saved: of another member, the only one of its shard, and of something. One
 * of a shard that is not known here, which a later release saved, is passed over. */
static bool recall_mark(struct log_end *r, const struct log_end_mark *m)
{
    if (m->shard >= SHARDS)
        return true;
    if (m->id == r->self || m->position == 0 || r->mark_n == LOG_END_MARKS ||
        find(r, m->id, m->shard) >= 0)
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
    if (in.p[0] != REACHED_FORMAT || !marks_of(marks, &n))
        return ERR_BAD_MESSAGE;
    for (unsigned i = 0; i < n; i++) {
        struct log_end_mark m;
        memcpy(&m, marks.p + i * sizeof m, sizeof m);
        if (!recall_mark(r, &m))
            return ERR_BAD_MESSAGE;
    }
    return 0;
}

/* This boot begins where the log ends now. Where a copy of the record outlived the log behind it,
 * boots before began behind that end: what they, and the one before them, put there is gone, and
 * whoever heard of it must be found right. */
static void begin(struct log_end *r)
{
    uint64_t end = r->position + r->lift;
    for (unsigned i = 0; i < r->own_n; i++)
        if (r->own[i].at > end)
            r->own[i].at = end;
    if (r->own_n == LOG_END_BOOTS)
        memmove(r->own, r->own + 1, --r->own_n * sizeof *r->own);
    r->own[r->own_n++] = (struct log_end_boot){r->boot, end};
    r->unsaved = true;
}

int log_end_init(struct log_end *r, const struct log_end_options *o)
{
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

/* ---- Others ---- */

static void raise(struct log_end *r, struct log_end_mark *m, uint64_t boot, uint64_t position)
{
    if (position <= m->position)
        return;
    m->boot = boot;
    m->position = position;
    r->dirty = true;
}

void log_end_heard(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position)
{
    int at = find(r, id, position.shard);
    if (id == r->self || boot == 0 || position.shard >= SHARDS || position.end == 0 ||
        position.end > LOG_END_POSITION_MAX || (at < 0 && r->mark_n == LOG_END_MARKS))
        return;
    if (at < 0) {
        at = (int)r->mark_n++;
        r->mark[at] = (struct log_end_mark){.id = id, .shard = position.shard};
    }
    raise(r, &r->mark[at], boot, position.end);
}

void log_end_overheard(struct log_end *r, uint64_t id, uint64_t boot, struct log_position position)
{
    int at = find(r, id, position.shard);
    uint64_t last = at < 0 ? 0 : r->mark[at].position;
    if (position.end <= last + LOG_END_LEAP)
        log_end_heard(r, id, boot, position);
}

/* What another remembers of a third member. Of another boot than ours it is left: the third may not
 * know yet what we remember. */
static void log_end_hearsay(struct log_end *r, const struct log_end_mark *m)
{
    int at = find(r, m->id, m->shard);
    if (at < 0 || r->mark[at].boot == m->boot)
        log_end_heard(r, m->id, m->boot, (struct log_position){(uint16_t)m->shard, m->position});
}

uint64_t log_end_boot_of(const struct log_end *r, uint64_t id)
{
    int at = find(r, id, 0);
    return at < 0 ? 0 : r->mark[at].boot;
}

/* ---- Ourselves ---- */

/* Where a boot of ours ended; false when we know of none such. */
static bool ended(const struct log_end *r, uint64_t boot, uint64_t *at)
{
    for (unsigned i = 0; i < r->own_n; i++) {
        if (r->own[i].boot != boot)
            continue;
        *at = i + 1 < r->own_n ? r->own[i + 1].at : UINT64_MAX; /* this one has not ended */
        return true;
    }
    return false;
}

/* A boot that lost its end is over: what other peers remember of it, more or less than the first,
 * is the same loss. */
static bool is_settled(const struct log_end *r, uint64_t boot)
{
    for (unsigned i = 0; i < r->settled_n; i++)
        if (r->settled[i].boot == boot)
            return true;
    return false;
}

/* What is announced lies above that from now on. */
static void lift_above(struct log_end *r, uint64_t position)
{
    if (r->position + r->lift > position)
        return;
    r->lift = position + 1 - r->position;
    r->saved = false;
    r->unsaved = true;
    r->tried_ms = 0;
}

static void settle(struct log_end *r, const struct log_end_mark *m)
{
    r->settled[r->settled_at] = (struct log_end_boot){m->boot, m->position};
    r->settled_at = (r->settled_at + 1) % LOG_END_SETTLED;
    if (r->settled_n < LOG_END_SETTLED)
        r->settled_n++;
    r->healing = true;
    r->saved = false;
    r->unsaved = true;
    r->tried_ms = 0;
}

void log_end_damaged(struct log_end *r)
{
    r->unsaved |= !r->healing;
    r->healing = true;
}

void log_end_healed(struct log_end *r)
{
    r->unsaved |= r->healing;
    r->healing = false;
}

bool log_end_told(struct log_end *r, struct slice kept)
{
    unsigned n;
    bool lost = false;
    if (!marks_of(kept, &n))
        return false;
#ifdef CANARY_LOG_END_UNNOTICED
    return false;
#endif
    for (unsigned i = 0; i < n; i++) {
        struct log_end_mark m;
        uint64_t end;
        memcpy(&m, kept.p + i * sizeof m, sizeof m);
        if (m.shard >= SHARDS)
            continue;
        if (m.id != r->self) {
            log_end_hearsay(r, &m);
            continue;
        }
        if (m.position > LOG_END_TOLD_MAX)
            continue;
        if (ended(r, m.boot, &end) && m.position <= end)
            continue;
        lift_above(r, m.position);
        if (is_settled(r, m.boot))
            continue;
        settle(r, &m);
        lost = true;
    }
    return lost;
}

/* ---- Saving ---- */

static bool append_pairs(struct buf *out, const struct log_end_boot *pair, unsigned n)
{
    uint8_t count = (uint8_t)n, bytes[PAIR];
    bool ok = buf_append(out, &count, 1) == 0;
    for (unsigned i = 0; ok && i < n; i++) {
        put_u64(put_u64(bytes, pair[i].boot), pair[i].at);
        ok = buf_append(out, bytes, sizeof bytes) == 0;
    }
    return ok;
}

static bool encode_boots(struct log_end *r)
{
    uint8_t head[10] = {BOOTS_FORMAT};
    put_u64(head + 1, r->lift);
    head[9] = r->healing;
    r->boots_bytes.n = 0;
    return buf_append(&r->boots_bytes, head, sizeof head) == 0 &&
           append_pairs(&r->boots_bytes, r->own, r->own_n) &&
           append_pairs(&r->boots_bytes, r->settled, r->settled_n);
}

static bool encode_ends(struct log_end *r)
{
    uint8_t format = REACHED_FORMAT;
    r->ends_bytes.n = 0;
    return buf_append(&r->ends_bytes, &format, 1) == 0 &&
           buf_slice(&r->ends_bytes, log_end_kept(r)) == 0;
}

void log_end_save(struct log_end *r, uint64_t now_ms, bool riding, struct out *out)
{
    bool due = r->tried_ms == 0 || now_ms >= r->tried_ms + LOG_END_SAVE_MS;
    if (r->unsaved && due && encode_boots(r)) {
        r->unsaved = false;
        r->tried_ms = now_ms;
        r->out++;
        out_state(out, TOKEN(TOKEN_LOG_END, STATE_BOOTS), SLICE("boots"), ++r->boots_serial,
                  buf_view(&r->boots_bytes));
    }
    if (r->dirty && riding && now_ms >= r->put_ms + LOG_END_SAVE_MS && encode_ends(r)) {
        r->dirty = false;
        r->put_ms = now_ms;
        out_state(out, TOKEN(TOKEN_LOG_END, STATE_ENDS), SLICE("ends"), ++r->ends_serial,
                  buf_view(&r->ends_bytes));
    }
}

/* For the marks of others nothing waits. */
static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct log_end *r = p;
    int error = ev->stored.error;
    (void)now;
    (void)out;
    if (number != STATE_BOOTS)
        return;
    CHECK(r->out > 0);
    r->out--;
    r->unsaved |= error != 0;
    r->saved = r->out == 0 && !r->unsaved;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct log_end *r = p;
    (void)now;
    CHECK(r->own_n > 0 && r->own[r->own_n - 1].boot == r->boot);
    for (unsigned i = 1; i < r->own_n; i++)
        CHECK(r->own[i - 1].at <= r->own[i].at || !r->saved);
    for (unsigned i = 0; i < r->mark_n; i++)
        CHECK(r->mark[i].id != r->self && r->mark[i].shard < SHARDS && r->mark[i].position > 0);
}

const struct protocol log_end_protocol = {
    .stored = on_stored, .check = on_check, .close = on_close};
