/* A recovering node that holds what others have erased: two scripted owners refuse it or not, and a
 * scripted store erases it. Records are named by letters; all are of one age, and of one vnode.
 * (That deletions stay deletions is tried by the simulator.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/repair/repair.h"
#include "core/ring/ring.h"
#include "test/core_stage.h"

enum { SELF = 1, A = 2, B = 3, VNODES = 64, VNODE = 5, WALL_MS = 1000000000, STAMP = 5000 << 16 };

static const struct addr ADDR = {.family = 4, .port = 7};
static struct layout layout;
static struct stage stage;
static struct repair r;
static struct out out;

static void doubt(void)
{
    uint8_t slots[SLOTS / 8] = {0};
    const unsigned slot = VNODE * SLOTS / VNODES;
    slots[slot / 8] = (uint8_t)(1 << slot % 8);
    repair_doubt(&r, &stage.now, slice_of(slots, sizeof slots));
    assert_true(r.recovering[VNODE]);
}

static int set_up(void **state)
{
    (void)state;
    struct layout_member member[3] = {
        {.id = SELF, .weight = 100}, {.id = A, .weight = 100}, {.id = B, .weight = 100}};
    struct ring_change birth = {
        .member = member, .member_n = 3, .n_wanted = 3, .vnodes = VNODES, .generation_id = 1};
    layout_init(&layout);
    assert_int_equal(ring_compute(&birth, &layout), 0);
    assert_int_equal(layout.r, 2);
    stage_open(&stage, SELF);
    repair_init(&r, SELF, 1);
    stage_time(&stage, 1000, WALL_MS);
    assert_int_equal(stage_layout(&stage, &repair_protocol, &r, &layout), 0);
    doubt();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    repair_protocol.check(&r, &stage.now);
    repair_protocol.close(&r);
    stage_close(&stage);
    layout_close(&layout);
    return 0;
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

/* ---- An exchange ---- */

static const struct message *sent(enum message_kind kind)
{
    for (unsigned i = 0; i < out.n; i++)
        if (out.action[i].kind == ACT_SEND && out.action[i].send.message.kind == kind)
            return &out.action[i].send.message;
    return NULL;
}

/* The peer's answer, after the own store's. */
static void both_answer(uint64_t peer, struct slice own, const struct message *m)
{
    uint64_t op = m->kind == MSG_TREE ? m->tree.op : m->list.op;
    out_clear(&out);
    struct event ev = {.kind = EV_ANSWERED, .answered = {.bytes = own, .upto = UINT64_MAX}};
    repair_protocol.stored(&r, &stage.now, TOKEN_NUMBER(op), &ev, &out);
    repair_protocol.answer(&r, &stage.now, peer, m, &out);
    repair_protocol.check(&r, &stage.now);
}

static void answer_trees(uint64_t peer, uint32_t recovering)
{
    static const uint8_t own[8], theirs[8] = {1};
    for (unsigned i = 0; i < 2; i++) { /* the root, then the one leaf */
        struct message m = {.kind = MSG_TREE};
        m.tree = (struct msg_tree){.op = sent(MSG_TREE_GET)->tree_get.op,
                                   .hashes = slice_of(theirs, 8),
                                   .recovering = recovering};
        both_answer(peer, slice_of(own, 8), &m);
    }
}

static void answer_lists(uint64_t peer, const char *own, const char *theirs)
{
    struct buf list[2];
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&list[i], 1 << 20);
        for (const char *p = i ? theirs : own; *p; p++) {
            struct listing_entry e = {.key_hash = (uint8_t)*p,
                                      .version = {.stamp = STAMP},
                                      .kind = RECORD_VALUE,
                                      .size = 3};
            e.key = slice_of((const char[]){0, *p}, 2);
            assert_int_equal(listing_append(&list[i], &e), 0);
        }
    }
    struct message m = {.kind = MSG_LIST};
    m.list = (struct msg_list){.op = sent(MSG_LIST_GET)->list_get.op,
                               .upto = UINT64_MAX,
                               .entries = buf_view(&list[1]),
                               .ticket = 77};
    both_answer(peer, buf_view(&list[0]), &m);
    buf_close(&list[0]);
    buf_close(&list[1]);
}

/* The records that are read in order to be offered: each is, and refused if it is one of
 * `refuses`. */
