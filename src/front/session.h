/* session.h: one client's connection: RESP bytes in, requests to the node out; results of the node
 * in, RESP bytes out, in the order of the commands.
 *
 * A session is pure: the world moves the bytes, carries requests to the node, and brings results
 * back. The commands of one connection run at the same time where they may: a pipeline of SETs is
 * one batch. But a client sees the effects of its own earlier commands, as Redis clients expect
 * (SET k 1, GET k in one pipeline): a command waits while an earlier one of the same connection
 * that touches one of its keys is under way. Operations under way, bytes received and not yet
 * parsed, and replies not yet sent are all bounded. Parsing stops until there is room.
 *
 * The world's turn with a session:
 *
 *     read into s->in (or session_feed);
 *     while (session_next(s, ..., &request))
 *         step the node with the request, and give each ACT_REPLY to session_result;
 *     send s->out, and buf_consume what was sent;
 *     close when session_done and s->out is empty.
 *
 * The world calls session_next again after each batch of session_result, and when s->out has
 * shrunk while session_full. */
#ifndef COVEY_FRONT_SESSION_H
#define COVEY_FRONT_SESSION_H

#include "base/limits.h"
#include "core/event.h"
#include "front/command.h"
#include "front/keyset.h"
#include "front/reply.h"
#include "wire/resp.h"

enum {
    SESSION_OPS_MAX = 1024, /* operations under way of one connection; a power of two */
    /* bytes of replies that may wait for a client; from half of it on, parsing stops */
    SESSION_OUT_MAX = 64 * 1024 * 1024,
    /* bytes of commands that may wait to be run before the world stops reading */
    SESSION_BACKLOG_MAX = 256 * 1024,
    /* bytes of a client's name, of the name of its library, and of its address */
    SESSION_NAME_MAX = 64,
};

/* What all sessions of a node share. The sessions borrow it: it outlives them. */
struct front {
    size_t value_max;     /* VALUE_MAX by default */
    size_t key_max;       /* KEY_MAX */
    struct slice version; /* covey's release */
    struct slice name;    /* the node's */
    uint64_t node;        /* the node's id */
    bool ready;           /* false: -LOADING to all commands without COMMAND_LOADING */
    /* why ready is false: members of another cluster look for one of theirs at this address */
    bool claimed;
    uint64_t started_ms; /* monotonic */
    struct slice run_id; /* 40 hex digits, as Redis has */
    uint16_t port;
    struct slice config_file; /* "" */
    struct slice durability;  /* "fsync" or "interval" */
    struct slice data_dir;
    uint64_t commands, connections, rejected; /* counters */

    /* Set by the world. */
    uint64_t packets_rejected;   /* datagrams dropped whole, damaged ones among them */
    uint64_t numbers_unbelieved; /* numbers in datagrams that cannot be true, and were ignored */
    uint64_t memory_rss;         /* bytes, as of the last second */
    uint64_t ops_per_sec;        /* commands in the last second */
    uint64_t loop_longest_ms;    /* the longest turn of the loop since the start */
    uint64_t loop_recent_ms;     /* the longest turn of the last 10 to 20 s */
    uint64_t process_id;
    bool backup_running;
    bool backup_failed; /* how the last backup ended */
    uint64_t backup_ms; /* wall time of which the last good backup is; 0: none since the start */

    struct session *sessions; /* the list of all sessions */
    uint32_t session_n;
    uint64_t next_client_id;
};

/* How the results of a command's requests become its one reply. */
enum session_fold {
    FOLD_ONE,   /* one request, whose answer is the reply */
    FOLD_ARRAY, /* an array of the answers */
    FOLD_SUM,   /* the sum of the numbers */
    FOLD_OK,    /* +OK */
};

struct session_op;

/* What a command asks of the node: one request for each of its keys, or one request if it has no
 * keys. Constants of the handlers. */
struct session_ask {
    enum op_kind kind;
    enum session_fold fold;
    /* Writes what a successful result adds to the reply, or sets op->n. NULL: it adds nothing. */
    void (*answer)(struct reply *r, struct session_op *op, const struct result *result);
};

/* An operation; or the reply of a command that needed none. It lives until all before it are
 * answered. */
