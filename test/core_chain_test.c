/* One chain on a table: the proposer, joining, and learning what was decided. */
#include "core_chain_table.h"

/* ---- The proposer ---- */

/* Begins a round and gets its own promise stored. Returns its ballot. */
static uint64_t round_start(struct table *t)
{
    while (!sent(t, A, MSG_PREPARE))
        wait_tick(t);
    uint64_t ballot = sent(t, A, MSG_PREPARE)->prepare.ballot;
    assert_int_equal(sent(t, C, MSG_PREPARE)->prepare.ballot, ballot);
    stored(t, submitted(t), 0);
    assert_null(sent(t, A, MSG_ACCEPT));
    return ballot;
}

static void promise(struct table *t, uint64_t from, uint64_t ballot, uint64_t accepted,
                    const struct buf *v, bool records)
{
    struct message m = {.kind = MSG_PROMISE};

    m.promise = (struct msg_promise){
        .epoch = 2, .ballot = ballot, .promised = ballot, .accepted = accepted};
    m.promise.holds_records = records;
    if (v)
        m.promise.layout = buf_view(v);
    take(t, from, &m);
}

static void accepted(struct table *t, uint64_t from, uint64_t ballot)
{
    struct message m = {.kind = MSG_ACCEPTED,
                        .accepted = {.epoch = 2, .ballot = ballot, .promised = ballot}};
    take(t, from, &m);
}

static void assert_proposes(const struct table *t, const struct buf *v)
{
    const struct message *m = sent(t, A, MSG_ACCEPT);

    assert_non_null(m);
    assert_true(slice_eq(m->accept.layout, buf_view(v)));
}

/* A formation from JOIN to adoption; the proposer accepts last, and adopts when that is durable. */
static void test_formation(void **state)
{
    struct table *t = table_new();

    (void)state;
    join(t, D);
    uint64_t ballot = round_start(t);
    promise(t, A, ballot, 0, NULL, false);
    assert_null(sent(t, A, MSG_ACCEPT)); /* a majority, but not all */
    promise(t, C, ballot, 0, NULL, false);
    assert_proposes(t, &t->with_d);
    assert_false(chain_fenced(&t->chain));
    accepted(t, A, ballot);
    accepted(t, A, ballot);
    assert_false(chain_fenced(&t->chain));
    accepted(t, C, ballot);
    assert_true(chain_fenced(&t->chain));
    stored(t, submitted(t), 0);
    assert_int_equal(chain_layout(&t->chain)->epoch, 1);
    stored(t, submitted(t), 0);
    assert_int_equal(chain_layout(&t->chain)->epoch, 2);
    assert_int_equal(chain_layout(&t->chain)->member_n, 4);
    assert_false(chain_fenced(&t->chain));
    wait_tick(t);
    assert_true(slice_eq(sent(t, D, MSG_LAYOUT)->layout.layout, buf_view(&t->with_d)));
    assert_non_null(sent(t, A, MSG_LAYOUT));
    table_free(t);
}

/* What A and C report of values that they accepted, and what must be proposed then. B accepted
 * nothing itself, D waits. */
static void test_selection(void **state)
{
    enum { NOTHING, SAME, WITH_D, WITH_E };
    static const struct {
        uint64_t a_ballot;
        int a_value;
        uint64_t c_ballot;
        int c_value;
        int proposed;
    } rule[] = {
        {0, NOTHING, 0, NOTHING, WITH_D}, {5, SAME, 0, NOTHING, SAME},
        {5, WITH_E, 9, SAME, SAME},   /* the highest ballot counts */
        {9, WITH_E, 5, SAME, WITH_D}, /* E's formation is not B's, so nothing is chosen */
        {5, WITH_E, 5, WITH_E, WITH_D},   {9, WITH_E, 5, WITH_D, WITH_D},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rule / sizeof *rule; i++) {
        struct table *t = table_new();
        const struct buf *v[] = {NULL, &t->same, &t->with_d, &t->with_e};
        join(t, D);
        uint64_t ballot = round_start(t);
        promise(t, A, ballot, rule[i].a_ballot, v[rule[i].a_value], false);
        if (!sent(t, A, MSG_ACCEPT)) /* for SAME a majority is enough */
            promise(t, C, ballot, rule[i].c_ballot, v[rule[i].c_value], false);
        assert_proposes(t, v[rule[i].proposed]);
        table_free(t);
    }
}

