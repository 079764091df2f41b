/* The replay of hints alone: the test plays the log, the target and the other owners. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/error.h"
#include "core/hint/hint.h"
#include "core/ring/ring.h"
#include "test/core_stage.h"

enum { A = 1, B = 2, C = 3, GONE = 9 };

struct fixture {
    struct layout layout;
    struct stage stage;
    struct hint hint;
    struct out out;
    uint64_t now_ms;
    uint64_t ahead_ms; /* of our wall clock */
};

static const uint64_t WALL_MS = 1700000000000;

static void begin(struct fixture *f, uint64_t later_ms)
{
    f->now_ms += later_ms;
    out_clear(&f->out);
    stage_time(&f->stage, f->now_ms, WALL_MS);
    f->stage.now.wall_ms += f->ahead_ms;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.now_ms = 1000};
    struct layout_member m[] = {
        {.id = A, .weight = 100}, {.id = B, .weight = 100}, {.id = C, .weight = 100}};
    struct ring_change birth = {
        .member = m, .member_n = 3, .n_wanted = 3, .vnodes = 16, .generation_id = 1};
    layout_init(&f.layout);
    assert_int_equal(ring_compute(&birth, &f.layout), 0);
    stage_open(&f.stage, A);
    hint_init(&f.hint, &(struct hint_options){.self = A});
    begin(&f, 0);
    assert_int_equal(stage_layout(&f.stage, &hint_protocol, &f.hint, &f.layout), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    hint_protocol.check(&f->hint, &f->stage.now);
    hint_protocol.close(&f->hint);
    stage_close(&f->stage);
    layout_close(&f->layout);
    return 0;
}

static void set_alive(struct fixture *f, uint64_t id, bool alive)
{
    stage_believe(&f->stage, &hint_protocol, &f->hint, id,
                  (struct addr){.family = 4, .port = (uint16_t)(7000 + id)}, alive);
}

static void kept(struct fixture *f, uint64_t target, uint32_t n, uint64_t waiting)
{
    struct event ev = {.kind = EV_HINTED};
    ev.hinted.target = target;
    ev.hinted.n = n;
    ev.hinted.waiting = waiting;
    begin(f, 0);
    assert_int_equal(hint_kept(&f->hint, &f->stage.now, &ev, &f->out), 0);
    hint_protocol.check(&f->hint, &f->stage.now);
}

/* The log's answer: n records at locations 10, 20, ..., written age_ms ago. */
static void found(struct fixture *f, uint64_t target, uint32_t n, uint64_t age_ms)
{
    static struct located_record batch[HINT_BATCH + 1];
    static char key[HINT_BATCH + 1][16]; /* behind the space */
    for (uint32_t i = 0; i < n; i++) {
        int key_n = 1 + snprintf(key[i] + 1, sizeof key[i] - 1, "k%u", i);
        batch[i] = (struct located_record){
            .location = 10 * (i + 1),
            .record = {.kind = RECORD_VALUE,
                       .version = {.stamp = (WALL_MS - age_ms) << 16, .node = A},
                       .key = slice_of(key[i], (size_t)key_n)}};
    }
    struct event ev = {.kind = EV_HINTS};
    ev.hints.target = target;
    ev.hints.n = n;
    ev.hints.batch = batch;
    begin(f, 0);
    hint_found(&f->hint, &f->stage.now, &ev, &f->out);
    hint_protocol.check(&f->hint, &f->stage.now);
}

static unsigned count(const struct fixture *f, enum action_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->out.n; i++)
        n += f->out.action[i].kind == kind;
    return n;
}

static const struct action *acted(const struct fixture *f, enum action_kind kind)
{
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == kind)
            return &f->out.action[i];
    return NULL;
}

static bool reads(struct fixture *f, uint64_t target)
{
    begin(f, 0);
    hint_protocol.tick(&f->hint, &f->stage.now, &f->out);
    hint_protocol.check(&f->hint, &f->stage.now);
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == ACT_HINT_READ && f->out.action[i].hint_read == target)
            return true;
    return false;
}

