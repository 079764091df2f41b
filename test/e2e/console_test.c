/* console_test.c: the console as a person at a terminal meets it, through a pseudo-terminal. */
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

struct terminal {
    struct cluster *c;
    int fd;
    pid_t pid;
    char text[E2E_TEXT]; /* all that it showed */
    size_t n;
    size_t from; /* what was waited for and seen lies before it */
};

/* The program at a terminal so many columns wide, in a locale: words up to a NULL. */
static void terminal_run(struct terminal *t, struct cluster *c, unsigned columns,
                         const char *locale, const char *const *word)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    char history[PATH_MAX + 16], *argv[16] = {"covey"};
    snprintf(history, sizeof history, "%s/history", c->nest.dir);
    for (unsigned i = 0; word[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)word[i];
    *t = (struct terminal){.c = c};
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    e2e_check(c, t->pid >= 0);
    if (t->pid == 0) {
        setenv("TERM", "xterm", 1);
        setenv("NO_COLOR", "1", 1);
        setenv("COVEY_HISTORY", history, 1);
        setenv("LC_ALL", locale, 1);
        if (chdir(c->nest.dir) == 0)
            execv(c->nest.program, argv);
        _exit(127);
    }
}

static void terminal_open(struct terminal *t, struct cluster *c, unsigned node)
{
    char port[8];
    snprintf(port, sizeof port, "%u", e2e_port(c, node));
    terminal_run(t, c, 80, "C", (const char *const[]){"console", "-p", port, NULL});
}

/* Reads what comes, for a while. False at the end of the console, or of our patience. */
static bool read_more(struct terminal *t, uint64_t until_ms)
{
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    uint64_t now_ms = e2e_now_ms();
    ssize_t got = -1;
    if (now_ms < until_ms && poll(&p, 1, (int)(until_ms - now_ms)) > 0)
        got = read(t->fd, t->text + t->n, sizeof t->text - 1 - t->n);
    t->n += got > 0 ? (size_t)got : 0;
    t->text[t->n] = '\0';
    return got > 0;
}

/* Waits until the text is shown, after what was waited for before. */
static void expect(struct terminal *t, const char *text)
{
    struct cluster *c = t->c;
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    const char *found;
    while ((found = strstr(t->text + t->from, text)) == NULL) {
        if (!read_more(t, until_ms))
            e2e_fail(c, __FILE__, __LINE__, "the terminal does not show \"%s\" but \"%s\"", text,
                     t->text + t->from);
    }
    t->from = (size_t)(found - t->text) + strlen(text);
}

static void type(struct terminal *t, const char *keys)
{
    e2e_check(t->c, write(t->fd, keys, strlen(keys)) == (ssize_t)strlen(keys));
}

/* Every line that it showed has so many characters at most, but for commands to be copied, which
 * stay in one piece. */
static void expect_lines(struct terminal *t, unsigned columns)
{
    e2e_check(t->c, t->n > 0);
    for (const char *line = t->text; *line != '\0';) {
        size_t n = strcspn(line, "\r\n");
        if (n > columns && strncmp(line, "  covey start --name", 20) != 0)
            e2e_fail(t->c, __FILE__, __LINE__, "%zu characters at a terminal of %u: \"%.*s\"", n,
                     columns, (int)n, line);
        line += n + strspn(line + n, "\r\n");
    }
}

/* Types at the next prompt: between two lines the terminal is in its own mode, where Ctrl-D and
 * Ctrl-C mean other things. */
static void type_line(struct terminal *t, const char *keys)
{
    expect(t, "> ");
    type(t, keys);
}

/* The console must end by itself; its exit code. */
static int terminal_close(struct terminal *t)
{
    int status;
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (read_more(t, until_ms)) /* until it has let go of the terminal */
        ;
    if (e2e_now_ms() >= until_ms)
        e2e_fail(t->c, __FILE__, __LINE__, "the console does not end but shows \"%s\"",
                 t->text + t->from);
    e2e_check(t->c, waitpid(t->pid, &status, 0) == t->pid && WIFEXITED(status));
    close(t->fd);
    return WEXITSTATUS(status);
}

