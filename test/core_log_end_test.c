/* The ends of logs: what a restart, a loss and an old copy look like to a peer that remembers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "core/log_end/log_end.h"

enum { SELF = 1, PEER = 2, OTHER = 3 };

static struct out out;

static struct log_position at(uint64_t end)
{
    return (struct log_position){.end = end};
}

/* A node's state, as its disk has it from one start to the next. */
struct disk {
    uint8_t boots[4096], ends[4096];
    size_t boots_n, ends_n;
};

static void start(struct log_end *r, const struct disk *d, uint64_t boot, uint64_t position)
{
    struct log_end_options o = {.self = SELF,
                                .boot = boot,
                                .position = position,
                                .boots = slice_of(d->boots, d->boots_n),
                                .ends = slice_of(d->ends, d->ends_n)};
    assert_int_equal(log_end_init(r, &o), 0);
    assert_int_equal(log_end_announced(r).end, 0); /* before its boot is written down */
}

/* Saves whatever is to be saved. */
static void save(struct log_end *r, struct disk *d, uint64_t now_ms, bool riding)
{
    out_clear(&out);
    log_end_save(r, now_ms, riding, &out);
    for (unsigned i = 0; i < out.n; i++) {
        const struct record *put = &out.action[i].put.record;
        bool boots = TOKEN_NUMBER(out.action[i].put.token) == 1;
        memcpy(boots ? d->boots : d->ends, put->value.p, put->value.n);
        *(boots ? &d->boots_n : &d->ends_n) = put->value.n;
        if (boots)
            log_end_protocol.stored(r, NULL, TOKEN_NUMBER(out.action[i].put.token),
                                    &(struct event){.kind = EV_STORED}, &out);
    }
    log_end_protocol.check(r, NULL);
}

/* A peer's hello has a mark of our log. Whether it tells of a loss. */
static bool tells_of_loss(struct log_end *r, uint64_t boot, uint64_t position)
{
    struct log_end_mark m = {SELF, boot, position, 0};
    bool lost = log_end_compare(r, slice_of(&m, sizeof m));
    log_end_protocol.check(r, NULL);
    return lost;
}

static void an_honest_restart_has_lost_nothing(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    assert_int_equal(log_end_announced(&r).end, 1000);
    log_end_position(&r, 5000);
    assert_int_equal(log_end_announced(&r).end, 5000);
    assert_false(tells_of_loss(&r, 10, 4000));
    log_end_protocol.close(&r);
    start(&r, &d, 11, 5000);
    assert_false(tells_of_loss(&r, 10, 5000));
    log_end_protocol.close(&r);
}

/* A loss is settled when it was found, at later starts too; and what is announced does not go
 * back. */
static void a_log_that_ends_early_is_noticed_once(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    start(&r, &d, 11, 3000);
    save(&r, &d, 0, false);
    assert_true(tells_of_loss(&r, 10, 5000));
    assert_int_equal(log_end_announced(&r).end, 0); /* until that is durable */
    save(&r, &d, 1, false);
    assert_true(log_end_announced(&r).end > 5000);
    assert_false(tells_of_loss(&r, 10, 5000));
    assert_false(tells_of_loss(&r, 10, 5500)); /* another peer has a greater mark: the same loss, */
    assert_int_equal(log_end_announced(&r).end, 0);
    save(&r, &d, 2, false);
    assert_true(log_end_announced(&r).end > 5500); /* but the lift is above that one too */
    uint64_t announced = log_end_announced(&r).end;
    log_end_protocol.close(&r);
    start(&r, &d, 12, 3500);
    assert_false(tells_of_loss(&r, 10, 5500));
    assert_false(tells_of_loss(&r, 11, announced + 500));
    assert_true(tells_of_loss(&r, 11, announced + 501)); /* a second loss */
    save(&r, &d, 3, false);
    log_end_protocol.close(&r);
    start(&r, &d, 13, 4000);
    assert_true(r.healing);
    log_end_healing(&r, false);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    start(&r, &d, 14, 4000);
    assert_false(r.healing);
    log_end_protocol.close(&r);
}

