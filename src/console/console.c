/* console.c: the command line of `covey console` and of the one-shots. */
#include "console/console.h"

#include "console/answer.h"
#include "console/backup.h"
#include "console/repair.h"
#include "console/shell.h"
#include "front/command.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
    bool watch;        /* repair --watch */
    struct slice *arg; /* the words that are no flags */
    uint32_t arg_n;
};

bool console_knows(const char *word)
{
    return command_find(slice_str(word), SLICE("")) != NULL;
}

static int usage_error(const struct flags *f, const char *what, const char *value)
{
    answer_error(f->shell.json, ANSWER_USAGE,
                 "%s \"%s\"; flags are -h HOST, -p PORT, --json, --help; words after -- are taken as they are", what, value);
    return 1;
}

static int parse_port(struct flags *f, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > 65535)
        return usage_error(f, "-p takes a port from 1 to 65535, not", text);
    f->shell.port = (uint16_t)n;
    return 0;
}

/* Flags may stand before or after the words of the command. A word with one dash that is no flag is a word: -1 is a fine
 * value. */
static int parse_flags(struct flags *f, int argc, char **argv)
{
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        bool host = strcmp(word, "-h") == 0, port = strcmp(word, "-p") == 0;
        if (words_only || word[0] != '-' || (word[1] != '-' && !host && !port)) {
            f->arg[f->arg_n++] = slice_str(word);
        } else if (strcmp(word, "--") == 0) {
            words_only = true;
        } else if (strcmp(word, "--json") == 0) {
            continue; /* known before the first word was read */
        } else if (strcmp(word, "--watch") == 0 && f->arg_n > 0 && slice_eq(f->arg[0], SLICE("repair"))) {
            f->watch = true;
        } else if (strcmp(word, "--help") == 0) {
            f->help = true;
        } else if (!host && !port) {
            return usage_error(f, strcmp(word, "--watch") == 0 ? "only repair has" : "unknown flag", word);
        } else if (++i == argc) {
            return usage_error(f, "a value is missing after", word);
        } else if (host) {
            f->shell.host = argv[i];
        } else if (parse_port(f, argv[i]) != 0) {
            return 1;
        }
    }
    return 0;
}

static int print_help(const struct flags *f)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    if (!help_one(&text, f->arg[0], f->arg_n > 1 ? f->arg[1] : SLICE("")))
        buf_printf(
            &text,
            "covey console [-h HOST] [-p PORT] [--json]\n  Commands from the terminal or, one a line, from standard input.\n");
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
    return 0;
}

static int run(struct flags *f)
{
    if (f->help)
        return print_help(f);
    bool console = slice_eq(f->arg[0], SLICE("console"));
    if (console && f->arg_n > 1)
        return usage_error(f, "console takes no words, yet there is", (const char *)f->arg[1].p);
    if (console) {
        bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        return terminal ? shell_interactive(&f->shell) : shell_script(&f->shell);
    }
    if (f->watch)
        return repair_watch(&f->shell, f->arg, f->arg_n);
    if (slice_eq(f->arg[0], SLICE("backup")) && f->arg_n == 2 && !slice_eq(f->arg[1], SLICE("status")))
        return backup_watch(&f->shell, (const char *)f->arg[1].p);
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
    bool console = argc > 0 && strcmp(argv[0], "console") == 0;
    f.shell.json = answer_wants_json(argc, argv);
    f.arg = calloc((size_t)argc + 1, sizeof *f.arg);
    if (argc < 1 || f.arg == NULL)
        return 1;
    for (int i = 0; console && i < 2; i++) /* a terminal must be given back as it was; a one-shot may simply die */
        sigaction(i == 0 ? SIGTERM : SIGHUP, &(struct sigaction){.sa_handler = on_signal}, NULL);
    int code = parse_flags(&f, argc, argv);
    if (code == 0)
        code = run(&f);
    free(f.arg);
    return code;
}
