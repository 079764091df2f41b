/* nest.h: node processes on this machine, in a temporary directory, that leave nothing behind.
 *
 * Each process is in a process group of its own, so a Ctrl-C at the terminal reaches us and not
 * them. It dies with us (PR_SET_PDEATHSIG). The directory is removed by a janitor, a child that
 * only waits for the end of a pipe: whether we close the nest, crash, or are killed with SIGKILL,
 * the pipe ends and the directory goes. */
#ifndef COVEY_CONSOLE_NEST_H
#define COVEY_CONSOLE_NEST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { NEST_NODES_MAX = 16, NEST_ARGS_MAX = 40 };

struct nest_node {
    char name[16]; /* "": never started */
    pid_t pid;     /* 0: not running */
    bool exited;   /* reaped: status is valid */
    int status;    /* as waitpid gives it */
};

struct nest {
    char dir[PATH_MAX];
    char program[PATH_MAX]; /* the covey to start */
    struct nest_node node[NEST_NODES_MAX];
    unsigned node_n; /* one more than the greatest number started */
    pid_t janitor;
    int janitor_fd; /* its pipe; closing it is the signal to remove dir */
};

/* Makes the directory ($TMPDIR or /tmp)/PREFIX-xxxxxx and its janitor. 0, or an errno. */
int nest_open(struct nest *s, const char *program, const char *prefix);

/* Kills what runs, waits for it, has the directory removed and waits for that. */
void nest_close(struct nest *s);

/* Starts `PROGRAM args...` (args without the program, ends with NULL, at most NEST_ARGS_MAX) as
 * number i, which must not be running, in the directory; standard output and error are appended to
 * DIR/NAME.log, standard input is empty. 0, or an errno. */
int nest_start(struct nest *s, unsigned i, const char *name, const char *const *args);

/* Sends a signal to a process; after SIGKILL also reaps it. */
void nest_signal(struct nest *s, unsigned i, int signal);

/* Whether a process still runs; reaps it when not. */
bool nest_running(struct nest *s, unsigned i);

/* The path of a node's log; out has PATH_MAX bytes. */
const char *nest_log(const struct nest *s, const char *name, char out[PATH_MAX]);

/* Prints the last lines of a node's log, each after the node's name. */
void nest_print_log(const struct nest *s, const char *name, unsigned lines, FILE *to);

/* Nodes number 0 to n-1 would listen at base + 10 i, and at the port after that, on 127.0.0.1.
 * Returns the first of those ports that is taken; 0: all are free. */
uint16_t nest_port_taken(uint16_t base, unsigned n);

/* A base port, from..to, at which n nodes find all their ports free; 0: there is none. */
uint16_t nest_free_ports(uint16_t from, uint16_t to, unsigned n);

#endif