/* Set back, and grown past its old end before it met a peer that remembers: its boots tell. */
static void an_old_copy_that_has_grown_is_noticed(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    struct disk copy = d;
    start(&r, &d, 11, 2000);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    start(&r, &copy, 12, 2000);
    log_end_position(&r, 9000);
    save(&r, &copy, 0, false);
    log_end_protocol.close(&r);
    start(&r, &copy, 13, 9000);
    assert_false(tells_of_loss(&r, 10, 2000));
    assert_false(tells_of_loss(&r, 12, 9000));
    assert_true(tells_of_loss(&r, 11, 3000));
    log_end_protocol.close(&r);
}

static void what_others_announce_is_saved_along_with_other_records(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    log_end_note(&r, PEER, 20, at(700));
    log_end_note(&r, PEER, 20, at(600));
    log_end_note(&r, SELF, 10, at(900));
    log_end_note(&r, OTHER, 30, at(0));
    log_end_note(&r, PEER, 20, at(800));
    log_end_note(&r, OTHER, 0, at(800));
    log_end_note(&r, OTHER, 30, at(LOG_END_POSITION_MAX + 1));
    save(&r, &d, LOG_END_SAVE_MS, false);
    assert_int_equal(d.ends_n, 0);
    save(&r, &d, LOG_END_SAVE_MS, true);
    log_end_note(&r, PEER, 20, at(801));
    save(&r, &d, LOG_END_SAVE_MS + 1, true); /* too soon */
    log_end_protocol.close(&r);
    start(&r, &d, 11, 2000);
    struct log_end_mark m = {PEER, 20, 800, 0};
    assert_int_equal(log_end_marks(&r).n, sizeof m);
    assert_memory_equal(log_end_marks(&r).p, &m, sizeof m);
    /* boot 21 has not had our hello yet, with our mark of 800 */
    struct log_end_mark hearsay[3] = {{PEER, 20, 750, 0}, {PEER, 21, 900, 0}, {OTHER, 31, 40, 0}};
    assert_false(log_end_compare(&r, slice_of(hearsay, sizeof hearsay)));
    assert_int_equal(r.mark[0].position, 800);
    assert_int_equal(r.mark[1].position, 40);
    assert_false(log_end_compare(&r, slice_of(hearsay, sizeof hearsay - 1))); /* no run of marks */
    log_end_protocol.close(&r);
}

static void malformed_records_are_refused(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    log_end_note(&r, PEER, 20, at(700));
    save(&r, &d, LOG_END_SAVE_MS, true);
    log_end_protocol.close(&r);
    for (unsigned bad = 0; bad < 4; bad++) {
        struct disk b = d;
        b.boots_n -= bad == 0;
        b.boots[0] = (uint8_t)(b.boots[0] + (bad == 1));
        b.ends_n -= bad == 2;
        b.ends[0] = (uint8_t)(b.ends[0] + (bad == 3));
        struct log_end_options o = {.self = SELF,
                                    .boot = 11,
                                    .boots = slice_of(b.boots, b.boots_n),
                                    .ends = slice_of(b.ends, b.ends_n)};
        assert_int_equal(log_end_init(&r, &o), ERR_BAD_MESSAGE);
        log_end_protocol.close(&r);
    }
}

/* A mark as "ends" holds it; the record is taken or not. */
static int start_with_marks(struct log_end_mark first, struct log_end_mark second)
{
    uint8_t bytes[1 + 2 * sizeof first] = {2};
    struct log_end r;
    memcpy(bytes + 1, &first, sizeof first);
    memcpy(bytes + 1 + sizeof first, &second, sizeof second);
    struct log_end_options o = {.self = SELF, .boot = 11, .ends = slice_of(bytes, sizeof bytes)};
    int error = log_end_init(&r, &o);
    log_end_protocol.close(&r);
    return error;
}

