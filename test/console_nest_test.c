/* console_nest_test.c: processes and their directory go, however their starter ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console/nest.h"

/* Any program will do: a shell that waits for ever, or ends when asked to. */
static const char *const forever[] = {
    "-c", "echo up; mkdir -p d/e; : >d/e/f; while :; do read x </dev/zero; done", NULL};
static const char *const ends[] = {"-c", "echo one; echo two; echo three; exit 7", NULL};

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_close_leaves_nothing(void **state)
{
    (void)state;
    struct nest s;
    char log[PATH_MAX];
    assert_int_equal(nest_open(&s, "/bin/sh", "covey-nest-test"), 0);
    assert_int_equal(nest_start(&s, 0, "a", forever), 0);
    assert_int_equal(nest_start(&s, 2, "c", forever), 0);
    assert_false(nest_running(&s, 1)); /* never started */
    pid_t pid = s.node[0].pid;
    assert_int_equal(getpgid(pid), pid); /* a Ctrl-C at our terminal is not for it */
    nest_log(&s, "a", log);
    struct stat st;
    while (stat(log, &st) != 0 || st.st_size == 0) /* until it has printed "up" */
        assert_true(nest_running(&s, 0));
    nest_close(&s);
    assert_false(is_there(s.dir));
    assert_int_equal(kill(pid, 0), -1);
}

static void test_exit_code_log_and_restart(void **state)
{
    (void)state;
    struct nest s;
    char text[256];
    assert_int_equal(nest_open(&s, "/bin/sh", "covey-nest-test"), 0);
    assert_int_equal(nest_start(&s, 0, "a", ends), 0);
    while (nest_running(&s, 0))
        ;
    assert_true(s.node[0].exited);
    assert_int_equal(WEXITSTATUS(s.node[0].status), 7);
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    nest_print_log(&s, "a", 2, f);
    fclose(f);
    assert_string_equal(text, "  a: two\n  a: three\n");
    assert_int_equal(nest_start(&s, 0, "a", forever), 0); /* its old place */
    assert_int_equal(s.node_n, 1);
    assert_true(nest_running(&s, 0));
    nest_signal(&s, 0, SIGKILL);
    assert_false(nest_running(&s, 0));
    nest_close(&s);
}

/* A starter that dies of SIGKILL: its children and its directory go all the same. We adopt them, so
 * that we can wait for that. */
static void test_sigkill_leaves_nothing(void **state)
{
    (void)state;
    int ready[2];
    struct nest s;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t starter = fork();
    if (starter == 0) {
        bool ok = nest_open(&s, "/bin/sh", "covey-nest-test") == 0 &&
                  nest_start(&s, 0, "a", forever) == 0;
        if (ok && write(ready[1], &s, sizeof s) == sizeof s)
            pause();
        _exit(1);
    }
    size_t n = 0;
    while (n < sizeof s) {
        ssize_t got = read(ready[0], (char *)&s + n, sizeof s - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_true(is_there(s.dir));
    kill(starter, SIGKILL);
    assert_int_equal(waitpid(starter, NULL, 0), starter);
    assert_int_equal(waitpid(s.node[0].pid, NULL, 0), s.node[0].pid);
    assert_int_equal(waitpid(s.janitor, NULL, 0), s.janitor);
    assert_false(is_there(s.dir));
    close(ready[0]);
    close(ready[1]);
}

static void test_two_nests_at_once(void **state)
{
    (void)state;
    struct nest a, b;
    assert_int_equal(nest_open(&a, "/bin/sh", "covey-nest-test"), 0);
    assert_int_equal(nest_open(&b, "/bin/sh", "covey-nest-test"), 0);
    assert_int_equal(nest_start(&b, 0, "x", forever), 0);
    nest_close(&a); /* returns although b's janitor was born while a's pipe was open */
    assert_false(is_there(a.dir));
    assert_true(is_there(b.dir));
    nest_close(&b);
    assert_false(is_there(b.dir));
}

static void test_open_errors(void **state)
{
    (void)state;
    struct nest s;
    assert_int_equal(nest_open(&s, "/no/such/program", "covey-nest-test"), ENOENT);
    const char *tmp = getenv("TMPDIR");
    char *old = tmp != NULL ? strdup(tmp) : NULL;
    setenv("TMPDIR", "/no/such/directory", 1);
    assert_int_equal(nest_open(&s, "/bin/sh", "covey-nest-test"), ENOENT);
    if (old != NULL)
        setenv("TMPDIR", old, 1);
    else
        unsetenv("TMPDIR");
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_leaves_nothing),
        cmocka_unit_test(test_exit_code_log_and_restart),
        cmocka_unit_test(test_sigkill_leaves_nothing),
        cmocka_unit_test(test_two_nests_at_once),
        cmocka_unit_test(test_open_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
