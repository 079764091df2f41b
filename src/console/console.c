/* console.c: the command line of `covey console` and of the one-shots. */
#include "console/console.h"

#include "base/words.h"
#include "console/answer.h"
#include "console/job.h"
#include "console/screen.h"
#include "console/shell.h"
#include "console/watch.h"
#include "front/command.h"

#include <ctype.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

struct flags {
    struct shell_options shell;
    bool help;
    bool watch;        /* --watch */
    struct slice *arg; /* the words that are not flags */
    uint32_t arg_n;
};

bool console_knows(const char *word)
{
    return command_find(slice_str(word), SLICE("")) != NULL;
}

static int usage_error(const struct flags *f, const char *what, const char *value)
{
    answer_error(f->shell.json, ANSWER_USAGE,
                 "%s \"%.200s\"; flags are -h HOST or --host HOST, -p PORT or --port PORT, --json, "
                 "--watch (status, repair), --help; words after -- are taken as they are",
                 what, value);
    return EXIT_USAGE;
}

static int parse_port(struct flags *f, const char *name, const char *text)
{
    char what[64];
    snprintf(what, sizeof what, "%s takes a port from 1 to 65535, not", name);
    if (!client_port(text, &f->shell.port))
        return usage_error(f, what, text);
    return 0;
}

/* Which node to ask when no flag says it. */
static int take_environment(struct flags *f)
{
    const char *host = getenv("COVEY_HOST"), *port = getenv("COVEY_PORT");
    if (host != NULL && *host != '\0')
        f->shell.host = host;
    return port != NULL && *port != '\0' ? parse_port(f, "COVEY_PORT", port) : 0;
}

/* Whether a word begins with one of the two flags of one letter: "-p", "-p7400" and "-p=7400" do.
 * Other words with one dash are no flags: -1 is a value. */
static bool is_letter_flag(const char *word)
{
    bool letter = word[0] == '-' && (word[1] == 'h' || word[1] == 'p');
    return letter &&
           (word[2] == 0 || word[2] == '=' || (word[1] == 'p' && isdigit((unsigned char)word[2])));
}

/* Reads a flag with a value at argv[*i]: "-p 7400", "-p7400", "-p=7400", "--port 7400" or
 * "--port=7400". Returns the value, with *i at the last word read; "" when the value is missing;
 * NULL when it is another word. */
static const char *value_of(const char *name, const char *letter, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    size_t n = strlen(name);
    if (strncmp(word, name, n) == 0 && word[n] == '=')
        return word + n + 1;
    if (letter[1] != '-' && strncmp(word, letter, 2) == 0 && is_letter_flag(word) && word[2] != 0)
        return word + 2 + (word[2] == '=');
    if (strcmp(word, name) != 0 && strcmp(word, letter) != 0)
        return NULL;
    return ++*i < argc ? argv[*i] : "";
}

/* Whether the command has --watch. */
static bool has_watch(const struct flags *f)
{
    return f->arg_n > 0 && (words_same(f->arg[0], "repair") || words_same(f->arg[0], "status"));
}

/* Reads a flag: a word that begins with two dashes, or one of the two flags of one letter. */
static int parse_flag(struct flags *f, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *host = value_of("--host", "-h", argc, argv, i);
    const char *port = host == NULL ? value_of("--port", "-p", argc, argv, i) : NULL;
    const char *log =
        host == NULL && port == NULL ? value_of("--log-fd", "--log-fd", argc, argv, i) : NULL;
    if ((host != NULL && *host == '\0') || (port != NULL && *port == '\0'))
        return usage_error(f, "a value is missing after", word);
    if (host != NULL)
        f->shell.host = host;
    else if (port != NULL)
        return parse_port(f, word, port);
    else if (log != NULL)
        /* given by `covey start --console`, which starts this process */
        f->shell.log_fd = atoi(log);
    else if (strcmp(word, "--json") == 0)
        return 0; /* answer_wants_json found it already */
    else if (strcmp(word, "--watch") == 0 && has_watch(f))
        f->watch = true;
    else if (strcmp(word, "--help") == 0)
        f->help = true;
    else
        return usage_error(
            f, strcmp(word, "--watch") == 0 ? "only repair and status have" : "unknown flag", word);
    return 0;
}

