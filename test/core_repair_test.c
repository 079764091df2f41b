/* Anti-entropy against a scripted peer and a scripted store: what is asked when, and what ends an
 * exchange. (That owners end equal is tried by the simulator.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/repair/repair_inner.h"
#include "core/ring/ring.h"
#include "test/core_stage.h"

enum { SELF = 1, PEER = 2, THIRD = 3, VNODES = 64, WALL_MS = 1000000000 };

static const struct addr ADDR = {.family = 4, .port = 7};
static struct layout layout;
static struct stage stage;
static struct repair r;
static struct out out;
enum { OWN_TICKET = 5 };

/* What the peer answers. */
static uint8_t their_floors[8 * REPAIR_ROOTS];
static uint8_t their_floor; /* of the first vnode */
static uint64_t their_ticket;
static struct flush_area their_area; /* what their_flushed covers; own_flushed covers everything */
static uint64_t own_flushed, their_flushed;

/* One run; none where nothing was flushed. */
static struct slice run_of(uint8_t bytes[FLUSH_RUN], const struct flush_area *area, uint64_t stamp)
{
    struct buf b = {.p = bytes, .cap = FLUSH_RUN, .max = FLUSH_RUN};
    assert_int_equal(flush_run_append(&b, &(struct flush_run){*area, stamp}), 0);
    return slice_of(bytes, stamp ? FLUSH_RUN : 0);
}

static int set_up(void **state)
{
    (void)state;
    their_area = FLUSH_EVERYTHING;
    struct layout_member member[2] = {{.id = SELF, .weight = 100}, {.id = PEER, .weight = 100}};
    struct ring_change birth = {
        .member = member, .member_n = 2, .n_wanted = 2, .vnodes = VNODES, .generation_id = 1};
    layout_init(&layout);
    assert_int_equal(ring_compute(&birth, &layout), 0);
    stage_open(&stage, SELF);
    repair_init(&r, SELF, 1);
    stage_time(&stage, 1000, WALL_MS);
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &layout), 0);
    stage_believe(&stage, &repair_protocol, &r, PEER, ADDR, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    own_flushed = their_flushed = 0;
    repair_protocol.check(&r, &stage.now);
    repair_protocol.close(&r);
    stage_close(&stage);
    layout_close(&layout);
    return 0;
}

static uint64_t op_of(const struct message *m)
{
    return m->kind == MSG_TREE_GET   ? m->tree_get.op
           : m->kind == MSG_LIST_GET ? m->list_get.op
                                     : m->get.op;
}

/* The own store's answers. */
static inline void stored(uint64_t number, int error)
{
    struct event ev = {.kind = EV_STORED, .stored = {.error = error}};
    repair_protocol.stored(&r, &stage.now, number, &ev, &out);
}

static inline void was_read(uint64_t number, const struct record *record)
{
    struct event ev = {.kind = EV_READ, .read = {.record = *record}};
    repair_protocol.stored(&r, &stage.now, number, &ev, &out);
}

/* The message sent in the last step, of that kind. */
static const struct message *sent(enum message_kind kind)
{
    for (unsigned i = 0; i < out.n; i++)
        if (out.action[i].kind == ACT_SEND && out.action[i].send.message.kind == kind)
            return &out.action[i].send.message;
    return NULL;
}

static uint64_t begin(void)
{
    assert_int_equal(repair_ask(&r, &stage.now, REPAIR_ALL), 0);
    assert_true(repair_protocol.deadline_ms(&r, &stage.now) <= stage.now.ms);
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    assert_int_equal(out.n, 2);
    assert_int_equal(out.action[0].kind, ACT_STORE_TREE);
    assert_non_null(sent(MSG_TREE_GET));
    return op_of(sent(MSG_TREE_GET));
}

/* The own store answers; its floors are 0. */
static void own_answers(uint64_t op, struct slice told)
{
    uint8_t run[FLUSH_RUN];
    struct event ev = {.kind = EV_ANSWERED,
                       .answered = {.bytes = told, .upto = UINT64_MAX, .ticket = OWN_TICKET}};
    ev.answered.flushed = run_of(run, &FLUSH_EVERYTHING, own_flushed);
    repair_protocol.stored(&r, &stage.now, TOKEN_NUMBER(op), &ev, &out);
}

