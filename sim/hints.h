/* hints.h: whether hinted handoff does what it promises.
 *
 *   - A hint is dropped only after its owner's durable acknowledgement. So whenever one is dropped,
 *     its target's disk holds that version of the key, or a greater one.
 *   - A hint that was acknowledged (EV_HINTED) is on its keeper's disk: a loss of power leaves it.
 *   - When every fault is over and the cluster is quiet, no hints are left, and hints alone have
 *     made the owners of every key equal, version for version. There are exceptions: a key whose
 *     write, or whose hint, was under way when its coordinator lost power, or its disk, or which
 *     the coordinator's own disk refused. No node knows of those any more; reads and anti-entropy
 *     repair them. */
#ifndef COVEY_SIM_HINTS_H
#define COVEY_SIM_HINTS_H

#include "sim/world.h"

/* After the faults: within that time every hint has been brought, and every struck disk has healed.
 * Exchanges that are tried again take longest; back-offs come on top. */
enum { HINTS_QUIET_MS = 2 * REPAIR_RETRY_MS + 4 * HINT_BACKOFF_MAX_MS };

struct hints_holder {
    struct hints_seen *seen; /* what it read and put, for each target */
    uint32_t n;
    bool struck; /* its disk lost something since its last start */
};

struct hints_check {
    struct world *world;
    struct hints_holder *holder; /* per node */
    bool *lost;                  /* per key: hints need not make its owners equal, see above */
    uint32_t key_n;
    struct buf scratch;
    uint64_t dropped; /* hints that were dropped, each of which was checked */
    struct buf why;   /* the first violation, in words */
};

void hints_check_init(struct hints_check *h, struct world *w, uint32_t keys);
void hints_check_close(struct hints_check *h);

/* The world's news (world_watch): a result that is about to be stepped, an action that is about to
 * be carried out, a node that is about to lose power, a disk that is about to lose something. */
void hints_check_result(struct hints_check *h, uint32_t node, const struct event *ev);
void hints_check_action(struct hints_check *h, uint32_t node, const struct action *a);
void hints_check_losing(struct hints_check *h, uint32_t node);
void hints_check_striking(struct hints_check *h, uint32_t node);

/* All owners have compared and hold the same, so there are no exceptions any more. */
void hints_check_settled(struct hints_check *h);

/* Whether no node keeps a hint, and no write lingers at its coordinator. */
bool hints_quiet(const struct hints_check *h);

/* Compares the owners of every key; false when some differ: h->why says which. */
bool hints_converged(struct hints_check *h);

#endif
