/* repair_run.c: one exchange, from the roots to the records.
 *
 *   FLUSH
 *    ^ |  (one of the two missed a flush)
 *    | v
 *   TREES ---(a vnode's root differs)---> LEAVES ---(some leaves differ)---> LISTS ---> MOVES
 *     ^                                    |  ^                               ^          |
 *     +--(no more vnodes of these roots)---+  +--------(the vnode is through)-+----------+  (the lists were cut: the rest)
 *
 * For trees and lists both stores are asked the same, the own one by an action and the peer's by a message, and nothing goes on
 * before both have answered. Where the two trees are of different sizes the larger is folded first (merkle.h:
 * neighbours together); neighbouring leaves that differ are one range, and all ranges of a vnode are listed at once. Lists
 * come in the order of positions, each perhaps cut by its bound: what both cover is judged, in one merge of the two, and the
 * rest is listed anew.
 *
 * Flushes come first. A FLUSHALL is a stamp that every member stores for itself (store/flushed.h); who was away, or lost it with
 * its disk, would be brought the deletions one by one, key for key, and take the next old value again. So the stamps come with
 * the roots, and before anything is compared the lesser side stores the greater flush. Its answer comes when all that the
 * flush covers is a deletion in the trees too (store/burial.h).
 *
 * Numbers. Each question and each record has a number of its own, which comes back in the answer; whatever is not expected
 * any more finds none and is dropped. An exchange hears from its peer within REPAIR_ANSWER_MS of the last progress, or it
 * ends. */
#include "base/check.h"
#include "core/repair.h"
#include "core/ring.h"

static const unsigned QUESTION = 0xff; /* in the low byte of a number: not a flight's place */

uint64_t run_number(struct repair *r, unsigned place)
{
    return (++r->serial << 8 | place) & 0xffffffffffffff;
}

static struct message *send(struct repair *r, enum message_kind kind, struct out *out)
{
    r->info.messages++;
    return out_send(out, r->run.peer, repair_find(r, r->run.peer)->addr, kind);
}

static void progress(struct repair *r)
{
    r->run.deadline_ms = r->now_ms + REPAIR_ANSWER_MS;
}

static void question_new(struct repair *r, enum repair_phase phase)
{
    struct repair_run *run = &r->run;
    run->phase = phase;
    run->own.answered = run->theirs.answered = false;
    run->number = run_number(r, QUESTION);
    progress(r);
}

/* Asks both stores for the trees of the vnodes in run->question. */
static void ask_trees(struct repair *r, enum repair_phase phase, struct out *out)
{
    struct repair_run *run = &r->run;
    struct slice vnodes = slice_of(run->question, run->question_n * 2);
    bool leaves = phase == REPAIR_LEAVES;
    question_new(r, phase);
    struct action *a = out_add(out, ACT_STORE_TREE);
    a->tree.token = TOKEN(TOKEN_REPAIR, run->number);
    a->tree.vnodes = vnodes;
    a->tree.leaves = leaves;
    send(r, MSG_TREE_GET, out)->tree_get = (struct msg_tree_get){
        .op = TOKEN(TOKEN_REPAIR, run->number), .epoch = r->layout->epoch, .leaves = leaves, .vnodes = vnodes};
}

static void ask_lists(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    uint16_t vnode = run->differ[run->differ_at];
    struct slice ranges = buf_view(&run->ranges);
    question_new(r, REPAIR_LISTS);
    struct action *a = out_add(out, ACT_STORE_LIST);
    a->list.token = TOKEN(TOKEN_REPAIR, run->number);
    a->list.vnode = vnode;
    a->list.ranges = ranges;
    send(r, MSG_LIST_GET, out)->list_get = (struct msg_list_get){
        .op = TOKEN(TOKEN_REPAIR, run->number), .epoch = r->layout->epoch, .vnode = vnode, .ranges = ranges};
}

static void question_add(struct repair_run *run, uint16_t vnode)
{
    run->question[2 * run->question_n] = (uint8_t)vnode;
    run->question[2 * run->question_n + 1] = (uint8_t)(vnode >> 8);
    run->question_n++;
}

/* ---- Roots ---- */

static void next_roots(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    run->question_n = 0;
    while (run->vnode_at < run->vnode_n && run->question_n < REPAIR_ROOTS)
        question_add(run, run->vnode[run->vnode_at++]);
    if (run->question_n > 0)
        ask_trees(r, REPAIR_TREES, out);
    else
        run_end(r, true);
}

