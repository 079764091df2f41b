/* Growable buffers, checks and error names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/error.h"

static void test_grows_to_its_cap_and_no_further(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    assert_int_equal(b.cap, 0); /* nothing appended, nothing allocated */
    for (int i = 0; i < 1000; i++) {
        uint8_t c = (uint8_t)i;
        assert_int_equal(buf_append(&b, &c, 1), 0);
        assert_true(b.cap <= 1000);
    }
    assert_int_equal(buf_append(&b, "x", 1), ERR_TOO_BIG);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_TOO_BIG);
    assert_int_equal(b.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.p[i], (uint8_t)i);
    buf_close(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 1000);
}

static void test_an_odd_cap_is_reached(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_reserve(&b, 257), 0);
    assert_true(b.cap >= 257);
    buf_close(&b);
    buf_init(&b, 257);
    assert_int_equal(buf_reserve(&b, 257), 0);
    assert_int_equal(b.cap, 257);
    buf_close(&b);
}

static void test_out_of_memory_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append(&b, "kept", 4), 0);
    assert_int_equal(buf_reserve(&b, (size_t)1 << 50), ERR_NO_MEMORY);
    assert_true(slice_eq(buf_view(&b), SLICE("kept")));
    buf_close(&b);
}

static void test_consume_moves_the_rest_to_the_front(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_slice(&b, SLICE("hello world"));
    buf_consume(&b, 6);
    assert_true(slice_eq(buf_view(&b), SLICE("world")));
    buf_consume(&b, 5);
    assert_int_equal(b.n, 0);
    buf_close(&b);
}

static void test_printf_appends_and_cuts_at_1023_bytes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5000);
    assert_int_equal(buf_printf(&b, "%s=%d", "n", 7), 0);
    assert_true(slice_eq(buf_view(&b), SLICE("n=7")));
    assert_int_equal(buf_printf(&b, "%2000d", 1), 0);
    assert_int_equal(b.n, 3 + 1023);
    buf_close(&b);
    buf_init(&b, 2);
    assert_int_equal(buf_printf(&b, "%d", 123), ERR_TOO_BIG);
    assert_int_equal(b.n, 0);
    buf_close(&b);
}

static void test_slices_compare(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_of(NULL, 0), SLICE("")));
    assert_false(slice_eq(SLICE("a"), SLICE("b")));
    assert_true(slice_cmp(SLICE("a"), SLICE("b")) < 0);
    assert_true(slice_cmp(SLICE("ab"), SLICE("a")) > 0);
    assert_true(slice_cmp(SLICE("\xff"), SLICE("a")) > 0); /* bytes are unsigned */
    assert_int_equal(slice_cmp(slice_str("same"), SLICE("same")), 0);
}

static void test_errors_have_names_and_sentences(void **state)
{
    (void)state;
    assert_int_equal(ERR_OK, 0);
    assert_string_equal(error_name(0), "OK");
    assert_string_equal(error_name(ERR_NO_QUORUM), "NO_QUORUM");
    assert_string_equal(error_sentence(ERR_NO_QUORUM), "too few owners are reachable");
    assert_string_equal(error_name(1), "UNKNOWN");
    assert_string_equal(error_name(-9999), "UNKNOWN");
    assert_string_equal(error_sentence(-9999), "unknown error");
}

/* Reports through the exit status: the line number would change with the file, so the text alone is
 * compared. */
static void report_to_parent(const char *file, int line, const char *what)
{
    (void)file;
    _exit(line > 0 && strcmp(what, "1 + 1 == 3") == 0 ? 42 : 43);
}

/* Breaks a check in a child and returns the child's wait status. */
static int broken_check_status(void (*report)(const char *, int, const char *))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* not cmocka's handler */
        check_report = report;
        CHECK(1 + 1 == 2);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_a_broken_check_reports_and_aborts(void **state)
{
    (void)state;
    int reported = broken_check_status(report_to_parent);
    assert_true(WIFEXITED(reported));
    assert_int_equal(WEXITSTATUS(reported), 42);
    int silent = broken_check_status(NULL);
    assert_true(WIFSIGNALED(silent));
    assert_int_equal(WTERMSIG(silent), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_cap_and_no_further),
        cmocka_unit_test(test_an_odd_cap_is_reached),
        cmocka_unit_test(test_out_of_memory_leaves_the_buffer_as_it_was),
        cmocka_unit_test(test_consume_moves_the_rest_to_the_front),
        cmocka_unit_test(test_printf_appends_and_cuts_at_1023_bytes),
        cmocka_unit_test(test_slices_compare),
        cmocka_unit_test(test_errors_have_names_and_sentences),
        cmocka_unit_test(test_a_broken_check_reports_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
