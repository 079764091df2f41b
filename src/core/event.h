/* event.h: all that goes into a node and all that comes out.
 *
 * The node (core/node/node.h) is a function: one event in, a list of actions out. A world (src/rt,
 * sim) turns sockets, disks and clocks into events and carries out the actions, in order, before
 * the next event. Whatever an event or an action points to is borrowed: an event's bytes live for
 * the call, an action's until the next node_step of that node. */
#ifndef COVEY_CORE_EVENT_H
#define COVEY_CORE_EVENT_H

#include "base/error.h"
#include "core/trace.h"
#include "wire/answer.h"
#include "wire/layout.h"
#include "wire/message.h"
#include "wire/packet.h"
#include "wire/record.h"

/* ---- What clients ask ---- */

enum op_kind {
    OP_GET,     /* the value of a key */
    OP_HEAD,    /* its kind, version and size */
    OP_PUT,     /* store a value */
    OP_DEL,     /* delete; says whether it existed */
    OP_EXPIRE,  /* set or take away the expiry of a value; says whether it did */
    OP_WHERE,   /* the vnode, the owners, and each owner's version */
    OP_FLUSH,   /* delete all that there is */
    OP_COUNT,   /* live keys of the whole cluster */
    OP_MEMBERS, /* a table of the members */
    OP_RING,    /* the layout */
    OP_STATUS,  /* the verdict */
    OP_HINTS,   /* what is kept here for members that missed it */
    OP_REPAIR,  /* compare with the other owners, or say how that goes */
    /* answered by the own store; one without files refuses to begin any */
    OP_BACKUP,        /* copy this node's store to the path that is the value */
    OP_BACKUP_STATUS, /* how that goes */
};

/* On what an OP_EXPIRE depends, or'ed; 0: only on there being a value. */
enum expire_when {
    EXPIRE_NX = 1, /* it has no expiry */
    EXPIRE_XX = 2, /* it has one */
    EXPIRE_GT = 4, /* the new one is later; to have none is the latest of all */
    EXPIRE_LT = 8, /* the new one is sooner */
};

enum consistency { LEVEL_QUORUM = 0, LEVEL_ONE, LEVEL_ALL }; /* ONE is for reads only */

/* Who asks. */
enum asker {
    ASKER_NOBODY, /* who awaits no result */
    ASKER_CLIENT, /* handle: its connection; number: that of the operation in its session */
};

/* Of a request, echoed in its result: (who asks << 56 | 32 bits of a handle << 24 | the low 24 bits
 * of a number). The node reads none of it: the world gives the result to whoever asked, who knows
 * by handle and number what it answers. */
#define REQUEST_NUMBERS 0xffffffu
#define REQUEST_TOKEN(asker, handle, number) \
    ((uint64_t)(asker) << 56 | (uint64_t)(handle) << 24 | ((number)&REQUEST_NUMBERS))
#define REQUEST_ASKER(token)  ((enum asker)((token) >> 56))
#define REQUEST_HANDLE(token) ((uint32_t)((token) >> 24))
#define REQUEST_NUMBER(token) ((uint32_t)(token)&REQUEST_NUMBERS)

struct request {
    uint64_t token; /* REQUEST_TOKEN */
    enum op_kind kind;
    enum consistency level;
    uint8_t space;    /* of the key; 0 alone is used for now */
    struct slice key; /* as the client gave it: its name in its space (base/key.h) */
    struct slice value;
    uint64_t expiry_ms;   /* OP_PUT, OP_EXPIRE: when the value ends, wall ms since 1970; 0: never */
    bool expiry_relative; /* expiry_ms counts from now, by the coordinator's clock */
    bool keep_expiry;     /* OP_PUT: the value takes over the expiry of the one that it replaces */
    uint8_t when;         /* OP_EXPIRE: enum expire_when */
    uint32_t vnode;       /* OP_REPAIR: which; REPAIR_ALL; or REPAIR_NONE: only say how it goes */
};

enum { REPAIR_ALL = 0xffff, REPAIR_NONE = 0x10000 };

enum member_state { MEMBER_ALIVE, MEMBER_SUSPECT, MEMBER_DEAD, MEMBER_LEFT };