static void answer(struct fixture *f, uint64_t token, uint64_t from, int error)
{
    assert_int_equal(TOKEN_OWNER(token), TOKEN_HINT);
    begin(f, 1);
    struct message m = {.kind = MSG_PUT_ACK, .put_ack = {.op = token, .error = (uint32_t)error}};
    struct event ev = {.kind = EV_STORED, .stored = {.error = error}};
    if (from == A)
        hint_protocol.stored(&f->hint, &f->stage.now, TOKEN_NUMBER(token), &ev, &f->out);
    else
        hint_protocol.answer(&f->hint, &f->stage.now, from, &m, &f->out);
    hint_protocol.check(&f->hint, &f->stage.now);
}

/* C is alive and n hints of it are on their way: their tokens. */
static void replay(struct fixture *f, uint32_t n, uint64_t token[])
{
    set_alive(f, C, true);
    kept(f, C, n, n);
    assert_true(reads(f, C));
    found(f, C, n, 0);
    assert_int_equal(count(f, ACT_SEND), n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(f->out.action[i].send.to, C);
        token[i] = f->out.action[i].send.message.put.op;
    }
    assert_null(acted(f, ACT_HINT_DROP));
}

static void test_waits_for_the_target(void **state)
{
    struct fixture *f = *state;
    kept(f, C, 5, 5);
    assert_int_equal(acted(f, ACT_TRACE)->trace.kind, TRACE_HINTS_KEPT);
    assert_false(reads(f, C));
    assert_int_equal(hint_waiting(&f->hint), 5);
    set_alive(f, C, true);
    assert_true(hint_protocol.deadline_ms(&f->hint, &f->stage.now) <= f->now_ms);
    assert_true(reads(f, C));
    assert_false(reads(f, C)); /* one question at a time */
}

static void test_dropped_only_when_acknowledged(void **state)
{
    struct fixture *f = *state;
    uint64_t token[3];
    replay(f, 3, token);
    answer(f, token[2], C, 0);
    assert_int_equal(f->out.n, 0);
    answer(f, token[0], C, ERR_SUPERSEDED); /* the target holds a newer one */
    assert_int_equal(f->out.n, 0);
    answer(f, token[1], C, 0);
    const struct action *drop = acted(f, ACT_HINT_DROP);
    assert_int_equal(drop->hint_drop.target, C);
    assert_int_equal(drop->hint_drop.up_to, 30);
    assert_int_equal(drop->hint_drop.n, 3);
    kept(f, C, 0, 0);
    assert_int_equal(acted(f, ACT_TRACE)->trace.kind, TRACE_HINTS_REPLAYED);
    assert_int_equal(acted(f, ACT_TRACE)->trace.a, 3);
    assert_false(reads(f, C));
}

/* The hints before a refused one are dropped; it and those behind it are sent again, after a pause
 * that doubles. */
static void test_refusal_ends_the_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t token[3];
    replay(f, 3, token);
    answer(f, token[0], C, 0);
    answer(f, token[1], C, ERR_STALE_EPOCH);
    answer(f, token[2], C, 0);
    assert_int_equal(acted(f, ACT_HINT_DROP)->hint_drop.up_to, 10);
    assert_int_equal(acted(f, ACT_HINT_DROP)->hint_drop.n, 1);
    kept(f, C, 0, 2);
    for (uint32_t pause_ms = HINT_BACKOFF_MS; pause_ms <= HINT_BACKOFF_MAX_MS; pause_ms *= 2) {
        assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now), f->now_ms + pause_ms);
        begin(f, pause_ms);
        assert_true(reads(f, C));
        found(f, C, 1, 0);
        answer(f, acted(f, ACT_SEND)->send.message.put.op, C, ERR_BUSY);
        assert_null(acted(f, ACT_HINT_DROP));
    }
}

