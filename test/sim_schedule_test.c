/* Schedules as text: what is printed is read back, and a run is its schedule. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "sim/shrink.h"

static struct buf text, again;
static struct schedule drawn, parsed;

static int set_up(void **state)
{
    (void)state;
    buf_init(&text, 1 << 16);
    buf_init(&again, 1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_close(&text);
    buf_close(&again);
    return 0;
}

static unsigned parse(const char *s)
{
    return schedule_parse(&parsed, slice_str(s));
}

static void what_is_printed_is_read_back(void **state)
{
    (void)state;
    unsigned met[FAULT_KINDS] = {0};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        text.n = again.n = 0;
        schedule_draw(&drawn, &(struct schedule_options){.seed = seed,
                                                         .nodes = 1 + (uint32_t)seed % 40,
                                                         .until_ms = 90000,
                                                         .loss = 2});
        schedule_print(&drawn, &text);
        assert_int_equal(schedule_parse(&parsed, buf_view(&text)), 0);
        assert_int_equal(parsed.n, drawn.n);
        schedule_print(&parsed, &again);
        assert_true(slice_eq(buf_view(&text), buf_view(&again)));
        for (unsigned i = 0; i < drawn.n; i++)
            met[parsed.fault[i].kind]++;
    }
    for (unsigned k = 0; k < FAULT_KINDS; k++)
        assert_true(met[k] > 0);
}

static void a_line_means_what_it_says(void **state)
{
    (void)state;
    assert_int_equal(parse("# a comment\n\n  12.500s .. 14.750s cut n3 -> n1\r\n"
                           "0.000s..4294.967s partition 2 nodes from the rest, shuffle 77\n1.000s "
                           ".. 1.001s slow-disk n4 250"),
                     0);
    assert_int_equal(parsed.n, 3);
    const struct fault *f = parsed.fault;
    assert_true(f[0].kind == FAULT_CUT && f[0].from_ms == 12500 && f[0].until_ms == 14750 &&
                f[0].a == 3 && f[0].b == 1);
    assert_true(f[1].kind == FAULT_PARTITION && f[1].until_ms == 4294967 && f[1].a == 2 &&
                f[1].b == 77);
    assert_true(f[2].kind == FAULT_SLOW_DISK && f[2].a == 4 && f[2].amount == 250);
}

static void the_first_bad_line_is_named(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "1.000s .. 2.000s crash",
        "1.000s .. 2.000s crash n",
        "1.000s .. 2.000s crashes n1",
        "1.000s .. 2.000s crash n1 5",
        "2.000s .. 1.999s crash n1",
        "1.0s .. 2.000s crash n1",
        "1.000 .. 2.000s crash n1",
        "5000000.000s .. 2.000s crash n1",
        "1.000s .. 2.000s crash n99999999999",
        "1.000s .. 2.000s loss 0",
        "1.000s .. 2.000s loss",
        "1.000s .. 2.000s cut n1 n2",
        "1.000s .. 2.000s cut n1 ->",
        "1.000s - 2.000s crash n1",
        "1.000s .. 2.000s partition 2 nodes",
        "1.000s .. 2.000s slow-disk n1",
        "crash n1",
        "1.000s .. 2.000s",
    };
    for (unsigned i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        text.n = 0;
        assert_int_equal(buf_printf(&text, "1.000s .. 2.000s pause n0\n%s\nrubbish\n", BAD[i]), 0);
        assert_int_equal(schedule_parse(&parsed, buf_view(&text)), 2);
    }
}

static void too_many_faults_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= FAULTS_MAX; i++)
        assert_int_equal(buf_printf(&text, "1.000s .. 2.000s pause n0\n"), 0);
    assert_int_equal(schedule_parse(&parsed, buf_view(&text)), FAULTS_MAX + 1);
}

/* What is no schedule is refused, and never read beyond its end (under the sanitizers). */
static void a_damaged_schedule_does_no_harm(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 5);
    schedule_draw(&drawn, &(struct schedule_options){.seed = 3, .nodes = 9, .until_ms = 60000});
    schedule_print(&drawn, &text);
    for (unsigned i = 0; i < 5000; i++) {
        size_t n = (size_t)rng_below(&r, text.n + 1);
        again.n = 0;
        assert_int_equal(buf_append(&again, text.p, n), 0);
        if (n > 0)
            again.p[rng_below(&r, n)] = (uint8_t)rng_below(&r, 256);
        (void)schedule_parse(&parsed, buf_view(&again));
        assert_true(parsed.n <= FAULTS_MAX);
    }
}