struct member_info {
    uint64_t id;
    struct slice name;
    struct addr addr;
    enum member_state state;
    uint64_t incarnation;
    uint64_t since_ms; /* ms in this state, by the observer's monotonic clock */
    bool self;
    bool in_layout;
    bool adopted;    /* it has adopted the layout that we hold, as far as we know */
    uint16_t weight; /* from the layout; 0 outside it */
    struct slice zone;
    uint32_t places;     /* vnodes it is an owner of */
    uint32_t firsts;     /* of these, as the first owner */
    uint32_t recovering; /* vnodes in which it may lack records, as it said last */
};

struct where_owner {
    uint64_t id;
    struct slice name;
    struct addr addr;
    enum member_state state;
    bool answered;
    bool recovering;      /* it may lack what it had, and refuses to be read */
    struct record record; /* kind and version as that owner holds it; no value */
};

/* From good to bad. */
enum verdict {
    /* every owner of every key is there and takes part, and N is what was asked for */
    VERDICT_HEALTHY,
    VERDICT_CHANGING,    /* so they are, while a layout comes into force */
    VERDICT_DEGRADED,    /* something is missing; every key can be read and written */
    VERDICT_UNAVAILABLE, /* some key cannot be read, or cannot be written */
    VERDICT_LOADING,     /* not (yet) part of a layout, or too few of its members were met */
};

/* Why the verdict is no better, the worst first. Each but FEW and FORMING is a fact about members
 * (core/node/verdict.h). */
enum reason {
    REASON_DOWN,     /* the failure detector does not hold them alive */
    REASON_CUT,      /* they are held alive, but no stream to them is up */
    REASON_FAILS,    /* their disk fails */
    REASON_FULL,     /* their disk is full */
    REASON_MUTE,     /* they leave writes without an answer */
    REASON_RECOVERS, /* they lost records and have not fetched them all again */
    REASON_OWES,     /* they keep writes for a member that is alive */
    REASON_FEW,      /* there are fewer members than copies are wanted */
    REASON_CLOCK,    /* this node's wall clock is too far ahead to stamp by it */
    REASON_FORMING,  /* a layout is being agreed */
    REASON_BEHIND,   /* they have not adopted the layout */
    REASONS,
};

struct status_reason {
    /* members that it is true of, 1 where it is about none; 0: it does not hold */
    uint16_t n;
    bool self;         /* this node is the first of them; */
    struct slice name; /* else that one's name: lives as long as the member is known */
};

/* What the world knows of its machine, which a node does not see. */
struct status_world {
    uint64_t keys;      /* records held here, deletions among them */
    uint64_t bytes;     /* of the data directory's log */
    uint64_t disk_free; /* bytes left on its file system */
    uint64_t memory;    /* bytes that the process has resident */
};

struct status_info {
    enum verdict verdict;
    struct status_reason reason[REASONS];
    /* the cluster, as this node sees it */
    struct cluster_id cluster;
    uint64_t epoch;
    bool forming; /* a layout is being agreed */
    bool ahead;   /* this node's wall clock is too far ahead of the others', so it refuses writes */
    uint8_t n_wanted, n, w, r;
    uint16_t members, alive; /* of the layout */
    uint16_t recoverers;     /* members that are recovering somewhere, this one included */
    uint32_t vnodes;
    uint32_t degraded; /* vnodes of which some owner is not reachable, or takes no part */
    /* vnodes with fewer than R owners to read from; at most so many, where members are
     * recovering */
    uint32_t unreadable;
    uint32_t unwritable; /* vnodes with fewer than W owners that take writes */
    /* how many more members may die, any of them, with every key still readable and writable */
    uint8_t may_die;
    /* this node */
    uint64_t node;
    uint16_t met; /* other members of the layout that it has met since its start */
    /* members of that cluster look for a member of theirs at its address; none */
    struct cluster_id claimed_by;
    uint64_t claimed_for; /* the member that they look for */
    /* why its store takes no writes: ERR_NO_SPACE, ERR_IO; 0: it does */
    int refuses;
    uint64_t errors;     /* of its store, since the start */
    uint32_t recovering; /* vnodes in which it is */
    uint64_t in_flight;  /* client operations under way */
    uint64_t hints;      /* records kept for members that missed them, */
    uint64_t owed;       /* and of these for members that are alive */
    /* held when they were last looked through: deletions, and values known to be over */
    uint64_t tombstones;
    uint64_t erased;           /* of such, since the start */
    struct status_world world; /* filled in by the world */
};

