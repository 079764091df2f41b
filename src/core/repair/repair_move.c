/* repair_move.c: from two lists to the records that one of the two is missing.
 *
 * The lists of both sides come in the same order, so one merge finds what differs: a key that one
 * side lacks, or holds in an older version. Each difference is a flight, at most REPAIR_WINDOW of
 * them and REPAIR_WINDOW_BYTES at once:
 *
 *     theirs is newer:  PULL (GET, from the peer) ------> KEEP (put into the own store) ---> landed
 *     ours is newer:    READ (get, from the own store) -> PUSH (PUT, to the peer) ---------> landed
 *
 * A record that cannot be moved lands too, and then the vnode is incomplete. An error that every
 * other record would meet as well ends the exchange. When nothing is left to launch and nothing is
 * in flight the exchange goes on (repair_run.c).
 *
 * What is not moved: a version younger than REPAIR_YOUNG_MS, unless this node is recovering in the
 * vnode; a record that was erased since it was listed; and a deletion that the other side refuses
 * as too old, for it was erased there. Each of them leaves the vnode complete.
 *
 * Example: the lists of one range, a record as (key, stamp).
 *
 *     ours      theirs    flight
 *     (a, 5)    (a, 5)    none
 *     (b, 7)    (b, 6)    READ, then PUSH of (b, 7)
 *     -         (c, 4)    PULL, then KEEP of (c, 4)
 *     -         (d, 9)    none: it was written a second ago
 *
 * Invariants (repair.c, on_check): flight_n counts the flights that have a number, flight_bytes
 * their sizes; there are none but in MOVES. */
#include "core/repair/repair_inner.h"

#include "base/phase.h"

static const uint32_t stages[] = {
    [FLIGHT_PULL] = PHASE(FLIGHT_KEEP),
    [FLIGHT_KEEP] = 0,
    [FLIGHT_READ] = PHASE(FLIGHT_PUSH),
    [FLIGHT_PUSH] = 0,
};

/* ---- Differences ---- */

/* Whether a version is still on its way to the owners by itself. A stamp from far in the future is
 * not. */
static bool young(const struct repair *r, const struct listing_entry *e)
{
    uint64_t ms = version_ms(&e->version);
    return ms + REPAIR_YOUNG_MS > r->now->wall_ms && ms <= r->now->wall_ms + CLOCK_SKEW_MAX_MS;
}

/* The next entry of a list, up to that key hash, without taking it: 1, 0 or an error. */
static int look(const struct repair_side *side, uint64_t limit, struct listing_entry *e,
                struct slice *after)
{
    *after = side->rest;
    int got = listing_next(after, e);
    return got == 1 && e->key_hash > limit ? 0 : got;
}

/* The key hash up to which both lists go. */
static uint64_t limit_of(const struct repair_run *run)
{
    return run->own.upto < run->theirs.upto ? run->own.upto : run->theirs.upto;
}

/* The order of two entries of a key. */
static int order_of(const struct listing_entry *own, const struct listing_entry *theirs)
{
    struct record a = {.kind = own->kind, .version = own->version, .expiry_ms = own->expiry_ms};
    struct record b = {
        .kind = theirs->kind, .version = theirs->version, .expiry_ms = theirs->expiry_ms};
    return record_cmp(&a, &b);
}

/* Merges the two lists up to the next difference that is to be moved: 1 with the newer entry,
 * *pull where it is the peer's; 0 at the end; or ERR_BAD_MESSAGE. */
static int next_difference(struct repair *r, struct listing_entry *e, bool *pull)
{
    struct repair_run *run = &r->run;
    for (;;) {
        struct listing_entry own, theirs;
        struct slice own_after, theirs_after;
        int a = look(&run->own, limit_of(run), &own, &own_after),
            b = look(&run->theirs, limit_of(run), &theirs, &theirs_after);
        if (a < 0 || b < 0)
            return ERR_BAD_MESSAGE;
        if (!a && !b)
            return 0;
        int order = !a ? 1 : !b ? -1 : listing_cmp(&own, &theirs);
        if (order <= 0)
            run->own.rest = own_after;
        if (order >= 0)
            run->theirs.rest = theirs_after;
        int newer = order ? -order : order_of(&own, &theirs);
        if (newer == 0)
            continue;
        *pull = newer < 0;
        *e = *pull ? theirs : own;
        if (!young(r, e) || r->recovering[run_vnode(run)])
            return 1;
    }
}

/* ---- Flights ---- */

static void launch(struct repair *r, const struct listing_entry *e, bool pull, struct out *out)
{
    struct repair_run *run = &r->run;
    unsigned i = 0;
    while (i < REPAIR_WINDOW && run->flight[i].number)
        i++;
    CHECK(i < REPAIR_WINDOW);
    struct repair_flight *f = &run->flight[i];
    *f = (struct repair_flight){.number = run_number(r, i),
                                .size = e->size,
                                .stage = pull ? FLIGHT_PULL : FLIGHT_READ,
                                .deletion = e->kind == RECORD_TOMBSTONE,
                                .key = e->key};
    run->flight_n++;
    run->flight_bytes += f->size;
    if (pull) {
        run_send(r, MSG_GET, out)->get = (struct msg_get){.op = TOKEN(TOKEN_REPAIR, f->number),
                                                          .epoch = r->now->layout->epoch,
                                                          .wants = GET_VALUE,
                                                          .key = f->key};
        return;
    }
    struct action *a = out_add(out, ACT_STORE_GET);
    a->get.token = TOKEN(TOKEN_REPAIR, f->number);
    a->get.key = f->key;
    a->get.wants = GET_VALUE;
}

