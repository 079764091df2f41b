/* Erasing against scripted stores and owners: only what all owners confirm goes, and an owner that
 * is silent, recovering or dead confirms nothing. (That nothing comes back is tried by the
 * simulator.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/hash.h"
#include "core/erase/erase.h"
#include "core/ring/ring.h"
#include "test/core_stage.h"

enum { SELF = 1, VNODES = 64, AGE_MS = 100000 };

static const uint64_t WALL_MS = 1000000000;
static const struct addr ADDR = {.family = 4, .port = 7};
static struct layout layout;
static struct stage stage;
static struct erase e;
static struct out out;
static uint64_t now_ms;

static void at(uint64_t ms, bool barred)
{
    now_ms = ms;
    stage_time(&stage, ms, WALL_MS + ms);
    if (barred != stage.now.fenced)
        stage_fence(&stage, &erase_protocol, &e, barred);
    out_clear(&out);
}

static int set_up(void **state)
{
    (void)state;
    struct layout_member member[3] = {
        {.id = SELF, .weight = 100}, {.id = 2, .weight = 100}, {.id = 3, .weight = 100}};
    struct ring_change birth = {
        .member = member, .member_n = 3, .n_wanted = 3, .vnodes = VNODES, .generation_id = 1};
    layout_init(&layout);
    assert_int_equal(ring_compute(&birth, &layout), 0);
    erase_init(&e, &(struct erase_options){.self = SELF, .age_ms = AGE_MS});
    stage_open(&stage, SELF);
    at(1000, false);
    assert_int_equal(stage_layout(&stage, &erase_protocol, &e, &layout), 0);
    stage_believe(&stage, &erase_protocol, &e, 2, ADDR, true);
    stage_believe(&stage, &erase_protocol, &e, 3, ADDR, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    erase_protocol.check(&e, &stage.now);
    erase_protocol.close(&e);
    stage_close(&stage);
    layout_close(&layout);
    return 0;
}

/* Time passes until something is due. */
static void tick(void)
{
    at(erase_protocol.deadline_ms(&e, &stage.now), false);
    erase_protocol.tick(&e, &stage.now, &out);
    assert_true(out.n <= ERASE_OUT_MAX);
    erase_protocol.check(&e, &stage.now);
}

static unsigned count(enum action_kind kind, int message)
{
    unsigned n = 0;
    for (unsigned i = 0; i < out.n; i++)
        n += out.action[i].kind == kind &&
             (message < 0 || out.action[i].send.message.kind == message);
    return n;
}

static struct listing_entry entry_of(const char *key, uint8_t kind)
{
    static uint8_t bytes[8][16]; /* of the last entries */
    static unsigned at;
    return (struct listing_entry){
        .key_hash = (uint64_t)key[0] << 32,
        .version = {.stamp = 5 << 16, .deleted = kind == RECORD_TOMBSTONE},
        .kind = kind,
        .key = key_write(bytes[at++ % 8], 0, slice_str(key))};
}

/* The vnode at the head of what the store is asked for now. */
static uint16_t asked_vnode(void)
{
    assert_int_equal(out.action[0].kind, ACT_STORE_ERASABLE);
    const uint8_t *p = out.action[0].erasable.vnodes.p;
    return (uint16_t)(p[0] | p[1] << 8);
}

/* The own store lists what may go. */
static void lists(uint64_t number, struct slice list, uint64_t upto, uint64_t dead)
{
    struct event ev = {.kind = EV_ANSWERED,
                       .answered = {.bytes = list, .upto = upto, .dead = dead}};
    erase_protocol.stored(&e, &stage.now, number, &ev, &out);
}

/* The own store lists two tombstones, in the first vnode that it is asked for. Returns that. */
static uint16_t two_listed(struct buf *list)
{
    tick();
    uint16_t vnode = asked_vnode();
    assert_true(out.action[0].erasable.wall_ms <= WALL_MS + now_ms - AGE_MS);
    struct listing_entry a = entry_of("a", RECORD_TOMBSTONE), b = entry_of("b", RECORD_TOMBSTONE);
    list->n = 0;
    listing_append(list, &a);
    listing_append(list, &b);
    uint64_t number = TOKEN_NUMBER(out.action[0].erasable.token);
    out_clear(&out);
    lists(number, buf_view(list), 0, 0);
    erase_protocol.check(&e, &stage.now);
    return vnode;
}

static void answer(uint64_t from, int error, const char *held)
{
    struct message m = {.kind = MSG_ERASE_HELD};
    m.erase_held = (struct msg_erase_held){.op = TOKEN(TOKEN_ERASE, e.number),
                                           .epoch = layout.epoch,
                                           .error = (uint32_t)error,
                                           .held = slice_str(held)};
    out_clear(&out);
    erase_protocol.answer(&e, &stage.now, from, &m, &out);
    erase_protocol.check(&e, &stage.now);
}