/* What is kept for one member (OP_HINTS). */
struct hint_info {
    uint64_t target;
    struct slice name;
    enum member_state state;
    bool replaying;
    uint64_t waiting;  /* hints kept */
    uint64_t bytes;    /* of its log on disk */
    uint64_t kept;     /* since this node started: hints made durable, */
    uint64_t replayed; /* acknowledged by their owner and gone, */
    uint64_t dropped;  /* and given up: too old, over a cap, or damaged */
};

/* Anti-entropy: what came of it since the last REPAIR that found it idle, or since the start. */
struct repair_info {
    bool running;
    uint32_t vnodes, vnodes_done; /* comparisons of a vnode with another owner: asked for, done */
    uint32_t unreachable;         /* members that could not be asked */
    uint64_t sent, received;      /* records */
    /* bytes of these records' values; messages of all kinds sent for it */
    uint64_t bytes, messages;
    uint64_t incomplete; /* exchanges that ended early: they are tried again */
};

/* What became of a key's owners in an operation that failed. Those that are in no row did not
 * answer. */
struct owner_tally {
    uint8_t n;          /* owners; 0: the operation has none */
    uint8_t answered;   /* took the write, gave their version */
    uint8_t full;       /* have no room on their disk */
    uint8_t failed;     /* could not use their disk */
    uint8_t recovering; /* may lack what was asked for */
    uint8_t refused;    /* for another reason */
    uint8_t away;       /* cannot be reached */
};

struct result {
    uint64_t token;
    enum op_kind kind;
    /* 0; refused before anything was stored: ERR_NO_QUORUM, ERR_LOADING, ERR_BUSY, ERR_FORMING; and
     * others */
    int error;
    /* with ERR_UNKNOWN_OUTCOME: ERR_NO_SPACE where a full disk had part in it */
    int cause;
    /* with ERR_IO and ERR_NO_SPACE: it was the own disk, which keeps the clock; nothing was sent */
    bool unstamped;
    uint8_t answered;         /* with ERR_NO_QUORUM and ERR_UNKNOWN_OUTCOME: owners that did, */
    uint8_t needed;           /* owners that must, */
    struct owner_tally tally; /* and what became of each */
    bool existed;             /* OP_DEL; OP_EXPIRE: the expiry was changed */
    uint32_t size;            /* OP_GET, OP_HEAD: of the value */
    uint64_t count;           /* OP_COUNT */
    /* OP_GET, OP_HEAD: RECORD_VALUE where there is such a key; one that has expired is none */
    struct record record;
    uint64_t wall_ms; /* the coordinator's clock, by which that was judged */
    union {
        struct { /* OP_WHERE */
            const struct where_owner *owner;
            uint16_t owner_n, vnode, slot;
        } where;
        struct { /* OP_MEMBERS, and OP_RING which shows them beside the layout */
            const struct member_info *member;
            uint32_t member_n;
            const struct layout *layout; /* NULL while there is none */
            /* OP_RING: node_synced, per vnode; NULL where there is no layout */
            const uint64_t *synced_ms;
        } members;
        struct status_info status; /* OP_STATUS */
        struct {                   /* OP_HINTS */
            const struct hint_info *target;
            uint32_t target_n;
            struct slice keeper; /* the name of the node that keeps them: this one */
        } hints;
        struct repair_info repair; /* OP_REPAIR */
        struct backup_info backup; /* OP_BACKUP (when refused too), OP_BACKUP_STATUS */
    };
};

/* ---- In ---- */

