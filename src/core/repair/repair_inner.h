/* repair_inner.h: the doors between the files of anti-entropy: repair.c (when, and the members),
 * repair_run.c (one exchange), repair_move.c (its records), repair_recover.c (a node that lost
 * some). Others use repair.h. */
#ifndef COVEY_CORE_REPAIR_INNER_H
#define COVEY_CORE_REPAIR_INNER_H

#include "core/repair/repair.h"

/* ---- repair.c ---- */

/* The place of a member; NULL: it is none. */
struct repair_peer *repair_find(const struct repair *r, uint64_t id);

/* Finds out when the next exchange is due. */
void repair_plan(struct repair *r);

/* The vnode holds the same at both ends. */
void repair_mark(struct repair *r, uint16_t vnode);

/* Ends the exchange under way, if any. What is still on its way is not waited for. */
void run_end(struct repair *r, bool complete);

/* ---- repair_run.c ---- */

/* Begins an exchange with peer m; `only`: REPAIR_ALL, the one vnode, or REPAIR_RECOVERING: those in
 * which this node recovers, unless the two share none. */
void run_begin(struct repair *r, unsigned m, uint16_t only, struct out *out);

/* A number for a question or a record: `place` is its low byte. */
uint64_t run_number(struct repair *r, unsigned place);

/* A message to the peer, to be filled in. */
struct message *run_send(struct repair *r, enum message_kind kind, struct out *out);

/* The exchange gets on: the peer has time for its next answer. */
void run_progress(struct repair *r);

/* Two of repair_protocol's hooks. */
void run_answer(void *p, const struct moment *now, uint64_t from, const struct message *m,
                struct out *out);
void run_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                struct out *out);

/* What the lists have up to that key_hash (UINT64_MAX: all) is settled. */
void run_moved(struct repair *r, uint64_t upto, struct out *out);

/* ---- repair_move.c ---- */

/* Both lists are there: moves what differs in them. */
void move_begin(struct repair *r, struct out *out);

/* The own store took a record, or did not. False when none of that number was waited for. */
bool move_stored(struct repair *r, uint64_t number, int error, struct out *out);

/* And: it gave one, for the peer. */
void move_read(struct repair *r, uint64_t number, int error, const struct record *record,
               struct out *out);

/* A GOT or PUT_ACK of the peer. */
void move_message(struct repair *r, const struct message *m, struct out *out);

/* ---- repair_recover.c ---- */

/* A vnode is about to be compared with the peer; it was synced with the peer; sound: which is not
 * recovering there. */
void repair_anew(struct repair *r, uint16_t vnode);
void repair_source(struct repair *r, uint16_t vnode, bool sound);

/* The peer refused a record of ours as too old. False when that could not be noted: then the vnode
 * is not synced with it. */
bool repair_refused(struct repair *r, uint16_t vnode, const struct record *record);

/* Erases what enough sources refused. True while erasures are on their way: no exchange begins
 * then. */
bool repair_sweep(struct repair *r, struct out *out);

/* One of them is stored, or is not. */
void repair_swept(struct repair *r, int error);

/* A layout is in force: marks its vnodes anew. */
void repair_remark(struct repair *r);

/* The floors of the vnodes asked for, as the peer has them: a recovering owner takes the higher
 * ones over. */
void repair_floors(struct repair *r, struct out *out);

#endif
