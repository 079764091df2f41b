/* The coordinator alone: three owners, of which the coordinator is the first; the test plays the peers and the store. */
#include "core_coord.h"

static void ask(struct fixture *f, enum op_kind kind, const char *key, const char *value)
{
    begin(f, 0);
    struct request r = {.token = 77, .kind = kind, .key = slice_str(key), .value = slice_str(value)};
    coord_request(&f->coord, &r, &f->out);
    coord_check(&f->coord);
}

static uint32_t reach_ms = 10000; /* how far back the owners remember */

static void answer_put(struct fixture *f, uint64_t from, uint64_t op, int error, struct version held)
{
    begin(f, 1);
    struct message m = {.kind = MSG_PUT_ACK};
    m.put_ack = (struct msg_put_ack){.op = op, .epoch = 1, .error = (uint32_t)error, .held = held, .reach_ms = reach_ms};
    assert_true(coord_message(&f->coord, from, &m, &f->out));
    coord_check(&f->coord);
}

static void answer_get(struct fixture *f, uint64_t from, uint64_t op, struct version v, const char *value, bool with_value)
{
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    uint8_t kind = v.stamp == 0 ? RECORD_NONE : v.deleted ? RECORD_TOMBSTONE : RECORD_VALUE;
    m.got = (struct msg_got){.op = op, .epoch = 1, .size = (uint32_t)strlen(value), .record = {.kind = kind, .version = v}};
    if (with_value)
        m.got.record.value = slice_str(value);
    assert_true(coord_message(&f->coord, from, &m, &f->out));
    coord_check(&f->coord);
}

static void answer_own_read(struct fixture *f, uint64_t token, struct version v, const char *value)
{
    begin(f, 0);
    struct record r = {.kind = v.stamp ? RECORD_VALUE : RECORD_NONE, .version = v, .value = slice_str(value)};
    coord_read(&f->coord, TOKEN_NUMBER(token), 0, &r, (uint32_t)r.value.n, &f->out);
    coord_check(&f->coord);
}

/* ---- Writes ---- */