static void a_run_is_replayed_from_its_schedule(void **state)
{
    (void)state;
    struct run_result first, second;
    struct run_options o = {.seed = 3,
                            .nodes = 5,
                            .clients = 2,
                            .time_ms = 20000,
                            .loss = 1,
                            .faults = true,
                            .check = true};
    run_seed(&o, &first);
    assert_true(first.ok && !first.what && first.schedule.n > 0);
    schedule_print(&first.schedule, &text);
    assert_int_equal(schedule_parse(&parsed, buf_view(&text)), 0);
    o.schedule = &parsed;
    run_seed(&o, &second);
    assert_true(first.hash == second.hash);
    buf_close(&first.why);
    buf_close(&second.why);
}

static void clients_stop_after_their_commands(void **state)
{
    (void)state;
    struct run_result r;
    run_seed(
        &(struct run_options){.seed = 5, .nodes = 3, .clients = 4, .commands = 5, .time_ms = 5000},
        &r);
    assert_true(r.ok);
    assert_int_equal(r.writes_ok + r.writes_failed + r.writes_unknown + r.reads,
                     4 * 5 + 2 * RUN_KEYS); /* of an odd seed every key is read twice */
    buf_close(&r.why);
}

static void a_run_that_holds_is_not_shrunk(void **state)
{
    (void)state;
    static struct shrunk s;
    assert_false(
        shrink(&s, &(struct run_options){.seed = 3, .nodes = 3, .clients = 1, .time_ms = 2000}));
    assert_int_equal(s.runs, 1);
}

static void report_nothing(const char *file, int line, const char *what)
{
    (void)file, (void)line, (void)what;
}

/* A cut that ends before it begins breaks a CHECK of the world; the rest of the schedule has no
 * part in that. */
static void a_broken_check_is_shrunk_too(void **state)
{
    (void)state;
    static struct shrunk s;
    parsed = (struct schedule){.n = 4,
                               .fault = {{FAULT_PAUSE, 9000, 9500, 1, 0, 0},
                                         {FAULT_LOSS, 8000, 9000, 0, 0, 5},
                                         {FAULT_CUT, 9000, 8000, 1, 0, 0},
                                         {FAULT_CRASH, 7000, 7001, 2, 0, 0}}};
    check_report = report_nothing;
    assert_true(
        shrink(&s, &(struct run_options){
                       .seed = 3, .nodes = 5, .clients = 2, .time_ms = 5000, .schedule = &parsed}));
    assert_true(check_report == report_nothing);
    assert_string_equal(s.what, "begins || *c > 0");
    assert_int_equal(s.schedule.n, 1);
    assert_int_equal(s.schedule.fault[0].kind, FAULT_CUT);
    assert_int_equal(s.o.nodes, 2);
    assert_int_equal(s.o.clients, 0);
    assert_int_equal(s.o.time_ms, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_printed_is_read_back),      TEST(a_line_means_what_it_says),
        TEST(the_first_bad_line_is_named),       TEST(too_many_faults_are_refused),
        TEST(a_damaged_schedule_does_no_harm),   TEST(a_run_is_replayed_from_its_schedule),
        TEST(clients_stop_after_their_commands), TEST(a_run_that_holds_is_not_shrunk),
        TEST(a_broken_check_is_shrunk_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
