/* world.h: the other world: nodes, network, disks and clocks on virtual time, in one thread.
 *
 * Nodes are the same code as in the real world: front, wire, core, and the store behind store.h.
 * Every message is encoded and decoded. A run is its options and its seed: all randomness comes
 * from seeded generators, one for each concern, so that removing a fault from the schedule does not
 * change what the others draw. */
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

struct disk_kept;
struct world;
struct stream;

/* What the checkers and the story want to hear. All may be NULL. */
struct world_watch {
    void *arg;
    void (*trace)(void *arg, uint32_t node, const struct trace *t);
    void (*member)(void *arg, uint32_t observer, const struct member_info *m);
    void (*life)(void *arg, uint32_t node, bool up); /* a node started, or lost power */
    /* it is about to lose power: its last state can be looked at, */
    void (*losing)(void *arg, uint32_t node);
    void (*striking)(void *arg, uint32_t node); /* and its disk something that it holds */
    /* its time came (world_wake_client), or its replies did */
    void (*client)(void *arg, uint32_t client);
    /* its connection is gone, whatever was under way is unknown */
    void (*hung_up)(void *arg, uint32_t client);
    void (*result)(void *arg, uint32_t node,
                   /* EV_STORED, EV_HINTED, EV_HINTS, before they are stepped */
                   const struct event *ev);
    /* each, before it is carried out */
    void (*action)(void *arg, uint32_t node, const struct action *a);
    void (*stepped)(void *arg, uint32_t node); /* after each step */
};

struct sim_node {
    struct node node;
    struct front front;
    struct mem_disk disk;
    struct store *store; /* NULL while down, */
    struct store *look;  /* while down: its disk, opened by whoever wanted to know (world_disk) */
    struct hints_disk hints_disk;
    struct disk_kept *kept; /* both as they were when a rollback began; NULL: none has */
    struct hints *hints;    /* and so is this */
    bool up;
    bool stopped;  /* it asked to be stopped (ACT_STOP) */
    uint64_t life; /* counts starts */
    uint64_t started_us;
    uint64_t lift; /* of its log's positions (core/log_end/log_end.h), as of its last life */
    uint64_t id;
    struct addr addr;
    char name[16];
    int64_t skew_ms;  /* of its wall clock: always, */
    int64_t step_ms;  /* since it was set wrong, */
    int64_t drift_ms; /* and gained a second, since */
    uint64_t drift_from_ms;
    uint64_t timer_us; /* when its planned timer is due; UINT64_MAX: none is planned */
    uint64_t paused_until_us;
    uint32_t sync_ms;          /* a slow disk's */
    uint64_t stalled_until_us; /* its disk */
    uint32_t torn;             /* how the power fails during the next sync; 0: it does not */
    bool lies;                 /* its next sync says that it is done, and is not; */
    uint32_t lies_where;       /* not 0: it writes somewhere else */
    uint32_t failed_stay;      /* of failed syncs, % that are on the disk all the same */
    bool udp_dead;
    uint32_t slow_streams_ms; /* its streams stand still in turns of so long; 0: they do not */
    /* its disk lost something that it had said: it founds nothing any more, and others may know
     * more of it */
    bool forgot;
    uint32_t disks;     /* that it lost whole */
    uint64_t struck_us; /* when its disk was damaged last */
    bool syncing;       /* a SIM_DISK is planned */
};

struct sim_client {
    struct session session;
    bool open;
    uint32_t node; /* where it is connected */
    bool dirty;    /* its session may have requests */
};

struct world_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t clients;
    enum swim_profile profile;
    /* of a delivery at least; up to 4 times that, with a tail. 0: 250 */
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
    struct layout_secret secret; /* that its founder is given */
    struct out out;              /* of the step under way */
    struct buf scratch;
    /* nodes * nodes: while positive nothing gets from a to b; counted, since cuts may overlap */
    uint16_t *cuts;
    uint32_t loss, duplicate, flip; /* %, summed over the faults in force */
    uint32_t delay_ms;
    struct atlas atlas;
    struct stream *streams; /* hash by pair */
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

/* Does the next planned thing not after until_us: its kind and whom it concerned in *ev (bytes are
 * gone). False when there is none: now_us is then until_us. */
bool world_next(struct world *w, uint64_t until_us, struct sim_event *ev);

/* Clients. Connecting is immediate; requests are read in the connected node's turn. */
void world_connect(struct world *w, uint32_t client, uint32_t node);
void world_say(struct world *w, uint32_t client, struct slice bytes);
void world_wake_client(struct world *w, uint32_t client, uint64_t at_us);

/* One turn of a node on an event (its times are set here): the step, the actions, the store's
 * results, the clients' next requests, the flush. */
void world_turn(struct world *w, uint32_t i, struct event *ev);

uint64_t world_now_ms(const struct world *w);

/* What a node's disk holds: its store, or, while it is down, what its next start will find. */
struct store *world_disk(struct world *w, uint32_t i);
struct sim_node *world_by_id(struct world *w, uint64_t id); /* NULL when there is no such node */
struct sim_node *world_by_addr(struct world *w, struct addr a);
static inline uint32_t world_index(const struct world *w, const struct sim_node *s)
{
    return (uint32_t)(s - w->node);
}

#endif