/* Both stores answer a question, the peer's last. */
static void both_answer(uint64_t op, enum message_kind kind, struct slice own, struct slice theirs,
                        uint64_t upto)
{
    uint8_t run[FLUSH_RUN];
    struct slice flushed = run_of(run, &their_area, their_flushed);
    struct message m = {.kind = (uint8_t)kind};
    if (kind == MSG_TREE)
        m.tree = (struct msg_tree){.op = op,
                                   .hashes = theirs,
                                   .floors = slice_of(their_floors, sizeof their_floors),
                                   .flushed = flushed};
    else
        m.list =
            (struct msg_list){.op = op, .upto = upto, .entries = theirs, .ticket = their_ticket};
    out_clear(&out);
    own_answers(op, own);
    assert_int_equal(out.n, 0);
    memset(their_floors, 0, 8);
    their_floors[0] = their_floor;
    repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
    assert_true(out.n <= REPAIR_OUT_MAX);
    repair_protocol.check(&r, &stage.now);
}

static void equal_roots_end_it_and_are_remembered(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS] = {1};
    uint64_t op = begin();
    assert_int_equal(repair_synced_ms(&r, &stage.now, 0), 0);
    for (unsigned done = REPAIR_ROOTS; done <= VNODES; done += REPAIR_ROOTS) {
        both_answer(op, MSG_TREE, slice_of(roots, sizeof roots), slice_of(roots, sizeof roots), 0);
        assert_int_equal(r.info.vnodes_done, done);
        if (done < VNODES)
            op = op_of(sent(MSG_TREE_GET));
    }
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    assert_int_equal(repair_synced_ms(&r, &stage.now, 0), 1000);
    assert_int_equal(repair_synced_ms(&r, &stage.now, VNODES - 1), 1000);
    assert_int_equal(r.info.vnodes, VNODES);
    assert_int_equal(r.peer[1].done_ms, 1000);
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), 1000 + REPAIR_EVERY_MS);
}

/* Goes on until the lists of vnode 0 are asked for. */
static uint64_t until_lists(void)
{
    static const uint8_t own[8 * REPAIR_ROOTS], theirs[8 * REPAIR_ROOTS] = {1};
    both_answer(begin(), MSG_TREE, slice_of(own, sizeof own), slice_of(theirs, sizeof theirs), 0);
    uint64_t op = op_of(sent(MSG_TREE_GET));
    /* two leaves there, folded to one */
    both_answer(op, MSG_TREE, slice_of(own, 8), slice_of(theirs, 16), 0);
    assert_non_null(sent(MSG_LIST_GET));
    return op_of(sent(MSG_LIST_GET));
}

static void add(struct buf *b, uint64_t key_hash, const char *key, uint64_t wall_ms)
{
    uint8_t bytes[32];
    struct listing_entry e = {
        .key_hash = key_hash, .version = {.stamp = wall_ms << 16}, .kind = RECORD_VALUE, .size = 3};
    e.key = key_write(bytes, 0, slice_str(key));
    assert_int_equal(listing_append(b, &e), 0);
}

static void what_is_missing_travels_and_what_is_young_does_not(void **state)
{
    (void)state;
    struct buf own, theirs;
    buf_init(&own, 1 << 20);
    buf_init(&theirs, 1 << 20);
    add(&own, 1, "ours", 5000);
    add(&theirs, 2, "theirs", 5000);
    add(&own, 3, "both", 5000);
    add(&theirs, 3, "both", 5000);
    add(&own, 4, "newer", 6000);
    add(&theirs, 4, "newer", 5000);
    add(&theirs, 5, "young", WALL_MS - REPAIR_YOUNG_MS + 1);
    add(&theirs, 6, "of the future", WALL_MS + CLOCK_SKEW_MAX_MS + 1);
    both_answer(until_lists(), MSG_LIST, buf_view(&own), buf_view(&theirs), UINT64_MAX);
    assert_int_equal(r.run.phase, REPAIR_MOVES);
    static const struct {
        enum action_kind kind;
        const char *key;
    } want[] = {{ACT_STORE_GET, "ours"},
                {ACT_SEND, "theirs"},
                {ACT_STORE_GET, "newer"},
                {ACT_SEND, "of the future"}};
    assert_int_equal(out.n, 4);
    for (unsigned i = 0; i < 4; i++) {
        const struct action *a = &out.action[i];
        assert_int_equal(a->kind, want[i].kind);
        struct slice key = a->kind == ACT_SEND ? a->send.message.get.key : a->get.key;
        assert_true(slice_eq(key_name(key), slice_str(want[i].key)));
    }
    buf_close(&own);
    buf_close(&theirs);
}

