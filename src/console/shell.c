/* shell.c: see shell.h. */
#include "console/shell.h"

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/line.h"
#include "console/screen.h"
#include "console/text.h"
#include "front/command.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *const own_words[] = {"help", "connect", "exit", NULL};

static const char MEMBERS_CHANNEL[] = "__covey__:members";

enum { LOG_BUFFER_MAX = 256 * 1024 }; /* several times what a pipe keeps */

/* How to render for the present standard output. */
static struct render render_for_stdout(void)
{
    struct render how = {.raw = !isatty(STDOUT_FILENO), .columns = screen_columns()};
    how.colour = screen_colour();
    return how;
}

static void set_node(struct shell *s, const char *host, uint16_t port)
{
    snprintf(s->host, sizeof s->host, "%s", host);
    s->port = port;
    snprintf(s->prompt, sizeof s->prompt, "covey %s:%u> ", s->host, port);
}

void shell_init(struct shell *s, const struct shell_options *o)
{
    memset(s, 0, sizeof *s);
    client_init(&s->client);
    client_init(&s->watch);
    buf_init(&s->log, LOG_BUFFER_MAX);
    s->log_fd = o->log_fd;
    s->render = render_for_stdout();
    s->json = o->json;
    set_node(s, o->host, o->port);
}

void shell_close(struct shell *s)
{
    client_close(&s->client);
    client_close(&s->watch);
    buf_close(&s->log);
}

/* Prints the client's sentence. */
static int unreachable(const struct shell *s, const struct client *c)
{
    answer_error(s->json, ANSWER_UNREACHABLE, "%s", c->why);
    return EXIT_NOBODY;
}

static int nobody(const struct shell *s)
{
    return unreachable(s, &s->client);
}

/* ---- A command ---- */

/* The reply of STATUS has its own exit code. */
static int status_code(const struct client *c)
{
    uint32_t i = client_field(c, 0, "code");
    return i != 0 && c->reply.v[i].type == RESP_INTEGER ? (int)c->reply.v[i].integer : EXIT_ERROR;
}

/* ---- The node, and other members ---- */

static void add_member(struct shell *s, const struct client *c, uint32_t row)
{
    struct shell_member *m = &s->member[s->member_n];
    const struct resp_value *v = c->reply.v;
    uint32_t addr = client_field(c, row, "addr"), state = client_field(c, row, "state"),
             self = client_field(c, row, "self");
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    if (addr == 0 || (self != 0 && v[self].integer) || s->member_n == SHELL_MEMBERS_MAX ||
        !client_address(v[addr].text, host, &port))
        return;
    *m = (struct shell_member){.port = port, .alive = slice_eq(v[state].text, SLICE("alive"))};
    snprintf(m->host, sizeof m->host, "%.63s", host);
    s->member_n++;
}

/* Asks the node for the other members. A member's base address is that of its clients. */
static void learn_members(struct shell *s)
{
    if (client_ask(&s->client, (const char *const[]){"MEMBERS", NULL}) != 0 ||
        s->client.reply.v[0].type != RESP_ARRAY)
        return;
    s->member_n = 0;
    uint32_t row = 1;
    for (uint32_t k = 0; k < s->client.reply.v[0].count; k++) {
        add_member(s, &s->client, row);
        row = resp_after(&s->client.reply, row);
    }
}

/* Moves to a member that answers; members that were alive are tried first. */
static bool move_on(struct shell *s)
{
    for (unsigned i = 0; i < 2 * s->member_n; i++) {
        struct shell_member m = s->member[i % s->member_n];
        if (m.alive != (i < s->member_n) || client_open(&s->client, m.host, m.port) != 0)
            continue;
        client_close(&s->watch);
        set_node(s, m.host, m.port);
        learn_members(s);
        return true;
    }
    return false;
}

/* Connects again, to the node or to another member. 0, or an error with the sentence about the node
 * itself. */
static int reconnect(struct shell *s)
{
    int error = client_open(&s->client, s->host, s->port);
    char why[sizeof s->client.why];
    memcpy(why, s->client.why, sizeof why);
    if (error == 0 || move_on(s))
        return 0;
    memcpy(s->client.why, why, sizeof why);
    return error;
}