/* All three accepted E's formation, at three different ballots: it may be chosen at none, or at the
 * lowest; it is proposed again. */
static void test_uniform_formation(void **state)
{
    struct table *t = table_new();

    (void)state;
    accept_value(t, A, 3, &t->with_e);
    stored(t, submitted(t), 0);
    join(t, D);
    uint64_t ballot = round_start(t);
    promise(t, A, ballot, 5, &t->with_e, false);
    for (int i = 0; i < 20; i++) /* out of patience many times over: only C knows */
        wait_tick(t);
    assert_true(t->now_ms > NOW_MS + CHAIN_PATIENCE_MS);
    assert_null(sent(t, A, MSG_ACCEPT));
    promise(t, C, ballot, 9, &t->with_e, false);
    assert_proposes(t, &t->with_e);
    table_free(t);
}

static void test_records_refuse(void **state)
{
    struct table *t = table_new();

    (void)state;
    join(t, D);
    uint64_t ballot = round_start(t);
    promise(t, A, ballot, 0, NULL, true);
    const struct msg_join_no *no = &sent(t, D, MSG_JOIN_NO)->join_no;
    assert_int_equal(no->error, (uint32_t)ERR_HOLDS_RECORDS);
    assert_non_null(memmem(no->text.p, no->text.n, "0000000000000001 holds records", 30));
    promise(t, C, ballot, 0, NULL, false);
    assert_null(sent(t, A, MSG_ACCEPT));
    assert_false(chain_forming(&t->chain));
    join(t, E);
    assert_int_equal(sent(t, E, MSG_JOIN_NO)->join_no.error, (uint32_t)ERR_HOLDS_RECORDS);
    table_free(t);
}

/* A accepted, then C came to hold a record, or died: the proposer prepares again and frees A. */
static void test_formation_ends(void **state)
{
    for (int dies = 0; dies < 2; dies++) {
        struct table *t = table_new();
        (void)state;
        join(t, D);
        uint64_t ballot = round_start(t);
        promise(t, A, ballot, 0, NULL, false);
        promise(t, C, ballot, 0, NULL, false);
        assert_proposes(t, &t->with_d);
        accepted(t, A, ballot);
        if (!dies) {
            struct message no = {.kind = MSG_ACCEPTED};
            no.accepted = (struct msg_accepted){
                .epoch = 2, .ballot = ballot, .error = (uint32_t)ERR_HOLDS_RECORDS};
            take(t, C, &no);
        }
        uint64_t again = round_start(t);
        assert_true(again > ballot);
        promise(t, A, again, ballot, &t->with_d, false);
        if (dies) {
            while (!sent(t, A, MSG_ACCEPT))
                wait_tick(t);
            assert_true(t->now_ms < NOW_MS + 3 * CHAIN_PATIENCE_MS);
        } else {
            promise(t, C, again, 0, NULL, true);
        }
        assert_proposes(t, &t->same);
        table_free(t);
    }
}

/* Who accepted feels responsible when the proposer falls silent. */
static void test_silent_proposer(void **state)
{
    struct table *t = table_new();

    (void)state;
    accept_value(t, A, 100, &t->with_d);
    stored(t, submitted(t), 0);
    round_start(t);
    assert_true(t->now_ms >= NOW_MS + CHAIN_PATIENCE_MS &&
                t->now_ms <= NOW_MS + 2 * CHAIN_PATIENCE_MS);
    table_free(t);
}

/* A higher ballot came by: ours is void, and we let the other one finish. */
static void test_yield(void **state)
{
    struct table *t = table_new();

    (void)state;
    join(t, D);
    uint64_t ballot = round_start(t);
    prepare(t, C, ballot + 1);
    promise(t, A, ballot, 0, NULL, false);
    promise(t, C, ballot, 0, NULL, false);
    assert_null(sent(t, A, MSG_ACCEPT));
    assert_true(chain_protocol.deadline_ms(&t->chain, at(t)) > t->now_ms + CHAIN_PATIENCE_MS);
    table_free(t);
}

/* ---- Joining and learning ---- */

