/* shell.c: see shell.h. */
#include "console/shell.h"

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/line.h"
#include "console/screen.h"
#include "console/text.h"
#include "front/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char *const own_words[] = {"help", "connect", "exit", NULL};

static const char MEMBERS_CHANNEL[] = "__covey__:members";

/* How to render on the present stdout. */
static struct render render_for_stdout(void)
{
    struct render how = {.raw = !isatty(STDOUT_FILENO), .columns = screen_columns()};
    const char *term = getenv("TERM");
    if (how.raw)
        return how;
    how.colour = getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
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
    s->render = render_for_stdout();
    s->json = o->json;
    set_node(s, o->host, o->port);
}

void shell_close(struct shell *s)
{
    client_close(&s->client);
    client_close(&s->watch);
}

/* The client says why. */
static int nobody(const struct shell *s)
{
    answer_error(s->json, ANSWER_UNREACHABLE, "%s", s->client.why);
    return 2;
}

/* ---- A command ---- */

/* The reply of STATUS carries its own verdict. */
static int status_code(const struct client *c)
{
    uint32_t i = client_field(c, 0, "code");
    return i != 0 && c->reply.v[i].type == RESP_INTEGER ? (int)c->reply.v[i].integer : 1;
}

/* Connects when there is no connection, or the one there is was closed by its node meanwhile. */
static int connect_if_needed(struct shell *s)
{
    if (s->client.fd >= 0 && client_receive(&s->client, 0) != ERR_CLOSED && s->client.fd >= 0)
        return 0;
    return client_open(&s->client, s->host, s->port);
}

/* Prints what a subscription brings until the connection ends. */
static int follow(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    int error = client_send(&s->client, arg, arg_n);
    if (error == 0)
        error = client_flush(&s->client);
    while (error == 0) {
        error = client_receive(&s->client, CLIENT_TIMEOUT_MS);
        if (error == ERR_INCOMPLETE)
            error = 0; /* nothing happened meanwhile */
        else if (error == 0 && answer_reply(&s->client.reply, arg[0], s->json, &s->render) != 0)
            return 1;
    }
    return nobody(s);
}

/* How the command is used, on stderr. */
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
    return EX_USAGE;
}

/* A word that the node did not know, and that is none of ours. */
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
    return code == 0 && words_same(arg[0], "status") ? status_code(&s->client) : code;
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
        words_paragraph(&text, "help [command], connect [host] port, quit; Tab completes, Ctrl-C discards a line, Ctrl-D ends", 2,
                        &page);
    } else if (!help_one(&text, arg[1], arg_n > 2 ? arg[2] : SLICE(""), page.width)) {
        const char *near = help_nearest(arg[1], own_words);
        buf_printf(&text, "no such command; %s%s%shelp alone lists all\n", near ? "did you mean " : "", near ? near : "",
                   near ? "? " : "");
        code = EX_USAGE;
    }
    fwrite(text.p, 1, text.n, code ? stderr : stdout);
    buf_close(&text);
    return code;
}

/* connect [HOST] PORT: the same console on another node. */
static int run_connect(struct shell *s, const struct slice *arg, uint32_t arg_n)
{
    char host[sizeof s->host], port[8];
    if (arg_n < 2 || arg_n > 3 || arg[arg_n - 1].n >= sizeof port || (arg_n == 3 && arg[1].n >= sizeof host)) {
        answer_error(s->json, ANSWER_USAGE, "usage: connect [host] port");
        return EX_USAGE;
    }
    snprintf(port, sizeof port, "%.*s", (int)arg[arg_n - 1].n, (const char *)arg[arg_n - 1].p);
    snprintf(host, sizeof host, "%s", s->host);
    if (arg_n == 3)
        snprintf(host, sizeof host, "%.*s", (int)arg[1].n, (const char *)arg[1].p);
    char *end;
    long number = strtol(port, &end, 10);
    if (*end != '\0' || number < 1 || number > 65535) {
        answer_error(s->json, ANSWER_USAGE, "connect: \"%s\" is not a port (1 to 65535)", port);
        return EX_USAGE;
    }
    shell_close(s);
    set_node(s, host, (uint16_t)number);
    return client_open(&s->client, s->host, s->port) == 0 ? 0 : nobody(s);
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

int shell_line(struct shell *s, struct slice line)
{
    struct buf text;
    buf_init(&text, RESP_INLINE_MAX + 8);
    struct resp_request words;
    resp_request_init(&words);
    int code = 0;
    /* The leading blank makes it an inline command whatever it begins with: "*1" is a word here. */
    int error = buf_slice(&text, SLICE(" "));
    error = error != 0 ? error : buf_slice(&text, line);
    error = error != 0 ? error : buf_slice(&text, SLICE("\r\n"));
    if (error == 0)
        error = resp_parse_request(&words, buf_view(&text), RESP_INLINE_MAX);
    if (error < 0) {
        answer_error(s->json, ANSWER_USAGE, "%s", words.why != NULL ? words.why : error_sentence(error));
        code = 1;
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

/* The descriptor that membership events come from; subscribes when there is no connection but a node to have one with. */
static int watch_fd(void *arg)
{
    struct shell *s = arg;
    if (s->watch.fd >= 0 || s->client.fd < 0)
        return s->watch.fd;
    const struct slice words[] = {SLICE("SUBSCRIBE"), slice_str(MEMBERS_CHANNEL)};
    if (client_open(&s->watch, s->host, s->port) == 0 && client_send(&s->watch, words, 2) == 0)
        client_flush(&s->watch);
    return s->watch.fd;
}

/* One event: the time of day and what the node says of the member. */
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

static void watch(void *arg, struct buf *out)
{
    struct shell *s = arg;
    int error;
    while ((error = client_receive(&s->watch, 0)) == 0) {
        const struct resp_reply *r = &s->watch.reply;
        bool message = r->v[0].type == RESP_PUSH && r->v[0].count >= 3 && slice_eq(r->v[1].text, SLICE("message"));
        if (message)
            put_event(out, r, &s->render);
    }
    if (error != ERR_INCOMPLETE) {
        buf_printf(out, "%s; the next command connects again\n", s->watch.why);
        client_close(&s->client); /* else the watch would be tried at once, again and again */
    }
}

/* What an operator wants to know first. */
static void greet(struct shell *s)
{
    printf("connected to %s; help lists the commands\n", s->client.where);
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
    int code = 2;
    if (client_open(&s.client, s.host, s.port) != 0) {
        nobody(&s);
        goto out_close_shell;
    }
    struct line *l = line_open(
        &(struct line_options){.prompt = s.prompt, .words = own_words, .watch = {{watch_fd, watch}}, .arg = &s, .stop = o->stop});
    if (l == NULL) {
        answer_error(s.json, ANSWER_FAILED, "cannot edit lines on this terminal; give the commands through a pipe");
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
    code = 0;
out_close_shell:
    shell_close(&s);
    return code;
}
