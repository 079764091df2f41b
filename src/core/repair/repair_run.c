/* repair_run.c: one exchange, from the roots to the lists.
 *
 *     phase     awaited                            then
 *     IDLE      the time of the next exchange      TREES
 *     TREES     the roots of up to 32 vnodes       FLUSH where one of the two missed a flush,
 *                                                  LEAVES of the first vnode that differs,
 *                                                  TREES of the next vnodes where none does
 *     FLUSH     that side stores the flush         TREES of the same vnodes
 *     LEAVES    the leaves of one vnode            LISTS of the ranges that differ,
 *                                                  the next vnode (LEAVES or TREES) if none does
 *     LISTS     the lists of both                  MOVES
 *     MOVES     the records (repair_move.c)        LISTS of the rest where the lists were cut,
 *                                                  else the next vnode (LEAVES or TREES)
 *
 * The exchange ends, in IDLE, when all vnodes are through; from anywhere by an error, silence, a
 * broken stream, a fence, another layout or a new doubt.
 *
 * For trees and lists both stores are asked the same, the own one by an action and the peer's by a
 * message, and nothing goes on before both have answered. Where the two trees are of different
 * sizes the larger one is folded first (wire/merkle.h: neighbours together). Neighbouring leaves
 * that differ are one range, and all ranges of a vnode are listed at once. Lists come in the order
 * of key hashes, each perhaps cut by its bound: what both cover is moved, and the rest is listed
 * anew.
 *
 * Flushes come first. A flush is a stamp for an area that every member stores for itself
 * (store/table/flushed.h). A member that was away, or lost the stamp with its disk, would be
 * brought the deletions one by one, key for key, and take the next old value again. So the stamps
 * come with the roots, and before anything is compared the side with the lesser stamp stores the
 * greater flush, area by area. It answers when everything that the flush covers is a deletion in
 * the trees too (store/table/burial.h).
 *
 * Numbers. Each question and each record has a number of its own, which comes back in the answer.
 * An answer whose number is not expected is dropped. The peer answers within REPAIR_ANSWER_MS of
 * the last progress, or the exchange ends; and so it does when the stream breaks while something is
 * awaited from there. */
#include "core/repair/repair_inner.h"

#include "base/bits.h"
#include "base/phase.h"
#include "wire/bytes.h"
#include "wire/flush.h"

static const unsigned QUESTION = 0xff; /* the low byte of a number that is no flight's */

static const uint32_t phases[] = {
    [REPAIR_IDLE] = PHASE(REPAIR_TREES),
    [REPAIR_TREES] =
        PHASE(REPAIR_TREES) | PHASE(REPAIR_FLUSH) | PHASE(REPAIR_LEAVES) | PHASE(REPAIR_IDLE),
    [REPAIR_FLUSH] = PHASE(REPAIR_TREES) | PHASE(REPAIR_IDLE),
    [REPAIR_LEAVES] =
        PHASE(REPAIR_TREES) | PHASE(REPAIR_LEAVES) | PHASE(REPAIR_LISTS) | PHASE(REPAIR_IDLE),
    [REPAIR_LISTS] = PHASE(REPAIR_MOVES) | PHASE(REPAIR_IDLE),
    [REPAIR_MOVES] =
        PHASE(REPAIR_TREES) | PHASE(REPAIR_LEAVES) | PHASE(REPAIR_LISTS) | PHASE(REPAIR_IDLE),
};

void run_enter(struct repair *r, enum repair_phase phase)
{
    phase_enter(&r->run.phase, phase, phases);
}

/* ---- Questions ---- */

uint64_t run_number(struct repair *r, unsigned index)
{
    CHECK(index <= QUESTION);
    return (++r->serial << 8 | index) & 0xffffffffffffff;
}

struct message *run_send(struct repair *r, enum message_kind kind, struct out *out)
{
    r->info.messages++;
    return out_send(out, r->run.peer, cast_addr(r->now->cast, r->run.peer), kind);
}

void run_progress(struct repair *r)
{
    CHECK(r->run.phase != REPAIR_IDLE);
    r->run.deadline_ms = r->now->ms + REPAIR_ANSWER_MS;
}

static void question_new(struct repair *r, enum repair_phase phase)
{
    struct repair_run *run = &r->run;
    run_enter(r, phase);
    asked_begin(&run->asked, run->asks, REPAIR_SIDES);
    run->number = run_number(r, QUESTION);
    run_progress(r);
}

static struct action *ask_own(struct repair *r, enum action_kind kind, struct out *out)
{
    asked_ask(&r->run.asked, REPAIR_OWN, cast_find(r->now->cast, r->self));
    return out_add(out, kind);
}