static void choose_vnodes(struct repair *r, uint16_t only)
{
    struct repair_run *run = &r->run;
    const struct layout *l = r->layout;
    run->vnode_n = run->vnode_at = 0;
    for (uint16_t v = 0; v < l->vnodes; v++) {
        bool wanted = only == REPAIR_ALL || v == only || (only == REPAIR_RECOVERING && r->recovering[v]);
        if (wanted && ring_owns(l, v, r->self) && ring_owns(l, v, run->peer))
            run->vnode[run->vnode_n++] = v;
    }
}

void run_begin(struct repair *r, unsigned m, uint16_t only, struct out *out)
{
    struct repair_run *run = &r->run;
    run->peer = r->peer[m].id;
    run->began_ms = r->now_ms;
    run->all = true;
    choose_vnodes(r, only);
    if (run->vnode_n == 0)
        choose_vnodes(r, REPAIR_ALL);
    run->whole = run->vnode_n == r->peer[m].shared;
    r->info.running = true;
    next_roots(r, out);
}

static void next_vnode(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    if (run->differ_at == run->differ_n) {
        next_roots(r, out);
        return;
    }
    run->incomplete = false;
    repair_anew(r, run->differ[run->differ_at]);
    run->question_n = 0;
    question_add(run, run->differ[run->differ_at]);
    ask_trees(r, REPAIR_LEAVES, out);
}

/* A vnode is through, which was number i of the question about trees. */
static void vnode_done(struct repair *r, uint16_t vnode, unsigned i, bool complete)
{
    r->info.vnodes_done++;
    r->run.all &= complete;
    if (complete)
        repair_mark(r, vnode);
    if (complete)
        repair_source(r, vnode, !(r->run.unsound >> i & 1));
}

/* Whether one of the two has to store the other's flush first. */
static bool level_flushes(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    uint64_t own = run->own.flushed, theirs = run->theirs.flushed;
    if (own == theirs)
        return false;
    struct record flush = {.kind = RECORD_FLUSH, .version = {.stamp = own > theirs ? own : theirs, .deleted = 1}};
    question_new(r, REPAIR_FLUSH);
    uint64_t token = TOKEN(TOKEN_REPAIR, run->number);
    if (own > theirs) {
        send(r, MSG_PUT, out)->put = (struct msg_put){.op = token, .epoch = r->layout->epoch, .record = flush};
    } else {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = token;
        a->put.record = flush;
    }
    return true;
}

/* The lesser side has answered. (It answers SUPERSEDED when it has seen a greater stamp than the flush's, and has stored it.) */
static void flushes_level(struct repair *r, int error, struct out *out)
{
    if (error && error != ERR_SUPERSEDED)
        run_end(r, false);
    else
        ask_trees(r, REPAIR_TREES, out);
}

static void judge_roots(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    run->differ_n = run->differ_at = 0;
    if (run->own.told.n != run->question_n * 8 || run->theirs.told.n != run->question_n * 8) {
        run_end(r, false);
        return;
    }
    if (level_flushes(r, out))
        return;
    repair_floors(r, out); /* before a vnode that differs in nothing is taken for recovered */
    for (unsigned i = 0; i < run->question_n; i++) {
        uint16_t vnode = (uint16_t)(run->question[2 * i] | run->question[2 * i + 1] << 8);
        if (memcmp(run->own.told.p + 8 * i, run->theirs.told.p + 8 * i, 8) != 0) {
            run->differ[run->differ_n++] = vnode;
            continue;
        }
        repair_anew(r, vnode);
        vnode_done(r, vnode, i, true);
    }
    next_vnode(r, out);
}

/* ---- Leaves ---- */

static bool tree_size_ok(size_t bytes)
{
    return bytes >= 8 && (bytes & (bytes - 1)) == 0;
}

/* Leaf i of a tree folded to `n` leaves; 8 bytes each, which XOR does not care about the order of. */
static uint64_t folded(const struct buf *leaves, uint32_t n, uint32_t i)
{
    uint32_t each = (uint32_t)(leaves->n / 8) / n;
    uint64_t sum = 0;
    for (uint32_t k = i * each; k < (i + 1) * each; k++) {
        uint64_t leaf;
        memcpy(&leaf, leaves->p + 8 * (size_t)k, 8);
        sum ^= leaf;
    }
    return sum;
}

/* Where leaf i of n begins. */
static uint64_t leaf_first(uint32_t n, uint32_t i)
{
    return n == 1 ? 0 : (UINT64_MAX / n + 1) * i;
}

