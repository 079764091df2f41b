/* session_ops.h: the operations of a session, from the start of a command to its reply. For
 * session.c and cmd_*.c only. */
#ifndef COVEY_FRONT_SESSION_OPS_H
#define COVEY_FRONT_SESSION_OPS_H

#include "front/session.h"

/* Makes room for one more operation. 0, ERR_BUSY (some must end first) or ERR_NO_MEMORY. */
int session_ops_room(struct session *s);

/* The reply of a command that needs no node: begin, write s->reply, end. It then goes out, or
 * waits for its turn. Needs room (session_ops_room). */
void session_reply_begin(struct session *s);
void session_reply_end(struct session *s);

/* Makes the present command into requests: one for each of its keys, or one if it has no keys.
 * Replies an error instead when a key, or the value after it that OP_PUT stores, is over its
 * limit. Whatever else the requests need goes into s->form afterwards. */
void session_ask(struct session *s, const struct session_ask *ask);

/* The same where `between` arguments stand between a key and its value (SETEX). */
void session_ask_behind(struct session *s, const struct session_ask *ask, uint8_t between);

/* Makes the next request of s->ask; s->ask is NULL after the last one. False: the request must
 * wait for an operation under way. Needs room. */
bool session_ops_issue(struct session *s, struct request *request);

/* Frees all operations, also those under way. */
void session_ops_close(struct session *s);

#endif