static void what_all_confirm_goes(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    two_listed(&list);
    assert_int_equal(out.n, 2);
    assert_int_equal(count(ACT_SEND, MSG_ERASE_ASK), 2);
    answer(2, 0, "\x01\x01"); /* holds both */
    assert_int_equal(out.n, 0);
    answer(2, 0, "\x01\x01"); /* a second answer of an owner does not count */
    assert_int_equal(out.n, 0);
    static const char other[] = {HELD_GONE, HELD_OTHER};
    struct message m = {.kind = MSG_ERASE_HELD};
    m.erase_held =
        (struct msg_erase_held){.op = TOKEN(TOKEN_ERASE, e.number), .held = slice_of(other, 2)};
    out_clear(&out);
    erase_protocol.answer(&e, &stage.now, 3, &m, &out);
    assert_int_equal(count(ACT_STORE_PUT, -1), 1);
    assert_int_equal(out.action[0].put.record.kind, RECORD_FLOOR);
    assert_true(slice_eq(out.action[0].put.record.key, KEY_OF("a")));
    assert_int_equal(out.action[0].put.record.version.stamp, 5 << 16);
    assert_int_equal(count(ACT_SEND, MSG_ERASE), 2);
    for (unsigned i = 1; i < out.n; i++) {
        struct slice rest = out.action[i].send.message.erase.entries;
        struct listing_entry told;
        assert_int_equal(listing_next(&rest, &told), 1);
        assert_true(slice_eq(told.key, KEY_OF("a")));
        assert_int_equal(rest.n, 0);
    }
    erase_protocol.stored(&e, &stage.now, 0, &(struct event){.kind = EV_STORED}, &out);
    assert_int_equal(e.erased, 1);
    tick(); /* the pass goes on behind the batch, whatever became of it */
    assert_true(out.action[0].erasable.from > (uint64_t)'b' << 32);
    buf_close(&list);
}

static void silence_and_errors_confirm_nothing(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    two_listed(&list);
    answer(2, 0, "\x01\x01");
    tick(); /* the third owner is silent */
    assert_int_equal(now_ms, e.began_ms + ERASE_ANSWER_MS);
    assert_int_equal(out.n, 0);
    two_listed(&list);
    uint64_t number = e.number;
    answer(2, ERR_RECOVERING, "");
    assert_int_equal(out.n, 0);
    e.number = number;
    answer(3, 0, "\x01\x01"); /* late: the batch is over */
    assert_int_equal(out.n, 0);
    two_listed(&list);
    answer(2, 0, "\x01"); /* about something else */
    assert_int_equal(out.n, 0);
    assert_int_equal(e.phase, ERASE_REST);
    buf_close(&list);
}

static void a_broken_stream_confirms_nothing(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    stage_link(&stage, &erase_protocol, &e, 2, 9);
    stage_link(&stage, &erase_protocol, &e, 3, 9);
    two_listed(&list);
    answer(2, 0, "\x01\x01");
    stage_link(&stage, &erase_protocol, &e, 2, 0); /* it has answered */
    assert_int_equal(e.phase, ERASE_ASK);
    stage_link(&stage, &erase_protocol, &e, 3, 0);
    assert_int_equal(e.phase, ERASE_REST);
    answer(3, 0, "\x01\x01"); /* too late */
    assert_int_equal(out.n, 0);
    tick(); /* the pass goes on, without waiting for ERASE_ANSWER_MS */
    assert_int_equal(now_ms, e.began_ms + ERASE_PAUSE_MS);
    buf_close(&list);
}

static void a_dead_owner_keeps_its_vnodes(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    /* with three members every vnode is owned by all */
    stage_believe(&stage, &erase_protocol, &e, 3, ADDR, false);
    uint16_t vnode = two_listed(&list);
    assert_int_equal(count(ACT_SEND, -1), 0);
    assert_int_not_equal(asked_vnode(), vnode); /* on to the next */
    stage_believe(&stage, &erase_protocol, &e, 3, ADDR, true);
    out_clear(&out);
    lists(e.number, buf_view(&list), 0, 0);
    assert_int_equal(count(ACT_SEND, MSG_ERASE_ASK), 2);
    buf_close(&list);
}