static void nonsense_from_the_peer_ends_it(void **state)
{
    (void)state;
    static const uint8_t bytes[64];
    uint64_t op = begin();
    both_answer(op, MSG_TREE, slice_of(bytes, 8), slice_of(bytes, 8), 0); /* too few roots */
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    /* no entries */
    both_answer(until_lists(), MSG_LIST, slice_of(NULL, 0), slice_of(bytes, sizeof bytes),
                UINT64_MAX);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    static const uint8_t own[8 * REPAIR_ROOTS], theirs[8 * REPAIR_ROOTS] = {1};
    both_answer(begin(), MSG_TREE, slice_of(own, sizeof own), slice_of(theirs, sizeof theirs), 0);
    /* three leaves */
    both_answer(op_of(sent(MSG_TREE_GET)), MSG_TREE, slice_of(own, 8), slice_of(theirs, 24), 0);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    op = until_lists(); /* a list that covers ever less */
    for (unsigned i = 0; i < 2 && r.run.phase != REPAIR_IDLE; i++) {
        both_answer(op, MSG_LIST, slice_of(NULL, 0), slice_of(NULL, 0), 100 - 50 * i);
        if (sent(MSG_LIST_GET))
            op = op_of(sent(MSG_LIST_GET));
    }
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    assert_int_equal(r.info.incomplete, 1);
}

static void silence_a_death_and_a_fence_end_it(void **state)
{
    (void)state;
    begin();
    stage_time(&stage, 1000 + REPAIR_ANSWER_MS, WALL_MS);
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), stage.now.ms);
    repair_protocol.tick(&r, &stage.now, &out);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    begin();
    stage_believe(&stage, &repair_protocol, &r, PEER, ADDR, false);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    stage_believe(&stage, &repair_protocol, &r, PEER, ADDR, true);
    uint64_t op = begin();
    stage_fence(&stage, &repair_protocol, &r, true);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), UINT64_MAX);
    out_clear(&out);
    own_answers(op, slice_of(NULL, 0)); /* late */
    assert_int_equal(out.n, 0);
}

static void a_broken_stream_ends_it_while_something_is_awaited(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS] = {1};
    struct message m = {.kind = MSG_TREE};
    struct buf theirs;
    buf_init(&theirs, 1 << 20);
    add(&theirs, 5, "record", 1);
    stage_link(&stage, &repair_protocol, &r, PEER, 9);
    m.tree = (struct msg_tree){.op = begin(), .hashes = slice_of(roots, sizeof roots)};
    repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
    /* the peer has answered: only the own store is awaited */
    stage_link(&stage, &repair_protocol, &r, PEER, 0);
    assert_int_equal(r.run.phase, REPAIR_TREES);
    stage_link(&stage, &repair_protocol, &r, PEER, 9);
    out_clear(&out);
    own_answers(m.tree.op, slice_of(roots, sizeof roots));
    assert_non_null(sent(MSG_TREE_GET)); /* the next question */
    stage_link(&stage, &repair_protocol, &r, PEER, 0);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    assert_int_equal(r.info.incomplete, 1);
    stage_link(&stage, &repair_protocol, &r, PEER, 9);
    both_answer(until_lists(), MSG_LIST, slice_of(NULL, 0), buf_view(&theirs), UINT64_MAX);
    assert_int_equal(r.run.phase, REPAIR_MOVES);
    /* another process, and the end of the old one was not seen */
    stage_link(&stage, &repair_protocol, &r, PEER, 10);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    buf_close(&theirs);
}

