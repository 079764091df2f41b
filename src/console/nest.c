/* nest.c: see nest.h. */
#include "console/nest.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The janitor ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)walk;
    if (type == FTW_DNR) /* a test may have taken away our rights to a directory */
        chmod(path, 0700);
    remove(path);
    return 0;
}

static _Noreturn void janitor_run(const char *dir, int pipe_fd)
{
    setsid(); /* a Ctrl-C at the terminal is not for the janitor */
    for (int number = 1; number < 32; number++)
        signal(number, SIG_IGN);
    enum { END = 3 };
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < END && null >= 0; fd++)
        dup2(null, fd);
    /* No other inherited descriptor may stay open: with two nests, the pipe of the other one is
     * among them. */
    if (chdir("/") != 0 || dup2(pipe_fd, END) < 0 || close_range(END + 1, ~0u, 0) != 0)
        _exit(1);
    char byte;
    while (read(END, &byte, 1) < 0 && errno == EINTR)
        ;
    /* Nodes that die with their starter may still be writing: try until nothing is left. */
    for (int i = 0; i < 200 && access(dir, F_OK) == 0; i++) {
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        if (access(dir, F_OK) == 0)
            usleep(20 * 1000);
    }
    _exit(0);
}

static int janitor_start(struct nest *s)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    s->janitor = fork();
    if (s->janitor < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return error;
    }
    if (s->janitor == 0) {
        close(ends[1]);
        janitor_run(s->dir, ends[0]);
    }
    close(ends[0]);
    s->janitor_fd = ends[1];
    return 0;
}

int nest_open(struct nest *s, const char *program, const char *prefix)
{
    memset(s, 0, sizeof *s);
    const char *tmp = getenv("TMPDIR");
    if (realpath(program, s->program) == NULL)
        return errno;
    if (snprintf(s->dir, sizeof s->dir, "%s/%s-XXXXXX", tmp != NULL && tmp[0] ? tmp : "/tmp",
                 prefix) >= (int)sizeof s->dir)
        return ENAMETOOLONG;
    if (mkdtemp(s->dir) == NULL)
        return errno;
    int error = janitor_start(s);
    if (error != 0)
        rmdir(s->dir);
    return error;
}

void nest_close(struct nest *s)
{
    for (unsigned i = 0; i < s->node_n; i++)
        nest_signal(s, i, SIGKILL);
    close(s->janitor_fd);
    while (waitpid(s->janitor, NULL, 0) < 0 && errno == EINTR)
        ;
    s->node_n = 0;
}

/* ---- Processes ---- */

const char *nest_log(const struct nest *s, const char *name, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%.4000s/%s.log", s->dir, name) >= PATH_MAX)
        out[0] = '\0';
    return out;
}

/* In the child: becomes the node, or dies. exec inherits the signal mask and dispositions: the
 * defaults are wanted. */
static _Noreturn void node_exec(const struct nest *s, const char *name, const char *const *args,
                                pid_t parent)
{
    char log[PATH_MAX];
    char *argv[NEST_ARGS_MAX + 2] = {(char *)(uintptr_t)s->program};
    for (unsigned i = 0; i < NEST_ARGS_MAX && args[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || chdir(s->dir) != 0)
        _exit(127);
    int in = open("/dev/null", O_RDONLY);
    int out = open(nest_log(s, name, log), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execv(s->program, argv);
    dprintf(2, "cannot start %s: %s\n", s->program, strerror(errno));
    _exit(127);
}

int nest_start(struct nest *s, unsigned i, const char *name, const char *const *args)
{
    CHECK(i < NEST_NODES_MAX && s->node[i].pid == 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        node_exec(s, name, args, parent);
    setpgid(pid, pid); /* parent and child both do it: either may run first */
    s->node_n = i >= s->node_n ? i + 1 : s->node_n;
    s->node[i] = (struct nest_node){.pid = pid};
    snprintf(s->node[i].name, sizeof s->node[i].name, "%s", name);
    return 0;
}

static void reap(struct nest_node *p, int flags)
{
    pid_t got;
    do {
        got = waitpid(p->pid, &p->status, flags);
    } while (got < 0 && errno == EINTR);
    if (got != p->pid)
        return;
    p->exited = true;
    p->pid = 0;
}

bool nest_running(struct nest *s, unsigned i)
{
    if (s->node[i].pid != 0)
        reap(&s->node[i], WNOHANG);
    return s->node[i].pid != 0;
}

void nest_signal(struct nest *s, unsigned i, int signal)
{
    struct nest_node *p = &s->node[i];
    if (p->pid == 0)
        return;
    kill(p->pid, signal);
    if (signal == SIGKILL)
        reap(p, 0);
}

/* ---- Logs and ports ---- */

void nest_print_log(const struct nest *s, const char *name, unsigned lines, FILE *to)
{
    char path[PATH_MAX], text[1024];
    FILE *f = fopen(nest_log(s, name, path), "r");
    if (f == NULL)
        return;
    unsigned total = 0;
    while (fgets(text, sizeof text, f) != NULL)
        total += strchr(text, '\n') != NULL;
    rewind(f);
    for (unsigned i = 0; fgets(text, sizeof text, f) != NULL; i += strchr(text, '\n') != NULL) {
        if (i + lines >= total)
            fprintf(to, "  %s: %s", name, text);
    }
    fclose(f);
}

static bool port_free(unsigned port, int type)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return false;
    /* a port in TIME_WAIT is free for a node too */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
                (type == SOCK_DGRAM || listen(fd, 1) == 0);
    close(fd);
    return free;
}

uint16_t nest_port_taken(uint16_t base, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned p = base + 10 * i;
        if (!port_free(p, SOCK_STREAM))
            return (uint16_t)p;
        if (!port_free(p + 1, SOCK_STREAM) || !port_free(p + 1, SOCK_DGRAM))
            return (uint16_t)(p + 1);
    }
    return 0;
}

uint16_t nest_free_ports(uint16_t from, uint16_t to, unsigned n)
{
    for (unsigned base = from; base + 10 * n <= to; base += 100) {
        if (nest_port_taken((uint16_t)base, n) == 0)
            return (uint16_t)base;
    }
    return 0;
}