/* Connects when there is no connection, or its node has closed it. */
static int connect_if_needed(struct shell *s)
{
    uint16_t port = s->port;
    if (s->client.fd >= 0 && client_receive(&s->client, 0) != ERR_CLOSED && s->client.fd >= 0)
        return 0;
    int error = reconnect(s);
    if (error == 0 && s->port != port)
        fprintf(stderr, "port %u does not answer; now at %s\n", port, s->client.where);
    return error;
}

/* Whether the person at the terminal typed Ctrl-C, Ctrl-D, Escape or q. (While lines are edited,
 * Ctrl-C is a character.) */
static bool wants_end(bool terminal)
{
    char typed[64];
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t n = terminal && poll(&p, 1, 0) > 0 ? read(STDIN_FILENO, typed, sizeof typed) : 0;
    for (ssize_t i = 0; i < n; i++)
        if (typed[i] == 3 || typed[i] == 4 || typed[i] == 27 || typed[i] == 'q')
            return true;
    return false;
}

/* Prints the messages of a subscription until the connection ends, or the person ends it: then the
 * connection is closed, and the next command opens another. */
static int follow(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    enum { LOOK_MS = 100 };
    bool terminal = isatty(STDIN_FILENO);
    int error = client_send(&s->client, arg, arg_n);
    if (error == 0)
        error = client_write(&s->client);
    if (terminal && !s->json)
        fprintf(stderr, "Ctrl-C or q ends it\n");
    while (error == 0) {
        error = client_receive(&s->client, terminal ? LOOK_MS : CLIENT_TIMEOUT_MS);
        if (error == ERR_INCOMPLETE)
            error = 0; /* no message came */
        else if (error == 0 && answer_reply(&s->client.reply, arg[0], s->json, &s->render) != 0)
            return 1;
        if (error == 0 && wants_end(terminal)) {
            client_close(&s->client);
            return EXIT_OK;
        }
    }
    return nobody(s);
}

/* Prints how the command is used, on stderr. */
static int complain_usage(const struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    help_usage(&text, arg, arg_n, s->json ? 0 : screen_columns());
    fflush(stdout);
    if (s->json)
        answer_error(true, ANSWER_USAGE, "%.*s", (int)text.n, (const char *)text.p);
    else
        fwrite(text.p, 1, text.n, stderr);
    buf_close(&text);
    return EXIT_USAGE;
}

/* Suggests the word that was probably meant, if there is no such command. */
static void suggest(struct slice word)
{
    const char *near = command_find(word, SLICE("")) == NULL ? help_nearest(word, own_words) : NULL;
    if (near != NULL)
        fprintf(stderr, "did you mean %s?\n", near);
}

int shell_command(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    if (!help_fits(arg, arg_n))
        return complain_usage(s, arg, arg_n);
    if (connect_if_needed(s) != 0)
        return nobody(s);
    if (words_same(arg[0], "subscribe"))
        return follow(s, arg, arg_n);
    if (client_call(&s->client, arg, arg_n) != 0)
        return nobody(s);
    int code = answer_reply(&s->client.reply, arg[0], s->json, &s->render);
    if (words_same(arg[0], "quit"))
        s->ended = true;
    if (code != 0 && !s->json)
        suggest(arg[0]);
    return code == EXIT_OK && words_same(arg[0], "status") ? status_code(&s->client) : code;
}

/* ---- The shell's own commands ---- */

static int run_help(const struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    const struct words_page page = {.width = s->render.columns};
    struct buf text;
    buf_init(&text, 1024 * 1024);
    int code = 0;
    if (arg_n == 1) {
        help_all(&text, page.width);
        buf_printf(&text, "\nconsole\n");
        words_paragraph(&text,
                        "help [command], connect [host] port, quit; Tab completes, Ctrl-C discards "
                        "a line, Ctrl-D ends",
                        2, &page);
    } else if (!help_one(&text, arg[1], arg_n > 2 ? arg[2] : SLICE(""), page.width)) {
        const char *near = help_nearest(arg[1], own_words);
        buf_printf(&text, "no such command; %s%s%shelp alone lists all\n",
                   near ? "did you mean " : "", near ? near : "", near ? "? " : "");
        code = EXIT_USAGE;
    }
    fwrite(text.p, 1, text.n, code ? stderr : stdout);
    buf_close(&text);
    return code;
}