struct session_op {
    const struct session_ask *ask; /* what was asked of the node; NULL: nothing was */
    uint64_t key_hash;             /* 0: no key */
    int64_t n;                     /* what it adds to the sum of a FOLD_SUM */
    uint32_t part_n;               /* how many operations its command has had with this one */
    bool done, failed;
    bool last;        /* of its command */
    struct buf reply; /* its part of the reply, when that came before its turn */
};

struct session {
    struct front *front;
    struct session *prev, *next; /* in the list front->sessions */
    struct buf in, out;

    /* The present command: the first one in the input that is not finished. The arguments of its
     * request point into `in`; when `in` moves, the command is parsed again. */
    struct resp_request request;
    size_t in_at;              /* bytes of `in` that are finished with */
    size_t command_bytes;      /* of the present command; 0: it is not parsed yet */
    const uint8_t *command_at; /* where it stood when it was parsed */
    const struct command *command;

    /* While the present command is made into requests; else ask is NULL. */
    const struct session_ask *ask;
    struct request form;       /* what all of its requests have besides token, key, value, level */
    uint8_t between;           /* arguments between a key and its value */
    uint32_t key_at, key_last; /* the argument of the next request's key, and the last such one */
    uint32_t key_step;         /* arguments from a key to the next */
    uint32_t part_n;           /* requests made so far */
    uint32_t vnode;            /* that a REPAIR names */

    /* A ring of operations in the order of their commands: numbers head .. tail-1, operation i at
     * op[i % op_cap]. */
    struct session_op *op;
    uint32_t op_cap, head, tail;
    struct keyset busy;  /* the keys of operations under way */
    size_t parked_bytes; /* bytes of replies that wait for their turn */
    uint32_t reads;      /* operations under way whose answer has a value */
    size_t read_bytes;   /* the size that such a value is expected to have */

    /* The parts of the reply to the oldest command, when that has several operations. */
    struct buf gather;
    int64_t sum;
    bool gather_failed;

    bool alone;         /* nothing may start before all under way is done */
    bool stalled;       /* the last session_next stopped although input was left */
    bool closing;       /* takes no more input */
    bool broken;        /* not even what is under way will be answered */
    struct reply reply; /* of the command that is being run */

    /* What the client is and wants. */
    uint8_t proto;
    bool subscribed;    /* to __covey__:members */
    bool multi_refused; /* a MULTI was refused: so is all up to EXEC or DISCARD (transaction.h) */
    enum consistency read_level, write_level;
    uint32_t handle;
    uint64_t id;
    uint64_t born_ms, now_ms, wall_ms;
    uint8_t peer_n, name_n, lib_name_n, lib_version_n;
    char peer[SESSION_NAME_MAX], name[SESSION_NAME_MAX], lib_name[SESSION_NAME_MAX],
        lib_version[SESSION_NAME_MAX];
};

/* Sets the defaults, and no sessions. */
void front_init(struct front *f);

/* Opens a session for a new connection. peer is its address as text, copied. handle comes back
 * in the tokens of its requests: REQUEST_HANDLE. */
void session_init(struct session *s, struct front *f, uint32_t handle, struct slice peer,
                  uint64_t now_ms);

/* Closes it. The world drops results for its tokens that come later: their handle is no longer in
 * use. */
void session_close(struct session *s);

/* Appends received bytes to the input. ERR_TOO_BIG (more than session_full allowed) or
 * ERR_NO_MEMORY: close the connection. To read without a copy, the world may reserve in s->in
 * itself. */
int session_feed(struct session *s, struct slice bytes);

/* Makes the next request for the node from the input: true, and *request is filled; its slices
 * live until the next session_next, session_feed or session_close. False: it needs more bytes,
 * results, or room in s->out first. Commands that need no node are answered into s->out on the
 * way. */
bool session_next(struct session *s, uint64_t now_ms, uint64_t wall_ms, struct request *request);

/* Takes the result of one of its requests. A result that nothing waits for is dropped: a
 * duplicate, or one of an earlier connection. */
void session_result(struct session *s, const struct result *result, uint64_t now_ms);

/* A member changed: sends a message if the client subscribed to __covey__:members. */
void session_member(struct session *s, const struct member_info *m);

/* Whether the connection is to be closed once s->out is sent (QUIT, a protocol error, an HTTP
 * request). */
bool session_done(const struct session *s);

/* Whether it takes no more input now (too many operations, or too many unsent replies): the
 * world stops reading. */
bool session_full(const struct session *s);

/* Checks every invariant; aborts when one is broken. */
void session_check(const struct session *s);

#endif