static void test_put_is_ok_at_w_acks(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "city", "Paris");
    const struct message *b = sent(f, B, MSG_PUT), *c = sent(f, C, MSG_PUT);
    const struct action *own = acted(f, ACT_STORE_PUT);
    assert_non_null(b);
    assert_non_null(c);
    assert_non_null(own);
    assert_true(slice_eq(own->put.record.value, SLICE("Paris")));
    assert_int_equal(version_cmp(&own->put.record.version, &b->put.record.version), 0);
    uint64_t op = b->put.op;
    struct version v = b->put.record.version;
    answer_put(f, B, op, 0, v);
    assert_null(replied(f));
    answer_put(f, B, op, 0, v); /* one owner counts once */
    assert_null(replied(f));
    answer_put(f, C, op, 0, v);
    assert_non_null(replied(f));
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->token, 77);
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &v, 0, &f->out); /* late: finds nothing */
    assert_int_equal(f->out.n, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_greater_version_makes_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    assert_null(replied(f));
    answer_put(f, B, op, ERR_SUPERSEDED, held); /* what is at B may be at C too, acknowledged before we began */
    assert_null(replied(f));
    assert_null(sent(f, B, MSG_PUT));
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    const struct message *again = sent(f, B, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    assert_non_null(acted(f, ACT_STORE_PUT));
    answer_put(f, C, op, 0, first); /* a late ack of the first stamp is none of the second */
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_null(replied(f));
    answer_put(f, B, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

static void test_still_greater_counts_in_the_second_round(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 100);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, ERR_SUPERSEDED, above(second, 100));
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* Ours was seen by readers, who saw another after it: to stamp it again would turn their time around. */
static void test_superseded_after_it_was_taken_is_an_ack(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    answer_put(f, B, op, 0, held); /* taken there, and superseded since */
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &held, 0, &f->out);
    assert_int_equal(replied(f)->error, 0);
}

/* An owner does not answer, and the two others disagree. */
static uint64_t contested(struct fixture *f, struct version *held)
{
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    *held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    return op;
}

static void test_contested_and_young_is_stamped_again_when_nobody_is_awaited(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    assert_null(sent(f, B, MSG_PUT));
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(replied(f));
    assert_true(version_cmp(&sent(f, B, MSG_PUT)->put.record.version, &held) > 0);
}

/* It refuses the stamp for its floor: it must not pass for a holder, neither for ALL nor for a hint. */
static void test_too_old_is_no_holder(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    struct request r = {.token = 77, .kind = OP_PUT, .level = LEVEL_ALL, .key = SLICE("k"), .value = SLICE("mine")};
    coord_request(&f->coord, &r, &f->out);
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, floor = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, 0, first);
    answer_put(f, C, op, ERR_TOO_OLD, floor);
    assert_null(replied(f));
    const struct message *again = sent(f, C, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &floor) > 0);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &second, 0, &f->out);
    answer_put(f, B, op, 0, second);
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* What the others hold may have been acknowledged, and be above whatever we would outbid. */
static void test_one_answer_is_not_enough_for_a_second_stamp(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, ERR_SUPERSEDED, &held, reach_ms, &f->out);
    coord_peer(&f->coord, B, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(acted(f, ACT_STORE_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

static void test_contested_and_old_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 1100);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_null(sent(f, B, MSG_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* Ours was visible for a while before the greater version was heard of, and may have been read: C has to say. */
static void test_contested_late_waits_for_the_silent(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 320);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    begin(f, 300);
    coord_tick(&f->coord, &f->out);
    assert_null(replied(f));
    assert_null(sent(f, B, MSG_PUT));
    answer_put(f, C, op, 0, held); /* it took ours, from a read's repair, and what superseded it */
    assert_int_equal(replied(f)->error, 0);
}

/* It was started since, say, and may have taken ours before. */
static void test_what_an_owner_forgot_makes_no_second_stamp(void **state)
{
    struct fixture *f = *state;
    struct version held;
    uint64_t op = contested(f, &held);
    begin(f, 10);
    reach_ms = 5;
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    reach_ms = 10000;
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(sent(f, B, MSG_PUT));
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
}

/* B lost its disk, and with it perhaps what C has and ours must outbid. */
static void test_an_owner_that_lost_its_disk_does_not_outvote_another(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version, held = above(first, 400);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, ERR_RECOVERING, first);
    assert_null(replied(f));
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    assert_null(replied(f));
    const struct message *again = sent(f, B, MSG_PUT);
    assert_non_null(again);
    struct version second = again->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    answer_put(f, B, op, ERR_RECOVERING, second); /* the order is certain by now: it counts */
    assert_null(replied(f));
    answer_put(f, C, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

/* The same, and it is this node that lost its disk. */
static void test_an_own_disk_that_was_lost_does_not_outvote_others(void **state)
{
    struct fixture *f = *state;
    static uint8_t lost[VNODES_MAX];
    memset(lost, 1, sizeof lost);
    coord_lost(&f->coord, lost);
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version first = sent(f, B, MSG_PUT)->put.record.version;
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &first, 0, &f->out);
    answer_put(f, B, op, 0, first);
    assert_null(replied(f));
    answer_put(f, C, op, ERR_SUPERSEDED, above(first, 400));
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    assert_true(second.stamp > above(first, 400).stamp);
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &second, 0, &f->out);
    answer_put(f, B, op, 0, second);
    assert_int_equal(replied(f)->error, 0);
}

static void test_a_far_future_version_is_outbid_but_not_believed(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "mine");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    struct version held = above(sent(f, B, MSG_PUT)->put.record.version, 3600 * 1000);
    answer_put(f, B, op, ERR_SUPERSEDED, held);
    answer_put(f, C, op, ERR_SUPERSEDED, held);
    struct version second = sent(f, B, MSG_PUT)->put.record.version;
    assert_true(version_cmp(&second, &held) > 0);
    ask(f, OP_PUT, "other", "x"); /* an hour's error of one node must not spread to other keys */
    assert_true(hlc_wall_ms(sent(f, B, MSG_PUT)->put.record.version.stamp) < WALL_MS + 1000);
}

static void test_no_quorum_is_refused_before_anything_is_sent(void **state)
{
    struct fixture *f = *state;
    coord_peer(&f->coord, B, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    ask(f, OP_PUT, "k", "v");
    assert_int_equal(replied(f)->error, ERR_NO_QUORUM);
    assert_int_equal(replied(f)->answered, 1);
    assert_int_equal(replied(f)->needed, 2);
    assert_null(acted(f, ACT_STORE_PUT));
}

static void test_deadline_makes_a_sent_write_unknown(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    begin(f, 2000);
    coord_tick(&f->coord, &f->out);
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(replied(f)->answered, 0);
    assert_int_equal(coord_in_flight(&f->coord), 0);
}

static void test_refused_everywhere_is_failed_not_unknown(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    answer_put(f, B, op, ERR_NO_SPACE, (struct version){0});
    assert_null(replied(f));
    begin(f, 1);
    coord_stored(&f->coord, op, ERR_NO_SPACE, &(struct version){0}, 0, &f->out);
    assert_non_null(replied(f)); /* C was sent it and has not said no */
    assert_int_equal(replied(f)->error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(replied(f)->cause, ERR_NO_SPACE); /* but the operator hears why */
    ask(f, OP_PUT, "k", "v");
    op = sent(f, B, MSG_PUT)->put.op;
    answer_put(f, C, op, ERR_NO_SPACE, (struct version){0});
    answer_put(f, B, op, ERR_FORMING, (struct version){0});
    begin(f, 1);
    coord_stored(&f->coord, op, ERR_NO_SPACE, &(struct version){0}, 0, &f->out);
    assert_int_equal(replied(f)->error, ERR_NO_SPACE);
}

static void test_lost_stream_is_sent_again_when_it_is_back(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_PUT, "k", "v");
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    begin(f, 1);
    coord_link(&f->coord, B, false);
    coord_tick(&f->coord, &f->out);
    assert_null(sent(f, B, MSG_PUT)); /* not while it is held off */
    begin(f, 10);
    coord_link(&f->coord, B, true);
    assert_true(coord_deadline_ms(&f->coord) <= f->now_ms);
    coord_tick(&f->coord, &f->out);
    assert_non_null(sent(f, B, MSG_PUT));
    assert_null(sent(f, C, MSG_PUT)); /* C's is still on its way */
    assert_int_equal(version_cmp(&sent(f, B, MSG_PUT)->put.record.version, &v), 0);
}

static void test_fence_holds_writes_until_the_layout(void **state)
{
    struct fixture *f = *state;
    coord_fence(&f->coord, true);
    ask(f, OP_PUT, "k", "v");
    assert_int_equal(f->out.n, 0);
    coord_fence(&f->coord, false);
    begin(f, 5);
    coord_tick(&f->coord, &f->out);
    assert_non_null(sent(f, B, MSG_PUT));
    coord_fence(&f->coord, true);
    ask(f, OP_PUT, "k2", "v");
    begin(f, 2000);
    coord_tick(&f->coord, &f->out); /* the first is unknown, and leaves two hints; the second was never sent */
    assert_int_equal(f->out.n, 4);
    assert_int_equal(f->out.action[0].reply.error, ERR_UNKNOWN_OUTCOME);
    assert_int_equal(f->out.action[3].reply.error, ERR_FORMING);
}

/* ---- Hints ---- */

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
    ask(f, OP_PUT, key, "v");
    const struct message *m = sent(f, B, MSG_PUT);
    uint64_t op = m->put.op;
    *v = m->put.record.version;
    answer_put(f, B, op, 0, *v);
    begin(f, 0);
    coord_stored(&f->coord, op, 0, v, 0, &f->out);
    coord_check(&f->coord);
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
    answer_put(f, C, op, ERR_SUPERSEDED, above(v, 1)); /* it holds a greater one: nothing is missing there */
    assert_int_equal(f->out.n, 0);
    assert_int_equal(f->coord.linger_n, 0);
}

static void test_silent_owner_gets_a_hint_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct version v;
    write_two(f, "k", &v);
    begin(f, 1000);
    coord_tick(&f->coord, &f->out);
    assert_int_equal(f->out.n, 0); /* asking twice helps nobody */
    begin(f, 1000);
    coord_tick(&f->coord, &f->out);
    const struct record *r = hinted(f, C);
    assert_non_null(r);
    assert_int_equal(version_cmp(&r->version, &v), 0);
    assert_true(slice_eq(r->key, SLICE("k")) && slice_eq(r->value, SLICE("v")));
    assert_int_equal(f->out.n, 1);
    coord_check(&f->coord);
}