enum event_kind {
    EV_TIMER,     /* node_deadline_ms() is reached */
    EV_PACKET,    /* a datagram came */
    EV_LINK_UP,   /* a stream to a peer finished its hello (either side opened it) */
    EV_LINK_DOWN, /* the last stream to a peer closed, or one that was wanted could not be opened */
    EV_STRANGER,  /* a member of another cluster opened a stream to this node, and is refused */
    EV_MESSAGE,   /* a message came on a stream whose hello is done */
    EV_REQUEST,   /* a client asks */
    EV_STORED,    /* a store write is durable and visible, or failed */
    EV_READ,      /* a store read is answered */
    EV_COUNTED,   /* a store count is answered */
    /* what is kept for a member changed: hints became durable, or were lost; at the start, of each
     * such member */
    EV_HINTED,
    EV_HINTS,  /* ACT_HINT_READ is answered */
    EV_TOLD,   /* a store question about trees, or about its greatest stamp, is answered */
    EV_BACKUP, /* a store question about backups is answered, or one has ended */
    /* records of the store may have been lost; before the first EV_READ where they were lost before
     * the start */
    EV_DAMAGED,
};

struct event {
    enum event_kind kind;
    uint64_t now_ms;   /* monotonic */
    uint64_t wall_ms;  /* since 1970; may step either way */
    uint64_t position; /* where the own log ends (store_position) */
    int refuses;       /* why the own store takes no values now (store_refuses); 0: it does */
    union {
        struct {
            struct addr from; /* base address: the world has taken the peer port's offset away */
            struct slice bytes;
        } packet;
        struct {
            uint64_t peer; /* LINK_DOWN of a seed that never said its id: 0 */
            int seed;      /* index of the seed that ACT_SEED asked for, else -1 */
            /* LINK_DOWN: why, ERR_CLOSED by default; the peer's refusal when it sent one */
            int error;
            struct slice why;              /* LINK_DOWN: words for the log, may be empty */
            const struct msg_hello *hello; /* LINK_UP, STRANGER */
        } link;
        struct {
            uint64_t from;
            const struct message *message;
        } message;
        const struct request *request;
        /* the store's result, each kind under its event's name */
        struct store_result stored, read, counted, told, backup, damaged;
        struct hints_result hinted, hints; /* likewise of the hints */
    };
};

/* The counts of an EV_COUNTED as they travel: little-endian. */
static inline struct slice event_counts(const struct event *ev)
{
    return slice_of(ev->counted.live, ev->counted.vnode_n * sizeof *ev->counted.live);
}

/* ---- Out ---- */

enum action_kind {
    ACT_PACKET, /* send a datagram; losing it is allowed */
    /* send a message on the stream to a peer, opening one if there is none; losing it raises
     * EV_LINK_DOWN */
    ACT_SEND,
    /* open a stream to seed number i (resolve its name anew); EV_LINK_UP or EV_LINK_DOWN follows */
    ACT_SEED,
    ACT_STORE_PUT,   /* store a record; EV_STORED follows */
    ACT_STORE_GET,   /* read one; EV_READ follows */
    ACT_STORE_COUNT, /* EV_COUNTED follows */
    /* keep a record for a member that missed it; EV_HINTED follows, for several together */
    ACT_HINT_PUT,
    /* read the batch at the head of what is kept for a member; EV_HINTS follows */
    ACT_HINT_READ,
    ACT_HINT_DROP,      /* the first n of the batch read last, up to that place, are done with */
    ACT_HINT_EXPIRE,    /* hints stamped before may go */
    ACT_STORE_TREE,     /* hashes of Merkle trees; EV_TOLD follows */
    ACT_STORE_LIST,     /* keys and versions; EV_TOLD follows */
    ACT_STORE_ERASABLE, /* what may be erased; EV_TOLD follows */
    ACT_STORE_HELD,     /* whether entries of a listing are held; EV_TOLD follows */
    ACT_STORE_GREATEST, /* the greatest stamp that was ever visible; EV_TOLD follows */
    /* begin one, or say how it goes; EV_BACKUP follows, and another when it has ended */
    ACT_STORE_BACKUP,
    /* some slots may lack records: to be remembered over restarts until they are healed */
    ACT_STORE_DOUBT,
    ACT_STORE_HEAL, /* what some slots lacked was fetched again */
    ACT_REPLY,      /* the result of a request */
    ACT_MEMBER,     /* a member changed: for subscribers */
    ACT_TRACE,      /* something to log */
    ACT_STOP,       /* this node cannot go on: say why and exit 1 */
};

