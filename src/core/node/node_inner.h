/* node_inner.h: inside a node: what its files share (node.c says which is which). */
#ifndef COVEY_CORE_NODE_INNER_H
#define COVEY_CORE_NODE_INNER_H

#include "base/bits.h"
#include "core/node/node.h"

/* Numbers of TOKEN_NODE. */
enum {
    TOKEN_CLUSTER = 1,
    TOKEN_MEMBERS = 2,
    TOKEN_WHOLE = 3,
    TOKEN_CLOCK = 4,
    TOKEN_BOOTS = 5,
    TOKEN_REACHED = 6,
};

/* ---- node_peers.c: the other members ---- */

/* A member of the layout, or NULL. */
struct node_peer *node_peer_find(const struct node *n, uint64_t id);

/* Part of a layout, and W-1 other members of it live and were met. (Members recalled from the disk are suspects until they
 * answer.) */
void node_judge_ready(struct node *n, struct out *out);

/* Asks those whose place another process wants. */
void node_ask_first(struct node *n, struct out *out);

/* A member changed in a way that subscribers are told of. */
void node_note_news(struct node *n, struct node_peer *p);

/* A peer spoke to us, at that epoch. */
void node_heard(struct node *n, uint64_t id, uint64_t epoch, struct out *out);

void node_on_packet(struct node *n, const struct event *ev, struct out *out);
void node_on_link_up(struct node *n, const struct event *ev, struct out *out);
void node_on_link_down(struct node *n, const struct event *ev, struct out *out);
void node_on_stranger(struct node *n, const struct event *ev);

/* Tries the streams that broke or were refused, to members that may live. */
void node_redial(struct node *n, struct out *out);

/* Whether another live member than `id` has the name. */
bool node_name_taken(const struct node *n, struct slice name, uint64_t id);

/* Where a member lives; a family of 0 when it is unknown. */
struct addr node_peer_addr(const struct node *n, uint64_t id);

/* ---- node_carry.c: what one protocol tells the others ---- */

/* This node cannot go on: from here on it does nothing more. */
void node_halt(struct node *n, int error, struct slice why, struct out *out);

/* What packets say of us has changed. */
void node_header_update(struct node *n);

/* Asked for before the first layout is put into the store, so that whatever a torn write leaves of the two, a layout does not
 * stand there without the cluster that it belongs to: such a node would believe the first stranger. */
void node_save_cluster(struct node *n, struct out *out);

/* What the peers' clocks say of ours, which the coordinator must know before anything else of the step. */
void node_tell_time(struct node *n, struct out *out);

/* The end of a step. */
void node_carry(struct node *n, struct out *out);

/* ---- node_report.c: what a node says about itself ---- */

/* What packets tell of it: enum packet_ill, or'ed. */
uint8_t node_ills(const struct node *n);

/* ---- node_events.c: what comes in ---- */

void node_on_message(struct node *n, const struct event *ev, struct out *out);
void node_on_request(struct node *n, const struct request *r, struct out *out);
void node_on_stored(struct node *n, const struct event *ev, struct out *out);
void node_on_read(struct node *n, const struct event *ev, struct out *out);
void node_on_counted(struct node *n, const struct event *ev, struct out *out);
void node_on_hinted(struct node *n, const struct event *ev, struct out *out);
void node_on_told(struct node *n, const struct event *ev, struct out *out);

#endif