static void test_dead_owner_gets_a_hint_at_once(void **state)
{
    struct fixture *f = *state;
    struct version v;
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
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
    coord_link(&f->coord, C, false);
    coord_tick(&f->coord, &f->out);
    assert_non_null(hinted(f, C));
    coord_link(&f->coord, C, true);
    write_two(f, "k", &v);
    begin(f, 1);
    coord_link(&f->coord, C, false);
    coord_link(&f->coord, C, true); /* back before anyone looked: asked again */
    coord_tick(&f->coord, &f->out);
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

static void test_deletion_is_hinted_as_a_tombstone(void **state)
{
    struct fixture *f = *state;
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 7003}, MEMBER_DEAD);
    ask(f, OP_DEL, "k", "");
    uint64_t op = sent(f, B, MSG_GET)->get.op;
    answer_get(f, B, op, (struct version){0}, "", false);
    answer_own_read(f, op, (struct version){0}, "");
    struct version v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &v, 0, &f->out);
    assert_int_equal(hinted(f, C)->kind, RECORD_TOMBSTONE);
}

/* A slow owner does not take the room of new requests: the oldest that lingers goes, with a hint. */
static void test_lingering_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct version v;
    f->coord.linger_bytes_max = 100 * (sizeof(struct op) + 2);
    for (unsigned i = 0; i < 100; i++) {
        write_two(f, "k", &v);
        assert_null(hinted(f, C));
    }
    write_two(f, "l", &v);
    assert_true(slice_eq(hinted(f, C)->key, SLICE("k")));
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
    begin(f, 0);
    struct request r = {.token = 77, .kind = OP_PUT, .key = SLICE("large"), .value = slice_of(large, sizeof large)};
    coord_request(&f->coord, &r, &f->out);
    uint64_t op = sent(f, B, MSG_PUT)->put.op;
    v = sent(f, B, MSG_PUT)->put.record.version;
    answer_put(f, B, op, 0, v);
    begin(f, 0);
    coord_stored(&f->coord, op, 0, &v, 0, &f->out);
    assert_true(slice_eq(hinted(f, C)->key, SLICE("small"))); /* one goes at once, the others at the ticks */
    unsigned hints = 1;
    while (coord_deadline_ms(&f->coord) <= f->now_ms) {
        begin(f, 0);
        coord_tick(&f->coord, &f->out);
        hints += f->out.n;
        assert_true(f->out.n > 0 && f->out.n <= COORD_OUT_MAX);
        coord_check(&f->coord);
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
    coord_tick(&f->coord, &f->out);
    assert_non_null(hinted(f, C));
    assert_true(coord_drain(&f->coord));
    write_two(f, "k", &v);
    assert_non_null(hinted(f, C)); /* from now on at once */
}

