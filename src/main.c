/* main.c: the one program. `covey WORD ...`: what each word does is in its own room. */
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/demo.h"
#include "covey.h"
#include "front/command.h"
#include "front/redis7.h"
#include "restore_main.h"
#include "rt/options.h"
#include "rt/start.h"

static const char usage[] =
    "covey: a masterless cluster that any Redis client can use\n\n"
    "  covey start [--name N] [--data DIR] [--port P] [--new | --seed H:P]    run a node (covey start --help: all flags)\n"
    "  covey demo [--nodes N]                                                 a cluster on this machine, shown at work\n"
    "  covey console [-h HOST] [-p PORT]                                      talk to a node: history, completion, help\n"
    "  covey status | members | ring | hints | where KEY | get KEY | set KEY VALUE | del KEY ... [-h HOST] [-p PORT] [--json]\n"
    "                                                                         one command of the console, from the shell\n"
    "  covey backup PATH [-h HOST] [-p PORT]                                  copy what a running node holds, on its machine\n"
    "  covey restore BACKUP... --into HOST:PORT | --data DIR                  backups into a running, empty cluster, or a new "
    "node\n"
    "  covey check DIR                                                        look through the data of a stopped node, or a "
    "backup\n"
    "  covey help | version\n\n"
    "A first cluster, in three terminals:\n\n"
    "  covey start --name a --port 7400 --new\n"
    "  covey start --name b --port 7410 --seed 127.0.0.1:7400\n"
    "  covey start --name c --port 7420 --seed 127.0.0.1:7400\n";

static void print_version(bool json)
{
    if (json) {
        printf("{\"version\":{\"covey\":\"%s\",\"commit\":\"%s\"}}\n", covey_version(), covey_commit());
        return;
    }
    bool known = covey_commit()[0] != 0;
    printf("covey %s, %s%s\n", covey_version(), known ? "commit " : "not built from a git checkout", covey_commit());
}

static int unknown(const char *word, bool json)
{
    static const char *const words[] = {"start",  "check",   "backup", "restore", "demo",  "console", "help", "version",
                                        "status", "members", "ring",   "hints",   "where", "get",     "set",  "del"};
    const char *near = options_nearest(word, words, sizeof words / sizeof words[0]);
    struct slice name = slice_str(word), no_sub = {0};
    if (redis7_has(name, no_sub) && !command_find(name, no_sub)) /* the nearest name would do something else */
        answer_error(json, ANSWER_USAGE, "\"%.60s\" is a command of Redis that is not built in covey yet; `covey help` lists all",
                     word);
    else if (near)
        answer_error(json, ANSWER_USAGE, "\"%.60s\" is no command; did you mean `covey %s`? (`covey help` lists all)", word,
                     near);
    else
        answer_error(json, ANSWER_USAGE, "\"%.60s\" is no command; `covey help` lists all", word);
    return 1;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "start") == 0)
        return start_main(argc - 1, argv + 1);
    if (strcmp(word, "demo") == 0)
        return demo_main(argc - 1, argv + 1);
    if (strcmp(word, "check") == 0)
        return check_main(argc - 1, argv + 1);
    if (strcmp(word, "restore") == 0)
        return restore_main(argc - 1, argv + 1);
    if (strcmp(word, "console") == 0 || console_knows(word))
        return console_main(argc - 1, argv + 1);
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        static char topic[] = "json", flag[] = "--help"; /* what --json prints is the console's to tell */
        if (argc == 3 && strcmp(argv[2], topic) == 0)
            return console_main(2, (char *[]){topic, flag, NULL});
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        print_version(answer_wants_json(argc, argv));
        return 0;
    }
    return unknown(word, answer_wants_json(argc, argv));
}
