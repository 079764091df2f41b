/* node_inner.h: inside a node: what its files share (node.c says which is which). */
#ifndef COVEY_CORE_NODE_INNER_H
#define COVEY_CORE_NODE_INNER_H

#include "core/node/node.h"
#include "core/node/protocols.h"

/* ---- node.c ---- */

void node_enter(struct node *n, enum node_phase phase);

/* This node cannot go on: it logs why, asks the world to stop it, and does nothing more. */
void node_halt(struct node *n, int error, struct slice why, struct out *out);

/* Brings the header that packets carry up to date. */
void node_header(struct node *n);

/* ---- membership.c ---- */

/* The member of that id; NULL: it is not in the layout in force. */
struct member *node_peer(const struct node *n, uint64_t id);

void node_on_packet(struct node *n, const struct event *ev, struct out *out);
void node_on_link_up(struct node *n, const struct event *ev, struct out *out);
void node_on_link_down(struct node *n, const struct event *ev, struct out *out);
void node_on_stranger(struct node *n, const struct event *ev);
void node_on_message(struct node *n, const struct event *ev, struct out *out);

void membership_start(struct node *n, struct out *out);

/* The end of a step: carries what SWIM and the chain bring to the other protocols. */
void membership_carry(struct node *n, struct out *out);

/* ---- node_report.c ---- */

/* Answers a client that asks about the node or the cluster (OP_MEMBERS and beyond). */
void node_report(struct node *n, const struct request *r, struct out *out);

/* The store's answer to a request about backups, or the end of one. */
void node_on_backup(const struct node *n, const struct event *ev, struct out *out);

#endif
