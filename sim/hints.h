/* hints.h: whether hinted handoff keeps what it promises (scenarios.md, "Acknowledged writes",
 * "Convergence").
 *
 *   - a hint goes only after its owner's durable ack: whenever one is dropped, its target's disk
 *     holds that version or a greater;
 *   - a hint that was promised (EV_HINTED) is on the holder's disk, where a loss of power leaves
 *     it;
 *   - when all is healed and quiet, no hints are left, and hints alone have made the owners of
 *     every key equal, version
 *     for version: but for the keys whose write, or whose hint, was on its way when its coordinator lost power, or its disk, or
 *     was refused by the coordinator's own disk (nobody knows of those any more: reads and anti-entropy repair
 *     them). */
#ifndef COVEY_SIM_HINTS_H
#define COVEY_SIM_HINTS_H

#include "sim/world.h"

/* For what is kept to reach everybody after healing, and disks that lost something to have it
 * again: exchanges that are tried again take longest; around them come back-offs. */
enum { HINTS_QUIET_MS = 2 * REPAIR_RETRY_MS + 4 * HINT_BACKOFF_MAX_MS };

struct hints_holder {
    struct hints_seen *seen; /* of each target */
    uint32_t n;
    bool struck; /* its disk lost something since it has been up */
};

struct hints_check {
    struct world *world;
    struct hints_holder *holder; /* per node */
    /* per key: something of it was on its way at a loss of power, or was too old in the end */
    bool *lost;
    uint32_t key_n;
    struct buf scratch;
    uint64_t dropped; /* hints that were dropped, and so looked at */
    struct buf why;   /* the first violation, in words */
};

void hints_check_init(struct hints_check *h, struct world *w, uint32_t keys);
void hints_check_close(struct hints_check *h);

/* The world's news: an EV_HINTED, EV_HINTS or EV_STORED, an action that is about to be carried out,
 * a node that is about to lose power, and one whose disk is about to lose something. */
void hints_check_result(struct hints_check *h, uint32_t node, const struct event *ev);
void hints_check_action(struct hints_check *h, uint32_t node, const struct action *a);
void hints_check_losing(struct hints_check *h, uint32_t node);
void hints_check_striking(struct hints_check *h, uint32_t node);

/* All owners have compared and hold the same: what was lost to hints is made up for. */
void hints_check_settled(struct hints_check *h);

/* True when no node keeps a hint or has a write that lingers. */
bool hints_quiet(const struct hints_check *h);

/* Compares the owners of every key; false when some differ: h->why says which. */
bool hints_converged(struct hints_check *h);

#endif