static void test_broken_stream_forgets_the_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t token[2];
    replay(f, 2, token);
    answer(f, token[0], C, 0);
    stage_link(&f->stage, &hint_protocol, &f->hint, C, 0);
    answer(f, token[1], C, 0); /* an answer of before: that batch is over */
    assert_int_equal(f->out.n, 0);
    assert_false(reads(f, C));
    stage_link(&f->stage, &hint_protocol, &f->hint, C, 1);
    assert_true(reads(f, C)); /* the target is back: at once */
}

static void test_silence_ends_the_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t token[1];
    replay(f, 1, token);
    begin(f, HINT_ANSWER_MS - 1);
    assert_false(reads(f, C));
    begin(f, 1);
    assert_false(reads(f, C));
    begin(f, HINT_BACKOFF_MS);
    assert_true(reads(f, C));
}

/* After a batch a pause as long as the batch took: the target has half of its time for its
 * clients. */
static void test_pauses_as_long_as_the_target_took(void **state)
{
    struct fixture *f = *state;
    uint64_t token[1];
    replay(f, 1, token);
    begin(f, 499);
    answer(f, token[0], C, 0);
    kept(f, C, 4, 4);
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now), f->now_ms + 500);
}

static void test_a_full_batch_fits_a_step(void **state)
{
    struct fixture *f = *state;
    uint64_t token[HINT_BATCH];
    replay(f, HINT_BATCH, token);
    assert_true(f->out.n <= HINT_OUT_MAX);
    for (unsigned i = 0; i < HINT_BATCH; i++)
        answer(f, token[i], C, 0);
    assert_int_equal(acted(f, ACT_HINT_DROP)->hint_drop.n, HINT_BATCH);
}

static void test_too_old_is_dropped_and_counted(void **state)
{
    struct fixture *f = *state;
    set_alive(f, C, true);
    kept(f, C, 2, 2);
    assert_true(reads(f, C));
    found(f, C, 2, HINT_AGE_DEFAULT_MS + 1);
    assert_int_equal(count(f, ACT_SEND), 0);
    assert_int_equal(acted(f, ACT_HINT_DROP)->hint_drop.n, 2);
    assert_int_equal(f->hint.target[0].info.dropped, 2);
    assert_int_equal(f->hint.target[0].info.replayed, 0);
}

/* The age is judged by the time that the members agree on: a clock that is hours ahead drops
 * nothing. */
static void test_a_wrong_clock_makes_no_hint_old(void **state)
{
    struct fixture *f = *state;
    set_alive(f, C, true);
    kept(f, C, 2, 2);
    assert_true(reads(f, C));
    f->ahead_ms = 2 * HINT_AGE_DEFAULT_MS;
    found(f, C, 2, 1000);
    assert_int_equal(count(f, ACT_SEND), 2);
    f->now_ms += HINT_EXPIRE_MS;
    begin(f, 0);
    hint_protocol.tick(&f->hint, &f->stage.now, &f->out);
    assert_int_equal(acted(f, ACT_HINT_EXPIRE)->hint_expire_ms, WALL_MS - HINT_AGE_DEFAULT_MS);
}

static void test_old_files_are_looked_for(void **state)
{
    struct fixture *f = *state;
    kept(f, C, 1, 1);
    begin(f, 0);
    hint_protocol.tick(&f->hint, &f->stage.now, &f->out);
    assert_int_equal(acted(f, ACT_HINT_EXPIRE)->hint_expire_ms, WALL_MS - HINT_AGE_DEFAULT_MS);
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now),
                     f->now_ms + HINT_EXPIRE_MS);
}

/* The target is no member any more: its hint is settled when W present owners hold it, this node
 * among them. */
static void test_orphan_goes_to_the_owners(void **state)
{
    struct fixture *f = *state;
    set_alive(f, B, true);
    set_alive(f, C, true);
    kept(f, GONE, 1, 1);
    assert_true(reads(f, GONE));
    found(f, GONE, 1, 0);
    assert_int_equal(count(f, ACT_SEND), 2);
    assert_int_equal(count(f, ACT_STORE_PUT), 1);
    uint64_t token = acted(f, ACT_STORE_PUT)->put.token;
    answer(f, token, A, 0);
    assert_null(acted(f, ACT_HINT_DROP));
    answer(f, token, A, 0); /* twice from one is once */
    assert_null(acted(f, ACT_HINT_DROP));
    answer(f, token, C, 0);
    assert_int_equal(acted(f, ACT_HINT_DROP)->hint_drop.n, 1);
}