static struct message *ask_theirs(struct repair *r, enum message_kind kind, struct out *out)
{
    asked_ask(&r->run.asked, REPAIR_THEIRS, cast_find(r->now->cast, r->run.peer));
    return run_send(r, kind, out);
}

/* Whether one of the two stores has still to answer the question of that number. */
static bool is_open(const struct repair_run *run, uint64_t number, int side)
{
    return number == run->number && asked_is(&run->asked, side, ASKED_OPEN);
}

/* Asks both stores for the trees of the vnodes in run->question. */
static void ask_trees(struct repair *r, enum repair_phase phase, struct out *out)
{
    struct repair_run *run = &r->run;
    struct slice vnodes = slice_of(run->question, run->question_n * 2);
    bool leaves = phase == REPAIR_LEAVES;
    question_new(r, phase);
    struct action *a = ask_own(r, ACT_STORE_TREE, out);
    a->tree.token = TOKEN(TOKEN_REPAIR, run->number);
    a->tree.vnodes = vnodes;
    a->tree.leaves = leaves;
    ask_theirs(r, MSG_TREE_GET, out)->tree_get =
        (struct msg_tree_get){.op = TOKEN(TOKEN_REPAIR, run->number),
                              .epoch = r->now->layout->epoch,
                              .leaves = leaves,
                              .vnodes = vnodes};
}

static void ask_lists(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    uint16_t vnode = run_vnode(run);
    struct slice ranges = buf_view(&run->ranges);
    question_new(r, REPAIR_LISTS);
    struct action *a = ask_own(r, ACT_STORE_LIST, out);
    a->list.token = TOKEN(TOKEN_REPAIR, run->number);
    a->list.vnode = vnode;
    a->list.ranges = ranges;
    ask_theirs(r, MSG_LIST_GET, out)->list_get =
        (struct msg_list_get){.op = TOKEN(TOKEN_REPAIR, run->number),
                              .epoch = r->now->layout->epoch,
                              .vnode = vnode,
                              .ranges = ranges};
}

static void question_add(struct repair_run *run, uint16_t vnode)
{
    CHECK(run->question_n < REPAIR_ROOTS);
    put_u16(run->question + 2 * run->question_n++, vnode);
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
    const struct layout *l = r->now->layout;
    run->vnode_n = run->vnode_at = 0;
    for (uint16_t v = 0; v < l->vnodes; v++) {
        bool wanted =
            only == REPAIR_ALL || v == only || (only == REPAIR_RECOVERING && r->recovering[v]);
        if (wanted && layout_owns(l, v, r->self) && layout_owns(l, v, run->peer))
            run->vnode[run->vnode_n++] = v;
    }
}

void run_begin(struct repair *r, unsigned m, uint16_t only, struct out *out)
{
    struct repair_run *run = &r->run;
    CHECK(run->phase == REPAIR_IDLE && r->peer[m].shared > 0);
    run->peer = r->now->layout->member[m].id;
    run->began_ms = r->now->ms;
    run->complete = true;
    choose_vnodes(r, only);
    if (run->vnode_n == 0)
        choose_vnodes(r, REPAIR_ALL);
    run->all_shared = run->vnode_n == r->peer[m].shared;
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
    run->vnode_incomplete = false;
    recover_comparing(r, run_vnode(run));
    run->question_n = 0;
    question_add(run, run_vnode(run));
    ask_trees(r, REPAIR_LEAVES, out);
}

/* A vnode is through, the i-th one of the question about trees. */
static void vnode_done(struct repair *r, uint16_t vnode, unsigned i, bool complete)
{
    r->info.vnodes_done++;
    r->run.complete &= complete;
    if (!complete)
        return;
    repair_note_synced(r, vnode);
    recover_merged(r, vnode, !(r->run.unsound >> i & 1));
}

/* The first flush that one of the two lacks in a vnode of the last roots; *theirs: the peer lacks
 * it. False when neither lacks any. */
static bool missed_flush(const struct repair *r, struct flush_run *missed, bool *theirs)
{
    const struct repair_run *run = &r->run;
    struct slice own = buf_view(&run->own.flushed), peer = buf_view(&run->theirs.flushed);
    if (slice_eq(own, peer))
        return false;
    for (unsigned i = 0; i < run->question_n; i++) {
        uint16_t slot =
            (uint16_t)(get_u16(run->question + 2 * i) * (SLOTS / r->now->layout->vnodes));
        for (uint8_t space = 0; space < SPACES_CLIENTS; space++) {
            struct flush_run a = flush_run_at(own, space, slot),
                             b = flush_run_at(peer, space, slot);
            *theirs = a.stamp > b.stamp;
            *missed = *theirs ? a : b;
            if (a.stamp != b.stamp)
                return true;
        }
    }
    return false;
}

