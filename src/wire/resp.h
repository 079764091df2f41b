/* resp.h: the Redis serialisation protocol, RESP2 and RESP3, both ways, as pure parsers and writers.
 * (redis.io, "Redis serialization protocol specification".)
 *
 * Requests: arrays of bulk strings, and inline commands (a line of words, with the quotes of redis-cli's sdssplitargs).
 * Replies: every RESP2 and RESP3 type but streamed strings and aggregates. */
#ifndef COVEY_WIRE_RESP_H
#define COVEY_WIRE_RESP_H

#include "base/buf.h"
#include "base/slice.h"

enum {
    RESP_INLINE_MAX = 64 * 1024, /* bytes of an inline command, as in Redis */
    RESP_ARGS_MAX = 1024 * 1024, /* arguments of one command, as in Redis */
    RESP_DEPTH_MAX = 8,          /* nesting of a reply */
};

/* ---- Requests ---- */

/* One parsed command; owned by the parser's user, reused from command to command. */
struct resp_request {
    struct slice *arg; /* point into the input (inline arguments with quotes: into unquoted) */
    uint32_t arg_n;
    uint32_t arg_cap;
    struct buf unquoted;
    /* progress inside a request whose bytes are still arriving, so that a large one is not scanned again and again */
    uint32_t want;  /* arguments announced; 0: none begun */
    size_t scanned; /* bytes of the input already turned into arguments (as offsets until the request is whole) */
    size_t skip;     /* bytes of an oversized bulk (and its line end) still to be skipped */
    bool too_big;    /* the request had an argument over bulk_max */
    const char *why; /* after ERR_BAD_MESSAGE: what was wrong, as Redis says it ("invalid bulk length"); static */
};

void resp_request_init(struct resp_request *r);
void resp_request_close(struct resp_request *r);

/* Parses the command at the start of in. Returns the bytes consumed (arg_n == 0: an empty line or array, skip it), ERR_INCOMPLETE (call again
 * with the same bytes and more: `in` may have moved in memory), ERR_BAD_MESSAGE (r->why says what; the stream is beyond repair), or ERR_NO_MEMORY.
 *
 * A bulk longer than bulk_max does not end the stream: its bytes are skipped as they arrive, at no memory, and the request then comes
 * out with too_big set and that argument empty, so that the caller can answer with an error and go on. Such skipped bytes are counted as
 * consumed early: the function then returns > 0 with arg_n == 0 and wants to be called again with what follows. */
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

/* One element of a reply, in depth-first order; an aggregate is followed by its `count` children (each with its own descendants). */
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

/* Parses the reply at the start of in. Bytes consumed, ERR_INCOMPLETE, ERR_BAD_MESSAGE, ERR_TOO_BIG (nesting, counts), or ERR_NO_MEMORY. */
int resp_parse_reply(struct resp_reply *r, struct slice in);

/* Index of the element after element i and all its descendants. */
uint32_t resp_after(const struct resp_reply *r, uint32_t i);

/* ---- Writers. proto is 2 or 3; errors as buf_reserve. ---- */
int resp_simple(struct buf *out, struct slice text);
int resp_error(struct buf *out, struct slice text); /* "ERR what": line breaks become spaces */
int resp_integer(struct buf *out, int64_t n);
int resp_bulk(struct buf *out, struct slice bytes);
int resp_null(struct buf *out, int proto);
int resp_array(struct buf *out, uint32_t n);
int resp_map(struct buf *out, uint32_t pairs, int proto); /* RESP2: an array of 2 * pairs */
int resp_push(struct buf *out, uint32_t n, int proto);    /* RESP2: an array */

#endif
