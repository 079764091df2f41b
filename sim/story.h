/* story.h: the one printer of what happens in the simulated world.
 *
 * A story has a line for each thing that happens: when (virtual seconds), where, and what.
 *
 *      0.000000 c0 -> n0  SET k1 red
 *      0.000000 n0        put k1="red" @1
 *      0.000000 n0 -> n2  PUT k1="red" @1
 *      0.000400 n2 -> n0  PUT_ACK held=@1
 *      2.000000 n0        hints.kept member=n1 hints=1
 *
 * A member is printed by its name. A version is printed as @ and a number: versions are counted in
 * the order in which the story mentions them, so a stamp does not have to be read. A field of a
 * message that is 0 is left out, and so are those that are of no use to a reader: the number of the
 * operation, the epoch in a head, log positions, boots and disks.
 *
 * Each line has a *word*, by which lines are chosen:
 *
 *   word                      the line
 *   the name of a message     a node sends it on a stream (wire/message.def)
 *   the name of a trace       a node logs it (core/trace.def)
 *   put, stored, get          a record is put into a store; the put is durable; a record is read
 *   the name of a state       a state of the node's own is put: clock, chain, layout ...
 *   hint, hinted              a hint is put; it is durable, and how many the node now keeps
 *   hints, drop               a batch of hints was read; a batch is dropped
 *   doubt, heal               slots are in doubt; they are healed
 *   power, fault, client      a node starts or loses power; a fault begins or ends; a client has a
 *                             reply
 *
 * The log of a run is its traces and the lines with the words power, fault and client. Its hash is
 * the run's: two runs are the same when their hashes are. */
#ifndef COVEY_SIM_STORY_H
#define COVEY_SIM_STORY_H

#include "sim/world.h"

struct story_options {
    bool log;          /* print the log */
    const char *words; /* print the lines of these words besides, between commas; NULL: none */
    size_t columns;    /* a longer line is cut there; 0: none is */
    struct buf *into;  /* where to print; NULL: to the standard output */
};

struct story {
    struct story_options o;
    const struct world *world;
    uint64_t from_us; /* virtual time at which the story's clock shows 0 */
    uint64_t hash;    /* of the log so far */
    struct version *version;
    uint32_t version_n; /* versions that were mentioned: @1 to @n */
    struct buf line, trace;
};

void story_init(struct story *s, const struct world *w, const struct story_options *o);
void story_close(struct story *s);

/* Lines of the log: the world's news (world.h), and what a client did, in words. */
void story_trace(struct story *s, uint32_t node, const struct trace *t);
void story_power(struct story *s, uint32_t node, bool up);
void story_fault(struct story *s, uint32_t number, bool begins);
void story_client(struct story *s, uint32_t client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The other lines: an action that is about to be carried out, and a result that is about to be
 * stepped. */
void story_action(struct story *s, uint32_t node, const struct action *a);
void story_result(struct story *s, uint32_t node, const struct event *ev);

/* A line of whoever plays a story. Where: "n0", "c0 -> n1". */
void story_line(struct story *s, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- story_message.c: appends text to s->line ---- */

/* " name=value" of each field that is printed. */
void story_print_fields(struct story *s, const struct message *m);

/* " k1="red" @1". */
void story_print_record(struct story *s, const struct record *r);
void story_print_version(struct story *s, const struct version *v);

/* Whether a version was mentioned before. */
bool story_knows(const struct story *s, const struct version *v);

/* The name of a member of the world; else the id, in hex. */
void story_print_member(struct story *s, uint64_t id);

#endif