static void offer(uint64_t peer, const char *refuses)
{
    uint64_t read[64];
    char key[64][2]; /* the space, the name */
    unsigned n = 0;
    for (unsigned at = 0;; at++) {
        for (unsigned i = 0; i < out.n; i++) {
            if (out.action[i].kind != ACT_STORE_GET)
                continue;
            assert_true(n < 64);
            memcpy(key[n], out.action[i].get.key.p, 2);
            read[n++] = TOKEN_NUMBER(out.action[i].get.token);
        }
        if (at == n)
            return;
        struct record held = {
            .kind = RECORD_VALUE, .version = {.stamp = STAMP}, .key = slice_of(key[at], 2)};
        out_clear(&out);
        was_read(read[at], &held);
        assert_int_equal(sent(MSG_PUT)->put.ticket, 0); /* we do not vouch for it */
        struct message ack = {.kind = MSG_PUT_ACK};
        ack.put_ack = (struct msg_put_ack){
            .op = sent(MSG_PUT)->put.op,
            .error = (uint32_t)(strchr(refuses, key[at][1]) ? ERR_TOO_OLD : 0)};
        out_clear(&out);
        repair_protocol.answer(&r, &stage.now, peer, &ack, &out);
        repair_protocol.check(&r, &stage.now);
    }
}

/* A complete exchange with one peer, the only one that is there: what we hold, what it does, and
 * what it refuses. */
static void compare(uint64_t peer, const char *own, const char *theirs, const char *refuses,
                    uint32_t recovering)
{
    stage_believe(&stage, &repair_protocol, &r, peer, ADDR, true);
    stage_time(&stage, stage.now.ms + 2 * REPAIR_RETURN_MS, WALL_MS);
    assert_true(repair_protocol.deadline_ms(&r, &stage.now) <= stage.now.ms);
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    answer_trees(peer, recovering);
    answer_lists(peer, own, theirs);
    offer(peer, refuses);
    assert_int_equal(r.run.phase, REPAIR_IDLE);
    stage_believe(&stage, &repair_protocol, &r, peer, ADDR, false);
}

/* ---- The erasures ---- */

/* How many are put into the store; those are their keys. */
static unsigned erasures(const char *keys)
{
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    assert_true(out.n <= REPAIR_OUT_MAX);
    for (unsigned i = 0; i < out.n; i++) {
        const struct action *a = &out.action[i];
        assert_int_equal(a->kind, ACT_STORE_PUT);
        assert_int_equal(a->put.record.kind, RECORD_FLOOR);
        assert_int_equal(a->put.record.version.stamp, STAMP);
        assert_true(slice_eq(key_name(a->put.record.key), slice_of(keys + i, 1)));
    }
    return out.n;
}

static void erased(unsigned n, int error)
{
    uint64_t token = out.action[0].put.token;
    for (unsigned i = 0; i < n; i++) {
        assert_true(r.recovering[VNODE]);
        out_clear(&out);
        stored(TOKEN_NUMBER(token), error);
        repair_protocol.check(&r, &stage.now);
    }
}

static void what_both_refuse_is_erased_before_the_vnode_is_through(void **state)
{
    (void)state;
    struct slice healed;
    compare(A, "xyz", "y", "xz", 0);
    assert_int_equal(erasures(""), 0);
    compare(B, "xyz", "y", "xz", 0);
    assert_true(r.recovering[VNODE]);
    assert_true(repair_protocol.deadline_ms(&r, &stage.now) <= stage.now.ms);
    assert_int_equal(erasures("xz"), 2);
    stage_believe(&stage, &repair_protocol, &r, A, ADDR, true);
    /* no exchange meanwhile */
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), UINT64_MAX);
    assert_false(repair_healed(&r, &healed));
    erased(2, 0);
    assert_false(r.recovering[VNODE]);
    assert_true(repair_healed(&r, &healed));
    assert_int_equal(r.refused.n, 0);
}

static void what_one_of_them_takes_or_has_stays(void **state)
{
    (void)state;
    compare(A, "xy", "", "xy", 0);
    compare(B, "xy", "x", "", 0);
    assert_false(r.recovering[VNODE]);
    assert_int_equal(r.refused.n, 0);
    assert_int_equal(erasures(""), 0);
}

