/* session.h: one client connection: RESP bytes in, operations out; results in, RESP bytes out, in order.
 *
 * Pure: the world moves the bytes and carries requests to the node and results back. Commands of one connection run concurrently where they
 * may (a pipeline of SETs is one batch), but a client sees the effects of its own earlier commands: a command waits
 * while an earlier one of the same connection that touches one of its keys is under way. (Redis clients rely on it: SET k 1, GET k in one pipeline.)
 * Replies keep the order of the commands. The number of operations under way is bounded: parsing stops until some are done. */
#ifndef COVEY_FRONT_SESSION_H
#define COVEY_FRONT_SESSION_H

#include "core/event.h"
#include "front/command.h"
#include "wire/resp.h"

enum {
    SESSION_OPS_MAX = 1024,           /* operations under way of one connection */
    SESSION_OUT_MAX = 64 * 1024 * 1024, /* bytes of replies that wait for a client; beyond it parsing stops */
};

/* What all sessions of a node share. Borrowed by them; lives longer. */
struct front {
    size_t value_max;            /* VALUE_MAX by default */
    size_t key_max;              /* KEY_MAX */
    struct slice version;        /* covey's own */
    struct slice name;           /* of the node */
    uint64_t node;               /* id */
    bool ready;                  /* false: -LOADING to all but the console's questions */
    uint64_t started_ms;         /* monotonic */
    struct slice run_id;         /* 40 hex digits, as Redis has */
    uint16_t port;
    struct slice config_file;    /* "" */
    struct slice durability;     /* "fsync" or "interval" */
    struct slice data_dir;
    uint64_t commands, connections, rejected; /* counters */
    uint64_t memory_rss;         /* told by the world now and then; bytes */
    uint64_t ops_per_sec;        /* likewise */
    uint64_t process_id;
    struct session *sessions;    /* list of all, for CLIENT LIST and publishing */
    uint32_t session_n;
    uint64_t next_client_id;
};

struct session; /* visible in front/session_state.h for embedding */
#include "front/session_state.h"

void front_init(struct front *f);

/* A new connection. peer is its address as text, copied. handle (below 2^32) comes back in the tokens of its requests: token >> 32. */
int session_init(struct session *s, struct front *f, uint32_t handle, struct slice peer, uint64_t now_ms);
void session_close(struct session *s); /* results that come later for its tokens must be dropped by the world (it knows by the handle) */

/* Received bytes: appends to the session's input. ERR_TOO_BIG, ERR_NO_MEMORY: close the connection. To read without a copy, the world may
 * reserve in s->in itself. */
int session_feed(struct session *s, struct slice bytes);

/* The next request for the node, from what was fed: 1 and *request filled (slices live until the next call on this session), or 0: nothing more for now (more bytes, or
 * results, are needed). Commands that need no node are answered into s->out on the way. Call it after session_feed and after session_result. */
int session_next(struct session *s, uint64_t now_ms, uint64_t wall_ms, struct request *request);

/* The result of one of its requests. */
void session_result(struct session *s, const struct result *result, uint64_t now_ms);

/* A member changed: a message for those subscribed to __covey__:members. */
void session_member(struct session *s, const struct member_info *m);

/* After each batch: s->out holds replies to be sent (the world consumes them with buf_consume). */

/* True when the connection is to be closed once s->out is sent (QUIT, a protocol error, an HTTP request). */
bool session_done(const struct session *s);

/* True while it takes no more input (too many operations or too many unsent replies): the world stops reading. */
bool session_full(const struct session *s);

#endif
