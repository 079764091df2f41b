/* world.h: the simulated world: nodes, network, disks and clocks on virtual time, in one thread.
 *
 * A node runs the same code as in the real world: front, wire, core, glue, and a store and hints in
 * memory behind the doors of the real ones. Every message is encoded and decoded. A run follows
 * from its options and its seed: all random numbers come from seeded generators, one for each
 * concern. So taking a fault out of the schedule does not change what the others draw. */
#ifndef COVEY_SIM_WORLD_H
#define COVEY_SIM_WORLD_H

#include <inttypes.h>
#include <stdio.h>

#include "base/key.h"
#include "base/rng.h"
#include "core/node/node.h"
#include "front/session.h"
#include "sim/atlas.h"
#include "sim/heap.h"
#include "sim/schedule.h"
#include "store/mem/hints_mem.h"
#include "store/mem/mem.h"

enum { KEY_TEXT = 16 }; /* bytes of a client's key with its space, and a NUL */

/* Client key k, "k17", as the stores know it; written at p. */
static inline struct slice world_key(uint8_t p[KEY_TEXT], uint32_t k)
{
    char name[KEY_TEXT];
    snprintf(name, KEY_TEXT - 1, "k%" PRIu32, k);
    return key_write(p, 0, slice_str(name));
}

struct disk_copy;
struct world;
struct stream;

/* The world's news for the checkers and the story. Every function may be NULL. */
struct world_watch {
    void *arg;
    void (*trace)(void *arg, uint32_t node, const struct trace *t);
    void (*member)(void *arg, uint32_t observer, const struct member_info *m);
    void (*life)(void *arg, uint32_t node, bool up); /* a node started, or lost power */
    void (*losing)(void *arg, uint32_t node);        /* a node is about to lose power */
    void (*striking)(void *arg, uint32_t node);      /* a disk is about to lose what it holds */
    /* a client has replies, or the time has come for which it was to be woken */
    void (*client)(void *arg, uint32_t client);
    /* a client's connection is gone; what was under way is unknown */
    void (*hung_up)(void *arg, uint32_t client);
    /* an EV_STORED, EV_HINTED or EV_HINTS is about to be stepped */
    void (*result)(void *arg, uint32_t node, const struct event *ev);
    /* an action is about to be carried out */
    void (*action)(void *arg, uint32_t node, const struct action *a);
    void (*stepped)(void *arg, uint32_t node); /* a node's step is done */
};

struct sim_node {
    struct node node;
    struct front front;
    struct mem_disk disk;
    struct store *store; /* NULL while the node is down */
    struct store *look;  /* while it is down: its disk, opened by world_disk; NULL: not opened */
    struct hints_disk hints_disk;
    struct disk_copy *copy; /* a copy of both disks, while a rollback is under way; else NULL */
    struct hints *hints;    /* NULL while the node is down */
    bool up;
    bool stopped;        /* it asked to be stopped (ACT_STOP) */
    uint64_t life;       /* counts its losses of power, so that old events find another life */
    uint64_t started_us; /* when it started last */
    uint64_t lift;       /* the lift of its log's positions (core/log_end/log_end.h), last life's */
    uint64_t id;
    struct addr addr;
    char name[16];
    int64_t skew_ms;        /* how far its wall clock is ahead when nothing is wrong */
    int64_t step_ms;        /* how far it is set ahead by a FAULT_CLOCK_STEP */
    int64_t drift_ms;       /* what it gains a second by a FAULT_CLOCK_DRIFT */
    uint64_t drift_from_ms; /* since when it does */
    uint64_t timer_us;      /* when its planned timer is due; UINT64_MAX: none is planned */
    uint64_t paused_until_us;
    uint32_t sync_ms;          /* how much longer its syncs take */
    uint64_t stalled_until_us; /* until then no sync of its disk ends */
    uint32_t torn;             /* how the power fails during the next sync; 0: it does not */
    bool lies;                 /* its next sync reports success, and writes nothing in its place */
    uint32_t lies_where;       /* not 0: that sync writes its bytes in another place */
    uint32_t failed_stay;      /* % of failed syncs after which the bytes are on the disk */
    bool udp_dead;
    uint32_t slow_streams_ms; /* its streams stand still in turns of so long; 0: they do not */
    /* its disk lost something that was synced: it must not found a cluster again, and peers may
     * know a later incarnation of it */
    bool forgot;
    uint32_t disks;     /* how many disks it has lost */
    uint64_t struck_us; /* when its disk was damaged last */
    bool syncing;       /* a SIM_DISK is planned */
};

struct sim_client {
    struct session session;
    bool open;
    uint32_t node; /* where it is connected */
    bool dirty;    /* its session may have requests that were not stepped */
};

struct world_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t clients;
    enum swim_profile profile;
    /* the least time of a delivery; it takes up to 4 times that, with a tail. 0: 250 */
    uint32_t latency_us;
    uint32_t erase_age_ms, hint_age_ms; /* see node_options */
    bool repair_manual;                 /* anti-entropy only when asked for */
    bool check;                         /* node_check after each step */
    /* nothing is drawn for how long things take: a delivery takes latency_us, a sync SYNC_US */
    bool steady;
};

struct world {
    struct world_options o;
    uint64_t now_us;
    struct heap heap;
    struct rng net_rng, disk_rng, seed_rng;
    struct sim_node *node;
    struct sim_client *client;
    struct world_watch watch;
    struct cluster_id cluster;
    struct layout_secret secret; /* the secret that its founder is given */
    struct out out;              /* the actions of the step under way */
    struct buf scratch;
    /* per pair, a * nodes + b: how many cuts there are; nothing gets from a to b while there are
     * any */
    uint16_t *cuts;
    uint32_t loss, duplicate, flip; /* %, summed over the faults in force */
    uint32_t delay_ms;
    struct atlas atlas;
    struct stream *streams; /* a hash table by pair */
    uint64_t next_stream;
    uint64_t events, steps, packets, messages, bytes; /* bytes: of the messages on streams */
};

void world_init(struct world *w, const struct world_options *o);
void world_close(struct world *w);

/* Plans a node's start. Node 0 founds the cluster at its first start; the others have all nodes as
 * seeds. */
void world_start_node(struct world *w, uint32_t i, uint64_t at_us);
void world_crash_node(struct world *w, uint32_t i);
void world_fault(struct world *w, const struct fault *f, bool begins);

/* Does the next thing that is planned for until_us or earlier; *ev is what it was, without its
 * bytes. False when there is none: then now_us is until_us. */
bool world_next(struct world *w, uint64_t until_us, struct sim_event *ev);

/* Clients. Connecting takes no time; requests are read in the next turn of the connected node. */
void world_connect(struct world *w, uint32_t client, uint32_t node);
void world_say(struct world *w, uint32_t client, struct slice bytes);
void world_wake_client(struct world *w, uint32_t client, uint64_t at_us);

/* One turn of a node on an event, whose times are set here: the step, the actions, the results of
 * the store, the clients' next requests, the commit. */
void world_turn(struct world *w, uint32_t i, struct event *ev);

uint64_t world_now_ms(const struct world *w);

/* A node's store; while the node is down, the store that its next start will find. */
struct store *world_disk(struct world *w, uint32_t i);
struct sim_node *world_by_id(struct world *w, uint64_t id); /* NULL when there is no such node */
struct sim_node *world_by_addr(struct world *w, struct addr a);
static inline uint32_t world_index(const struct world *w, const struct sim_node *s)
{
    return (uint32_t)(s - w->node);
}

#endif