/* True when one of the two is brought a flush that it missed, before anything is compared. */
static bool bring_flush(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    struct flush_run missed;
    bool theirs;
    if (!missed_flush(r, &missed, &theirs))
        return false;
    flush_area_write(run->area, &missed.area);
    struct record flush = {.kind = RECORD_FLUSH,
                           .version = {.stamp = missed.stamp, .deleted = 1},
                           .value = slice_of(run->area, sizeof run->area)};
    question_new(r, REPAIR_FLUSH);
    uint64_t token = TOKEN(TOKEN_REPAIR, run->number);
    if (theirs) {
        ask_theirs(r, MSG_PUT, out)->put = (struct msg_put){.op = token,
                                                            .epoch = r->now->layout->epoch,
                                                            .record = flush,
                                                            .position = r->now->own.position};
    } else {
        struct action *a = ask_own(r, ACT_STORE_PUT, out);
        a->put.token = token;
        a->put.record = flush;
    }
    return true;
}

/* The side that missed the flush has answered. (It answers SUPERSEDED when it has seen a greater
 * stamp than the flush's, and has stored it.) */
static void flush_brought(struct repair *r, int error, struct out *out)
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
    if (run->own.answer.n != run->question_n * 8 || run->theirs.answer.n != run->question_n * 8) {
        run_end(r, false);
        return;
    }
    if (bring_flush(r, out))
        return;
    recover_floors(r, out); /* before a vnode that differs in nothing counts as merged */
    for (unsigned i = 0; i < run->question_n; i++) {
        uint16_t vnode = get_u16(run->question + 2 * i);
        if (memcmp(run->own.answer.p + 8 * i, run->theirs.answer.p + 8 * i, 8) != 0) {
            run->differ[run->differ_n++] = vnode;
            continue;
        }
        recover_comparing(r, vnode);
        vnode_done(r, vnode, i, true);
    }
    next_vnode(r, out);
}

/* ---- Leaves ---- */

static bool tree_size_ok(size_t bytes)
{
    return bytes >= 8 && power_of_two(bytes);
}

/* Leaf i of a tree that is folded to n leaves of 8 bytes. (Their byte order does not matter: they
 * are only XORed and compared.) */
static uint64_t folded(const struct buf *leaves, uint32_t n, uint32_t i)
{
    uint32_t each = (uint32_t)(leaves->n / 8) / n;
    CHECK(each > 0 && i < n);
    uint64_t sum = 0;
    for (uint32_t k = i * each; k < (i + 1) * each; k++) {
        uint64_t leaf;
        memcpy(&leaf, leaves->p + 8 * (size_t)k, 8);
        sum ^= leaf;
    }
    return sum;
}

/* The first key hash of leaf i of n. */
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

/* The vnode that is being compared is through. */
static void vnode_through(struct repair *r, struct out *out)
{
    vnode_done(r, run_vnode(&r->run), 0, !r->run.vnode_incomplete);
    r->run.differ_at++;
    next_vnode(r, out);
}

/* Lists what differs from run->from on; when nothing does, the vnode is through. */
static void next_ranges(struct repair *r, struct out *out)
{
    if (!gather_ranges(&r->run))
        run_end(r, false);
    else if (r->run.ranges.n > 0)
        ask_lists(r, out);
    else
        vnode_through(r, out);
}

static void judge_leaves(struct repair *r, struct out *out)
{
    struct repair_run *run = &r->run;
    struct repair_side *side[2] = {&run->own, &run->theirs};
    for (unsigned i = 0; i < 2; i++) {
        struct buf leaves = side[i]->answer;
        if (!tree_size_ok(leaves.n)) {
            run_end(r, false);
            return;
        }
        side[i]->answer = side[i]->leaves; /* the leaves stay while lists come into this buffer */
        side[i]->leaves = leaves;
    }
    run->from = 0;
    next_ranges(r, out);
}

void run_moved(struct repair *r, uint64_t upto, struct out *out)
{
    CHECK(r->run.phase == REPAIR_MOVES && r->run.flight_n == 0);
    if (upto == UINT64_MAX) {
        vnode_through(r, out);
        return;
    }
    r->run.from = upto + 1;
    next_ranges(r, out);
}

/* ---- Answers ---- */

/* Both lists are there. Their records go under the link that the peer has now, whatever became of
 * the one of the lists. */
static void judge_lists(struct repair *r, struct out *out)
{
    asked_note(&r->run.asks[REPAIR_THEIRS], cast_find(r->now->cast, r->run.peer));
    move_begin(r, out);
}

