/* event.h: all that goes into a node and all that comes out of it.
 *
 * The node (core/node/node.h) is a function: one event in, a list of actions out. A world (src/rt,
 * sim) turns what sockets, disks and clocks do into events. It carries out the actions, in order,
 * before the next event. Whatever an event or an action points to is borrowed: an event's bytes
 * live for the call, an action's until the next node_step of that node. */
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
    OP_DEL,     /* delete a value; the result: whether there was one */
    OP_EXPIRE,  /* set or take away the expiry of a value; the result: whether it did */
    OP_WHERE,   /* the vnode, the owners, and each owner's version */
    OP_FLUSH,   /* delete everything */
    OP_COUNT,   /* live keys of the whole cluster */
    OP_MEMBERS, /* a table of the members */
    OP_RING,    /* the layout */
    OP_STATUS,  /* the verdict */
    OP_HINTS,   /* the hints that this node keeps, by the member that they are for */
    OP_REPAIR,  /* compare with the other owners, or report how that goes */
    /* The next two are answered by the own store; a store without files refuses to begin one. */
    OP_BACKUP,        /* copy this node's store to the path that is the value */
    OP_BACKUP_STATUS, /* how that goes */
};

/* Conditions of an OP_EXPIRE besides that there is a value, or'ed. */
enum expire_when {
    EXPIRE_NX = 1, /* the value has no expiry */
    EXPIRE_XX = 2, /* the value has an expiry */
    EXPIRE_GT = 4, /* the new expiry is later; to have none is the latest of all */
    EXPIRE_LT = 8, /* the new expiry is sooner */
};

enum consistency { LEVEL_QUORUM = 0, LEVEL_ONE, LEVEL_ALL }; /* ONE is for reads only */

/* Whose request it is. */
enum asker {
    ASKER_NOBODY, /* its result is dropped */
    ASKER_CLIENT, /* handle: its connection; number: that of the operation in its session */
};

/* The token of a request, echoed in its result: (asker << 56 | 32 bits of a handle << 24 | the low
 * 24 bits of a number). The node reads nothing of it. The world gives the result to the asker,
 * which knows by handle and number what the result answers. */
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
    bool keep_expiry;     /* OP_PUT: the value gets the expiry of the value that it replaces */
    uint8_t when;         /* OP_EXPIRE: enum expire_when, or'ed */
    uint32_t vnode;       /* OP_REPAIR: a vnode, REPAIR_ALL or REPAIR_NONE */
};

enum {
    REPAIR_ALL = 0xffff,   /* compare every vnode */
    REPAIR_NONE = 0x10000, /* compare nothing, only report */
};

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
    bool adopted;    /* it has adopted the layout that is in force here, as far as is known */
    uint16_t weight; /* in the layout; 0 outside it */
    struct slice zone;
    uint32_t places;     /* vnodes of which it is an owner */
    uint32_t firsts;     /* vnodes of which it is the first owner */
    uint32_t recovering; /* vnodes in which it is recovering, as it announced last */
};

struct where_owner {
    uint64_t id;
    struct slice name;
    struct addr addr;
    enum member_state state;
    bool answered;
    bool recovering;      /* it may lack what it had, and refuses to be read */
    struct record record; /* kind, version and expiry of what that owner holds; no value */
};

/* From good to bad. */
enum verdict {
    /* Every owner of every key is there and takes part, and N is what was asked for. */
    VERDICT_HEALTHY,
    VERDICT_CHANGING,    /* the same, while a layout comes into force */
    VERDICT_DEGRADED,    /* something is missing, but every key can be read and written */
    VERDICT_UNAVAILABLE, /* some key cannot be read, or cannot be written */
    VERDICT_LOADING,     /* this node is in no layout yet, or met too few of its members */
};

/* Why the verdict is no better, the worst first. Each but FEW, CLOCK and FORMING is a fact about
 * members (core/node/verdict.h): `they` are the members of which it is true. */