/* Gathers the ranges from run->from on in which the leaves differ. False when memory is out. */
static bool gather_ranges(struct repair_run *run)
{
    const struct buf *own = &run->own.leaves, *theirs = &run->theirs.leaves;
    uint32_t n = (uint32_t)((own->n < theirs->n ? own->n : theirs->n) / 8);
    run->ranges.n = 0;
    for (uint32_t leaf = 0; leaf < n; leaf++) {
        uint32_t first = leaf;
        while (leaf < n && folded(own, n, leaf) != folded(theirs, n, leaf))
            leaf++;
        uint64_t from = leaf_first(n, first), to = leaf == n ? UINT64_MAX : leaf_first(n, leaf) - 1;
        if (leaf == first || to < run->from)
            continue;
        if (range_append(&run->ranges, from < run->from ? run->from : from, to))
            return false;
    }
    return true;
}

/* Lists what differs from run->from on; when there is nothing the vnode is through. */
static void next_ranges(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    if (!gather_ranges(run)) {
        run_end(r, false);
    } else if (run->ranges.n > 0) {
        ask_lists(r, out);
    } else {
        vnode_done(r, run->differ[run->differ_at++], 0, !run->incomplete);
        next_vnode(r, out);
    }
}

static void judge_leaves(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    struct repair_side *side[2] = {&run->own, &run->theirs};
    for (unsigned i = 0; i < 2; i++) {
        struct buf told = side[i]->told;
        if (!tree_size_ok(told.n)) {
            run_end(r, false);
            return;
        }
        side[i]->told = side[i]->leaves; /* kept while the lists come into the other buffer */
        side[i]->leaves = told;
    }
    run->from = 0;
    next_ranges(r, out);
}

/* ---- Records ---- */

/* What is still on its way to the owners by itself. A stamp from far in the future is not. */
static bool young(const struct repair *r, const struct listing_entry *e)
{
    uint64_t ms = version_ms(&e->version);
    return ms + REPAIR_YOUNG_MS > r->wall_ms && ms <= r->wall_ms + CLOCK_SKEW_MAX_MS;
}

/* The next entry of a list up to the range's end, without taking it: 1, 0 or an error. */
static int look(const struct repair_side *side, uint64_t limit, struct listing_entry *e, struct slice *after)
{
    *after = side->rest;
    int got = listing_next(after, e);
    return got == 1 && e->position > limit ? 0 : got;
}

static uint64_t limit_of(const struct repair_run *run)
{
    return run->own.upto < run->theirs.upto ? run->own.upto : run->theirs.upto;
}

/* An expiry alone is what is left of a value that is over and has lapsed (store/table.h), or else of one that was lost. */
static bool lost(const struct repair *r, const struct listing_entry *e)
{
    return e->kind == RECORD_EXPIRY && !expiry_passed(e->expiry_ms, r->wall_ms);
}

/* Which of two entries of a key the other side needs: who has lost the value, that; else the newer one. */
static int order_of(const struct repair *r, const struct listing_entry *own, const struct listing_entry *theirs)
{
    int value = version_value_cmp(&own->version, &theirs->version);
    bool own_lost = lost(r, own), theirs_lost = lost(r, theirs);
    if (value == 0 && own_lost != theirs_lost)
        return theirs_lost ? 1 : -1;
    return version_cmp(&own->version, &theirs->version);
}

/* Merges the two lists up to the next difference that is to be moved: 1 with the newer entry and whose it is, 0 at the end, or
 * ERR_BAD_MESSAGE. */
static int next_difference(struct repair *r, struct listing_entry *e, bool *pull)
{
    struct repair_run *run = &r->run;
    for (;;) {
        struct listing_entry own, theirs;
        struct slice own_after, theirs_after;
        int a = look(&run->own, limit_of(run), &own, &own_after), b = look(&run->theirs, limit_of(run), &theirs, &theirs_after);
        if (a < 0 || b < 0)
            return ERR_BAD_MESSAGE;
        if (!a && !b)
            return 0;
        int order = !a ? 1 : !b ? -1 : listing_cmp(&own, &theirs);
        if (order <= 0)
            run->own.rest = own_after;
        if (order >= 0)
            run->theirs.rest = theirs_after;
        int newer = order ? -order : order_of(r, &own, &theirs);
        if (newer == 0)
            continue;
        *pull = newer < 0;
        *e = *pull ? theirs : own;
        if (lost(r, e))
            continue; /* not to be spread; the value comes when somebody has it */
        if (!young(r, e) || r->recovering[run->differ[run->differ_at]])
            return 1;
    }
}

