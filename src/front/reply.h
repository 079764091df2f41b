/* reply.h: writing one reply, all of it or nothing.
 *
 * The writers of wire/resp.h each return an error; a reply of thirty fields would check thirty
 * times. Here the first error sticks and later writes do nothing. reply_end then removes what
 * was written, so no client ever gets half a reply. */
#ifndef COVEY_FRONT_REPLY_H
#define COVEY_FRONT_REPLY_H

#include "wire/resp.h"

struct reply {
    struct buf *out;
    size_t from; /* out->n when the reply began */
    int proto;   /* 2 or 3 */
    int error;
};

/* Begins a reply at the end of `out`, which nobody else may touch until reply_end. */
struct reply reply_begin(struct buf *out, int proto);

/* 0, or the first error (as buf_reserve) with everything that was written removed. */
int reply_end(struct reply *r);

/* Writes an error reply, its code first ("ERR no such thing"), of 1,023 bytes at most. It
 * replaces what was written before. */
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
void reply_raw(struct reply *r, struct slice encoded); /* RESP that is encoded already */

/* A pair of a map: a name and a value. */
void reply_field_integer(struct reply *r, const char *name, int64_t n);
void reply_field_bool(struct reply *r, const char *name, bool yes);
void reply_field_bulk(struct reply *r, const char *name, struct slice bytes);
void reply_field_text(struct reply *r, const char *name, const char *text);

#endif
