/* reply.h: writing one reply, whole or not at all.
 *
 * The writers of wire/resp.h each return an error; a reply of thirty fields would check thirty
 * times. Here the first error sticks, later writes do nothing, and reply_end takes back what was
 * written, so that no client ever sees half a reply. */
#ifndef COVEY_FRONT_REPLY_H
#define COVEY_FRONT_REPLY_H

#include "wire/resp.h"

struct reply {
    struct buf *out;
    size_t from; /* out->n when the reply began */
    int proto;   /* 2 or 3 */
    int error;
};

/* A reply to be appended to out, which nobody else may touch until reply_end. */
struct reply reply_begin(struct buf *out, int proto);

/* 0, or the first error (as buf_reserve) after everything written was taken back. */
int reply_end(struct reply *r);

/* An error reply, code first ("ERR no such thing"); at most 1,023 bytes of it. What was written
 * before is taken back. */
void reply_error(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

void reply_simple(struct reply *r, const char *text);
void reply_integer(struct reply *r, int64_t n);
void reply_bool(struct reply *r, bool yes); /* RESP2: 1 or 0 */
void reply_bulk(struct reply *r, struct slice bytes);
void reply_text(struct reply *r, const char *text); /* as a bulk string */
void reply_null(struct reply *r);
void reply_array(struct reply *r, uint32_t n);
void reply_map(struct reply *r, uint32_t pairs);
void reply_set(struct reply *r, uint32_t n); /* RESP2: an array */
void reply_push(struct reply *r, uint32_t n);
void reply_raw(struct reply *r, struct slice encoded); /* RESP that was written elsewhere */

/* A map's pair: its name and a value. */
void reply_field_integer(struct reply *r, const char *name, int64_t n);
void reply_field_bool(struct reply *r, const char *name, bool yes);
void reply_field_bulk(struct reply *r, const char *name, struct slice bytes);
void reply_field_text(struct reply *r, const char *name, const char *text);

#endif