enum reason {
    REASON_DOWN,     /* the failure detector does not believe that they are alive */
    REASON_CUT,      /* it believes that they are alive, but no stream to them is up */
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
    uint16_t n; /* members of which it is true; 1 where it is about no member; 0: it is not true */
    bool self;  /* this node is the first of these members */
    struct slice name; /* of the first of them, where it is another; lives while it is known */
};

/* What the world knows of its machine, which a node does not see. */
struct status_world {
    uint64_t keys;      /* records that are held here, tombstones included */
    uint64_t bytes;     /* of the data directory's log */
    uint64_t disk_free; /* bytes left on its file system */
    uint64_t memory;    /* bytes that the process has resident */
};

struct status_info {
    enum verdict verdict;
    struct status_reason reason[REASONS];

    /* ---- The cluster, as this node sees it ---- */
    struct cluster_id cluster;
    uint64_t epoch;
    bool forming; /* a layout is being agreed */
    bool ahead;   /* this node's wall clock is too far ahead of the others', so it refuses writes */
    uint8_t n_wanted, n, w, r;
    uint16_t members, alive; /* of the layout */
    uint16_t recoverers;     /* members that are recovering somewhere, this one included */
    uint32_t vnodes;
    uint32_t degraded; /* vnodes of which some owner is not reachable, or takes no part */
    /* Vnodes with fewer than R owners to read from. Where members are recovering it is an upper
     * bound: they announce how many vnodes, not which. */
    uint32_t unreadable;
    uint32_t unwritable; /* vnodes with fewer than W owners that take writes */
    /* How many more members may die, whichever they are, with every key readable and writable. */
    uint8_t may_die;

    /* ---- This node ---- */
    uint64_t node;
    uint16_t met; /* other members of the layout that it has met since its start */
    /* The cluster whose members look for a member of theirs at this node's address; zeros: none. */
    struct cluster_id claimed_by;
    uint64_t claimed_for; /* the member that they look for */
    int refuses;         /* why its store takes no writes: ERR_NO_SPACE, ERR_IO; 0: it takes them */
    uint64_t errors;     /* of its store, since the start */
    uint32_t recovering; /* vnodes in which it is recovering */
    uint64_t in_flight;  /* client operations under way */
    uint64_t hints;      /* hints that it keeps */
    uint64_t owed;       /* hints that it keeps for members that are alive */
    /* Tombstones and values that are over, when what is held was last looked through. */
    uint64_t tombstones;
    uint64_t erased;           /* tombstones and such values that were erased, since the start */
    struct status_world world; /* filled in by the world */
};

/* The hints that this node keeps for one member (OP_HINTS). */
struct hint_info {
    uint64_t target;
    struct slice name;
    enum member_state state;
    bool replaying;
    uint64_t waiting;  /* hints that are kept now */
    uint64_t bytes;    /* of their log on disk */
    uint64_t kept;     /* hints that became durable, since this node started */
    uint64_t replayed; /* hints that their owner acknowledged, since this node started */
    uint64_t dropped;  /* hints given up since then: too old, over a cap, or damaged */
};

/* Anti-entropy: what came of it since the last REPAIR that found it idle, or since the start. */
struct repair_info {
    bool running;
    uint32_t vnodes;         /* comparisons of a vnode with another owner that were asked for */
    uint32_t vnodes_done;    /* comparisons that are done */
    uint32_t unreachable;    /* members that could not be asked */
    uint64_t sent, received; /* records */
    uint64_t bytes;          /* of the values of these records */
    uint64_t messages;       /* messages of all kinds that were sent for it */
    uint64_t incomplete;     /* exchanges that ended early: they are tried again */
};

/* What became of a key's owners in an operation that failed. An owner that is in no row did not
 * answer. */
