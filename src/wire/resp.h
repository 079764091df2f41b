/* resp.h: the Redis serialisation protocol, RESP2 and RESP3, both ways, as pure parsers and
 * writers. (redis.io, "Redis serialization protocol specification".)
 *
 * Requests: arrays of bulk strings, and inline commands (a line of words, with the quotes of
 * redis-cli's sdssplitargs). Replies: every RESP2 and RESP3 type but streamed strings and
 * aggregates. */
#ifndef COVEY_WIRE_RESP_H
#define COVEY_WIRE_RESP_H

#include "base/buf.h"
#include "base/slice.h"

enum {
    RESP_INLINE_MAX = 64 * 1024, /* bytes of an inline command, as in Redis */
    /* bytes of a count or length line: 20 digits fit any number */
    RESP_NUMBER_MAX = 32,
    /* arguments of one command, as in Redis; also the children of a reply's aggregate */
    RESP_ARGS_MAX = 1024 * 1024,
    /* bytes that a bulk may announce, as in Redis: more is a protocol error */
    RESP_BULK_MAX = 512 * 1024 * 1024,
    /* bytes of one command: what a connection may have to keep */
    RESP_REQUEST_MAX = 64 * 1024 * 1024,
    RESP_DEPTH_MAX = 8, /* nesting of a reply */
};

/* ---- Requests ---- */

/* One parsed command; owned by the parser's user, reused from command to command. */
struct resp_request {
    struct slice *arg; /* point into the input (of an inline command: into unquoted) */
    uint32_t arg_n;
    uint32_t arg_cap;
    struct buf unquoted;
    /* after ERR_BAD_MESSAGE: what was wrong, as Redis says it ("invalid bulk length"); lives as
     * long as r */
    const char *why;
    /* with arg_n == 0: bytes of the argument (or request) that was over its limit and was dropped;
     * 0: none was */
    size_t too_big;
    /* Progress inside a request whose bytes are still arriving, so that nothing of it is read
     * twice. */
    uint32_t left; /* arguments still to come; 0: no array begun */
    /* bytes of the input done with: arguments taken, or, in an inline command, searched for the
     * line's end */
    size_t scanned;
    size_t dropping; /* what too_big will be when this request ends; 0: it is kept */
    size_t skip;     /* bytes of the current bulk and its line end still to be dropped */
    char why_text[32];
};

void resp_request_init(struct resp_request *r);
void resp_request_close(struct resp_request *r);

/* Parses the command at the start of in. Returns the bytes consumed, ERR_INCOMPLETE (call again
 * with the same bytes and more: `in` may have moved in memory), ERR_BAD_MESSAGE (r->why says what;
 * the stream is beyond repair), or ERR_NO_MEMORY. Bytes consumed with arg_n == 0 hold no command:
 * an empty line, an empty array, or a part of a dropped request; drop them and go on.
 *
 * A request with a bulk over bulk_max, or over RESP_REQUEST_MAX in all, does not end the stream: it
 * is dropped whole. Its bytes are consumed as they arrive, at no memory, and the call that consumes
 * its last byte sets too_big (for that call alone), which is where the caller answers with an
 * error. */
int resp_parse_request(struct resp_request *r, struct slice in, size_t bulk_max);

/* ---- Replies ---- */

enum resp_type {
    RESP_SIMPLE,  /* +OK */
    RESP_ERROR,   /* -ERR ... ; also RESP3 blob errors */
    RESP_INTEGER, /* :1 */
    RESP_BULK,    /* $3 ; also RESP3 verbatim strings, without their prefix */
    RESP_ARRAY,   /* *2 ; count children follow */
    RESP_NULL,    /* $-1, *-1, _ */
    RESP_DOUBLE,  /* , : text only, covey computes with none */
    RESP_BOOLEAN, /* # */
    RESP_MAP,     /* % ; count is children: twice the pairs */
    RESP_SET,     /* ~ */
    RESP_PUSH,    /* > */
    RESP_BIG,     /* ( : text */
};

/* One element of a reply, in depth-first order; an aggregate is followed by its `count` children
 * (each with its own descendants). */
struct resp_value {
    enum resp_type type;
    int64_t integer;   /* INTEGER; BOOLEAN: 0 or 1 */
    struct slice text; /* SIMPLE ERROR BULK DOUBLE BIG: into the input */
    uint32_t count;    /* aggregates: direct children */
};

/* A whole reply, flattened; reused from reply to reply. */
struct resp_reply {
    struct resp_value *v; /* v[0] is the reply itself */
    uint32_t n, cap;
};

void resp_reply_init(struct resp_reply *r);
void resp_reply_close(struct resp_reply *r);

/* Parses the reply at the start of in, from its beginning at each call (a bulk costs its length
 * line alone). RESP3 attributes are skipped. Bytes consumed, ERR_INCOMPLETE, ERR_BAD_MESSAGE,
 * ERR_TOO_BIG (nesting, counts), or ERR_NO_MEMORY. */
int resp_parse_reply(struct resp_reply *r, struct slice in);

/* Index of the element after element i and all its descendants. */
uint32_t resp_after(const struct resp_reply *r, uint32_t i);

/* ---- Writers. proto is 2 or 3; errors as buf_reserve. ---- */
/* line breaks become spaces, here and in errors */
int resp_simple(struct buf *out, struct slice text);
int resp_error(struct buf *out, struct slice text); /* "ERR what" */
int resp_integer(struct buf *out, int64_t n);
int resp_bulk(struct buf *out, struct slice bytes);
int resp_null(struct buf *out, int proto);
int resp_array(struct buf *out, uint32_t n);
int resp_map(struct buf *out, uint32_t pairs, int proto); /* RESP2: an array of 2 * pairs */
int resp_push(struct buf *out, uint32_t n, int proto);    /* RESP2: an array */

#endif