static void many_are_erased_in_slices(void **state)
{
    (void)state;
    static const char many[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd";
    compare(A, many, "", many, 0);
    compare(B, many, "", many, 0);
    assert_int_equal(erasures(many), REPAIR_WINDOW);
    erased(REPAIR_WINDOW, 0);
    assert_true(r.recovering[VNODE]);
    assert_int_equal(erasures(many + REPAIR_WINDOW), sizeof many - 1 - REPAIR_WINDOW);
    erased(sizeof many - 1 - REPAIR_WINDOW, 0);
    assert_false(r.recovering[VNODE]);
}

static void an_erasure_that_failed_is_tried_again(void **state)
{
    (void)state;
    compare(A, "x", "", "x", 0);
    compare(B, "x", "", "x", 0);
    assert_int_equal(erasures("x"), 1);
    erased(1, ERR_IO);
    assert_true(r.recovering[VNODE]);
    assert_int_equal(repair_protocol.deadline_ms(&r, &stage.now), stage.now.ms + REPAIR_RETRY_MS);
    stage_time(&stage, stage.now.ms + REPAIR_RETRY_MS, WALL_MS);
    assert_int_equal(erasures("x"), 1);
    erased(1, ERR_SUPERSEDED); /* it was written anew */
    assert_false(r.recovering[VNODE]);
}

static void an_owner_that_took_it_meanwhile_does_not_refuse_it_any_more(void **state)
{
    (void)state;
    compare(A, "x", "", "x", 0);
    compare(A, "x", "", "", 0);
    compare(B, "x", "", "x", 0);
    assert_false(r.recovering[VNODE]);
    assert_int_equal(erasures(""), 0);
}

/* After an exchange that broke off the peer is no source: only a part of what it refuses is
 * known. */
static void a_comparison_that_breaks_off_is_none(void **state)
{
    (void)state;
    compare(A, "x", "", "x", 0);
    assert_int_not_equal(r.sources[VNODE], 0);
    stage_believe(&stage, &repair_protocol, &r, A, ADDR, true);
    stage_time(&stage, stage.now.ms + 2 * REPAIR_RETURN_MS, WALL_MS);
    out_clear(&out);
    repair_protocol.tick(&r, &stage.now, &out);
    answer_trees(A, 0);
    stage_believe(&stage, &repair_protocol, &r, A, ADDR, false);
    assert_int_equal(r.sources[VNODE], 0);
    compare(B, "x", "", "x", 0);
    assert_true(r.recovering[VNODE]);
    compare(A, "x", "", "x", 0);
    assert_int_equal(erasures("x"), 1);
}

/* It may have lost what it refuses. This node has merged all others, of which one is sound, and may
 * hold the last copy. */
static void what_an_owner_refuses_that_recovers_too_stays(void **state)
{
    (void)state;
    compare(B, "x", "", "x", 0);
    compare(A, "x", "", "x", 1);
    assert_false(r.recovering[VNODE]);
    r.sweep_ms = stage.now.ms;
    assert_int_equal(erasures(""), 0);
}

static void another_doubt_begins_it_all_anew(void **state)
{
    (void)state;
    compare(A, "x", "", "x", 0);
    compare(B, "x", "", "x", 0);
    assert_int_equal(erasures("x"), 1);
    doubt();
    uint64_t number = r.sweep_number;
    stored(number, 0);
    assert_true(r.recovering[VNODE]);
    assert_int_equal(r.refused.n, 0);
}

/* ---- The table ---- */

static struct record named(unsigned *name)
{
    return (struct record){.version = {.stamp = STAMP},
                           .key = slice_of((const uint8_t *)name, sizeof *name)};
}

static void a_full_table_takes_no_more_and_the_vnode_stays(void **state)
{
    (void)state;
    unsigned name;
    for (name = 0; name < REFUSED_MAX; name++) {
        struct record x = named(&name);
        assert_int_equal(refused_add(&r.refused, VNODE, 7, &x), 0);
    }
    struct record more = named(&name);
    assert_int_equal(refused_add(&r.refused, VNODE, 7, &more), ERR_TOO_BIG);
    compare(A, "x", "", "x", 0);
    assert_int_equal(r.sources[VNODE], 0);
    refused_forget(&r.refused, VNODE, 7);
    compare(A, "x", "", "x", 0);
    assert_int_not_equal(r.sources[VNODE], 0);
}

static void gaps_are_closed(void **state)
{
    (void)state;
    for (unsigned name = 0; name < 100; name++) {
        struct record x = named(&name);
        assert_int_equal(refused_add(&r.refused, VNODE, name % 3, &x), 0);
        assert_int_equal(refused_add(&r.refused, VNODE, 3, &x), 0);
        x.expiry_ms = 9; /* another record */
        assert_int_equal(refused_add(&r.refused, VNODE, 4, &x), 0);
    }
    assert_int_equal(r.refused.n, 200);
    refused_forget(&r.refused, VNODE, 4);
    refused_forget(&r.refused, VNODE, 0);
    refused_check(&r.refused);
    assert_int_equal(r.refused.n, 100);
    for (unsigned name = 0; name < 100; name++) {
        struct record got = refused_record(&r.refused, &r.refused.entry[name]);
        assert_int_equal(refused_by(&r.refused.entry[name], 2), name % 3 != 0);
        assert_true(slice_eq(got.key, named(&name).key));
        assert_int_equal(got.version.stamp, STAMP);
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_both_refuse_is_erased_before_the_vnode_is_through),
        TEST(what_one_of_them_takes_or_has_stays),
        TEST(many_are_erased_in_slices),
        TEST(an_erasure_that_failed_is_tried_again),
        TEST(an_owner_that_took_it_meanwhile_does_not_refuse_it_any_more),
        TEST(a_comparison_that_breaks_off_is_none),
        TEST(what_an_owner_refuses_that_recovers_too_stays),
        TEST(another_doubt_begins_it_all_anew),
        TEST(a_full_table_takes_no_more_and_the_vnode_stays),
        TEST(gaps_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