/* Launches what the window has room for; when nothing is left and nothing on its way, goes on. */
static void move(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    struct listing_entry e;
    bool pull;
    while (run->flight_n < REPAIR_WINDOW && run->flight_bytes < REPAIR_WINDOW_BYTES) {
        int got = next_difference(r, &e, &pull);
        if (got < 0) {
            run_end(r, false);
            return;
        }
        if (got == 0)
            break;
        launch(r, &e, pull, out);
    }
    if (run->flight_n == 0)
        run_moved(r, limit_of(run), out);
}

void move_begin(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    run_enter(r, REPAIR_MOVES);
    run->own.rest = buf_view(&run->own.answer);
    run->theirs.rest = buf_view(&run->theirs.answer);
    if (limit_of(run) < run->from) {
        run_end(r, false); /* a list that covers nothing would be asked for again and again */
        return;
    }
    move(r, out);
}

static struct repair_flight *flight_of(struct repair *r, uint64_t number)
{
    unsigned i = number & 0xff;
    bool found = i < REPAIR_WINDOW && number && r->run.flight[i].number == number;
    return found ? &r->run.flight[i] : NULL;
}

static void land(struct repair *r, struct repair_flight *f, bool moved, struct out *out)
{
    CHECK(r->run.flight_n > 0 && r->run.flight_bytes >= f->size);
    r->run.vnode_incomplete |= !moved;
    r->run.flight_n--;
    r->run.flight_bytes -= f->size;
    *f = (struct repair_flight){0};
    run_progress(r);
    move(r, out);
}

/* Errors that the exchange would meet with every other record too. */
static bool hopeless(int error)
{
    return error == ERR_STALE_EPOCH || error == ERR_FORMING || error == ERR_LOADING ||
           error == ERR_NO_SPACE || error == ERR_BUSY;
}

/* Whether the record is too old for the other side and need not be moved: it is a deletion, and was
 * erased there; or we are recovering and do not know whether it was, and the refusal is noted. */
static bool settled_as_old(struct repair *r, const struct repair_flight *f, int error)
{
    if (error != ERR_TOO_OLD || f->deletion)
        return error == ERR_TOO_OLD;
    struct record pushed = {.version = f->version, .expiry_ms = f->expiry_ms, .key = f->key};
    return f->stage == FLIGHT_PUSH && r->recovering_n > 0 &&
           recover_refused(r, run_vnode(&r->run), &pushed);
}

static void land_or_end(struct repair *r, struct repair_flight *f, int error, struct out *out)
{
    if (hopeless(error))
        run_end(r, false);
    else
        land(r, f, error == 0 || error == ERR_SUPERSEDED || settled_as_old(r, f, error), out);
}

/* ---- The peer's records, into our store ---- */

/* Where the peer's records come from, for the own store. */
static enum put_from from_peer(const struct repair *r)
{
    if (r->run.unsound)
        return PUT_FROM_ANYBODY;
    return r->recovering[run_vnode(&r->run)] ? PUT_FROM_SOURCE : PUT_FROM_OWNER;
}

/* The peer answers with its record, which goes into the own store. */
static void got(struct repair *r, struct repair_flight *f, int error, const struct record *record,
                struct out *out)
{
    if (error || record->kind == RECORD_NONE) {
        land_or_end(r, f, error, out); /* one that was erased meanwhile is no difference any more */
        return;
    }
    r->info.received++;
    r->info.bytes += record->value.n;
    phase_enter(&f->stage, FLIGHT_KEEP, stages);
    struct action *a = out_add(out, ACT_STORE_PUT);
    a->put.token = TOKEN(TOKEN_REPAIR, f->number);
    a->put.record = *record;
    a->put.record.key = f->key;
    a->put.origin = (struct put_origin){.from = from_peer(r), .ticket = r->run.own.ticket};
}

bool move_stored(struct repair *r, uint64_t number, int error, struct out *out)
{
    struct repair_flight *f = flight_of(r, number);
    if (!f || f->stage != FLIGHT_KEEP)
        return false;
    land_or_end(r, f, error, out);
    return true;
}

/* ---- Our records, to the peer ---- */

void move_read(struct repair *r, uint64_t number, int error, const struct record *record,
               struct out *out)
{
    struct repair_flight *f = flight_of(r, number);
    if (!f || f->stage != FLIGHT_READ)
        return;
    if (error || record->kind == RECORD_NONE) {
        land_or_end(r, f, error, out);
        return;
    }
    r->info.sent++;
    r->info.bytes += record->value.n;
    phase_enter(&f->stage, FLIGHT_PUSH, stages);
    f->version = record->version;
    f->expiry_ms = record->expiry_ms;
    struct msg_put *m = &run_send(r, MSG_PUT, out)->put;
    *m = (struct msg_put){.op = TOKEN(TOKEN_REPAIR, f->number),
                          .epoch = r->now->layout->epoch,
                          .record = *record,
                          .position = r->now->own.position};
    m->record.key = f->key;
    /* what a recovering owner holds may have been erased everywhere else */
    m->ticket = r->recovering_n > 0 ? 0 : r->run.theirs.ticket;
}

void move_message(struct repair *r, const struct message *m, struct out *out)
{
    struct repair_flight *f = flight_of(r, TOKEN_NUMBER(m->head.op));
    if (!f)
        return;
    if (m->kind == MSG_GOT && f->stage == FLIGHT_PULL)
        got(r, f, (int)m->got.error, &m->got.record, out);
    else if (m->kind == MSG_PUT_ACK && f->stage == FLIGHT_PUSH)
        land_or_end(r, f, (int)m->put_ack.error, out);
}