/* ---- Reads ---- */

static const struct version V1 = {.stamp = 100, .node = B, .digest = 1}, V2 = {.stamp = 200, .node = C, .digest = 2},
                            NO_VERSION = {0};

static uint64_t ask_get(struct fixture *f, uint64_t *token, uint64_t *peer)
{
    ask(f, OP_GET, "k", "");
    const struct action *own = acted(f, ACT_STORE_GET);
    assert_non_null(own);
    assert_int_equal(own->get.wants, GET_VALUE);
    *token = own->get.token;
    *peer = sent(f, B, MSG_GET) ? B : C;
    const struct message *m = sent(f, *peer, MSG_GET);
    assert_non_null(m);
    assert_int_equal(m->get.wants, GET_DIGEST);
    assert_int_equal(f->out.n, 2); /* R = 2: nobody else is bothered */
    return m->get.op;
}

static void test_get_agrees(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V1, "old");
    assert_null(replied(f));
    answer_get(f, peer, op, V1, "old", false);
    assert_true(slice_eq(replied(f)->record.value, SLICE("old")));
}

static void test_get_of_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_get(f, peer, op, NO_VERSION, "", false);
    answer_own_read(f, token, NO_VERSION, "");
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->record.kind, RECORD_NONE);
}

static void test_stale_coordinator_fetches_repairs_then_replies(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V1, "old");
    answer_get(f, peer, op, V2, "newer", false);
    const struct message *fetch = sent(f, peer, MSG_GET);
    assert_non_null(fetch);
    assert_int_equal(fetch->get.wants, GET_VALUE);
    answer_get(f, peer, op, V2, "newer", true);
    assert_null(replied(f)); /* only one owner holds it */
    const struct action *repair = acted(f, ACT_STORE_PUT);
    assert_non_null(repair);
    assert_int_equal(version_cmp(&repair->put.record.version, &V2), 0);
    assert_true(slice_eq(repair->put.record.value, SLICE("newer")));
    begin(f, 1);
    coord_stored(&f->coord, op, 0, &V2, 0, &f->out);
    assert_true(slice_eq(replied(f)->record.value, SLICE("newer")));
}