static void test_join_answers(void **state)
{
    struct table *t = table_new();
    struct message m = {.kind = MSG_JOIN, .join = {.weight = 100, .name = SLICE("b")}};

    (void)state;
    (void)cast_believe(cast_make(&t->cast, A), (struct addr){.family = 4}, MEMBER_ALIVE,
                       SLICE("b"));
    take(t, D, &m);
    assert_int_equal(sent(t, D, MSG_JOIN_NO)->join_no.error, (uint32_t)ERR_NAME_TAKEN);
    assert_non_null(memmem(sent(t, D, MSG_JOIN_NO)->join_no.text.p, 12, "\"b\"", 3));
    m.join.name = SLICE("d");
    m.join.weight = 0;
    take(t, D, &m);
    assert_int_equal(sent(t, D, MSG_JOIN_NO)->join_no.error, (uint32_t)ERR_REFUSED);
    m.join.weight = 1;
    take(t, A, &m); /* it is in */
    assert_true(slice_eq(sent(t, A, MSG_LAYOUT)->layout.layout, buf_view(&t->bytes)));
    for (uint64_t id = 10; id < 10 + CHAIN_JOINERS; id++) {
        take(t, id, &m);
        assert_null(sent(t, id, MSG_JOIN_NO));
    }
    take(t, D, &m);
    assert_int_equal(sent(t, D, MSG_JOIN_NO)->join_no.error, (uint32_t)ERR_BUSY);
    table_free(t);
}

/* A joiner that fell silent is not let in: it would be a dead member. */
static void test_silent_joiner(void **state)
{
    struct table *t = table_new();

    (void)state;
    join(t, D);
    uint64_t ballot = round_start(t);
    promise(t, A, ballot, 0, NULL, false);
    t->now_ms += CHAIN_JOINER_FRESH_MS;
    promise(t, C, ballot, 0, NULL, false);
    assert_null(sent(t, A, MSG_ACCEPT));
    assert_false(chain_forming(&t->chain));
    table_free(t);
}

static void test_learning(void **state)
{
    struct table *t = table_new();
    struct message m = {.kind = MSG_LAYOUT, .layout = {.layout = buf_view(&t->with_d)}};

    (void)state;
    out_clear(&t->out);
    chain_seen(&t->chain, at(t), A, 2, &t->out);
    assert_int_equal(sent(t, A, MSG_LAYOUT_GET)->layout_get.epoch, 2);
    chain_seen(&t->chain, at(t), A, 2, &t->out); /* not with every packet */
    assert_int_equal(t->out.n, 1);
    take(t, A, &m);
    stored(t, submitted(t), ERR_IO);
    assert_int_equal(chain_layout(&t->chain)->epoch, 1);
    wait_tick(t);
    stored(t, submitted(t), 0);
    assert_int_equal(chain_layout(&t->chain)->epoch, 2);
    m.layout.layout = buf_view(&t->bytes); /* an older one */
    take(t, A, &m);
    assert_int_equal(submitted(t), 0);
    table_free(t);
}

/* A layout at the end of all epochs, once adopted, would have been the last. */
static void test_epochs_that_cannot_be_true(void **state)
{
    static const uint64_t too_far[] = {CHAIN_EPOCH_LEAP + 2, LAYOUT_EPOCH_MAX, LAYOUT_EPOCH_MAX + 1,
                                       UINT64_MAX};
    struct table *t = table_new();
    struct message m = {.kind = MSG_LAYOUT};
    struct buf bytes;

    (void)state;
    buf_init(&bytes, MESSAGE_MAX);
    out_clear(&t->out);
    /* a word in a datagram: a reason to ask for what lies above ours */
    chain_seen(&t->chain, at(t), A, UINT64_MAX, &t->out);
    assert_int_equal(sent(t, A, MSG_LAYOUT_GET)->layout_get.epoch, 2);
    for (unsigned i = 0; i <= 4; i++) {
        t->layout.epoch = i < 4 ? too_far[i] : CHAIN_EPOCH_LEAP + 1;
        bytes.n = 0;
        assert_int_equal(layout_encode(&bytes, &t->layout), 0);
        m.layout.layout = buf_view(&bytes);
        take(t, A, &m);
        assert_int_equal(submitted(t) > 0, i == 4);
    }
    buf_close(&bytes);
    table_free(t);
}

static void another_secret(struct layout *l)
{
    l->secret.b[3]++;
}

static void another_generation(struct layout *l)
{
    l->generation++;
}

static void another_generation_id(struct layout *l)
{
    l->generation_id++;
}