/* Moves to another node. When nobody answers there, the console stays. */
static int move_to(struct shell *s, const char *host, uint16_t port)
{
    struct client there;
    client_init(&there);
    if (client_open(&there, host, port) != 0) {
        int code = unreachable(s, &there);
        client_close(&there);
        return code;
    }
    client_close(&s->watch);
    client_close(&s->client);
    s->client = there;
    set_node(s, host, port);
    learn_members(s);
    return 0;
}

/* connect [HOST] PORT: moves the console to another node. */
static int run_connect(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    char host[sizeof s->host], port[8];
    if (arg_n < 2 || arg_n > 3 || arg[arg_n - 1].n >= sizeof port ||
        (arg_n == 3 && arg[1].n >= sizeof host)) {
        answer_error(s->json, ANSWER_USAGE, "usage: connect [host] port");
        return EXIT_USAGE;
    }
    snprintf(port, sizeof port, "%.*s", (int)arg[arg_n - 1].n, (const char *)arg[arg_n - 1].p);
    snprintf(host, sizeof host, "%s", s->host);
    if (arg_n == 3)
        snprintf(host, sizeof host, "%.*s", (int)arg[1].n, (const char *)arg[1].p);
    uint16_t number;
    if (!client_port(port, &number)) {
        answer_error(s->json, ANSWER_USAGE, "connect: \"%s\" is not a port (1 to 65535)", port);
        return EXIT_USAGE;
    }
    return move_to(s, host, number);
}

static int run_words(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    if (words_same(arg[0], "help") || words_same(arg[0], "?"))
        return run_help(s, arg, arg_n);
    if (words_same(arg[0], "connect"))
        return run_connect(s, arg, arg_n);
    if (words_same(arg[0], "exit") || words_same(arg[0], "quit")) {
        s->ended = true;
        return 0;
    }
    return shell_command(s, arg, arg_n);
}

int shell_words(struct resp_request *words, struct buf *text, struct slice line)
{
    /* With a leading blank it is an inline command, whatever it begins with: "*1" is a word
     * here. */
    int error = buf_slice(text, SLICE(" "));
    error = error != 0 ? error : buf_slice(text, line);
    error = error != 0 ? error : buf_slice(text, SLICE("\r\n"));
    if (error == 0)
        error = resp_parse_request(words, buf_view(text), RESP_INLINE_MAX);
    return error < 0 ? error : 0;
}

int shell_line(struct shell *s, struct slice line)
{
    struct buf text;
    buf_init(&text, RESP_INLINE_MAX + 8);
    struct resp_request words;
    resp_request_init(&words);
    int code = 0, error = shell_words(&words, &text, line);
    if (error != 0) {
        answer_error(s->json, ANSWER_USAGE, "%s",
                     words.why != NULL ? words.why : error_sentence(error));
        code = EXIT_USAGE;
    } else if (words.arg_n > 0) {
        code = run_words(s, words.arg, words.arg_n);
    }
    resp_request_close(&words);
    buf_close(&text);
    return code;
}

int shell_script(const struct shell_options *o)
{
    struct shell s;
    shell_init(&s, o);
    char *line = NULL;
    size_t cap = 0;
    int worst = 0;
    ssize_t n;
    while (!s.ended && (n = getline(&line, &cap, stdin)) > 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n == 0 || line[0] == '#')
            continue;
        int code = shell_line(&s, slice_of(line, (size_t)n));
        worst = code > worst ? code : worst;
    }
    free(line);
    shell_close(&s);
    return worst;
}

/* ---- At a terminal ---- */

/* The descriptor that has membership events, and that ends with the node. Subscribes when there is
 * no such connection, but a node. When the node takes no second connection, the first still shows
 * its end. */
static int watch_fd(void *arg)
{
    struct shell *s = arg;
    if (s->watch.fd >= 0 || s->client.fd < 0)
        return s->watch.fd;
    const struct slice words[] = {SLICE("SUBSCRIBE"), slice_str(MEMBERS_CHANNEL)};
    if (client_open(&s->watch, s->host, s->port) == 0 && client_send(&s->watch, words, 2) == 0)
        client_write(&s->watch);
    return s->watch.fd >= 0 ? s->watch.fd : s->client.fd;
}

/* Prints one event: the time of day, and the node's line about the member. */
static void put_event(struct buf *out, const struct resp_reply *r, const struct render *how)
{
    struct sink sink = {out, 0};
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    char clock[16];
    strftime(clock, sizeof clock, "%H:%M:%S ", &local);
    text_put(&sink, slice_str(how->colour ? "\033[36m" : ""));
    text_put(&sink, slice_str(clock));
    text_put_cell(&sink, r, resp_after(r, 2), SLICE(""));
    text_put(&sink, slice_str(how->colour ? "\033[0m\n" : "\n"));
}