static void marks_that_nobody_writes_are_refused(void **state)
{
    (void)state;
    struct log_end_mark peer = {PEER, 20, 700, 0};
    assert_int_equal(start_with_marks(peer, (struct log_end_mark){OTHER, 30, 1, 0}), 0);
    assert_int_equal(start_with_marks(peer, (struct log_end_mark){OTHER, 30, 0, 0}),
                     ERR_BAD_MESSAGE);
    assert_int_equal(start_with_marks(peer, (struct log_end_mark){SELF, 10, 1, 0}),
                     ERR_BAD_MESSAGE);
    assert_int_equal(start_with_marks(peer, peer), ERR_BAD_MESSAGE);
}

/* The record of our boots survived where the log behind it did not. Begins do not fall, and what
 * any boot lost is noticed, also from a mark of the boot before the last. */
static void a_log_that_ends_before_its_last_boot_is_noticed(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    start(&r, &d, 11, 5000);
    save(&r, &d, 0, false);
    log_end_protocol.close(&r);
    start(&r, &d, 12, 2000);
    save(&r, &d, 0, false);
    assert_false(tells_of_loss(&r, 10, 2000));
    assert_true(tells_of_loss(&r, 10, 4000));
    save(&r, &d, LOG_END_SAVE_MS, false);
    assert_true(log_end_announced(&r).end > 4000);
    assert_true(tells_of_loss(&r, 11, 6000));
    save(&r, &d, 2 * LOG_END_SAVE_MS, false);
    assert_true(log_end_announced(&r).end > 6000);
    log_end_protocol.check(&r, NULL);
    log_end_protocol.close(&r);
}

/* A mark of our log counts only up to LOG_END_OWN_MAX; and the lift that it leads to can be saved,
 * read again, and taken by peers. */
static void positions_beyond_any_log_are_not_believed(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    assert_false(tells_of_loss(&r, 9, UINT64_MAX));
    assert_false(tells_of_loss(&r, 9, LOG_END_OWN_MAX + 1));
    assert_int_equal(log_end_announced(&r).end, 1000);
    assert_true(tells_of_loss(&r, 9, LOG_END_OWN_MAX));
    save(&r, &d, 1, false);
    log_end_protocol.close(&r);
    start(&r, &d, 11, 2000);
    save(&r, &d, 0, false);
    assert_true(log_end_announced(&r).end > LOG_END_OWN_MAX);
    assert_true(log_end_announced(&r).end < LOG_END_POSITION_MAX); /* peers still take it */
    log_end_protocol.close(&r);
}

/* A position in a datagram, which anybody can have sent, was once put on disk as it came: the
 * member was found to have lost records at its next start, and what it announced from then on was
 * no news to anybody. */
static void a_datagram_moves_a_mark_by_so_much_at_most(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    log_end_note(&r, PEER, 77, at(5000));
    log_end_note_packet(&r, PEER, 77, at(5000 + LOG_END_LEAP + 1));
    log_end_note_packet(&r, PEER, 77, at(LOG_END_POSITION_MAX));
    log_end_note_packet(&r, PEER, 77, at(UINT64_MAX));
    log_end_note_packet(&r, OTHER, 78, at(LOG_END_LEAP + 1));
    assert_int_equal(r.mark_n, 1);
    assert_int_equal(r.mark[0].position, 5000);
    log_end_note_packet(&r, PEER, 77, at(5000 + LOG_END_LEAP));
    assert_int_equal(r.mark[0].position, 5000 + LOG_END_LEAP);
    log_end_note(&r, PEER, 77, at(1ull << 50)); /* on its stream */
    assert_int_equal(r.mark[0].position, 1ull << 50);
    log_end_protocol.close(&r);
}

/* A peer of a later release has several logs, and remembers several of each member: marks of shards
 * that are not known here are passed over, and those beside them are taken. */