static void an_owner_that_recovers_takes_young_records_too_from_a_sound_peer(void **state)
{
    (void)state;
    struct buf theirs;
    buf_init(&theirs, 1 << 20);
    add(&theirs, 5, "young", WALL_MS);
    repair_doubt_all(&r, &stage.now);
    assert_true(r.recovering[0]);
    both_answer(until_lists(), MSG_LIST, slice_of(NULL, 0), buf_view(&theirs), UINT64_MAX);
    assert_non_null(sent(MSG_GET));
    buf_close(&theirs);
    static const uint8_t roots[8 * REPAIR_ROOTS] = {1};
    run_end(&r, false);
    for (uint64_t op = begin(); r.run.phase != REPAIR_IDLE;
         op = r.run.phase != REPAIR_IDLE ? op_of(sent(MSG_TREE_GET)) : 0) {
        struct message m = {.kind = MSG_TREE};
        m.tree = (struct msg_tree){.op = op, .hashes = slice_of(roots, sizeof roots)};
        out_clear(&out);
        own_answers(op, slice_of(roots, sizeof roots));
        repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
        repair_protocol.check(&r, &stage.now);
    }
    assert_int_equal(r.recovering_n, 0);
    assert_false(r.recovering[0]);
}

/* N = 3, so N-W+1 is two, and there are two others. All others are enough where they are not
 * sound. */
static void an_owner_that_recovers_waits_for_sound_owners_or_for_all(void **state)
{
    (void)state;
    struct layout three;
    struct layout_member member[3] = {
        {.id = SELF, .weight = 100}, {.id = PEER, .weight = 100}, {.id = THIRD, .weight = 100}};
    struct ring_change birth = {
        .member = member, .member_n = 3, .n_wanted = 3, .vnodes = VNODES, .generation_id = 1};
    layout_init(&three);
    assert_int_equal(ring_compute(&birth, &three), 0);
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &three), 0);
    repair_doubt_all(&r, &stage.now);
    r.run.peer = PEER;
    recover_merged(&r, 0, false);
    recover_merged(&r, 0, true);
    recover_merged(&r, 1, false);
    recover_merged(&r, 2, true);
    assert_int_equal(r.recovering_n, VNODES);
    r.run.peer = THIRD;
    recover_merged(&r, 0, true);
    recover_merged(&r, 1, false);
    assert_false(r.recovering[0]);
    assert_false(r.recovering[1]); /* what no other owner holds is lost for good */
    assert_true(r.recovering[2]);
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &layout), 0);
    layout_close(&three);
}

static void an_owner_that_is_alone_waits_for_nobody(void **state)
{
    (void)state;
    struct layout alone;
    struct layout_member member[1] = {{.id = SELF, .weight = 100}};
    struct ring_change birth = {
        .member = member, .member_n = 1, .n_wanted = 1, .vnodes = VNODES, .generation_id = 1};
    layout_init(&alone);
    assert_int_equal(ring_compute(&birth, &alone), 0);
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &alone), 0);
    repair_doubt_all(&r, &stage.now);
    struct slice healed;
    assert_int_equal(r.recovering_n, 0);
    assert_true(repair_healed(&r, &healed));
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &layout), 0);
    layout_close(&alone);
}

static void one_damaged_slot_makes_one_vnode_recover_and_only_that_is_compared(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS] = {1};
    uint8_t slots[SLOTS / 8] = {0};
    struct slice healed;
    const unsigned slot = 5 * SLOTS / VNODES + 17;
    slots[slot / 8] = (uint8_t)(1 << slot % 8);
    repair_doubt(&r, &stage.now, slice_of(slots, sizeof slots));
    assert_int_equal(r.recovering_n, 1);
    assert_true(r.recovering[5]);
    assert_false(repair_healed(&r, &healed));
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    const struct message *asked = sent(MSG_TREE_GET);
    assert_non_null(asked);
    assert_int_equal(asked->tree_get.vnodes.n, 2);
    assert_int_equal(asked->tree_get.vnodes.p[0], 5);
    /* a doubt is about slots, so it outlives a layout */
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &layout), 0);
    assert_true(r.recovering[5]);
    stage_believe(&stage, &repair_protocol, &r, PEER, ADDR, true);
    stage_time(&stage, stage.now.ms + 2 * REPAIR_RETURN_MS, WALL_MS);
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    struct message m = {.kind = MSG_TREE};
    m.tree = (struct msg_tree){.op = op_of(sent(MSG_TREE_GET)), .hashes = slice_of(roots, 8)};
    own_answers(m.tree.op, slice_of(roots, 8));
    repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
    assert_int_equal(r.recovering_n, 0);
    assert_true(repair_healed(&r, &healed));
    assert_true(healed.p[slot / 8] & 1 << slot % 8);
    assert_false(repair_healed(&r, &healed));
    assert_int_equal(r.peer[1].done_ms, 0); /* not all that the two share was compared */
}

