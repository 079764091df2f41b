/* session_ops.h: the operations of a session, between the start of a command and its reply's turn.
 * For session.c and cmd_*.c only. */
#ifndef COVEY_FRONT_SESSION_OPS_H
#define COVEY_FRONT_SESSION_OPS_H

#include "front/session.h"

/* Makes sure that one more operation fits. 0, ERR_BUSY (some must end first) or ERR_NO_MEMORY. */
int session_ops_room(struct session *s);

/* Begins the reply of a command that is answered here, in s->reply; then, once it is written, ends
 * it: it goes out, or waits for its turn. Needs room. */
void session_reply_begin(struct session *s);
void session_reply_end(struct session *s);

/* Turns the command that is being run into requests: for each of its keys, or one without a key.
 * Writes an error to s->reply instead when a key, or the value after it that OP_PUT stores, is over
 * its limit. What the requests say besides goes into s->form afterwards. */
void session_ask(struct session *s, const struct session_ask *ask);

/* The same where other arguments stand between a key and its value (SETEX). */
void session_ask_behind(struct session *s, const struct session_ask *ask, uint8_t between);

/* The next request of s->ask; s->ask is NULL after the last. False: it must wait for an operation
 * under way. Needs room. */
bool session_ops_issue(struct session *s, struct request *request);

/* Frees all, under way or not. */
void session_ops_close(struct session *s);

#endif