struct owner_tally {
    uint8_t n;          /* owners; 0: the operation has none */
    uint8_t answered;   /* owners that took the write, or gave their version */
    uint8_t full;       /* owners that have no room on their disk */
    uint8_t failed;     /* owners that could not use their disk */
    uint8_t recovering; /* owners that may lack what was asked for */
    uint8_t refused;    /* owners that refused for another reason */
    uint8_t away;       /* owners that cannot be reached */
};

struct result {
    uint64_t token;
    enum op_kind kind;
    /* 0, or why not. ERR_UNKNOWN_OUTCOME: the write may be stored somewhere. With any other error,
     * like ERR_NO_QUORUM, ERR_LOADING, ERR_BUSY or ERR_FORMING, nothing was stored. */
    int error;
    int cause; /* with ERR_UNKNOWN_OUTCOME: ERR_NO_SPACE where a full disk had part in it */
    /* With ERR_IO and ERR_NO_SPACE: the own disk did not store the clock's ceiling, so the write
     * got no stamp and was not sent. */
    bool unstamped;
    /* The next three with ERR_NO_QUORUM and ERR_UNKNOWN_OUTCOME. */
    uint8_t answered;         /* owners that answered */
    uint8_t needed;           /* owners that must answer */
    struct owner_tally tally; /* what became of each owner */
    bool existed;             /* OP_DEL: there was a value. OP_EXPIRE: its expiry was changed */
    uint32_t size;            /* OP_GET, OP_HEAD: bytes of the value */
    uint64_t count;           /* OP_COUNT */
    /* OP_GET, OP_HEAD: a RECORD_VALUE where there is a value that is not over, else RECORD_NONE. */
    struct record record;
    uint64_t wall_ms; /* the coordinator's clock, by which ends were judged */
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
            struct slice keeper; /* the name of the node that keeps the hints: this one */
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
    EV_STORED,    /* a write to the store is durable and visible, or failed */
    EV_READ,      /* the store answers an ACT_STORE_GET */
    EV_COUNTED,   /* the store answers an ACT_STORE_COUNT */
    /* The hints kept for a member changed: some became durable, or were lost. At the start there is
     * one for each member that hints are kept for. */
    EV_HINTED,
    EV_HINTS,    /* a batch of hints, as ACT_HINT_READ asked for */
    EV_ANSWERED, /* the store answers any other question: trees, listings, its greatest stamp */
    EV_BACKUP,   /* the store answers about backups, or one has ended */
    /* Records of the store may be lost. Comes before the first EV_READ where they were lost before
     * the start. */
    EV_DAMAGED,
};

struct event {
    enum event_kind kind;
    uint64_t now_ms;   /* monotonic */
    uint64_t wall_ms;  /* since 1970; may step either way */
    uint64_t position; /* where the own log ends (store_position) */
    int refuses;       /* why the own store takes no values now (store_refuses); 0: it takes them */
    union {
        struct {
            struct addr from; /* base address: the world has taken the peer port's offset away */
            struct slice bytes;
        } packet;
        struct {
            uint64_t peer;    /* 0: LINK_DOWN of a seed whose id never came */
            int seed;         /* index of the seed that ACT_SEED asked for, else -1 */
            int error;        /* LINK_DOWN: the refusal that the peer sent, else ERR_CLOSED */
            struct slice why; /* LINK_DOWN: words for the log, may be empty */
            const struct msg_hello *hello; /* LINK_UP, STRANGER */
        } link;
        struct {
            uint64_t from;
            const struct message *message;
        } message;
        const struct request *request;
        /* What the store or the hints gave, each kind under the name of its event. */
        struct store_result stored, read, counted, answered, backup, damaged;
        struct hints_result hinted, hints;
    };
};

/* The counts of an EV_COUNTED as they travel: little-endian. */
static inline struct slice event_counts(const struct event *ev)
{
    return slice_of(ev->counted.live, ev->counted.vnode_n * sizeof *ev->counted.live);
}

/* ---- Out ---- */