static void an_owner_that_recovers_takes_the_floors_of_the_others(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS];
    uint8_t slots[SLOTS / 8];
    their_floor = 9;
    both_answer(begin(), MSG_TREE, slice_of(roots, sizeof roots), slice_of(roots, sizeof roots), 0);
    for (unsigned i = 0; i < out.n; i++)
        assert_int_not_equal(out.action[i].kind, ACT_STORE_PUT);
    memset(slots, 0xff, sizeof slots);
    repair_doubt(&r, &stage.now, slice_of(slots, sizeof slots));
    both_answer(begin(), MSG_TREE, slice_of(roots, sizeof roots), slice_of(roots, sizeof roots), 0);
    their_floor = 0;
    assert_int_equal(out.action[0].kind, ACT_STORE_PUT);
    assert_int_equal(out.action[0].put.record.kind, RECORD_STATE);
    assert_true(slice_eq(out.action[0].put.record.key, SLICE("floor.0")));
    assert_int_equal(out.action[0].put.record.version.stamp, 9);
    assert_int_equal(out.action[1].kind, ACT_STORE_TREE); /* the others are as ours */
}

/* A floor at the end of all stamps, once taken, would be one above which no key could be made. */
static void floors_and_flushes_that_cannot_be_true_end_it(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS];
    uint8_t slots[SLOTS / 8];
    memset(slots, 0xff, sizeof slots);
    repair_doubt(&r, &stage.now, slice_of(slots, sizeof slots));
    uint64_t op = begin();
    uint8_t run[FLUSH_RUN];
    struct message m = {.kind = MSG_TREE,
                        .tree = {.op = op, .hashes = slice_of(roots, sizeof roots)}};
    m.tree.flushed = run_of(run, &FLUSH_EVERYTHING, STAMP_WIDE_MAX + 1);
    out_clear(&out);
    own_answers(op, slice_of(roots, sizeof roots));
    m.tree.floors = slice_of(roots, sizeof roots);
    repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
    uint8_t floors[8 * REPAIR_ROOTS] = {0};
    memset(floors + 8, 0xff, 8);
    m.tree.flushed.n = 0;
    m.tree.floors = slice_of(floors, sizeof floors);
    repair_protocol.answer(&r, &stage.now, PEER, &m, &out);
    assert_int_equal(out.n, 0); /* nothing is stored, nothing asked */
    repair_protocol.check(&r, &stage.now);
}

/* The roots of the first vnodes, which differ. */
static void answer_roots(uint64_t op)
{
    static const uint8_t own[8 * REPAIR_ROOTS], theirs[8 * REPAIR_ROOTS] = {1};
    both_answer(op, MSG_TREE, slice_of(own, sizeof own), slice_of(theirs, sizeof theirs), 0);
}

static void a_flush_that_we_missed_is_stored_before_anything_is_compared(void **state)
{
    (void)state;
    own_flushed = 5;
    their_flushed = 9;
    answer_roots(begin());
    assert_int_equal(out.n, 1);
    assert_int_equal(out.action[0].kind, ACT_STORE_PUT);
    assert_int_equal(out.action[0].put.record.kind, RECORD_FLUSH);
    assert_int_equal(out.action[0].put.record.version.stamp, 9);
    assert_true(record_valid(&out.action[0].put.record));
    uint64_t number = TOKEN_NUMBER(out.action[0].put.token);
    own_flushed = 9;
    out_clear(&out);
    stored(number, ERR_SUPERSEDED); /* something newer was seen there */
    assert_int_equal(sent(MSG_TREE_GET)->tree_get.leaves, 0);
    assert_int_equal(sent(MSG_TREE_GET)->tree_get.vnodes.n, 2 * REPAIR_ROOTS); /* the same ones */
    answer_roots(op_of(sent(MSG_TREE_GET)));
    assert_int_equal(sent(MSG_TREE_GET)->tree_get.leaves, 1);
}