static void shards_that_are_not_known_are_passed_over(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    start(&r, &d, 10, 1000);
    save(&r, &d, 0, false);
    assert_int_equal(log_end_announced(&r).shard, 0);
    log_end_note(&r, PEER, 20, (struct log_position){.shard = SHARDS, .end = 700});
    log_end_note_packet(&r, PEER, 20, (struct log_position){.shard = UINT16_MAX, .end = 700});
    assert_int_equal(r.mark_n, 0);
    struct log_end_mark kept[] = {
        {SELF, 9, 5000, SHARDS},     {PEER, 20, 800, SHARDS},     {OTHER, 30, 40, 0},
        {PEER, 20, 900, UINT64_MAX}, {SELF, 9, 5000, 1ull << 32},
    };
    assert_false(log_end_compare(&r, slice_of(kept, sizeof kept)));
    assert_int_equal(r.mark_n, 1);
    assert_int_equal(r.mark[0].id, OTHER);
    assert_int_equal(start_with_marks((struct log_end_mark){PEER, 20, 700, SHARDS},
                                      (struct log_end_mark){SELF, 9, 1, SHARDS}),
                     0);
    kept[0].shard = 0;
    assert_true(log_end_compare(&r, slice_of(kept, sizeof kept)));
    log_end_protocol.close(&r);
}

/* The store fails to store the record of the boots: nothing is announced, and it is put again. Once
 * the boots are durable, a record that only says what is healed silences nobody. */
static void nothing_is_announced_before_the_boots_are_durable(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    const struct event failed = {.kind = EV_STORED, .stored = {.error = ERR_IO}};
    start(&r, &d, 10, 1000);
    out_clear(&out);
    log_end_save(&r, 5, false, &out);
    assert_int_equal(out.n, 1);
    log_end_protocol.stored(&r, NULL, 1, &failed, &out);
    log_end_protocol.check(&r, NULL);
    assert_int_equal(log_end_announced(&r).end, 0);
    out_clear(&out);
    log_end_save(&r, 4 + LOG_END_SAVE_MS, false, &out);
    assert_int_equal(out.n, 0); /* too soon */
    save(&r, &d, 5 + LOG_END_SAVE_MS, false);
    assert_int_equal(log_end_announced(&r).end, 1000);
    log_end_healing(&r, true);
    log_end_save(&r, 5 + 2 * LOG_END_SAVE_MS, false, &out);
    log_end_protocol.stored(&r, NULL, 1, &failed, &out);
    log_end_protocol.check(&r, NULL);
    assert_int_equal(log_end_announced(&r).end, 1000);
    assert_true(r.boots_dirty);
    log_end_protocol.close(&r);
}

static void many_boots_are_too_many_to_remember(void **state)
{
    (void)state;
    struct disk d = {0};
    struct log_end r;
    for (uint64_t boot = 1; boot <= LOG_END_BOOTS + 1; boot++) {
        start(&r, &d, boot, 100 * boot);
        save(&r, &d, 0, false);
        assert_false(boot > 1 && tells_of_loss(&r, boot - 1, 100 * boot));
        log_end_protocol.close(&r);
    }
    start(&r, &d, 1000, 100000);
    assert_true(tells_of_loss(&r, 1, 100));
    log_end_protocol.close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_restart_has_lost_nothing),
        cmocka_unit_test(a_log_that_ends_early_is_noticed_once),
        cmocka_unit_test(an_old_copy_that_has_grown_is_noticed),
        cmocka_unit_test(what_others_announce_is_saved_along_with_other_records),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(nothing_is_announced_before_the_boots_are_durable),
        cmocka_unit_test(many_boots_are_too_many_to_remember),
        cmocka_unit_test(shards_that_are_not_known_are_passed_over),
        cmocka_unit_test(marks_that_nobody_writes_are_refused),
        cmocka_unit_test(a_log_that_ends_before_its_last_boot_is_noticed),
        cmocka_unit_test(positions_beyond_any_log_are_not_believed),
        cmocka_unit_test(a_datagram_moves_a_mark_by_so_much_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