static void test_lines_completion_and_history(void **state)
{
    struct cluster *c = *state;
    static struct terminal t;
    e2e_start_all(c, 3);
    terminal_open(&t, c, 1);
    expect(&t, "healthy: 3 of 3");
    type_line(&t, "set city 'Paris, France'\n");
    expect(&t, "OK");
    type_line(&t, "strl\t"); /* completed to the end */
    expect(&t, "en ");
    type(&t, "city\n");
    expect(&t, "13");
    type_line(&t, "client set\t\t"); /* several: the second Tab lists them */
    expect(&t, "setinfo");
    expect(&t, "setname");
    type(&t, "\x03");
    expect(&t, "^C");
    type_line(&t, "\x10\x10\n");           /* Ctrl-P twice: the line before the last */
    expect(&t, "et city 'Paris, France'"); /* an s stands there already */
    expect(&t, "OK");
    type_line(&t, "get nothing-here\n");
    expect(&t, "(nil)");
    type_line(&t, "help where\n");
    expect(&t, "where key");
    type_line(&t, "set town Rome ke\t"); /* an option, where one may stand */
    expect(&t, "EPTTL ");
    type(&t, "\n");
    expect(&t, "OK");
    type_line(&t, "\x04");
    assert_int_equal(terminal_close(&t), 0);
    assert_int_equal(e2e_shell(c, "grep -c city history"), 0); /* for the next console */
}

/* Ctrl-C discards the line and nothing else: the program that started the console must not die of
 * it. */
static void test_interrupt_discards_the_line(void **state)
{
    struct cluster *c = *state;
    static struct terminal t;
    e2e_start_all(c, 1);
    terminal_open(&t, c, 0);
    type_line(&t, "set k wrong");
    expect(&t, "wrong");
    type(&t, "\x03");
    expect(&t, "^C");
    type_line(&t, "get k\n");
    expect(&t, "(nil)");
    type_line(&t, "quit\n");
    assert_int_equal(terminal_close(&t), 0);
}

/* What a subscription brings is shown until somebody has had enough; the console goes on. */
static void test_a_subscription_can_be_left(void **state)
{
    static const char *const keys[] = {"\x03", "\x04", "q"};
    struct cluster *c = *state;
    static struct terminal t;
    e2e_start_all(c, 1);
    terminal_open(&t, c, 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        type_line(&t, "subscribe __covey__:members\n");
        expect(&t, "Ctrl-C or q ends it");
        expect(&t, "__covey__:members");
        type(&t, keys[i]);
        type_line(&t, "set k v\n");
        expect(&t, "OK");
    }
    type_line(&t, "quit\n");
    assert_int_equal(terminal_close(&t), 0);
}

/* Events come above the prompt while a line is being typed, and the line is still there. */
static void test_events_above_the_prompt(void **state)
{
    struct cluster *c = *state;
    static struct terminal t;
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    terminal_open(&t, c, 0);
    type_line(&t, "get");
    expect(&t, "get");
    e2e_kill(c, 2);
    expect(&t, "event=member.dead name=c");
    expect(&t, "> get"); /* drawn again */
    type(&t, " k\n");
    expect(&t, "v\r\n");
    expect(&t, "> ");
    e2e_restart(c, 2);
    expect(&t, "event=member.alive name=c");
    type_line(&t, "\x04");
    assert_int_equal(terminal_close(&t), 0);
}

/* What the console says once its node is gone: the prompt names the member that it went on with. */
static void expect_moved(struct terminal *t, unsigned node)
{
    char text[64];
    expect(t, "closed the connection; now at ");
    snprintf(text, sizeof text, "covey 127.0.0.1:%u> ", e2e_port(t->c, node));
    expect(t, text);
}

/* A console outlives its node: it goes on with another member, also with one that came after it. */
static void test_another_member_when_its_node_dies(void **state)
{
    struct cluster *c = *state;
    static struct terminal t;
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    terminal_open(&t, c, 1);
    type_line(&t, "connect 1\n"); /* where nobody is: the console stays where it was */
    expect(&t, "cannot reach a node at 127.0.0.1 port 1:");
    type_line(&t, "get");
    expect(&t, "get");
    e2e_kill(c, 2); /* the console hears of it: it will not try c first */
    expect(&t, "event=member.dead name=c");
    e2e_restart(c, 2);
    expect(&t, "event=member.alive name=c");
    e2e_expect(c, 2, "OK", "CONSISTENCY", "READ", "ALL");
    /* c answers again: else b's death would be the second at once */
    e2e_await(c, 2, "v", "GET", "k");
    e2e_kill(c, 1);
    expect(&t, "closed the connection; now at 127.0.0.1 port ");
    expect(&t, "> get"); /* what was being typed is still there */
    type(&t, " k\n");
    expect(&t, "v\r\n");
    char connect[32];
    snprintf(connect, sizeof connect, "connect %u\n", e2e_port(c, 2));
    type_line(&t, connect);
    expect(&t, "> ");
    e2e_kill(c, 2);
    expect_moved(&t, 0);
    e2e_kill(c, 0);
    expect(&t, "closed the connection; no other member answers");
    type_line(&t, "get k\n");
    expect(&t, "cannot reach a node at 127.0.0.1 port");
    type_line(&t, "\x04");
    assert_int_equal(terminal_close(&t), 0);
}