static void test_stale_peer_is_repaired_before_the_reply(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer);
    answer_own_read(f, token, V2, "newer");
    answer_get(f, peer, op, NO_VERSION, "", false);
    assert_null(replied(f));
    const struct message *repair = sent(f, peer, MSG_PUT);
    assert_non_null(repair);
    assert_true(slice_eq(repair->put.record.value, SLICE("newer")));
    answer_put(f, peer, op, 0, V2);
    assert_true(slice_eq(replied(f)->record.value, SLICE("newer")));
}

static void test_silent_owner_is_passed_over_at_the_tick(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer, op = ask_get(f, &token, &peer), other = peer == B ? C : B;
    answer_own_read(f, token, V1, "v");
    begin(f, 500);
    coord_tick(&f->coord, &f->out);
    assert_non_null(sent(f, other, MSG_GET));
    answer_get(f, other, op, V1, "v", false);
    assert_int_equal(replied(f)->error, 0);
}

static void test_hedge_follows_the_p99(void **state)
{
    (void)state;
    struct hedge h = {0};
    for (unsigned i = 0; i < HEDGE_SAMPLES_MIN - 1; i++)
        hedge_note(&h, 1);
    assert_int_equal(hedge_after_ms(&h), 0);
    hedge_note(&h, 1);
    assert_int_equal(hedge_after_ms(&h), HEDGE_MIN_MS);
    for (unsigned i = 0; i < 20; i++)
        hedge_note(&h, 40);
    assert_in_range(hedge_after_ms(&h), 41, 44);
    hedge_note(&h, UINT64_MAX);
    assert_in_range(hedge_after_ms(&h), 41, 44); /* one in two hundred */
    for (unsigned i = 0; i < 5 * HEDGE_SAMPLES_MAX; i++)
        hedge_note(&h, 10);
    assert_int_equal(hedge_after_ms(&h), 11); /* what is long past is forgotten */
}