static void nothing_goes_while_a_layout_is_agreed(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    two_listed(&list);
    uint64_t number = e.number;
    at(now_ms, true);
    assert_int_equal(erase_protocol.deadline_ms(&e, &stage.now), UINT64_MAX);
    at(now_ms, false);
    e.number = number;
    answer(2, 0, "\x01\x01");
    answer(3, 0, "\x01\x01");
    assert_int_equal(out.n, 0);
    buf_close(&list);
}

/* Only what is of the vnode, and only from an owner of it, under the same layout. */
static void what_an_owner_announces_is_erased(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 4096);
    struct listing_entry a = entry_of("a", RECORD_TOMBSTONE), b = entry_of("b", RECORD_TOMBSTONE);
    listing_append(&list, &a);
    listing_append(&list, &b);
    struct message m = {.kind = MSG_ERASE};
    m.erase = (struct msg_erase){.epoch = layout.epoch,
                                 .vnode = layout_vnode(&layout, slot_of_key(KEY_OF("a"))),
                                 .entries = buf_view(&list)};
    erase_obey(&e, &stage.now, 2, &m.erase, &out);
    assert_int_equal(out.n, 1); /* b is of another vnode */
    assert_true(slice_eq(out.action[0].put.record.key, KEY_OF("a")));
    out_clear(&out);
    stage.now.own.recovering_n = 1;
    erase_obey(&e, &stage.now, 2, &m.erase, &out);
    stage.now.own.recovering_n = 0;
    erase_obey(&e, &stage.now, 9, &m.erase, &out); /* no owner */
    m.erase.epoch++;
    erase_obey(&e, &stage.now, 2, &m.erase, &out);
    m.erase.epoch--;
    at(now_ms, true);
    erase_obey(&e, &stage.now, 2, &m.erase, &out);
    assert_int_equal(out.n, 0);
    buf_close(&list);
}

/* A value must be over for the owner that is asked, too. */
static void ends_are_judged_by_all(void **state)
{
    (void)state;
    struct buf list;
    buf_init(&list, 65536);
    struct listing_entry v = entry_of("v", RECORD_VALUE);
    v.expiry_ms = 5000;
    listing_append(&list, &v);
    assert_int_equal(listing_judge(buf_view(&list), 5000), 0);
    assert_int_equal(listing_judge(buf_view(&list), 4999), ERR_CLOCK);
    v.expiry_ms = 0;
    listing_append(&list, &v);
    assert_int_equal(listing_judge(buf_view(&list), UINT64_MAX), ERR_CLOCK);
    list.n = 0;
    v = entry_of("t", RECORD_TOMBSTONE);
    for (unsigned i = 0; i < ERASABLE_MAX; i++)
        listing_append(&list, &v);
    assert_int_equal(listing_judge(buf_view(&list), 0), 0);
    listing_append(&list, &v);
    assert_int_equal(listing_judge(buf_view(&list), 0), ERR_BAD_MESSAGE);
    list.n -= 10;
    assert_int_equal(listing_judge(buf_view(&list), 0), ERR_BAD_MESSAGE);
    buf_close(&list);
}

/* First owners come first: each rank has its bound, and all vnodes have their turn in a pass. */
static void a_pass_goes_through_all(void **state)
{
    (void)state;
    uint64_t bound = UINT64_MAX;
    unsigned vnodes = 0;
    tick();
    for (unsigned rank = 0; rank < 3; rank++) {
        assert_int_equal(out.n, 1);
        assert_true(out.action[0].erasable.wall_ms < bound);
        bound = out.action[0].erasable.wall_ms;
        unsigned n = (unsigned)out.action[0].erasable.vnodes.n / 2;
        uint64_t number = TOKEN_NUMBER(out.action[0].erasable.token);
        out_clear(&out);
        lists(number, slice_of(NULL, 0), n - 1, 3); /* all but one, */
        assert_int_equal(out.action[0].erasable.vnodes.n, 2);
        number = TOKEN_NUMBER(out.action[0].erasable.token);
        out_clear(&out);
        lists(number, slice_of(NULL, 0), 1, 1); /* and that */
        vnodes += n;
    }
    assert_int_equal(vnodes, VNODES);
    assert_int_equal(out.n, 0);
    assert_int_equal(e.found, 12);
    assert_int_equal(erase_protocol.deadline_ms(&e, &stage.now), now_ms + AGE_MS / ERASE_PASSES);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_all_confirm_goes),
        TEST(silence_and_errors_confirm_nothing),
        TEST(a_broken_stream_confirms_nothing),
        TEST(a_dead_owner_keeps_its_vnodes),
        TEST(nothing_goes_while_a_layout_is_agreed),
        TEST(what_an_owner_announces_is_erased),
        TEST(ends_are_judged_by_all),
        TEST(a_pass_goes_through_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