static void launch(struct repair *r, const struct listing_entry *e, bool pull, struct out *out)
{
    struct repair_run *run = &r->run;
    unsigned place = 0;
    while (run->flight[place].number)
        place++;
    struct repair_flight *f = &run->flight[place];
    *f = (struct repair_flight){
        .number = run_number(r, place), .size = e->size, .stage = pull ? FLIGHT_PULL : FLIGHT_READ, .key = e->key};
    f->deletion = e->kind == RECORD_TOMBSTONE;
    run->flight_n++;
    run->flight_bytes += f->size;
    if (pull) {
        send(r, MSG_GET, out)->get =
            (struct msg_get){.op = TOKEN(TOKEN_REPAIR, f->number), .epoch = r->layout->epoch, .wants = GET_VALUE, .key = f->key};
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
    if (run->flight_n > 0)
        return;
    if (limit_of(run) == UINT64_MAX) {
        vnode_done(r, run->differ[run->differ_at++], 0, !run->incomplete);
        next_vnode(r, out);
    } else {
        run->from = limit_of(run) + 1;
        next_ranges(r, out);
    }
}

static void judge_lists(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    run->phase = REPAIR_MOVES;
    run->own.rest = buf_view(&run->own.told);
    run->theirs.rest = buf_view(&run->theirs.told);
    if (limit_of(run) < run->from) {
        run_end(r, false); /* a peer that covers nothing would be asked for ever */
        return;
    }
    move(r, out);
}

/* ---- Answers ---- */

static void take_told(struct repair *r, struct repair_side *side, int error, struct slice told, uint64_t upto, struct out *out)
{
    struct repair_run *run = &r->run;
    side->told.n = 0;
    if (error || buf_slice(&side->told, told)) {
        run_end(r, false);
        return;
    }
    side->answered = true;
    side->upto = upto;
    if (!run->own.answered || !run->theirs.answered)
        return;
    run->number = 0;
    progress(r);
    if (run->phase == REPAIR_TREES)
        judge_roots(r, out);
    else if (run->phase == REPAIR_LEAVES)
        judge_leaves(r, out);
    else
        judge_lists(r, out);
}

/* Keeps what came with roots. */
static bool take_marks(const struct repair_run *run, struct repair_side *side, struct slice floors, uint64_t flushed)
{
    if (run->phase != REPAIR_TREES)
        return true;
    side->flushed = flushed;
    side->floors.n = 0;
    return buf_slice(&side->floors, floors) == 0;
}

void repair_told(struct repair *r, uint64_t number, const struct event *ev, struct out *out)
{
    struct repair_run *run = &r->run;
    if (number == run->number && !run->own.answered && take_marks(run, &run->own, ev->told.floors, ev->told.flushed))
        take_told(r, &run->own, ev->told.error, ev->told.told, ev->told.upto, out);
}

static struct repair_flight *flight_of(struct repair *r, uint64_t number)
{
    unsigned place = number & 0xff;
    return place < REPAIR_WINDOW && number && r->run.flight[place].number == number ? &r->run.flight[place] : NULL;
}

static void land(struct repair *r, struct repair_flight *f, bool moved, struct out *out)
{
    r->run.incomplete |= !moved;
    r->run.flight_n--;
    r->run.flight_bytes -= f->size;
    *f = (struct repair_flight){0};
    progress(r);
    move(r, out);
}

/* Errors that the whole exchange would meet again and again. */
static bool hopeless(int error)
{
    return error == ERR_STALE_EPOCH || error == ERR_FORMING || error == ERR_LOADING || error == ERR_NO_SPACE || error == ERR_BUSY;
}

/* Whether the record was too old for the other side and that is all that there is to do about it: it is a deletion, and was
 * erased there; or we are recovering, and cannot vouch for it, but note it. */
static bool settled_as_old(struct repair *r, const struct repair_flight *f, int error)
{
    if (error != ERR_TOO_OLD || f->deletion)
        return error == ERR_TOO_OLD;
    struct record pushed = {.version = f->version, .expiry_ms = f->expiry_ms, .key = f->key};
    return f->stage == FLIGHT_PUSH && r->recovering_n > 0 && repair_refused(r, r->run.differ[r->run.differ_at], &pushed);
}

static void land_or_end(struct repair *r, struct repair_flight *f, int error, struct out *out)
{
    if (hopeless(error))
        run_end(r, false);
    else
        land(r, f, error == 0 || error == ERR_SUPERSEDED || settled_as_old(r, f, error), out);
}

/* An expiry alone that may travel so: who lacks the value shall not ask for it. */
static bool lapsed(const struct repair *r, const struct record *record)
{
    return record->kind == RECORD_EXPIRY && expiry_passed(record->expiry_ms, r->wall_ms);
}

/* What the own store must think of a record of the peer. */
static enum put_from from_peer(const struct repair *r, const struct record *record)
{
    const struct repair_run *run = &r->run;
    if (run->unsound)
        return lapsed(r, record) ? PUT_FROM_READER : PUT_FROM_ANYBODY;
    return r->recovering[run->differ[run->differ_at]] ? PUT_FROM_SOURCE : PUT_FROM_OWNER;
}

/* The peer's record, for the own store. */
static void got(struct repair *r, struct repair_flight *f, int error, const struct record *record, struct out *out)
{
    if (error || record->kind == RECORD_NONE) {
        land_or_end(r, f, error, out); /* one that was erased meanwhile is no difference any more */
        return;
    }
    r->info.received++;
    r->info.bytes += record->value.n;
    f->stage = FLIGHT_KEEP;
    struct action *a = out_add(out, ACT_STORE_PUT);
    a->put.token = TOKEN(TOKEN_REPAIR, f->number);
    a->put.record = *record;
    a->put.record.key = f->key;
    a->put.from = from_peer(r, record);
}

void repair_read(struct repair *r, uint64_t number, int error, const struct record *record, struct out *out)
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
    f->stage = FLIGHT_PUSH;
    f->version = record->version;
    f->expiry_ms = record->expiry_ms;
    struct msg_put *m = &send(r, MSG_PUT, out)->put;
    *m = (struct msg_put){.op = TOKEN(TOKEN_REPAIR, f->number), .epoch = r->layout->epoch, .record = *record};
    m->record.key = f->key;
    m->lapsed = lapsed(r, record);
    m->ticket = r->recovering_n > 0 ? 0 : r->run.ticket; /* who is recovering cannot vouch for what it holds */
}