struct action {
    enum action_kind kind;
    union {
        struct {
            struct addr to;
            const struct packet *packet;
        } packet;
        struct {
            uint64_t to;
            struct addr addr; /* where that peer lives, should a stream have to be opened */
            struct message message;
        } send;
        int seed;
        struct {
            uint64_t token;
            struct record record;
            struct put_origin origin;
        } put;
        struct {
            uint64_t token;
            struct slice key;
            enum get_wants wants;
        } get;
        struct {
            uint64_t token;
            uint64_t wall_ms; /* keys that have expired by then do not count */
        } count;
        struct {
            uint64_t token;
        } greatest;
        struct {
            uint64_t target;
            struct record record;
        } hint;
        uint64_t hint_read; /* the target */
        struct {
            uint64_t target;
            uint64_t up_to;
            uint32_t n;
        } hint_drop;
        uint64_t hint_expire_ms; /* wall time */
        struct {
            uint64_t token;
            struct slice vnodes;
            bool leaves;
        } tree;
        struct {
            uint64_t token;
            uint16_t vnode;
            struct slice ranges; /* of positions */
        } list;
        struct {
            uint64_t token; /* of the request that asks for it */
            struct backup_ask ask;
        } backup;
        struct slice slots; /* DOUBT, HEALED: SLOTS / 8 bytes, a bit each */
        struct {
            uint64_t token;
            struct slice vnodes;
            uint64_t wall_ms;
            uint64_t from; /* a position */
        } erasable;
        struct {
            uint64_t token;
            struct slice entries;
        } held;
        struct result reply;
        struct member_info member;
        struct trace trace;
        struct {
            int error;
            struct slice why;
        } stop;
    };
};

enum {
    /* actions of one step: each protocol states its share beside its own constants */
    OUT_MAX = 128,
    OUT_PACKETS = 12, /* datagrams of one step */
};

struct out {
    unsigned n;
    unsigned packet_n;
    unsigned put_n;   /* actions of kind ACT_STORE_PUT */
    unsigned state_n; /* puts of the node's own states */
    struct action action[OUT_MAX];
    struct packet packet[OUT_PACKETS];
};

/* Empties the list: before each step. */
static inline void out_clear(struct out *o)
{
    o->n = o->packet_n = 0;
    o->put_n = o->state_n = 0;
}

/* Appends an action of that kind, to be filled in. A full list is a broken invariant. */
struct action *out_add(struct out *o, enum action_kind kind);

/* Actions that still fit: whoever slices work asks this. */
static inline unsigned out_room(const struct out *o)
{
    return OUT_MAX - o->n;
}

/* Shorthands. Everything passed is borrowed as said on top. */
struct message *out_send(struct out *o, uint64_t to, struct addr addr, enum message_kind kind);
/* NULL when OUT_PACKETS are out */
struct packet *out_packet(struct out *o, struct addr to, const struct packet_header *header);
void out_trace(struct out *o, enum trace_kind kind, uint64_t id, uint64_t a, uint64_t b,
               struct slice text);

/* Store a record of the node's own state: `name` says which (enum below gives the names), serial
 * grows with each change. */
void out_state(struct out *o, uint64_t token, struct slice name, uint64_t serial,
               struct slice bytes);

/* A token is (owner << 56 | a number of its own): whose question it is that the store, or a peer,
 * answers. */
enum token_owner {
    TOKEN_SWIM = 1, /* in the order of core/node/protocols.c; 0 is nobody's */
    TOKEN_CHAIN,
    TOKEN_HINT,
    TOKEN_COORD,
    TOKEN_FLUSH,
    TOKEN_ERASE,
    TOKEN_REPAIR,
    TOKEN_REPLICA,
    TOKEN_LOG_END,
    TOKEN_SHARD,
    TOKEN_MEMBER,
    TOKEN_FIRST = TOKEN_SWIM,
};
#define TOKEN(owner, number) (((uint64_t)(owner) << 56) | (number))
#define TOKEN_OWNER(token)   ((enum token_owner)((token) >> 56))
#define TOKEN_NUMBER(token)  ((token)&0xffffffffffffffu)

#endif
