/* schedule.h: the faults of a run, drawn first, as data: so that a failing run can be printed, read and cut down.
 *
 * Swarm style (Groce et al. 2012): each seed turns a random subset of the kinds on, so that rare combinations are met
 * undiluted. */
#ifndef COVEY_SIM_SCHEDULE_H
#define COVEY_SIM_SCHEDULE_H

#include "base/buf.h"

enum fault_kind {
    FAULT_CRASH,     /* node a loses power at `from`, starts again at `until` */
    FAULT_WIPE,      /* the same, and its disk is empty then; only the first of a run, in a formed cluster, else a crash */
    FAULT_PAUSE,     /* node a neither reads nor writes nor computes */
    FAULT_CUT,       /* nothing gets from a to b */
    FAULT_PARTITION, /* nothing gets between the nodes below `a` in a shuffled order drawn from b, and the rest */
    FAULT_LOSS,      /* amount % of the datagrams are lost */
    FAULT_DELAY,     /* up to amount ms are added to every datagram and stream delivery */
    FAULT_DUPLICATE, /* amount % of the datagrams arrive twice */
    FAULT_UDP_DEAD,  /* datagrams to and from a are lost, streams work */
    FAULT_SLOW_DISK, /* syncs of node a take amount ms */
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
};

void schedule_draw(struct schedule *s, const struct schedule_options *o);

/* Appends one line a fault: "  12.500s .. 14.750s crash n3". */
void schedule_print(const struct schedule *s, struct buf *out);

#endif
