/* watch.c: see watch.h. */
#include "console/watch.h"

#include "console/console.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_S = 1 };

int status_watch(const struct shell_options *o)
{
    static const struct slice words[] = {SLICE("status")};
    bool terminal = isatty(STDOUT_FILENO) && !o->json;
    struct shell s;
    int code;
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    /* they wait until a status is printed, so that its code is true */
    sigprocmask(SIG_BLOCK, &ending, NULL);
    shell_init(&s, o);
    do {
        if (terminal)
            fputs("\033[H\033[2J", stdout); /* home, and the screen cleared */
        code = shell_command(&s, words, 1);
        if (!terminal && !o->json)
            putchar('\n');
        fflush(stdout);
    } while (sigtimedwait(&ending, NULL, &(struct timespec){.tv_sec = LOOK_S}) < 0);
    shell_close(&s);
    return code;
}