static void test_a_slow_owner_is_hedged(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < HEDGE_SAMPLES_MIN; i++)
        hedge_note(&f->coord.hedge, 9);
    uint64_t token, peer, op = ask_get(f, &token, &peer), other = peer == B ? C : B;
    answer_own_read(f, token, V1, "v");
    assert_int_equal(coord_deadline_ms(&f->coord), f->now_ms + 10);
    begin(f, 9);
    coord_tick(&f->coord, &f->out);
    assert_int_equal(f->out.n, 0);
    begin(f, 1);
    coord_tick(&f->coord, &f->out);
    assert_non_null(sent(f, other, MSG_GET));
    assert_null(sent(f, peer, MSG_GET));
    uint32_t samples = f->coord.hedge.n;
    answer_get(f, other, op, V1, "v", false);
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(f->coord.hedge.n, samples + 2); /* the silent one counts as slow, too */
}

static void test_broken_stream_fails_over_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t token, peer;
    (void)ask_get(f, &token, &peer);
    begin(f, 1);
    coord_link(&f->coord, peer, false);
    coord_tick(&f->coord, &f->out);
    assert_non_null(sent(f, peer == B ? C : B, MSG_GET));
}

static void test_delete_says_whether_it_existed(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_DEL, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token;
    uint64_t peer = sent(f, B, MSG_GET) ? B : C, op = sent(f, peer, MSG_GET)->get.op;
    answer_own_read(f, token, V1, "v");
    answer_get(f, peer, op, V1, "v", false);
    assert_null(replied(f));
    const struct message *m = sent(f, B, MSG_PUT);
    assert_int_equal(m->put.record.kind, RECORD_TOMBSTONE);
    assert_true(version_cmp(&m->put.record.version, &V1) > 0);
    struct version v = m->put.record.version;
    answer_put(f, B, op, 0, v);
    answer_put(f, C, op, 0, v);
    assert_true(replied(f)->existed);
}

/* It takes writes, though what it holds is not asked for: or it would lack the deletion, and get no hint of its own. */
static void test_who_cannot_be_read_is_written_to(void **state)
{
    struct fixture *f = *state;
    struct record none = {0};
    ask(f, OP_DEL, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token;
    uint64_t peer = sent(f, B, MSG_GET) ? B : C, op = sent(f, peer, MSG_GET)->get.op;
    begin(f, 0);
    coord_read(&f->coord, TOKEN_NUMBER(token), ERR_RECOVERING, &none, 0, &f->out);
    answer_get(f, peer, op, V1, "v", false);
    answer_get(f, peer == B ? C : B, op, V1, "v", false);
    assert_int_equal(acted(f, ACT_STORE_PUT)->put.record.kind, RECORD_TOMBSTONE);
    assert_non_null(sent(f, B, MSG_PUT));
    assert_non_null(sent(f, C, MSG_PUT));
}

static void test_where_shows_silent_owners(void **state)
{
    struct fixture *f = *state;
    coord_peer(&f->coord, C, (struct addr){.family = 4, .port = 1}, MEMBER_DEAD);
    ask(f, OP_WHERE, "k", "");
    uint64_t token = acted(f, ACT_STORE_GET)->get.token, op = sent(f, B, MSG_GET)->get.op;
    answer_own_read(f, token, V1, "v");
    answer_get(f, B, op, V2, "w", false);
    const struct result *r = replied(f);
    assert_non_null(r);
    assert_int_equal(r->where.owner_n, 3);
    unsigned answered = 0;
    for (unsigned i = 0; i < 3; i++)
        answered += r->where.owner[i].answered;
    assert_int_equal(answered, 2);
}

/* ---- Many at once ---- */

static void test_a_death_under_many_operations_is_sliced(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        ask(f, OP_GET, key, "");
    }
    ask(f, OP_GET, "one more", "");
    assert_int_equal(replied(f)->error, ERR_BUSY);
    begin(f, 1);
    coord_link(&f->coord, B, false);
    unsigned asked = 0, steps = 0;
    while (coord_deadline_ms(&f->coord) <= f->now_ms) {
        begin(f, 0);
        coord_tick(&f->coord, &f->out);
        assert_true(f->out.n <= COORD_OUT_MAX);
        asked += f->out.n;
        steps++;
    }
    assert_true(asked > 300 && asked < 700); /* about half had asked B */
    assert_true(steps > 5);
}

