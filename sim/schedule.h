/* schedule.h: the faults of a run. They are drawn before it, as data, so that a failing run can be
 * printed, read and made smaller.
 *
 * Swarm testing (Groce et al. 2012): each seed turns on a random subset of the kinds, so that rare
 * combinations come undiluted. */
#ifndef COVEY_SIM_SCHEDULE_H
#define COVEY_SIM_SCHEDULE_H

#include "base/buf.h"

/* What happens from `from` to `until`, to node a where the name of no other is given. */
enum fault_kind {
    FAULT_CRASH, /* it loses power, and starts again at `until` */
    /* The same, and its disk is empty then. Only as far as the atlas allows it (atlas.h), else a
     * crash. The same goes for every fault below that damages a disk. */
    FAULT_WIPE,
    FAULT_PAUSE, /* it neither reads nor writes nor computes */
    FAULT_CUT,   /* nothing gets from node a to node b */
    /* Nothing gets between two parts of the nodes: a of them, in a shuffled order drawn from b, and
     * the rest. */
    FAULT_PARTITION,
    FAULT_LOSS,      /* amount % of the datagrams are lost */
    FAULT_DELAY,     /* up to amount ms are added to every datagram and stream delivery */
    FAULT_DUPLICATE, /* amount % of the datagrams arrive twice */
    FAULT_UDP_DEAD,  /* datagrams to and from it are lost, streams work */
    FAULT_SLOW_DISK, /* its syncs take amount ms longer */
    FAULT_STALL,     /* none of its syncs ends */
    /* It loses power during its next sync, which is half done, in one of 1000 ways; it starts again
     * at `until`. */
    FAULT_TORN,
    /* Its syncs fail. After amount % of them the bytes are on the disk all the same. */
    FAULT_SYNC_ERROR,
    FAULT_DISK_FULL, /* it can write nothing */
    /* A bit of a record on its disk rots, in one of 1000 ways, and one of a hint; it is restarted
     * at `until`. */
    FAULT_ROT,
    /* One of its syncs writes nothing, and reports success; it is restarted at `until`. */
    FAULT_LOST,
    /* The same, and the bytes stand in another place of the disk, in one of 1000 ways. */
    FAULT_MISDIRECTED,
    /* Its disk is copied at `from`; at `until` it loses power and starts with that copy. */
    FAULT_ROLLBACK,
    /* Its wall clock is set amount - 10000 ms ahead, and set right at `until`. */
    FAULT_CLOCK_STEP,
    FAULT_CLOCK_DRIFT, /* its wall clock gains amount - 200 ms a second until then */
    /* Its streams stand still in turns of amount ms, each direction by itself, one turn in three,
     * as after a lost segment. Datagrams pass. */
    FAULT_SLOW_STREAMS,
    /* A crash for longer than tombstones are kept for their age, once in a run at most. */
    FAULT_AWAY,
    FAULT_FLIP, /* of amount % of the datagrams one bit flips on the way */
    FAULT_KINDS
};

struct fault {
    enum fault_kind kind;
    uint32_t from_ms, until_ms;
    uint32_t a, b;
    uint32_t amount;
};

enum { FAULTS_MAX = 256 };

struct schedule {
    struct fault fault[FAULTS_MAX];
    unsigned n;
};

struct schedule_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t from_ms, until_ms; /* faults begin and end within these times */
    uint32_t loss;              /* % of datagrams lost in the whole run, besides the faults */
    uint32_t kinds;             /* a bit for each kind that may be drawn; 0: all */
};

void schedule_draw(struct schedule *s, const struct schedule_options *o);

/* What a fault is about; in print it stands behind the name. */
enum fault_about {
    ABOUT_NODE,    /* "n3": a */
    ABOUT_PAIR,    /* "n3 -> n4": a, b */
    ABOUT_SPLIT,   /* "2 nodes from the rest, shuffle 77": a, b */
    ABOUT_NETWORK, /* nothing */
};

const char *fault_name(enum fault_kind kind);
bool fault_named(struct slice name, enum fault_kind *kind); /* false: there is none of that name */
enum fault_about fault_about(enum fault_kind kind);

/* Whether the kind has an amount, which then is never 0. */
bool fault_has_amount(enum fault_kind kind);

/* Whether gossip goes on undisturbed, so that no node has cause to hold another dead. */
bool fault_spares_gossip(enum fault_kind kind);

/* Whether puts fail at a node that goes on running. */
bool fault_refuses_writes(enum fault_kind kind);

/* Whether a disk may lose, without an error, what it reported as synced. */
bool fault_damages(enum fault_kind kind);

/* Whether a fault can happen in a cluster of so many nodes. */
bool fault_fits(const struct fault *f, uint32_t nodes);

/* Appends one line a fault: "  12.500s ..   14.750s crash n3". */
void schedule_print(const struct schedule *s, struct buf *out);

/* Reads what schedule_print writes; empty lines, and lines that begin with #, are skipped. 0, or
 * the number of the first line that is no fault, or is one too many. */
unsigned schedule_parse(struct schedule *s, struct slice text);

#endif
