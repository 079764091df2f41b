/* Writes that are answered and not held by all owners linger, within bounds, and leave hints. */
#include "core_coord_play.h"

/* The hint for a target in the last step's actions, NULL when there is none. */
static const struct record *hinted(const struct fixture *f, uint64_t target)
{
    for (unsigned i = 0; i < f->out.n; i++)
        if (f->out.action[i].kind == ACT_HINT_PUT && f->out.action[i].hint.target == target)
            return &f->out.action[i].hint.record;
    return NULL;
}

/* A write that B and the own store hold, so that it is answered; C's answer is awaited. */
static uint64_t write_two(struct fixture *f, const char *key, struct version *v)
{
    struct request r = {.key = slice_str(key), .value = SLICE("v")};
    const struct message *m = ask_put(f, &r);
    uint64_t op = m->put.op;
    *v = m->put.record.version;
    answer_put(f, B, op, 0, *v);
    own_put(f, op, 0, *v);
    check(f);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
    return op;
}

static void test_no_hint_when_all_answer(void **state)
{
    struct fixture *f = *state;
    struct version v;
    uint64_t op = write_two(f, "k", &v);
    assert_int_equal(f->coord.linger_n, 1);
    /* it holds a greater one: nothing is missing there */
    answer_put(f, C, op, ERR_SUPERSEDED, above(v, 1));
    assert_int_equal(f->out.n, 0);
    assert_int_equal(f->coord.linger_n, 0);
}

static void test_silent_owner_gets_a_hint_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct version v;
    write_two(f, "k", &v);
    begin(f, 1000);
    tick_now(f);
    assert_int_equal(f->out.n, 0); /* asking twice helps nobody */
    begin(f, 1000);
    tick_now(f);
    const struct record *r = hinted(f, C);
    assert_non_null(r);
    assert_int_equal(version_cmp(&r->version, &v), 0);
    assert_true(slice_eq(r->key, KEY_OF("k")) && slice_eq(r->value, SLICE("v")));
    assert_int_equal(f->out.n, 1);
    check(f);
}