/* The node's log and the line being typed share the terminal, and do not mix. */
static void test_start_console_keeps_the_line(void **state)
{
    struct cluster *c = *state;
    static struct terminal t;
    static const unsigned columns[] = {40, 80, 200};
    char port[8], seed[32], long_line[80];
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 0));
    snprintf(port, sizeof port, "%u", e2e_port(c, 2));
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    e2e_start_all(c, 2);
    for (unsigned i = 0; i < 3; i++) {
        terminal_run(&t, c, columns[i], i == 1 ? "C.UTF-8" : "C",
                     (const char *const[]){"start", "--name", "c", "--data", "c", "--port", port,
                                           "--profile", "local", "--seed", seed, "--console",
                                           NULL});
        expect(&t, "connected to 127.0.0.1 port ");
        e2e_await_healthy(c, 3);
        type_line(&t, "echo ");
        type(&t, long_line); /* several rows of a narrow terminal */
        expect(&t, "xxx");
        e2e_kill(c, 1);
        expect(&t, "\033[J"); /* what was typed is wiped, */
        expect(&t, "event=member.dead level=warn");
        expect(&t, "> echo xxx"); /* and drawn again */
        e2e_restart(c, 1);
        expect(&t, "event=member.alive level=info");
        expect(&t, "> echo xxx");
        type(&t, "\n");
        expect(&t, long_line);
        type_line(&t, "quit\n");
        assert_int_equal(terminal_close(&t), 0);
    }
}

/* Help fits the terminal: no line is longer, and no word is cut. */
static void test_help_fits_the_terminal(void **state)
{
    static const unsigned columns[] = {40, 80, 200};
    struct cluster *c = *state;
    static struct terminal t;
    for (unsigned i = 0; i < 3; i++) {
        terminal_run(&t, c, columns[i], "C", (const char *const[]){"help", NULL});
        assert_int_equal(terminal_close(&t), 0);
        expect_lines(&t, columns[i]);
        terminal_run(&t, c, columns[i], "C", (const char *const[]){"start", "--help", NULL});
        assert_int_equal(terminal_close(&t), 0);
        expect_lines(&t, columns[i]);
        terminal_run(&t, c, columns[i], "C", (const char *const[]){"help", "set", NULL});
        assert_int_equal(terminal_close(&t), 0);
        expect_lines(&t, columns[i]);
    }
}

/* What is typed beyond ASCII is sent as it was typed, whatever the locale and the width; a byte
 * that is no text, too. */
static void test_input_is_bytes_in_every_locale(void **state)
{
    static const char *const locales[] = {"C", "C.UTF-8"};
    static const unsigned columns[] = {40, 80, 200};
    struct cluster *c = *state;
    static struct terminal t;
    char port[8];
    e2e_start_all(c, 1);
    snprintf(port, sizeof port, "%u", e2e_port(c, 0));
    for (unsigned i = 0; i < 6; i++) {
        terminal_run(&t, c, columns[i / 2], locales[i % 2],
                     (const char *const[]){"console", "-p", port, NULL});
        type_line(&t, "flushall\n"); /* the command that was run again */
        expect(&t, "OK");
        type_line(&t, "set kept yes\n");
        expect(&t, "OK");
        type_line(&t, "пример\n");
        expect(&t, "unknown command 'пример'");
        type_line(&t, "set k na\xc3\xafve-\xc2\x81-\xf0\x9f\xa6\x85\n");
        expect(&t, "OK");
        /* Latin-1: the byte begins no character with what follows */
        type_line(&t, "set stray a\xef");
        type(&t, "b\xff\n");
        expect(&t, "OK");
        type_line(&t, "quit\n");
        assert_int_equal(terminal_close(&t), 0);
        e2e_expect(c, 0, "na\xc3\xafve-\xc2\x81-\xf0\x9f\xa6\x85", "GET", "k");
        e2e_expect(c, 0, "yes", "GET", "kept");
        assert_string_equal(e2e_ask(c, 0, "GET", "stray", NULL), "a\xef"
                                                                 "b\xff");
    }
    /* it could not be had back as it was */
    assert_int_equal(e2e_shell(c, "grep -c stray history"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_completion_and_history, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_discards_the_line, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_subscription_can_be_left, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_events_above_the_prompt, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_another_member_when_its_node_dies, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_start_console_keeps_the_line, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_help_fits_the_terminal, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_input_is_bytes_in_every_locale, e2e_setup,
                                        e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
