/* harness.h: real nodes for the end-to-end stories: started, asked, killed, and gone when the story
 * ends, however it ends.
 *
 * A story is a cmocka test with e2e_setup and e2e_teardown; *state is a struct cluster. Nodes are
 * named a to e in order and listen ten ports apart, below the ephemeral ones. Nothing sleeps
 * blindly: each wait asks a question again and again until the answer is the one wanted, or until
 * E2E_WAIT_MS are over, and then the story fails with the end of every node's log. */
#ifndef COVEY_TEST_E2E_HARNESS_H
#define COVEY_TEST_E2E_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>

#include "base/error.h"
#include "console/client.h"
#include "console/nest.h"

enum {
    E2E_NODES = 5,
    E2E_WAIT_MS = 30000, /* generous: the machine may be busy with other tests */
    E2E_TEXT = 64 * 1024,
};

struct cluster {
    struct nest nest;
    struct client client[E2E_NODES]; /* one to each node, opened by the first question */
    /* "127.0.0.1"; a story may say "::1" before it starts nodes */
    const char *host;
    const char *node_host[E2E_NODES]; /* where a node has an address of its own; else NULL */
    uint16_t base_port;
    int port_lock;       /* an abstract socket: no other run of tests takes these ports */
    char text[E2E_TEXT]; /* of the last e2e_shell, or the last reply as text */
};

int e2e_setup(void **state);
int e2e_teardown(void **state);

/* Fails the story, with the end of every node's log before the message. */
_Noreturn void e2e_fail(struct cluster *c, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define e2e_check(c, condition) \
    ((condition) ? (void)0 : e2e_fail(c, __FILE__, __LINE__, "%s", #condition))

/* ---- Nodes ---- */

uint16_t e2e_port(const struct cluster *c, unsigned i);
const char *e2e_host(const struct cluster *c, unsigned i);
const char *e2e_name(unsigned i);

/* `covey start` with name, data directory, port and the local profile, and more arguments up to a
 * NULL. */
void e2e_start(struct cluster *c, unsigned i, ...);

/* n nodes that then know each other: node 0 with --new, the others with a --seed of it. */
void e2e_start_all(struct cluster *c, unsigned n);

/* Starts it again, on what it has in its directory. */
void e2e_restart(struct cluster *c, unsigned i);

/* SIGKILL, and reaped. */
void e2e_kill(struct cluster *c, unsigned i);

/* Waits until it ends; its exit code, or 128 + the signal. */
int e2e_wait_exit(struct cluster *c, unsigned i);

/* ---- Questions ---- */

/* A command (words up to a NULL) to node i: the reply as text in c->text, also returned: "OK",
 * "12", "(nil)", an error's words. Connects when needed; "(no connection)" when that fails or the
 * connection ends. */
const char *e2e_ask(struct cluster *c, unsigned i, ...);

/* The reply must match the shell pattern (fnmatch). */
#define e2e_expect(c, i, pattern, ...) \
    e2e_match(c, __FILE__, __LINE__, pattern, e2e_ask(c, i, __VA_ARGS__, NULL))
void e2e_match(struct cluster *c, const char *file, int line, const char *pattern,
               const char *text);

/* An integer field of STATUS, in whichever group it stands; -1 when there is none. */
int64_t e2e_status(struct cluster *c, unsigned i, const char *field);

/* ---- Waits ---- */

/* Until the reply matches the pattern. */
#define e2e_await(c, i, pattern, ...)                                   \
    do {                                                                \
        uint64_t until_ = e2e_now_ms() + E2E_WAIT_MS;                   \
        while (!e2e_matches(pattern, e2e_ask(c, i, __VA_ARGS__, NULL))) \
            e2e_poll(c, __FILE__, __LINE__, until_, pattern);           \
    } while (0)
bool e2e_matches(const char *pattern, const char *text);
uint64_t e2e_now_ms(void);
void e2e_poll(struct cluster *c, const char *file, int line, uint64_t until_ms, const char *what);

/* Until node i's STATUS has the number in that field. */
void e2e_await_status(struct cluster *c, unsigned i, const char *field, int64_t want);

/* Until each of nodes 0 .. n-1 says that all n are members and alive and nothing is missing. */
void e2e_await_healthy(struct cluster *c, unsigned n);

/* Until node i's MEMBERS has that member in that state. */
void e2e_await_member(struct cluster *c, unsigned i, const char *name, const char *state);

/* Until a node's log matches the pattern somewhere. */
void e2e_await_log(struct cluster *c, unsigned i, const char *pattern);

/* ---- Load, pipelined ---- */

/* SET key:<j> to "value <generation> <j>" for j in from .. to-1 through node i. The number of
 * replies that were not OK. */
unsigned e2e_fill(struct cluster *c, unsigned i, unsigned from, unsigned to, unsigned generation);

/* GET the same. The number that were not equal. */
unsigned e2e_missing(struct cluster *c, unsigned i, unsigned from, unsigned to,
                     unsigned generation);

/* ---- Programs ---- */

/* Runs a shell command in the cluster's directory, its output (both streams) in c->text; its exit
 * code. $COVEY is the program. */
int e2e_shell(struct cluster *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