/* The node has ended a connection: the other one is closed too. */
static void lose_node(struct shell *s, const char *why, struct buf *out)
{
    buf_printf(out, "%s", why);
    client_close(&s->watch);
    client_close(&s->client);
    if (reconnect(s) == 0)
        buf_printf(out, "; now at %s\n", s->client.where);
    else
        buf_printf(out, "%s\n",
                   s->member_n > 0 ? "; no other member answers, the next command tries again"
                                   : "; the next command tries again");
}

static void watch(void *arg, struct buf *out)
{
    struct shell *s = arg;
    struct client *c = s->watch.fd >= 0 ? &s->watch : &s->client;
    int error;
    bool changed = false;
    while ((error = client_receive(c, 0)) == 0) {
        const struct resp_reply *r = &c->reply;
        bool message = r->v[0].type == RESP_PUSH && r->v[0].count >= 3 &&
                       slice_eq(r->v[1].text, SLICE("message"));
        if (message)
            put_event(out, r, &s->render);
        changed |= message;
    }
    if (error != ERR_INCOMPLETE)
        lose_node(s, c->why, out);
    else if (changed)
        learn_members(s);
}

/* ---- The log of the node that this console was started by ---- */

static int log_fd(void *arg)
{
    const struct shell *s = arg;
    return s->log_fd > 0 ? s->log_fd : -1;
}

static void show_log(void *arg, struct buf *out)
{
    enum { READ_BYTES = 64 * 1024 };
    struct shell *s = arg;
    struct sink sink = {out, 0};
    ssize_t n = buf_reserve(&s->log, READ_BYTES) == 0
                    ? read(s->log_fd, s->log.p + s->log.n, READ_BYTES)
                    : 0;
    if (n <= 0) { /* the node has ended, which our connections show too */
        s->log_fd = 0;
        return;
    }
    s->log.n += (size_t)n;
    const uint8_t *end;
    while ((end = memchr(s->log.p, '\n', s->log.n)) != NULL) {
        text_put_escaped(&sink, slice_of(s->log.p, (size_t)(end - s->log.p)));
        text_put(&sink, SLICE("\n"));
        buf_consume(&s->log, (size_t)(end - s->log.p) + 1);
    }
}

/* Prints what an operator wants to know first: the verdict. */
static void greet(struct shell *s)
{
    printf("connected to %s; help lists the commands\n", s->client.where);
    learn_members(s);
    if (client_ask(&s->client, (const char *const[]){"STATUS", NULL}) != 0)
        return;
    uint32_t i = client_field(&s->client, 0, "verdict");
    if (i == 0)
        return;
    struct buf text;
    buf_init(&text, 4096);
    struct sink sink = {&text, 0};
    const char *colour = s->render.colour ? text_colour(s->client.reply.v[i].text) : NULL;
    text_put(&sink, slice_str(colour != NULL ? colour : ""));
    text_put_escaped(&sink, s->client.reply.v[i].text);
    text_put(&sink, slice_str(colour != NULL ? "\033[0m\n" : "\n"));
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
}

int shell_interactive(const struct shell_options *o)
{
    struct shell s;
    shell_init(&s, o);
    int code = EXIT_ERROR;
    if (client_open(&s.client, s.host, s.port) != 0) {
        code = nobody(&s);
        goto out_close_shell;
    }
    struct line *l =
        line_open(&(struct line_options){.prompt = s.prompt,
                                         .words = own_words,
                                         .watch = {{watch_fd, watch}, {log_fd, show_log}},
                                         .arg = &s,
                                         .stop = o->stop});
    if (l == NULL) {
        answer_error(s.json, ANSWER_FAILED,
                     "cannot edit lines on this terminal; give the commands through a pipe");
        goto out_close_shell;
    }
    greet(&s);
    const char *line;
    while (!s.ended && (line = line_read(l)) != NULL) {
        s.render = render_for_stdout(); /* the terminal may have another size now */
        shell_line(&s, slice_str(line));
    }
    if (!s.ended)
        putchar('\n');
    line_close(l);
    code = EXIT_OK;
out_close_shell:
    shell_close(&s);
    return code;
}