static void test_orphan_waits_for_w(void **state)
{
    struct fixture *f = *state;
    kept(f, GONE, 1, 1); /* B and C are away */
    assert_true(reads(f, GONE));
    found(f, GONE, 1, 0);
    answer(f, acted(f, ACT_STORE_PUT)->put.token, A, 0);
    assert_null(acted(f, ACT_HINT_DROP));
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now),
                     f->now_ms + HINT_BACKOFF_MS);
}

/* An owner that an orphan went to is awaited like a target; one that has answered may go. */
static void test_a_broken_stream_to_an_owner_ends_an_orphans_batch(void **state)
{
    struct fixture *f = *state;
    set_alive(f, B, true);
    set_alive(f, C, true);
    stage_link(&f->stage, &hint_protocol, &f->hint, B, 5);
    stage_link(&f->stage, &hint_protocol, &f->hint, C, 5);
    kept(f, GONE, 1, 1);
    assert_true(reads(f, GONE));
    found(f, GONE, 1, 0);
    uint64_t token = acted(f, ACT_STORE_PUT)->put.token, began_ms = f->now_ms;
    answer(f, token, B, ERR_BUSY);
    stage_link(&f->stage, &hint_protocol, &f->hint, B, 0);
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now), began_ms + HINT_ANSWER_MS);
    stage_link(&f->stage, &hint_protocol, &f->hint, C, 0);
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now),
                     f->now_ms + HINT_BACKOFF_MS);
    answer(f, token, C, 0); /* late */
    answer(f, token, A, 0);
    assert_null(acted(f, ACT_HINT_DROP));
}

/* The members that a batch went to may be owners no more. */
static void test_another_layout_ends_the_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t token[1];
    replay(f, 1, token);
    f->layout.epoch++;
    assert_int_equal(stage_layout(&f->stage, &hint_protocol, &f->hint, &f->layout), 0);
    assert_int_equal(hint_protocol.deadline_ms(&f->hint, &f->stage.now),
                     f->now_ms + HINT_BACKOFF_MS);
    answer(f, token[0], C, 0);
    assert_null(acted(f, ACT_HINT_DROP));
}

static void test_few_replays_at_once(void **state)
{
    struct fixture *f = *state;
    for (uint64_t id = 100; id < 100 + 2 * HINT_REPLAYS; id++)
        kept(f, id, 1, 1);
    begin(f, 0);
    hint_protocol.tick(&f->hint, &f->stage.now, &f->out);
    assert_int_equal(count(f, ACT_HINT_READ), HINT_REPLAYS);
    found(f, 100, 0, 0);
    begin(f, 0);
    hint_protocol.tick(&f->hint, &f->stage.now, &f->out);
    assert_int_equal(count(f, ACT_HINT_READ), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_waits_for_the_target),
        TEST(test_dropped_only_when_acknowledged),
        TEST(test_refusal_ends_the_batch),
        TEST(test_broken_stream_forgets_the_batch),
        TEST(test_silence_ends_the_batch),
        TEST(test_pauses_as_long_as_the_target_took),
        TEST(test_a_full_batch_fits_a_step),
        TEST(test_too_old_is_dropped_and_counted),
        TEST(test_a_wrong_clock_makes_no_hint_old),
        TEST(test_old_files_are_looked_for),
        TEST(test_orphan_goes_to_the_owners),
        TEST(test_orphan_waits_for_w),
        TEST(test_a_broken_stream_to_an_owner_ends_an_orphans_batch),
        TEST(test_another_layout_ends_the_batch),
        TEST(test_few_replays_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
