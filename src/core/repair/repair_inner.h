/* repair_inner.h: what the files of anti-entropy call of each other: repair.c (when, and the
 * members), repair_run.c (one exchange), repair_move.c (its records), repair_recover.c (a node that
 * lost some). Others use repair.h. */
#ifndef COVEY_CORE_REPAIR_INNER_H
#define COVEY_CORE_REPAIR_INNER_H

#include "base/check.h"
#include "core/repair/repair.h"

/* ---- repair.c ---- */

/* Finds out when the next exchange is due. */
void repair_plan(struct repair *r);

/* The vnode holds the same at both ends of the exchange under way. */
void repair_note_synced(struct repair *r, uint16_t vnode);

/* Ends the exchange under way, if any. What is still on its way is not waited for. */
void run_end(struct repair *r, bool complete);

/* ---- repair_run.c ---- */

/* Begins an exchange with member m of the layout. `only` is REPAIR_ALL, one vnode, or
 * REPAIR_RECOVERING: the vnodes in which this node recovers, or all where the two share none of
 * these. */
void run_begin(struct repair *r, unsigned m, uint16_t only, struct out *out);

void run_enter(struct repair *r, enum repair_phase phase);

/* The vnode whose leaves, lists or records are under way. */
static inline uint16_t run_vnode(const struct repair_run *run)
{
    CHECK(run->differ_at < run->differ_n);
    return run->differ[run->differ_at];
}

/* A number for a question or a record; `index` is its low byte. */
uint64_t run_number(struct repair *r, unsigned index);

/* A message to the peer, to be filled in. */
struct message *run_send(struct repair *r, enum message_kind kind, struct out *out);

/* The exchange gets on: the peer has REPAIR_ANSWER_MS for its next answer. */
void run_progress(struct repair *r);

/* Two of repair_protocol's hooks. */
void run_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                struct out *out);
void run_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                struct out *out);

/* What the lists have up to that key hash (UINT64_MAX: all) is settled. */
void run_moved(struct repair *r, uint64_t upto, struct out *out);

/* ---- repair_move.c ---- */

/* Both lists are there: moves what differs in them. */
void move_begin(struct repair *r, struct out *out);

/* The own store took a record, or did not. False when no record of that number is awaited. */
bool move_stored(struct repair *r, uint64_t number, int error, struct out *out);

/* The own store read a record, for the peer. */
void move_read(struct repair *r, uint64_t number, int error, const struct record *record,
               struct out *out);

/* A GOT or PUT_ACK of the peer. */
void move_message(struct repair *r, const struct message *m, struct out *out);

/* ---- repair_recover.c ---- */

/* A layout is in force: marks those of its vnodes that have a slot in doubt. */
void recover_layout(struct repair *r);

/* The vnode is about to be compared with the peer. */
void recover_comparing(struct repair *r, uint16_t vnode);

/* What the peer holds of the vnode is merged. `sound`: the peer is not recovering there itself. */
void recover_merged(struct repair *r, uint16_t vnode, bool sound);

/* The peer refused a record of ours as too old. False when that could not be noted: then the vnode
 * is not synced with the peer. */
bool recover_refused(struct repair *r, uint16_t vnode, const struct record *record);

/* Erases what enough sources refused. True while erasures are on their way: no exchange begins
 * then. */
bool recover_sweep(struct repair *r, struct out *out);

/* One of the erasures is stored, or could not be. */
void recover_swept(struct repair *r, int error);

/* The peer's floors of the vnodes asked for have come. In vnodes in which this node is recovering
 * it takes over those that are higher than its own. */
void recover_floors(struct repair *r, struct out *out);

#endif
