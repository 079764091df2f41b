/* session.h: one client connection: RESP bytes in, operations out; results in, RESP bytes out, in
 * order.
 *
 * Pure: the world moves the bytes and carries requests to the node and results back. Commands of
 * one connection run concurrently where they may (a pipeline of SETs is one batch), but a client
 * sees the effects of its own earlier commands: a command waits while an earlier one of the same
 * connection that touches one of its keys is under way. (Redis clients rely on it: SET k 1, GET k
 * in one pipeline.) Replies keep the order of the commands. Operations under way, bytes received
 * and not yet understood, and replies not yet sent are all bounded: parsing stops until there is
 * room.
 *
 * The world's turn with a session:
 *     read into s->in (or session_feed);
 *     while (session_next(s, ..., &request)) node_step(request), handing each ACT_REPLY to session_result;
 *     send s->out, buf_consume what was sent; close when session_done and s->out is empty.
 * session_next is called again after each batch of session_result, and after s->out shrank while
 * session_full. */
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
    /* bytes of replies that may ever wait for a client; half of it stops the parsing */
    SESSION_OUT_MAX = 64 * 1024 * 1024,
    /* bytes of whole commands that may wait their turn before the world stops reading */
    SESSION_BACKLOG_MAX = 256 * 1024,
    /* bytes of a client's name, of its library's and of its address */
    SESSION_NAME_MAX = 64,
};

/* What all sessions of a node share. Borrowed by them; lives longer. */
struct front {
    size_t value_max;     /* VALUE_MAX by default */
    size_t key_max;       /* KEY_MAX */
    struct slice version; /* covey's own */
    struct slice name;    /* of the node */
    uint64_t node;        /* id */
    bool ready;           /* false: -LOADING to all but the console's questions, */
    /* and this is why: another cluster's members look for one of theirs at this address */
    bool claimed;
    uint64_t started_ms; /* monotonic */
    struct slice run_id; /* 40 hex digits, as Redis has */
    uint16_t port;
    struct slice config_file; /* "" */
    struct slice durability;  /* "fsync" or "interval" */
    struct slice data_dir;
    uint64_t commands, connections, rejected; /* counters */
    /* told by the world: datagrams dropped whole, damaged ones among them */
    uint64_t packets_rejected;
    /* likewise: words in datagrams that cannot be true, and were passed over */
    uint64_t numbers_unbelieved;
    uint64_t memory_rss;  /* told by the world now and then; bytes */
    uint64_t ops_per_sec; /* likewise */
    /* likewise: the longest turn of the loop, ever and lately */
    uint64_t loop_longest_ms, loop_recent_ms;
    uint64_t process_id;
    /* told by the world: the backup under way, and how the last one ended */
    bool backup_running, backup_failed;
    /* wall time of which the last good one is; 0: there was none since the start */
    uint64_t backup_ms;
    struct session *sessions; /* list of all, for CLIENT LIST and publishing */
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

/* What a command asks of the node, one request per key (or one, where the command has no key).
 * Constants of the commands. */
struct session_ask {
    enum op_kind kind;
    enum session_fold fold;
    /* Writes what a successful result adds to the reply, or sets op->n. */
    void (*answer)(struct reply *r, struct session_op *op, const struct result *result);
};

/* One operation, or the reply of a command that needed none, from its start until all before it is
 * answered. */
struct session_op {
    const struct session_ask *ask; /* NULL: answered here */
    uint64_t key_hash;             /* 0: no key */
    int64_t n;                     /* what it adds to a sum */
    uint32_t part_n;               /* of the command's last operation: how many it had */
    bool done, failed, last;
    struct buf reply; /* what came before its turn */
};

struct session {
    struct front *front;
    struct session *prev, *next; /* in front->sessions */
    struct buf in, out;

    /* The command at the head of the input. Its arguments point into `in`, which may move: then it
     * is parsed anew. */
    struct resp_request request;
    size_t in_at;           /* bytes of `in` done with */
    size_t held_bytes;      /* of the command that is parsed and not yet done with; 0: none is */
    const uint8_t *held_at; /* where it stood when it was parsed */
    const struct command *command;
    const struct session_ask *ask; /* it is being turned into requests, */
    /* what each of these has besides its token, key, value and level, */
    struct request form;
    uint8_t between;                             /* arguments between a key and its value, */
    uint32_t key_at, key_last, key_step, part_n; /* and the next one is for argument key_at */

    /* Operations in the order of their commands, numbers head .. tail-1, operation i at op[i %
     * op_cap]. */
    struct session_op *op;
    uint32_t op_cap, head, tail;
    struct keyset busy;  /* keys of operations under way */
    size_t parked_bytes; /* of replies that wait for their turn */
    uint32_t reads;      /* operations under way that will bring a value, */
    size_t read_bytes;   /* each of which may be as large as this */
    struct buf gather;   /* the reply of the command at the head, when it has several operations */
    int64_t sum;         /* likewise */
    bool gather_failed;
    uint32_t vnode;       /* that a REPAIR names, until it is issued */
    bool alone;           /* nothing may start before all under way is done */
    bool stalled;         /* the last session_next stopped although input was left */
    bool closing, broken; /* no more input is taken; not even what is under way will be answered */
    struct reply reply;   /* of the command that is being run */

    /* What the client is and wants. */
    uint8_t proto;
    bool subscribed;    /* to __covey__:members */
    bool multi_refused; /* and all up to EXEC or DISCARD is refused too: transaction.h */
    enum consistency read_level, write_level;
    uint32_t handle;
    uint64_t id;
    uint64_t born_ms, now_ms, wall_ms;
    uint8_t peer_n, name_n, lib_name_n, lib_version_n;
    char peer[SESSION_NAME_MAX], name[SESSION_NAME_MAX], lib_name[SESSION_NAME_MAX],
        lib_version[SESSION_NAME_MAX];
};

/* Defaults, no sessions. */
void front_init(struct front *f);

/* A new connection. peer is its address as text, copied. handle comes back in the tokens of its
 * requests: REQUEST_HANDLE. */
void session_init(struct session *s, struct front *f, uint32_t handle, struct slice peer,
                  uint64_t now_ms);

/* Results that come later for its tokens must be dropped by the world, which knows by the
 * handle. */
void session_close(struct session *s);

/* Received bytes: appends to the session's input. ERR_TOO_BIG (more than session_full allowed),
 * ERR_NO_MEMORY: close the connection. To read without a copy, the world may reserve in s->in
 * itself. */
int session_feed(struct session *s, struct slice bytes);

/* The next request for the node, from what was fed: true and *request filled (slices live until the
 * next session_next, session_feed or session_close), or false: nothing more for now (more bytes,
 * results, or room in s->out are needed). Commands that need no node are answered into s->out on
 * the way. */
bool session_next(struct session *s, uint64_t now_ms, uint64_t wall_ms, struct request *request);

/* The result of one of its requests. One that is not awaited (a duplicate, or from before) is
 * dropped. */
void session_result(struct session *s, const struct result *result, uint64_t now_ms);

/* A member changed: a message for those subscribed to __covey__:members. */
void session_member(struct session *s, const struct member_info *m);

/* True when the connection is to be closed once s->out is sent (QUIT, a protocol error, an HTTP
 * request). */
bool session_done(const struct session *s);

/* True while it takes no more input (too many operations or too many unsent replies): the world
 * stops reading. */
bool session_full(const struct session *s);

/* Every invariant; aborts when one is broken. */
void session_check(const struct session *s);

#endif