/* A change of owners in stages: this release would not know which to write to. */
static void a_change_of_owners(struct layout *l)
{
    struct layout settled;
    layout_init(&settled);
    assert_int_equal(layout_copy(&settled, l), 0);
    struct layout was = *l;
    l->stage = LAYOUT_STAGE_1;
    l->next = (struct layout_table){.n = was.n, .w = was.w, .r = was.r};
    assert_int_equal(layout_allocate(l), 0);
    layout_close(&was);
    memcpy(l->member, settled.member, l->member_n * sizeof *l->member);
    memcpy(l->changed, settled.changed, l->vnodes * sizeof *l->changed);
    size_t places = (size_t)l->vnodes * l->n;
    memcpy(l->owner, settled.owner, places * sizeof *l->owner);
    memcpy(l->since, settled.since, places * sizeof *l->since);
    memcpy(l->next.owner, settled.owner, places * sizeof *l->owner);
    memcpy(l->next.since, settled.since, places * sizeof *l->since);
    layout_close(&settled);
}

/* A place that was owned before has the date of now: its owner would count as one that lacks the
 * records that it holds. */
static void a_later_date(struct layout *l)
{
    l->changed[0] = l->since[0] = l->epoch;
}

static struct buf spoiled(const struct buf *value, void (*spoil)(struct layout *l))
{
    struct layout l;
    struct buf bytes;
    layout_init(&l);
    buf_init(&bytes, MESSAGE_MAX);
    assert_int_equal(layout_decode(buf_view(value), &l), 0);
    spoil(&l);
    assert_int_equal(layout_encode(&bytes, &l), 0);
    layout_close(&l);
    return bytes;
}

/* Neither voted for nor, where no vote of ours is asked, adopted. */
static void test_layouts_that_do_not_follow(void **state)
{
    static void (*const spoilers[])(struct layout *) = {another_secret, another_generation,
                                                        another_generation_id, a_change_of_owners,
                                                        a_later_date};
    struct table *t = table_new();
    struct message m = {.kind = MSG_LAYOUT};

    (void)state;
    for (unsigned i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
        struct buf bytes = spoiled(&t->same, spoilers[i]);
        accept_value(t, A, 1 << 16, &bytes);
        assert_int_equal(submitted(t), 0);
        m.layout.layout = buf_view(&bytes);
        /* a decided one is taken at its word: it may lie several epochs above ours */
        if (spoilers[i] != a_later_date)
            take(t, A, &m);
        assert_int_equal(submitted(t), 0);
        buf_close(&bytes);
    }
    accept_value(t, A, 1 << 16, &t->same);
    assert_true(submitted(t) > 0);
    table_free(t);
}

/* A joiner asks around, and takes a layout that has it, no other. */
static void test_joiner(void **state)
{
    struct table *t = table_new();
    struct chain_options o = {.self = D, .seed = 3};
    struct msg_join ask = {.weight = 100, .name = SLICE("d")};
    struct message m = {.kind = MSG_LAYOUT};
    struct slice why;

    (void)state;
    chain_protocol.close(&t->chain);
    assert_int_equal(chain_init(&t->chain, at(t), &o), 0);
    out_clear(&t->out);
    chain_join(&t->chain, at(t), A, (struct addr){0}, &ask, &t->out);
    assert_non_null(sent(t, A, MSG_JOIN));
    out_clear(&t->out);
    chain_join(&t->chain, at(t), C, (struct addr){0}, &ask, &t->out);
    assert_non_null(sent(t, C, MSG_JOIN));
    wait_tick(t);
    assert_non_null(sent(t, A, MSG_JOIN));
    wait_tick(t);
    assert_non_null(sent(t, C, MSG_JOIN));
    m.layout.layout = buf_view(&t->with_e);
    take(t, A, &m);
    assert_int_equal(submitted(t), 0);
    m.layout.layout = buf_view(&t->with_d);
    take(t, A, &m);
    stored(t, submitted(t), 0);
    assert_int_equal(chain_layout(&t->chain)->epoch, 2);
    assert_int_equal(chain_protocol.deadline_ms(&t->chain, at(t)), UINT64_MAX);
    assert_int_equal(chain_refused(&t->chain, &why), 0);
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formation),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_uniform_formation),
        cmocka_unit_test(test_records_refuse),
        cmocka_unit_test(test_formation_ends),
        cmocka_unit_test(test_silent_proposer),
        cmocka_unit_test(test_yield),
        cmocka_unit_test(test_join_answers),
        cmocka_unit_test(test_silent_joiner),
        cmocka_unit_test(test_learning),
        cmocka_unit_test(test_joiner),
        cmocka_unit_test(test_epochs_that_cannot_be_true),
        cmocka_unit_test(test_layouts_that_do_not_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