enum action_kind {
    ACT_PACKET, /* send a datagram; it may be lost */
    /* Send a message on the stream to a peer; open one if there is none. EV_LINK_DOWN follows where
     * the message is lost. */
    ACT_SEND,
    /* Open a stream to a seed, by its index (resolve its name anew); EV_LINK_UP or EV_LINK_DOWN
     * follows. */
    ACT_SEED,
    ACT_STORE_PUT,   /* store a record; EV_STORED follows */
    ACT_STORE_GET,   /* read a record; EV_READ follows */
    ACT_STORE_COUNT, /* count the live keys of each vnode; EV_COUNTED follows */
    ACT_HINT_PUT,    /* keep a hint; EV_HINTED follows, one for several together */
    ACT_HINT_READ,   /* read the batch at the head of a member's hints; EV_HINTS follows */
    ACT_HINT_DROP,   /* drop the first n hints of the batch that was read last */
    ACT_HINT_EXPIRE, /* drop the hints that were stamped before a time */
    /* Questions to the store; EV_ANSWERED follows each. */
    ACT_STORE_TREE,     /* hashes of Merkle trees */
    ACT_STORE_LIST,     /* keys and versions */
    ACT_STORE_ERASABLE, /* what may be erased */
    ACT_STORE_HELD,     /* which entries of a listing are held */
    ACT_STORE_GREATEST, /* the greatest stamp that was ever visible */
    /* Begin a backup, or report how it goes. EV_BACKUP follows, and another when it has ended. */
    ACT_STORE_BACKUP,
    ACT_STORE_DOUBT, /* slots are in doubt: remember it, over restarts too, until they are healed */
    ACT_STORE_HEAL,  /* slots are healed: all that they lacked was fetched */
    ACT_REPLY,       /* the result of a request */
    ACT_MEMBER,      /* a member changed: for subscribers */
    ACT_TRACE,       /* something to log */
    ACT_STOP,        /* this node cannot go on: log why and exit 1 */
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
            uint64_t wall_ms; /* values that are over by then do not count */
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
            uint64_t up_to; /* the location behind the last of these hints (store/hints) */
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
            struct slice ranges; /* of key hashes */
        } list;
        struct {
            uint64_t token; /* of the request that asks for it */
            struct backup_ask ask;
        } backup;
        struct slice slots; /* DOUBT, HEAL: SLOTS / 8 bytes, a bit for each slot */
        struct {
            uint64_t token;
            struct slice vnodes;
            uint64_t wall_ms;
            uint64_t from; /* a key hash */
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
    OUT_MAX = 128,    /* actions of one step: each protocol has its part of it as a constant */
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

/* Empties the list, before each step. */
static inline void out_clear(struct out *o)
{
    o->n = o->packet_n = 0;
    o->put_n = o->state_n = 0;
}

/* Appends an action of that kind, for the caller to fill in. A full list is a broken invariant. */
struct action *out_add(struct out *o, enum action_kind kind);

/* Actions that still fit: for a protocol that does its work in pieces. */
static inline unsigned out_room(const struct out *o)
{
    return OUT_MAX - o->n;
}

/* The same for some kinds. What the arguments point to must live as an action's bytes do. */
struct message *out_send(struct out *o, uint64_t to, struct addr addr, enum message_kind kind);
/* NULL when the step has OUT_PACKETS already. */
struct packet *out_packet(struct out *o, struct addr to, const struct packet_header *header);
void out_trace(struct out *o, enum trace_kind kind, uint64_t id, uint64_t a, uint64_t b,
               struct slice text);

/* Stores a record of the node's own state under a name (src/README.md, "On disk", has them all).
 * The serial grows with each change. */
void out_state(struct out *o, uint64_t token, struct slice name, uint64_t serial,
               struct slice bytes);

/* A token is (protocol << 56 | a number that the protocol chose). It goes with a question to the
 * store or to a peer, and comes back with the answer. */
enum token_owner {
    TOKEN_SWIM = 1, /* the order is that of core/node/protocols.c; 0 is no protocol's */
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
