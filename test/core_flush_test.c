/* FLUSHALL at the coordinator alone: three owners, of which the coordinator is the first; the test
 * plays the peers and the store. */
#include "core_coord.h"

#include "core/coord/coord_op.h"

static const uint64_t OWN = A;

static void ask_flush(struct fixture *f)
{
    begin(f, 0);
    coord_request(&f->coord, &f->now, &(struct request){.token = 77, .kind = OP_FLUSH}, &f->out);
    tick_now(f);
    check(f);
}

static void tick_if_due(struct fixture *f)
{
    if (deadline_ms(f) <= f->now_ms)
        tick_now(f);
    check(f);
}

/* The number of the question for the greatest stamp that the three were asked; 0: they were not. */
static uint64_t asked(const struct fixture *f)
{
    const struct message *b = sent(f, B, MSG_GREATEST_GET), *c = sent(f, C, MSG_GREATEST_GET);
    const struct action *own = acted(f, ACT_STORE_GREATEST);
    if (!own)
        return 0;
    assert_int_equal(TOKEN_OWNER(own->greatest.token), TOKEN_FLUSH);
    uint64_t number = TOKEN_NUMBER(own->greatest.token);
    assert_true(!b || b->greatest_get.op == TOKEN(TOKEN_FLUSH, number));
    assert_true(!c || c->greatest_get.op == TOKEN(TOKEN_FLUSH, number));
    return number;
}

/* The number of the flush that the three were sent, and its stamp. */
static uint64_t stored(const struct fixture *f, uint64_t *stamp)
{
    const struct message *b = sent(f, B, MSG_FLUSH), *c = sent(f, C, MSG_FLUSH);
    const struct action *own = acted(f, ACT_STORE_PUT);
    if (!own)
        return 0;
    assert_int_equal(own->put.record.kind, RECORD_FLUSH);
    assert_int_equal(TOKEN_OWNER(own->put.token), TOKEN_FLUSH);
    uint64_t number = TOKEN_NUMBER(own->put.token);
    *stamp = own->put.record.version.stamp;
    assert_true(!b || (b->flush.op == TOKEN(TOKEN_FLUSH, number) &&
                       b->flush.record.version.stamp == *stamp));
    assert_true(!c || (c->flush.op == TOKEN(TOKEN_FLUSH, number) &&
                       c->flush.record.version.stamp == *stamp));
    return number;
}

/* An owner answers; then the coordinator does what is due. */
static void tell(struct fixture *f, uint64_t from, uint64_t number, int error, uint64_t greatest)
{
    struct message m = {.kind = MSG_GREATEST};
    m.greatest = (struct msg_greatest){
        .op = TOKEN(TOKEN_FLUSH, number), .epoch = 1, .error = (uint32_t)error, .stamp = greatest};
    begin(f, 1);
    if (from == OWN)
        own_answered(f, TOKEN(TOKEN_FLUSH, number),
                     &(struct event){.kind = EV_ANSWERED,
                                     .answered = {.error = error, .greatest = greatest}});
    else
        answered(f, from, &m);
    tick_if_due(f);
}

static void store(struct fixture *f, uint64_t from, uint64_t number, int error)
{
    struct message m = {.kind = MSG_FLUSHED};
    m.flushed = (struct msg_flushed){
        .op = TOKEN(TOKEN_FLUSH, number), .epoch = 1, .error = (uint32_t)error};
    begin(f, 1);
    if (from == OWN)
        own_answered(f, TOKEN(TOKEN_FLUSH, number),
                     &(struct event){.kind = EV_STORED, .stored = {.error = error}});
    else
        answered(f, from, &m);
    tick_if_due(f);
}

/* Lets time pass until the flush is answered, or for a look or so. */
static void wait(struct fixture *f, uint64_t ms)
{
    begin(f, ms);
    tick_now(f);
    check(f);
}

static const uint64_t LOOK_MS = 2000 / OP_TICKS;

/* All three answer the question. Returns the number of the flush that follows, and its stamp. */
static uint64_t all_told(struct fixture *f, uint64_t *stamp)
{
    ask_flush(f);
    uint64_t number = asked(f);
    tell(f, OWN, number, 0, 5);
    tell(f, B, number, 0, 6);
    assert_null(acted(f, ACT_STORE_PUT));
    tell(f, C, number, 0, 7);
    number = stored(f, stamp);
    assert_int_not_equal(number, 0);
    return number;
}

static void test_it_asks_first_and_stores_nothing(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    assert_int_not_equal(asked(f), 0);
    assert_non_null(sent(f, B, MSG_GREATEST_GET));
    assert_non_null(sent(f, C, MSG_GREATEST_GET));
    assert_null(sent(f, B, MSG_FLUSH));
    assert_null(sent(f, C, MSG_FLUSH));
    assert_null(acted(f, ACT_STORE_PUT));
}

