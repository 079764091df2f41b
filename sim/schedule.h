/* schedule.h: the faults of a run, drawn first, as data: so that a failing run can be printed, read
 * and cut down.
 *
 * Swarm style (Groce et al. 2012): each seed turns a random subset of the kinds on, so that rare
 * combinations are met undiluted. */
#ifndef COVEY_SIM_SCHEDULE_H
#define COVEY_SIM_SCHEDULE_H

#include "base/buf.h"

enum fault_kind {
    FAULT_CRASH, /* node a loses power at `from`, starts again at `until` */
    /* the same, and its disk is empty then; when the atlas allows it (atlas.h), else a crash */
    FAULT_WIPE,
    FAULT_PAUSE, /* node a neither reads nor writes nor computes */
    FAULT_CUT,   /* nothing gets from a to b */
    /* nothing gets between the nodes below `a` in a shuffled order drawn from b, and the rest */
    FAULT_PARTITION,
    FAULT_LOSS,      /* amount % of the datagrams are lost */
    FAULT_DELAY,     /* up to amount ms are added to every datagram and stream delivery */
    FAULT_DUPLICATE, /* amount % of the datagrams arrive twice */
    FAULT_UDP_DEAD,  /* datagrams to and from a are lost, streams work */
    FAULT_SLOW_DISK, /* syncs of node a take amount ms */
    FAULT_STALL,     /* no sync of node a ends */
    /* node a loses power during its next sync, which is half done, in one of 1000 ways; starts
     * again at `until` */
    FAULT_TORN,
    /* syncs of node a fail; of amount % of them the bytes are on the disk all the same */
    FAULT_SYNC_ERROR,
    FAULT_DISK_FULL, /* node a can write nothing */
    /* a bit of a record on node a's disk rots, in one of 1000 ways, and of a hint; it is restarted
     * at `until` */
    FAULT_ROT,
    /* one sync of node a writes nothing, and says that it did; it is restarted at `until` */
    FAULT_LOST,
    /* the same, and what it should have written stands somewhere else, in one of 1000 ways */
    FAULT_MISDIRECTED,
    /* node a's disk is remembered; at `until` it loses power and starts with that (atlas.h), else
     * as it is */
    FAULT_ROLLBACK,
    /* the wall clock of node a is set amount - 10000 ms ahead, and set right at `until` */
    FAULT_CLOCK_STEP,
    FAULT_CLOCK_DRIFT, /* it gains amount - 200 ms a second until then */
    /* The streams of node a stand still in turns of amount ms, each direction by itself, one turn
     * in three, as after a lost segment. Datagrams pass. */
    FAULT_SLOW_STREAMS,
    /* As a crash, but for longer than tombstones are kept for their age; once in a run; last of
     * those that are drawn together. */
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
    uint32_t from_ms, until_ms; /* faults begin and end within */
    uint32_t loss;              /* % of datagrams lost in the whole run, besides */
    uint32_t kinds;             /* a bit of each kind that may be drawn; 0: all */
};

void schedule_draw(struct schedule *s, const struct schedule_options *o);

/* What a fault is about: what stands behind its name in print. */
enum fault_about {
    ABOUT_NODE,    /* "n3": a */
    ABOUT_PAIR,    /* "n3 -> n4": a, b */
    ABOUT_SPLIT,   /* "2 nodes from the rest, shuffle 77": a, b */
    ABOUT_NETWORK, /* nothing */
};

const char *fault_name(enum fault_kind kind);
bool fault_named(struct slice name, enum fault_kind *kind); /* false: there is none of that name */
enum fault_about fault_about(enum fault_kind kind);

/* The kind has an amount, which is never 0 then. */
bool fault_has_amount(enum fault_kind kind);

/* Whether gossip goes on as if nothing was: nobody has cause to hold another dead. */
bool fault_spares_gossip(enum fault_kind kind);

/* Whether puts fail at a node that goes on all the while. */
bool fault_refuses_writes(enum fault_kind kind);

/* Whether a disk may have lost, in silence, what it said it had. */
bool fault_damages(enum fault_kind kind);

/* Whether it can happen to a cluster of so many nodes. */
bool fault_fits(const struct fault *f, uint32_t nodes);

/* Appends one line a fault: "  12.500s ..   14.750s crash n3". */
void schedule_print(const struct schedule *s, struct buf *out);

/* Reads what schedule_print writes; empty lines, and lines that begin with #, are skipped. 0, or
 * the number of the first line that is no fault, or is one too many. */
unsigned schedule_parse(struct schedule *s, struct slice text);

#endif
