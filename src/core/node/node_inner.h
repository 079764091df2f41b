/* node_inner.h: inside a node: what its files share (node.c says which is which). */
#ifndef COVEY_CORE_NODE_INNER_H
#define COVEY_CORE_NODE_INNER_H

#include "core/node/node.h"
#include "core/node/protocols.h"

/* ---- node.c ---- */

/* This node cannot go on: from here on it does nothing more. */
void node_halt(struct node *n, int error, struct slice why, struct out *out);

/* What packets say of this node, as of now. */
void node_header(struct node *n);

/* ---- membership.c ---- */

/* A member of the layout in force, or NULL. */
struct member *node_peer(const struct node *n, uint64_t id);

void node_on_packet(struct node *n, const struct event *ev, struct out *out);
void node_on_link_up(struct node *n, const struct event *ev, struct out *out);
void node_on_link_down(struct node *n, const struct event *ev, struct out *out);
void node_on_stranger(struct node *n, const struct event *ev);
void node_on_message(struct node *n, const struct event *ev, struct out *out);

void membership_start(struct node *n, struct out *out);

/* The end of a step: what SWIM and the chain bring is carried to the others. */
void membership_carry(struct node *n, struct out *out);

/* ---- node_report.c ---- */

/* What clients ask about the node and the cluster (OP_MEMBERS and beyond). */
void node_report(struct node *n, const struct request *r, struct out *out);

/* The store's answer to one of them, or news of a backup. */
void node_on_backup(const struct node *n, const struct event *ev, struct out *out);

#endif
