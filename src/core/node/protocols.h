/* protocols.h: the table of a node's protocols, and what goes through it. core/protocol.h says what
 * each call means. */
#ifndef COVEY_CORE_PROTOCOLS_H
#define COVEY_CORE_PROTOCOLS_H

#include "core/protocol.h"

struct node;

void protocols_begin(struct node *n);

/* 0 or ERR_NO_MEMORY: then some have the new layout, and the node cannot go on. */
int protocols_layout(struct node *n);
void protocols_barred(struct node *n);
void protocols_member(struct node *n, const struct member *who, unsigned change);

/* False when it is no protocol's. */
bool protocols_message(struct node *n, uint64_t from, const struct message *m, struct out *out);

/* To the owner of the token: that of the message's op, or the one that the store gives back. One
 * that has no owner is dropped. */
void protocols_answer(struct node *n, uint64_t from, const struct message *m, struct out *out);
void protocols_stored(struct node *n, uint64_t token, const struct event *ev, struct out *out);

/* To the first that is due. So the step's bound stays small, and the deadline says "now" until all
 * had their turn. */
void protocols_tick(struct node *n, struct out *out);
uint64_t protocols_deadline_ms(const struct node *n);

void protocols_check(const struct node *n);
void protocols_close(struct node *n);

#endif