/* One of the two stores answers the open question; when both have, the exchange goes on. */
static void take_answer(struct repair *r, int from, int error, struct slice answer, uint64_t upto,
                        struct out *out)
{
    struct repair_run *run = &r->run;
    struct repair_side *side = from == REPAIR_OWN ? &run->own : &run->theirs;
    side->answer.n = 0;
    if (error || buf_slice(&side->answer, answer)) {
        run_end(r, false);
        return;
    }
    side->upto = upto;
    asked_answered(&run->asked, from);
    if (run->asked.open > 0)
        return;
    run->number = 0;
    run_progress(r);
    if (run->phase == REPAIR_TREES)
        judge_roots(r, out);
    else if (run->phase == REPAIR_LEAVES)
        judge_leaves(r, out);
    else
        judge_lists(r, out);
}

/* Whether floors and flushes leave room to write every key that they cover (base/hlc.h). */
static bool marks_believed(struct slice floors, struct slice flushed)
{
    struct flush_run run;
    int got;
    while ((got = flush_run_next(&flushed, &run)) == 1)
        ;
    bool believed = got == 0;
    for (size_t i = 0; i + 8 <= floors.n; i += 8)
        believed = believed && get_u64(floors.p + i) <= STAMP_WIDE_MAX;
    return believed;
}

/* Takes the floors and flushes that come with roots. False when memory is out, and for ones that
 * cannot be true. */
static bool take_marks(const struct repair_run *run, struct repair_side *side, struct slice floors,
                       struct slice flushed)
{
    if (run->phase != REPAIR_TREES)
        return true;
    if (!marks_believed(floors, flushed))
        return false;
    side->flushed.n = side->floors.n = 0;
    return buf_slice(&side->flushed, flushed) == 0 && buf_slice(&side->floors, floors) == 0;
}

/* The own store answers a question. */
static void own_answer(struct repair *r, uint64_t number, const struct event *ev, struct out *out)
{
    struct repair_run *run = &r->run;
    if (!is_open(run, number, REPAIR_OWN) ||
        !take_marks(run, &run->own, ev->answered.floors, ev->answered.flushed))
        return;
    run->own.ticket = ev->answered.ticket;
    take_answer(r, REPAIR_OWN, ev->answered.error, ev->answered.bytes, ev->answered.upto, out);
}

/* The own store has stored a record, the flush that it missed, or an erasure; or it has not. */
static void stored(struct repair *r, uint64_t number, int error, struct out *out)
{
    if (move_stored(r, number, error, out))
        return;
    if (r->run.phase == REPAIR_FLUSH && is_open(&r->run, number, REPAIR_OWN))
        flush_brought(r, error, out);
    else if (number == r->sweep_number && r->sweep_n > 0)
        recover_swept(r, error);
}

void run_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                struct out *out)
{
    struct repair *r = p;
    r->now = now;
    if (ev->kind == EV_STORED)
        stored(r, number, ev->stored.error, out);
    else if (ev->kind == EV_READ)
        move_read(r, number, ev->read.error, &ev->read.record, out);
    else if (ev->kind == EV_ANSWERED)
        own_answer(r, number, ev, out);
}

/* The peer answers about a record, or about the flush that it was brought. */
static void take_record(struct repair *r, const struct message *m, bool asked, struct out *out)
{
    if (r->run.phase == REPAIR_FLUSH && m->kind == MSG_PUT_ACK && asked)
        flush_brought(r, (int)m->put_ack.error, out);
    else
        move_message(r, m, out);
}

static void take_tree(struct repair *r, const struct msg_tree *m, struct out *out)
{
    struct repair_run *run = &r->run;
    run->unsound = m->recovering;
    bool asked = run->phase == REPAIR_TREES || run->phase == REPAIR_LEAVES;
    /* what cannot be taken is left unanswered, and the exchange ends in time */
    if (asked && take_marks(run, &run->theirs, m->floors, m->flushed))
        take_answer(r, REPAIR_THEIRS, (int)m->error, m->hashes, 0, out);
}

static void take_list(struct repair *r, const struct msg_list *m, struct out *out)
{
    struct repair_run *run = &r->run;
    run->theirs.ticket = m->ticket;
    if (run->phase == REPAIR_LISTS)
        take_answer(r, REPAIR_THEIRS, (int)m->error, m->entries, m->upto, out);
}

void run_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                struct out *out)
{
    struct repair *r = p;
    r->now = now;
    struct repair_run *run = &r->run;
    bool asked = is_open(run, TOKEN_NUMBER(m->head.op), REPAIR_THEIRS);
    if (run->phase == REPAIR_IDLE || from != run->peer)
        return;
    if (m->kind == MSG_TREE && asked)
        take_tree(r, &m->tree, out);
    else if (m->kind == MSG_LIST && asked)
        take_list(r, &m->list, out);
    else if (m->kind == MSG_GOT || m->kind == MSG_PUT_ACK)
        take_record(r, m, asked, out);
}