static void test_dead_owner_gets_a_hint_at_once(void **state)
{
    struct fixture *f = *state;
    struct version v;
    believe(f, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    write_two(f, "k", &v);
    assert_non_null(hinted(f, C));
    assert_int_equal(f->coord.linger_n, 0);
}

static void test_lost_while_lingering(void **state)
{
    struct fixture *f = *state;
    struct version v;
    write_two(f, "k", &v);
    begin(f, 1);
    link_to(f, C, 0);
    tick_now(f);
    assert_non_null(hinted(f, C));
    link_to(f, C, BOOT);
    write_two(f, "k", &v);
    begin(f, 1);
    link_to(f, C, 0);
    link_to(f, C, BOOT); /* back before anyone looked: asked again */
    tick_now(f);
    assert_null(hinted(f, C));
    assert_non_null(sent(f, C, MSG_PUT));
}

static void test_failed_disk_gets_a_hint(void **state)
{
    struct fixture *f = *state;
    struct version v;
    uint64_t op = write_two(f, "k", &v);
    answer_put(f, C, op, ERR_IO, (struct version){0});
    assert_non_null(hinted(f, C));
}

/* No node would know of a record that the own store takes after the write has ended. So the write
 * waits for it, however long its disk stalls; the hints for the others do not. */
static void test_a_write_outlives_its_deadline_for_the_own_store(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    answer_put(f, C, op, 0, v);
    assert_int_equal(replied(f)->error, 0);
    for (unsigned i = 0; i < 20; i++) {
        begin(f, 500);
        tick_now(f);
        check(f);
        assert_int_equal(f->coord.linger_n, 1);
    }
    own_put(f, op, 0, v);
    assert_int_equal(f->coord.linger_n, 0);
    assert_null(acted(f, ACT_HINT_PUT));
}

/* The same with a silent owner, and an outcome that is unknown. */
static void test_an_unknown_write_waits_for_the_own_store_too(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    begin(f, 2000);
    tick_now(f);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_non_null(hinted(f, C));
    assert_int_equal(f->coord.linger_n, 1);
    begin(f, 2000);
    tick_now(f);
    assert_null(hinted(f, C)); /* once is enough */
    own_put(f, op, 0, v);
    assert_int_equal(f->coord.linger_n, 0);
}

static void test_deletion_is_hinted_as_a_tombstone(void **state)
{
    struct fixture *f = *state;
    believe(f, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    ask(f, OP_DEL, "k", "");
    uint64_t op = sent(f, B, MSG_GET)->get.op;
    answer_get(f, B, op, (struct version){0}, "", false);
    answer_own_read(f, op, (struct version){0}, "");
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    own_put(f, op, 0, v);
    assert_int_equal(hinted(f, C)->kind, RECORD_TOMBSTONE);
}

/* A slow owner does not take the room of new requests: the oldest write that lingers ends, with a
 * hint. */
static void test_lingering_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct version v;
    /* a key of one byte with its space, and a value of one */
    f->coord.linger_bytes_max = 100 * (sizeof(struct op) + 3);
    for (unsigned i = 0; i < 100; i++) {
        write_two(f, "k", &v);
        assert_null(hinted(f, C));
    }
    write_two(f, "l", &v);
    assert_true(slice_eq(hinted(f, C)->key, KEY_OF("k")));
    assert_int_equal(f->coord.linger_n, 100);
    for (unsigned i = 0; i < 1000; i++) { /* and as many requests as ever are taken */
        ask(f, OP_PUT, "k3", "v");
        assert_null(replied(f));
    }
    ask(f, OP_PUT, "k3", "v");
    assert_int_equal(replied(f)->error, ERR_BUSY);
}

static void test_a_large_one_takes_the_room_of_many(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[8 * 1024 * 1024];
    struct version v;
    f->coord.linger_bytes_max = sizeof large;
    for (unsigned i = 0; i < 100; i++)
        write_two(f, "small", &v);
    struct request r = {.key = SLICE("large"), .value = slice_of(large, sizeof large)};
    const struct message *m = ask_put(f, &r);
    uint64_t op = m->put.op;
    v = m->put.record.version;
    answer_put(f, B, op, 0, v);
    own_put(f, op, 0, v);
    /* one goes at once, the others at the ticks */
    assert_true(slice_eq(hinted(f, C)->key, KEY_OF("small")));
    unsigned hints = 1;
    while (deadline_ms(f) <= f->now_ms) {
        begin(f, 0);
        tick_now(f);
        hints += f->out.n;
        assert_true(f->out.n > 0 && f->out.n <= COORD_OUT_MAX);
        check(f);
    }
    assert_int_equal(hints, 101);
    assert_int_equal(f->coord.linger_n, 0);
}

static void test_draining_leaves_hints(void **state)
{
    struct fixture *f = *state;
    struct version v;
    write_two(f, "k", &v);
    assert_false(coord_drain(&f->coord));
    begin(f, 0);
    tick_now(f);
    assert_non_null(hinted(f, C));
    assert_true(coord_drain(&f->coord));
    write_two(f, "k", &v);
    assert_non_null(hinted(f, C)); /* from now on at once */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_hint_when_all_answer),
        TEST(test_silent_owner_gets_a_hint_at_the_deadline),
        TEST(test_dead_owner_gets_a_hint_at_once),
        TEST(test_lost_while_lingering),
        TEST(test_failed_disk_gets_a_hint),
        TEST(test_a_write_outlives_its_deadline_for_the_own_store),
        TEST(test_an_unknown_write_waits_for_the_own_store_too),
        TEST(test_deletion_is_hinted_as_a_tombstone),
        TEST(test_lingering_is_bounded),
        TEST(test_a_large_one_takes_the_room_of_many),
        TEST(test_draining_leaves_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
