/* start.c: see start.h. What belongs to the process and not to a node: signals, limits, the
 * terminal, and the console beside the node. */
#include "rt/start.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/words.h"
#include "covey.h"
#include "rt/logger.h"
#include "rt/options.h"

extern char **environ;

/* the descriptor from which the console reads the node's log: the first one after the standard
 * three */
enum { CONSOLE_LOG = 3 };

/* The node that a signal stops. Set before the handlers are installed. */
static struct covey *running;

struct console {
    bool wanted, begun;
    /* the writing end of the pipe of lines that the console prints above its prompt; -1: none */
    int log;
    unsigned dropped; /* lines that did not fit the pipe */
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
    fprintf(stderr,
            "covey: broken invariant at %s:%d: %s; the node stops so as not to spread the damage; "
            "please report this\n",
            file, line, what);
}

/* Prepares the process to serve thousands of sockets: a closed socket does not kill it, nor does a
 * limit on the size of files, which then counts as a disk that fails; and it may have as many
 * descriptors as the system grants. */
static void prepare_process(void)
{
    struct rlimit r;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    check_report = broken_invariant;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* With a console, Ctrl-C at the terminal is for the line that is being typed there. */
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

/* Starts the console, with `log` as its descriptor CONSOLE_LOG. 0 or an errno. */
static int spawn_console(struct console *c, char *const *argv, int log)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, log, CONSOLE_LOG);
    int error = posix_spawn(&c->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* The console is an ordinary client in a process of its own: it cannot stall the node. From then on
 * the terminal is the console's: lines of the node go to it through a pipe, and it prints them
 * above the line that is being typed. */
static void begin_console(struct console *c)
{
    char port[8], log[8];
    char *argv[] = {"covey",    "console", "-h", (char *)(uintptr_t)c->host, "-p", port,
                    "--log-fd", log,       NULL};
    int ends[2];
    snprintf(port, sizeof port, "%u", c->port);
    snprintf(log, sizeof log, "%d", CONSOLE_LOG);
    int error = pipe2(ends, O_CLOEXEC) ? errno : 0;
    if (!error) {
        /* a console that does not read must not stop the node */
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        error = spawn_console(c, argv, ends[0]);
        close(ends[0]);
        c->log = ends[1];
    }
    if (!error)
        error = pthread_create(&c->waiter, NULL, wait_for_console, c);
    c->begun = !error;
    if (error)
        fprintf(stderr,
                "covey: the console cannot be started (%s); the node runs without: use `covey "
                "console -p %s`\n",
                strerror(error), port);
}

/* Writes a line at once: a pipe takes all of it or nothing. 0 or an errno. */
static int put_line(int fd, const char *line)
{
    struct iovec part[2] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
                            {.iov_base = "\n", .iov_len = 1}};
    return writev(fd, part, 2) < 0 ? errno : 0;
}

/* Shows a line through the console. False: there is no console. */
static bool console_shows(struct console *c, const char *line)
{
    char lost[64];
    int error = 0;
    if (!c->begun)
        return false;
    if (c->dropped) {
        snprintf(lost, sizeof lost, "%u line%s of the log could not be shown", c->dropped,
                 words_s(c->dropped));
        error = put_line(c->log, lost);
        c->dropped = error ? c->dropped : 0;
    }
    error = error ? error : put_line(c->log, line);
    c->dropped += error == EAGAIN;
    return error == 0 || error == EAGAIN;
}

static void on_state(void *arg, enum covey_state state, const char *sentence)
{
    struct console *c = arg;
    if (!isatty(STDOUT_FILENO) || !console_shows(c, sentence))
        printf("%s\n", sentence);
    if (state == COVEY_LISTENING && c->wanted)
        begin_console(c);
}

static void on_log(void *arg, enum covey_log_level level, const char *line)
{
    struct console *c = arg;
    if (!isatty(STDERR_FILENO) || !console_shows(c, line))
        logger_stderr(arg, (enum trace_level)level, line);
}

static void end_console(struct console *c)
{
    if (!c->begun)
        return;
    /* it may have ended already; its process id is not reused before waitpid */
    kill(c->pid, SIGTERM);
    pthread_join(c->waiter, NULL);
    waitpid(c->pid, NULL, 0);
}

/* ---- The command ---- */

static int run(const struct options *o)
{
    struct covey_options options;
    struct console console = {
        .wanted = o->console, .log = -1, .port = o->port ? (uint16_t)o->port : PORT_DEFAULT};
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
        signal(SIGTERM, SIG_IGN); /* its handler would use the node, which is closed now */
        signal(SIGINT, SIG_IGN);
        covey_close(running);
    }
    if (console.log >= 0)
        close(console.log);
    if (failed)
        fprintf(stderr, "covey: %s\n", why);
    return failed ? 1 : 0;
}

static void print_help(unsigned width)
{
    const struct words_page page = {.width = width};
    struct buf text;
    buf_init(&text, 64 * 1024);
    int error = words_paragraph(
        &text, "covey start [--name N] [--data DIR] [--port P] [--new | --seed HOST:PORT...]", 0,
        &page);
    error = error ? error : words_paragraph(&text, "", 0, &page);
    error =
        error
            ? error
            : words_paragraph(&text,
                              "Starts a node of a cluster. On an empty data directory it founds a "
                              "new cluster with --new, or joins the neighbour's with --seed; on a "
                              "directory that it used before it goes on as the member it was.",
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
