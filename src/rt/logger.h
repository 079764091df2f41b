/* logger.h: one logfmt line for each event, to a sink.
 *
 *     ts=2025-11-21T13:42:00.123Z node=a event=member.dead level=warn member=00000000000000c1
 *         incarnation=4 by=00000000000000a1 name=c
 *
 * (One line; broken here.) node= is the name of the node that logs it, so that the logs of several
 * nodes can be merged. Most lines are the core's typed traces, printed by their one printer
 * (core/trace.h); the world adds its own about sockets and files. */
#ifndef COVEY_RT_LOGGER_H
#define COVEY_RT_LOGGER_H

#include "core/trace.h"

struct logger {
    enum trace_level least; /* lines below this level are not printed */
    /* Takes a line without its newline, which lives for the call. NULL: nobody listens. */
    void (*sink)(void *arg, enum trace_level level, const char *line);
    void *arg;
    /* the node's name, borrowed; absent from the lines while it is empty */
    struct slice node;
    struct buf line;
};

/* bytes of a line: the sentence of a peer's refusal fits; a longer line is dropped */
enum { LOGGER_LINE_MAX = 2048 };

void logger_init(struct logger *l, enum trace_level least,
                 void (*sink)(void *, enum trace_level, const char *), void *arg);
void logger_close(struct logger *l);

/* Logs a trace of the core. wall_ms: since 1970. */
void logger_trace(struct logger *l, uint64_t wall_ms, const struct trace *t);

/* Logs an event of the world: its stable name, the other end's address ("": none) and a sentence
 * ("": none). */
void logger_event(struct logger *l, uint64_t wall_ms, enum trace_level level, const char *event,
                  const char *addr, const char *why);

/* A sink that writes the line with its newline to stderr, in one system call. */
void logger_stderr(void *arg, enum trace_level level, const char *line);

#endif