static void test_all_members_store_one_stamp(void **state)
{
    struct fixture *f = *state;
    uint64_t stamp, number = all_told(f, &stamp);
    assert_non_null(sent(f, B, MSG_FLUSH));
    assert_non_null(sent(f, C, MSG_FLUSH));
    assert_true(hlc_wall_ms(stamp) >= WALL_MS);
    store(f, B, number, 0);
    store(f, C, number, 0);
    assert_null(replied(f));
    store(f, OWN, number, 0);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_the_stamp_is_above_all_that_was_answered(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t number = asked(f), stamp = 0, ahead = (WALL_MS + 300) << 16,
             far = (WALL_MS + 3600000) << 16;
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, 0, far); /* further than our clock follows */
    tell(f, C, number, 0, ahead);
    assert_int_not_equal(stored(f, &stamp), 0);
    assert_true(stamp > far);
}

/* A flush has one stamp: a client that saw a key gone, wrote it, and got its OK does not see it
 * gone again. B holds a write of a coordinator whose clock is ahead. */
static void test_what_was_written_after_nil_was_read_stays(void **state)
{
    struct fixture *f = *state;
    const uint64_t ahead = (WALL_MS + 300) << 16;
    uint64_t written = 0, flush = 0, number;
    ask_flush(f);
    for (unsigned round = 0; !replied(f); round++) {
        assert_true(round < 4);
        if ((number = asked(f))) {
            tell(f, OWN, number, 0, 0);
            tell(f, B, number, 0, ahead);
            tell(f, C, number, 0, 0);
        } else {
            number = stored(f, &flush);
            assert_int_not_equal(number, 0);
            store(f, OWN, number, 0);
            /* the client has read nil at us and C, and writes there */
            written = written ? written : flush + 1;
            store(f, C, number, 0);
            store(f, B, number, 0);
        }
    }
    assert_int_equal(replied(f)->error, 0);
    assert_true(flush > ahead);
    assert_true(flush < written);
}

static void test_an_owner_that_holds_something_greater_has_stored_it_too(void **state)
{
    struct fixture *f = *state;
    uint64_t stamp, number = all_told(f, &stamp);
    store(f, B, number, ERR_SUPERSEDED); /* another flush came meanwhile */
    store(f, C, number, 0);
    store(f, OWN, number, 0);
    assert_int_equal(replied(f)->error, 0);
}

static void test_a_quorum_of_answers_is_enough(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t number = asked(f), stamp;
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, 0, 0);
    assert_int_equal(stored(f, &stamp), 0);
    wait(f, LOOK_MS); /* C may answer until then */
    wait(f, 0);
    number = stored(f, &stamp);
    assert_int_not_equal(number, 0);
    store(f, OWN, number, 0);
    store(f, C, number, 0); /* it did not answer, and stores it all the same */
    wait(f, LOOK_MS);
    assert_int_equal(replied(f)->error, 0);
}

static void test_one_answer_is_not_enough(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t number = asked(f);
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, ERR_RECOVERING, 0); /* what it lost may have been greater */
    unsigned again = 0;
    while (!replied(f)) {
        wait(f, 100);
        again += sent(f, B, MSG_GREATEST_GET) != NULL;
        assert_null(acted(f, ACT_STORE_PUT));
        assert_null(acted(f, ACT_HINT_PUT));
    }
    assert_int_equal(again, 1); /* since then it is silent, as C is */
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_a_member_that_has_recovered_answers(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t number = asked(f), stamp;
    tell(f, OWN, number, ERR_RECOVERING, 0);
    tell(f, B, number, 0, 0);
    tell(f, C, number, ERR_STALE_EPOCH, 0);
    assert_int_equal(stored(f, &stamp), 0);
    wait(f, LOOK_MS);
    assert_null(sent(f, B, MSG_GREATEST_GET));
    number = asked(f);
    tell(f, OWN, number, 0, 0);
    tell(f, C, number, 0, 0);
    assert_int_not_equal(stored(f, &stamp), 0);
}

static void test_late_answers_say_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t stamp, number = all_told(f, &stamp), before = number - 1;
    store(f, B, before, 0);
    tell(f, C, number, 0, 0); /* to a question that was not asked */
    store(f, OWN, number, 0);
    wait(f, LOOK_MS);
    assert_null(replied(f));
    store(f, B, number, 0);
    wait(f, LOOK_MS);
    assert_int_equal(replied(f)->error, 0);
}

/* The stamp of a flush where B answers that stamp as its greatest. */
static uint64_t stamp_above(struct fixture *f, uint64_t greatest)
{
    uint64_t number, stamp = 0;
    ask_flush(f);
    number = asked(f);
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, 0, greatest);
    tell(f, C, number, 0, 0);
    number = stored(f, &stamp);
    store(f, OWN, number, 0);
    store(f, B, number, 0);
    store(f, C, number, 0);
    assert_int_equal(replied(f)->error, 0);
    return stamp;
}