/* Flags may stand before or after the words of the command. */
static int parse_flags(struct flags *f, int argc, char **argv)
{
    bool words_only = false;
    int error = 0;
    for (int i = 0; i < argc && error == 0; i++) {
        const char *word = argv[i];
        if (words_only || word[0] != '-' || (word[1] != '-' && !is_letter_flag(word)))
            f->arg[f->arg_n++] = slice_str(word);
        else if (strcmp(word, "--") == 0)
            words_only = true;
        else
            error = parse_flag(f, argc, argv, &i);
    }
    return error;
}

/* The flags that every one-shot takes. */
static void put_flags(struct buf *out, const struct flags *f, const struct words_page *page)
{
    buf_append(out, "\n", 1);
    words_row(out, "-h, --host HOST", "the node to ask ($COVEY_HOST, else 127.0.0.1)", page);
    words_row(out, "-p, --port PORT", "its port for clients ($COVEY_PORT, else 7400)", page);
    words_row(out, "--json", "the reply as JSON (covey help json)", page);
    if (has_watch(f))
        words_row(out, "--watch", "again and again, until it is interrupted", page);
}

static int print_help(const struct flags *f)
{
    const struct words_page page = {.left = 18, .width = screen_columns()};
    struct buf text;
    buf_init(&text, 1024 * 1024);
    if (!help_one(&text, f->arg[0], f->arg_n > 1 ? f->arg[1] : SLICE(""), page.width)) {
        words_paragraph(&text, "covey console [-h HOST] [-p PORT] [--json]", 0, &page);
        words_paragraph(&text, "Commands from the terminal or, one a line, from standard input.", 2,
                        &page);
    }
    if (!words_same(f->arg[0], "json")) /* "json" is a text, and no command */
        put_flags(&text, f, &page);
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
    return 0;
}

static int run(struct flags *f)
{
    if (f->help)
        return print_help(f);
    bool console = words_same(f->arg[0], "console");
    if (console && f->arg_n > 1)
        return usage_error(f, "console takes no words, yet there is", (const char *)f->arg[1].p);
    if (console) {
        bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        return terminal ? shell_interactive(&f->shell) : shell_script(&f->shell);
    }
    bool fits = help_fits(f->arg, f->arg_n), status = words_same(f->arg[0], "status");
    if (f->watch && fits)
        return status ? status_watch(&f->shell) : job_repair(&f->shell, f->arg, f->arg_n);
    if (words_same(f->arg[0], "backup") && fits && !words_same(f->arg[1], "status"))
        return job_backup(&f->shell, (const char *)f->arg[1].p);
    struct shell s;
    shell_init(&s, &f->shell);
    int code = shell_command(&s, f->arg, f->arg_n);
    shell_close(&s);
    return code;
}

int console_main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    struct flags f = {.shell = {.host = "127.0.0.1", .port = CLIENT_PORT_DEFAULT, .stop = &stop}};
    f.shell.json = answer_wants_json(argc, argv);
    bool console = argc > 0 && strcasecmp(argv[0], "console") == 0;
    f.arg = calloc((size_t)argc + 1, sizeof *f.arg);
    if (argc < 1 || f.arg == NULL)
        return EXIT_ERROR;
    /* the terminal must be restored; a one-shot may simply die */
    for (int i = 0; console && i < 2; i++)
        sigaction(i == 0 ? SIGTERM : SIGHUP, &(struct sigaction){.sa_handler = on_signal}, NULL);
    int code = take_environment(&f);
    if (code == 0)
        code = parse_flags(&f, argc, argv);
    if (code == 0)
        code = run(&f);
    free(f.arg);
    return code;
}