void repair_stored(struct repair *r, uint64_t number, int error, struct out *out)
{
    struct repair_flight *f = flight_of(r, number);
    if (f && f->stage == FLIGHT_KEEP)
        land_or_end(r, f, error, out);
    else if (r->run.phase == REPAIR_FLUSH && number == r->run.number)
        flushes_level(r, error, out);
    else if (number == r->sweep_number && r->sweep_n > 0)
        repair_swept(r, error);
}

static void take_record(struct repair *r, const struct message *m, struct out *out)
{
    uint64_t number = TOKEN_NUMBER(m->kind == MSG_GOT ? m->got.op : m->put_ack.op);
    struct repair_flight *f = flight_of(r, number);
    if (m->kind == MSG_PUT_ACK && r->run.phase == REPAIR_FLUSH && number == r->run.number)
        flushes_level(r, (int)m->put_ack.error, out);
    if (!f)
        return;
    if (m->kind == MSG_GOT && f->stage == FLIGHT_PULL)
        got(r, f, (int)m->got.error, &m->got.record, out);
    else if (m->kind == MSG_PUT_ACK && f->stage == FLIGHT_PUSH)
        land_or_end(r, f, (int)m->put_ack.error, out);
}

bool repair_message(struct repair *r, uint64_t from, const struct message *m, struct out *out)
{
    struct repair_run *run = &r->run;
    bool ours = run->phase != REPAIR_IDLE && from == run->peer;
    if (m->kind == MSG_TREE || m->kind == MSG_LIST) {
        uint64_t op = m->kind == MSG_TREE ? m->tree.op : m->list.op;
        if (!ours || TOKEN_NUMBER(op) != run->number || run->theirs.answered)
            return true;
        if (m->kind == MSG_TREE)
            run->unsound = m->tree.recovering;
        if (m->kind == MSG_TREE && !take_marks(run, &run->theirs, m->tree.floors, m->tree.flushed))
            return true; /* out of memory: the exchange ends in time */
        if (m->kind == MSG_LIST)
            run->ticket = m->list.ticket;
        if (m->kind == MSG_TREE && run->phase != REPAIR_LISTS)
            take_told(r, &run->theirs, (int)m->tree.error, m->tree.hashes, 0, out);
        else if (m->kind == MSG_LIST && run->phase == REPAIR_LISTS)
            take_told(r, &run->theirs, (int)m->list.error, m->list.entries, m->list.upto, out);
        return true;
    }
    if (m->kind != MSG_GOT && m->kind != MSG_PUT_ACK)
        return false;
    if (TOKEN_OWNER(m->kind == MSG_GOT ? m->got.op : m->put_ack.op) != TOKEN_REPAIR)
        return false;
    if (ours)
        take_record(r, m, out);
    return true;
}
