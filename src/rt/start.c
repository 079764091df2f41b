/* start.c: see start.h. What belongs to the process and not to a node: signals, limits, the terminal, the console beside
 * the node. */
#include "rt/start.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/words.h"
#include "covey.h"
#include "rt/logger.h"
#include "rt/options.h"

extern char **environ;

/* The node that a signal stops: set once before the handlers are installed. */
static struct covey *running;

struct console {
    bool wanted, begun;
    uint16_t port;
    const char *host;
    pid_t pid;
    pthread_t waiter;
};

static void on_signal(int number)
{
    (void)number;
    covey_stop(running);
}

static void broken_invariant(const char *file, int line, const char *what)
{
    fprintf(stderr, "covey: broken invariant at %s:%d: %s; the node stops so as not to spread the damage; please report this\n",
            file, line, what);
}

/* A process that serves thousands of sockets: no death by a closed one, and as many descriptors as the system grants. */
static void prepare_process(void)
{
    struct rlimit r;
    signal(SIGPIPE, SIG_IGN);
    check_report = broken_invariant;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* With a console the terminal's interrupt belongs to the line being typed there. */
static void catch_signals(bool console)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, console ? &ignore : &stop, NULL);
}

/* ---- The console beside the node ---- */

static void *wait_for_console(void *arg)
{
    const struct console *c = arg;
    siginfo_t info;
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    covey_stop(running);
    return NULL;
}

/* The console is an ordinary client in a process of its own: what it does cannot stall the node. */
static void begin_console(struct console *c)
{
    char port[8];
    char *argv[] = {"covey", "console", "-h", (char *)(uintptr_t)c->host, "-p", port, NULL};
    posix_spawnattr_t attributes;
    sigset_t defaults;
    snprintf(port, sizeof port, "%u", c->port);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&c->pid, "/proc/self/exe", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (!error)
        error = pthread_create(&c->waiter, NULL, wait_for_console, c);
    c->begun = !error;
    if (error)
        fprintf(stderr, "covey: the console cannot be started (%s); the node runs without: use `covey console -p %s`\n",
                strerror(error), port);
}

static void on_state(void *arg, enum covey_state state, const char *sentence)
{
    struct console *c = arg;
    printf("%s\n", sentence);
    if (state == COVEY_LISTENING && c->wanted)
        begin_console(c);
}

static void on_log(void *arg, enum covey_log_level level, const char *line)
{
    logger_stderr(arg, (enum trace_level)level, line);
}

static void end_console(struct console *c)
{
    if (!c->begun)
        return;
    kill(c->pid, SIGTERM); /* it may have ended already: nobody has collected it, so its number is not yet another's */
    pthread_join(c->waiter, NULL);
    waitpid(c->pid, NULL, 0);
}

/* ---- The command ---- */

static int run(const struct options *o)
{
    struct covey_options options;
    struct console console = {.wanted = o->console, .port = o->port ? (uint16_t)o->port : PORT_DEFAULT};
    char why[COVEY_WHY_MAX];
    options_embed(o, &options);
    options.on_log = on_log;
    options.on_state = on_state;
    options.arg = &console;
    console.host = o->client_bind ? o->client_bind : o->bind ? o->bind : "127.0.0.1";
    int failed = covey_open(&running, &options, why, sizeof why);
    if (!failed) {
        catch_signals(o->console);
        failed = covey_run(running, why, sizeof why);
        end_console(&console);
        signal(SIGTERM, SIG_IGN); /* the handler would use the node, which goes now */
        signal(SIGINT, SIG_IGN);
        covey_close(running);
    }
    if (failed)
        fprintf(stderr, "covey: %s\n", why);
    return failed ? 1 : 0;
}

static void print_help(unsigned width)
{
    const struct words_page page = {.width = width};
    struct buf text;
    buf_init(&text, 64 * 1024);
    int error = words_paragraph(&text, "covey start [--name N] [--data DIR] [--port P] [--new | --seed HOST:PORT...]", 0, &page);
    error = error ? error : words_paragraph(&text, "", 0, &page);
    error =
        error ? error
              : words_paragraph(
                    &text,
                    "Starts a node of a cluster. Without --seed on an empty data directory it founds a new cluster; with --seed "
                    "it joins the neighbour's; on a directory that it used before it goes on as the member it was.",
                    0, &page);
    error = error ? error : words_paragraph(&text, "", 0, &page);
    if (!error && options_help(&text, width) == 0)
        printf("%.*s", (int)text.n, (const char *)text.p);
    buf_close(&text);
}

int start_main(int argc, char **argv, unsigned width)
{
    struct options o;
    char why[COVEY_WHY_MAX];
    int code = 0;
    prepare_process();
    if (options_parse(&o, argc - 1, argv + 1, why, sizeof why)) {
        fprintf(stderr, "covey: %s\n", why);
        code = EX_USAGE;
    } else if (o.help) {
        print_help(width);
    } else {
        code = run(&o);
    }
    options_close(&o);
    return code;
}