static void test_count_takes_the_greatest_answer_of_an_owner(void **state)
{
    struct fixture *f = *state;
    ask(f, OP_COUNT, "", "");
    begin(f, 0);
    coord_tick(&f->coord, &f->out);
    const struct message *m = sent(f, B, MSG_COUNT);
    assert_non_null(m);
    uint64_t number = m->count.op;
    assert_non_null(acted(f, ACT_STORE_COUNT));
    uint32_t own[16] = {5, 1}, b[16] = {4, 2}, c[16] = {0};
    begin(f, 1);
    coord_counted(&f->coord, number, slice_of(own, sizeof own), &f->out);
    for (uint64_t id = B; id <= C; id++) {
        struct message a = {.kind = MSG_COUNTED};
        a.counted = (struct msg_counted){.op = number, .counts = slice_of(id == B ? b : c, sizeof b)};
        assert_null(replied(f));
        assert_true(coord_message(&f->coord, id, &a, &f->out));
    }
    assert_int_equal(replied(f)->error, 0);
    assert_int_equal(replied(f)->count, 7);
    assert_int_equal(coord_deadline_ms(&f->coord), UINT64_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_put_is_ok_at_w_acks),
        TEST(test_greater_version_makes_a_second_stamp),
        TEST(test_still_greater_counts_in_the_second_round),
        TEST(test_superseded_after_it_was_taken_is_an_ack),
        TEST(test_contested_and_young_is_stamped_again_when_nobody_is_awaited),
        TEST(test_too_old_is_no_holder),
        TEST(test_one_answer_is_not_enough_for_a_second_stamp),
        TEST(test_contested_and_old_is_unknown),
        TEST(test_contested_late_waits_for_the_silent),
        TEST(test_what_an_owner_forgot_makes_no_second_stamp),
        TEST(test_an_owner_that_lost_its_disk_does_not_outvote_another),
        TEST(test_an_own_disk_that_was_lost_does_not_outvote_others),
        TEST(test_a_far_future_version_is_outbid_but_not_believed),
        TEST(test_no_quorum_is_refused_before_anything_is_sent),
        TEST(test_deadline_makes_a_sent_write_unknown),
        TEST(test_refused_everywhere_is_failed_not_unknown),
        TEST(test_lost_stream_is_sent_again_when_it_is_back),
        TEST(test_fence_holds_writes_until_the_layout),
        TEST(test_no_hint_when_all_answer),
        TEST(test_silent_owner_gets_a_hint_at_the_deadline),
        TEST(test_dead_owner_gets_a_hint_at_once),
        TEST(test_lost_while_lingering),
        TEST(test_failed_disk_gets_a_hint),
        TEST(test_deletion_is_hinted_as_a_tombstone),
        TEST(test_lingering_is_bounded),
        TEST(test_a_large_one_takes_the_room_of_many),
        TEST(test_draining_leaves_hints),
        TEST(test_get_agrees),
        TEST(test_get_of_nothing),
        TEST(test_stale_coordinator_fetches_repairs_then_replies),
        TEST(test_stale_peer_is_repaired_before_the_reply),
        TEST(test_silent_owner_is_passed_over_at_the_tick),
        cmocka_unit_test(test_hedge_follows_the_p99),
        TEST(test_a_slow_owner_is_hedged),
        TEST(test_broken_stream_fails_over_at_once),
        TEST(test_delete_says_whether_it_existed),
        TEST(test_who_cannot_be_read_is_written_to),
        TEST(test_where_shows_silent_owners),
        TEST(test_a_death_under_many_operations_is_sliced),
        TEST(test_count_takes_the_greatest_answer_of_an_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
