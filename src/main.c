/* main.c: the one program. `covey WORD ...`: each word has its code in its own room. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/words.h"
#include "check_main.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/demo.h"
#include "console/screen.h"
#include "console/shell.h"
#include "covey.h"
#include "front/command.h"
#include "restore_main.h"
#include "rt/start.h"

static const char *const usage[][2] = {
    {"start [--name N] [--data DIR] [--port P] [--new | --seed HOST:PORT]",
     "run a node (covey start --help: all flags)"},
    {"demo [--nodes N]", "a cluster on this machine, shown at work"},
    {"console [-h HOST] [-p PORT]", "talk to a node: history, completion, help"},
    {"status | members | ring | hints | where KEY | get KEY | set KEY VALUE | del KEY ... [-h "
     "HOST] [-p PORT] [--json]",
     "one command of the console, from the shell"},
    {"backup PATH [-h HOST] [-p PORT]", "copy what a running node holds, on its machine"},
    {"restore BACKUP... --into HOST:PORT | --data DIR",
     "backups into a running, empty cluster, or a new node"},
    {"check DIR", "look through the data of a stopped node, or a backup"},
    {"help [WORD]", "this, or how that word is used"},
    {"version", "which release this is"},
};

static int print_usage(FILE *to)
{
    const struct words_page page = {.left = 34, .width = screen_columns()};
    struct buf text;
    buf_init(&text, 64 * 1024);
    words_paragraph(&text, "covey: a masterless cluster that any Redis client can use", 0, &page);
    buf_printf(&text, "\n");
    for (size_t i = 0; i < sizeof usage / sizeof usage[0]; i++)
        words_row(&text, usage[i][0], usage[i][1], &page);
    buf_printf(&text, "\nA first cluster, in three terminals:\n\n"
                      "  covey start --name a --port 7400 --new\n"
                      "  covey start --name b --port 7410 --seed 127.0.0.1:7400\n"
                      "  covey start --name c --port 7420 --seed 127.0.0.1:7400\n");
    if (to == stdout) {
        buf_printf(&text, "\n");
        words_paragraph(
            &text,
            "The commands, each of which is a word of covey too (covey help WORD says more):", 0,
            &page);
        help_all(&text, page.width);
    }
    fwrite(text.p, 1, text.n, to);
    buf_close(&text);
    return to == stdout ? 0 : EXIT_USAGE;
}

/* ---- Words that are not in the command table ---- */

static int run_start(int argc, char **argv)
{
    return start_main(argc, argv, screen_columns());
}

static void print_version(bool json)
{
    if (json) {
        printf("{\"version\":{\"covey\":\"%s\",\"commit\":\"%s\"}}\n", covey_version(),
               covey_commit());
        return;
    }
    bool known = covey_commit()[0] != 0;
    printf("covey %s, %s%s\n", covey_version(), known ? "commit " : "not built from a git checkout",
           covey_commit());
}

static int run_version(int argc, char **argv)
{
    bool json = answer_wants_json(argc, argv);
    if (argc - json > 1 && strcmp(argv[1], "--help") != 0)
        return answer_error(json, ANSWER_USAGE, "version takes no words: covey version [--json]"),
               EXIT_USAGE;
    print_version(json);
    return 0;
}

static int run_help(int argc, char **argv);

static const struct word {
    const char *name;
    int (*run)(int argc, char **argv);
} words[] = {
    {"start", run_start},       {"demo", demo_main},       {"console", console_main},
    {"check", check_main},      {"restore", restore_main}, {"help", run_help},
    {"-h", run_help},           {"--help", run_help},      {"version", run_version},
    {"--version", run_version},
};

static int unknown(const char *word, bool json)
{
    static const char *const more[] = {"start",   "demo", "console", "check",
                                       "restore", "help", "version", NULL};
    const char *near = help_nearest(slice_str(word), more);
    struct slice name = slice_str(word), no_sub = {0};
    if (command_is_absent(name, no_sub)) /* the nearest name would do something else */
        answer_error(json, ANSWER_USAGE,
                     "\"%.60s\" is a command of Redis that is not built in covey yet; `covey help` "
                     "lists all",
                     word);
    else if (near)
        answer_error(json, ANSWER_USAGE,
                     "\"%.60s\" is no command; did you mean `covey %s`? (`covey help` lists all)",
                     word, near);
    else
        answer_error(json, ANSWER_USAGE, "\"%.60s\" is no command; `covey help` lists all", word);
    return EXIT_USAGE;
}

/* Runs a word, which is argv[0], in upper or lower case, as in the console. */
static int run_word(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(argv[0], words[i].name) == 0)
            return words[i].run(argc, argv);
    return console_knows(argv[0]) ? console_main(argc, argv)
                                  : unknown(argv[0], answer_wants_json(argc, argv));
}

/* `covey help WORD [SUBCOMMAND]` is `covey WORD [SUBCOMMAND] --help`. */
static int run_help(int argc, char **argv)
{
    static char flag[] = "--help";
    char *asked[] = {argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : flag, argc > 2 ? flag : NULL,
                     NULL};
    if (argc > 3)
        return fprintf(stderr, "usage: covey help [WORD [SUBCOMMAND]]\n"), EXIT_USAGE;
    if (argc == 2 && strcasecmp(asked[0], "json") == 0)
        return console_main(argc, asked); /* the console has the text about --json */
    return argc == 1 || asked[0][0] == '-' ? print_usage(stdout) : run_word(argc, asked);
}

/* Opens standard descriptors that are closed on /dev/null: no file or socket may come to stand
 * where others expect a terminal. */
static void open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            _exit(EXIT_ERROR);
}

int main(int argc, char **argv)
{
    open_standard();
    return argc > 1 ? run_word(argc - 1, argv + 1) : print_usage(stderr);
}