/* A flush above a stamp that no clock gave would leave no key room to be written. */
static void test_a_stamp_that_no_clock_gave_is_not_flushed(void **state)
{
    struct fixture *f = *state;
    assert_true(stamp_above(f, STAMP_MAX) < STAMP_WIDE_MAX);
    assert_int_equal(stamp_above(f, STAMP_WIDE_MAX - 1), STAMP_WIDE_MAX);
}

/* The coordinator knows that too few owners can answer: to wait for the deadline would help
 * nobody. */
static void test_without_a_quorum_in_reach_it_fails_at_once(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    believe(f, B, (struct addr){.family = 4, .port = 7002}, MEMBER_DEAD);
    believe(f, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    ask_flush(f);
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(replied(f)->needed, 2);
    assert_true(replied(f)->answered < 2);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_a_dead_member_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    believe(f, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    ask_flush(f);
    uint64_t number = asked(f), stamp;
    assert_null(sent(f, C, MSG_GREATEST_GET));
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, 0, 0);
    number = stored(f, &stamp);
    assert_null(sent(f, C, MSG_FLUSH));
    store(f, OWN, number, 0);
    store(f, B, number, 0);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(acted(f, ACT_HINT_PUT)->hint.target, C);
}

static void test_too_few_is_unknown_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    uint64_t stamp, number = all_told(f, &stamp);
    store(f, OWN, number, 0);
    store(f, B, number, ERR_BUSY);
    bool again = false;
    while (!replied(f)) {
        wait(f, 100);
        again |= sent(f, B, MSG_FLUSH) != NULL;
    }
    assert_true(again); /* a member that refused for now is asked once more */
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_a_lost_stream_is_asked_again(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t number = asked(f), stamp;
    tell(f, OWN, number, 0, 0);
    begin(f, 0);
    link_to(f, B, 0);
    link_to(f, B, BOOT);
    tick_now(f);
    assert_int_equal(sent(f, B, MSG_GREATEST_GET)->greatest_get.op, TOKEN(TOKEN_FLUSH, number));
    assert_null(sent(f, C, MSG_GREATEST_GET));
    tell(f, B, number, 0, 0);
    tell(f, C, number, 0, 0);
    assert_int_not_equal(stored(f, &stamp), 0);
}

static void next_epoch(struct fixture *f)
{
    begin(f, 0);
    f->layout.epoch++;
    adopt(f);
    tick_now(f);
}

static void test_another_layout_is_asked_anew(void **state)
{
    struct fixture *f = *state;
    ask_flush(f);
    uint64_t before = asked(f), stamp, kept = 0;
    tell(f, OWN, before, 0, 0);
    next_epoch(f);
    uint64_t number = asked(f);
    assert_int_not_equal(number, before);
    assert_int_equal(sent(f, B, MSG_GREATEST_GET)->greatest_get.epoch, f->layout.epoch);
    tell(f, B, before, 0, 0); /* of an owner of the layout before */
    tell(f, OWN, number, 0, 0);
    tell(f, B, number, 0, 0);
    assert_int_equal(stored(f, &stamp), 0);
    tell(f, C, number, 0, 0);
    assert_int_not_equal(stored(f, &stamp), 0);
    next_epoch(f); /* the flush that is being stored stays what it is */
    number = stored(f, &kept);
    assert_int_equal(kept, stamp);
    store(f, OWN, number, 0);
    store(f, B, number, 0);
    store(f, C, number, 0);
    assert_int_equal(replied(f)->error, 0);
}

static void test_while_fenced_nothing_is_stored(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    set_fence(f, true);
    ask_flush(f);
    uint64_t number = asked(f), stamp;
    for (uint64_t id = A; id <= C; id++)
        tell(f, id, number, 0, 0);
    assert_int_equal(stored(f, &stamp), 0);
    begin(f, 1);
    set_fence(f, false);
    tick_now(f);
    assert_int_not_equal(stored(f, &stamp), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_asks_first_and_stores_nothing),
        TEST(test_all_members_store_one_stamp),
        TEST(test_the_stamp_is_above_all_that_was_answered),
        TEST(test_what_was_written_after_nil_was_read_stays),
        TEST(test_an_owner_that_holds_something_greater_has_stored_it_too),
        TEST(test_a_quorum_of_answers_is_enough),
        TEST(test_one_answer_is_not_enough),
        TEST(test_a_member_that_has_recovered_answers),
        TEST(test_late_answers_say_nothing),
        TEST(test_a_stamp_that_no_clock_gave_is_not_flushed),
        TEST(test_without_a_quorum_in_reach_it_fails_at_once),
        TEST(test_a_dead_member_is_not_waited_for),
        TEST(test_too_few_is_unknown_at_the_deadline),
        TEST(test_a_lost_stream_is_asked_again),
        TEST(test_another_layout_is_asked_anew),
        TEST(test_while_fenced_nothing_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