/* The peer's flush is of one space, in a vnode that both own. */
static void a_flush_of_an_area_is_brought_as_that(void **state)
{
    (void)state;
    uint16_t slot = 3 * (SLOTS / VNODES);
    their_area = (struct flush_area){2, 2, slot, (uint16_t)(slot + SLOTS / VNODES - 1)};
    their_flushed = 9;
    own_flushed = 5; /* elsewhere the peer is behind */
    answer_roots(begin());
    struct flush_area first, second;
    assert_true(flush_area_read(sent(MSG_PUT)->put.record.value, &first));
    assert_memory_equal(&first, &FLUSH_EVERYTHING, sizeof first);
    own_flushed = 0;
    struct message ack = {.kind = MSG_PUT_ACK, .put_ack = {.op = sent(MSG_PUT)->put.op}};
    out_clear(&out);
    repair_protocol.answer(&r, &stage.now, PEER, &ack, &out);
    answer_roots(op_of(sent(MSG_TREE_GET)));
    assert_int_equal(out.n, 1);
    assert_int_equal(out.action[0].put.record.version.stamp, 9);
    assert_true(flush_area_read(out.action[0].put.record.value, &second));
    assert_memory_equal(&second, &their_area, sizeof second);
}

static void a_flush_that_the_peer_missed_is_brought_to_it(void **state)
{
    (void)state;
    own_flushed = 9;
    answer_roots(begin());
    assert_int_equal(out.n, 1);
    struct message ack = {.kind = MSG_PUT_ACK, .put_ack = {.op = sent(MSG_PUT)->put.op}};
    assert_int_equal(sent(MSG_PUT)->put.record.kind, RECORD_FLUSH);
    assert_int_equal(sent(MSG_PUT)->put.record.version.stamp, 9);
    assert_int_equal(sent(MSG_PUT)->put.epoch, layout.epoch);
    their_flushed = 9;
    out_clear(&out);
    repair_protocol.answer(&r, &stage.now, PEER, &ack, &out);
    answer_roots(op_of(sent(MSG_TREE_GET)));
    assert_int_equal(sent(MSG_TREE_GET)->tree_get.leaves, 1);
}

/* While the peer stores a flush, its trees and lists are no answers, whatever number they bear. */
static void an_answer_of_another_phase_is_not_taken(void **state)
{
    (void)state;
    static const uint8_t roots[8 * REPAIR_ROOTS];
    own_flushed = 9;
    answer_roots(begin());
    assert_int_equal(r.run.phase, REPAIR_FLUSH);
    struct message tree = {.kind = MSG_TREE, .tree = {.op = sent(MSG_PUT)->put.op}};
    struct message list = {.kind = MSG_LIST, .list = {.op = tree.tree.op}};
    tree.tree.hashes = slice_of(roots, sizeof roots);
    out_clear(&out);
    repair_protocol.answer(&r, &stage.now, PEER, &tree, &out);
    repair_protocol.answer(&r, &stage.now, PEER, &list, &out);
    assert_int_equal(r.run.phase, REPAIR_FLUSH);
    assert_int_equal(out.n, 0);
}

static void a_flush_that_cannot_be_stored_ends_it(void **state)
{
    (void)state;
    their_flushed = 9;
    answer_roots(begin());
    stored(TOKEN_NUMBER(out.action[0].put.token), ERR_NO_SPACE);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    own_flushed = 10;
    answer_roots(begin());
    struct message ack = {
        .kind = MSG_PUT_ACK,
        .put_ack = {.op = sent(MSG_PUT)->put.op, .error = (uint32_t)ERR_NO_SPACE}};
    repair_protocol.answer(&r, &stage.now, PEER, &ack, &out);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    assert_int_equal(r.info.incomplete, 1);
}

/* A record that is pushed bears the ticket of the peer's list, one that is pulled that of our
 * own. */
static void what_is_brought_bears_the_ticket_of_a_list(void **state)
{
    (void)state;
    struct buf own, theirs;
    buf_init(&own, 1 << 20);
    buf_init(&theirs, 1 << 20);
    add(&own, 1, "ours", 5000);
    add(&theirs, 2, "theirs", 5000);
    their_ticket = 77;
    both_answer(until_lists(), MSG_LIST, buf_view(&own), buf_view(&theirs), UINT64_MAX);
    struct record r5 = {.kind = RECORD_VALUE, .version = {.stamp = 5000ull << 16}};
    uint64_t push = TOKEN_NUMBER(out.action[0].get.token), pull = out.action[1].send.message.get.op;
    out_clear(&out);
    was_read(push, &r5);
    assert_int_equal(sent(MSG_PUT)->put.ticket, 77);
    struct message got = {.kind = MSG_GOT, .got = {.op = pull, .record = r5}};
    out_clear(&out);
    repair_protocol.answer(&r, &stage.now, PEER, &got, &out);
    assert_int_equal(out.action[0].kind, ACT_STORE_PUT);
    assert_int_equal(out.action[0].put.origin.from, PUT_FROM_OWNER);
    assert_int_equal(out.action[0].put.origin.ticket, OWN_TICKET);
    buf_close(&own);
    buf_close(&theirs);
}

/* Of a value and what is left of it at an owner where it has lapsed the second is moved; where one
 * of them has a later end, that one is, whichever it is. */
static void what_has_lapsed_is_the_greater_of_two(void **state)
{
    (void)state;
    struct buf own, theirs;
    buf_init(&own, 1 << 20);
    buf_init(&theirs, 1 << 20);
    for (unsigned i = 0; i < 4; i++) {
        struct listing_entry v = {.key_hash = i,
                                  .version = {.stamp = 5 << 16, .expiry_stamp = 5 << 16},
                                  .expiry_ms = WALL_MS,
                                  .kind = RECORD_TOMBSTONE,
                                  .key = KEY_OF("k")};
        assert_int_equal(listing_append(i % 2 ? &own : &theirs, &v), 0);
        v.version.expiry_stamp += i < 2;
        v.kind = RECORD_VALUE;
        assert_int_equal(listing_append(i % 2 ? &theirs : &own, &v), 0);
    }
    both_answer(until_lists(), MSG_LIST, buf_view(&own), buf_view(&theirs), UINT64_MAX);
    assert_int_equal(out.n, 4);
    for (unsigned i = 0; i < 4; i++) /* ours is read, theirs is asked for */
        assert_int_equal(out.action[i].kind, (i == 0 || i == 3) ? ACT_STORE_GET : ACT_SEND);
    buf_close(&own);
    buf_close(&theirs);
}

static void a_dead_member_is_counted_and_a_strange_vnode_refused(void **state)
{
    (void)state;
    assert_int_equal(repair_ask(&r, &stage.now, VNODES), ERR_REFUSED);
    stage_believe(&stage, &repair_protocol, &r, PEER, ADDR, false);
    assert_int_equal(repair_ask(&r, &stage.now, 3), 0);
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    assert_int_equal(out.n, 0);
    assert_int_equal(r.info.unreachable, 1);
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), UINT64_MAX);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_roots_end_it_and_are_remembered),
        TEST(what_is_missing_travels_and_what_is_young_does_not),
        TEST(nonsense_from_the_peer_ends_it),
        TEST(silence_a_death_and_a_fence_end_it),
        TEST(a_broken_stream_ends_it_while_something_is_awaited),
        TEST(one_damaged_slot_makes_one_vnode_recover_and_only_that_is_compared),
        TEST(an_owner_that_recovers_takes_young_records_too_from_a_sound_peer),
        TEST(an_owner_that_recovers_waits_for_sound_owners_or_for_all),
        TEST(an_owner_that_is_alone_waits_for_nobody),
        TEST(an_owner_that_recovers_takes_the_floors_of_the_others),
        TEST(floors_and_flushes_that_cannot_be_true_end_it),
        TEST(a_flush_that_we_missed_is_stored_before_anything_is_compared),
        TEST(a_flush_of_an_area_is_brought_as_that),
        TEST(a_flush_that_the_peer_missed_is_brought_to_it),
        TEST(an_answer_of_another_phase_is_not_taken),
        TEST(a_flush_that_cannot_be_stored_ends_it),
        TEST(what_is_brought_bears_the_ticket_of_a_list),
        TEST(what_has_lapsed_is_the_greater_of_two),
        TEST(a_dead_member_is_counted_and_a_strange_vnode_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
