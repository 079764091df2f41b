/* atlas.h: the fault atlas: where damage may fall, so that what survives can make up for it, and
 * any loss is a bug.
 *
 * An acknowledged write lies on the disks of W owners of its vnode. A vnode can lose what W-1 of
 * its owners held, and not more: that is the budget. An owner that was struck counts against it
 * from that moment on until it holds again what it may have lost: it runs, on the disk that was
 * struck, has noticed that, and is not recovering in the vnode any more. That is also what lets it
 * recover at all: of the N-1 others at most W-2 are struck, so N-W+1 remain, and so many it must
 * have synced from (core/repair/repair_recover.c).
 *
 * A schedule says where damage should fall; only the run knows how far the healing is. So the atlas
 * is asked at the moment a fault strikes, and one beyond the budget does less than it would: power
 * is lost, the disk stays as it is. The answer depends on the run alone, so a seed stays a run, and
 * a schedule with faults taken out of it is one.
 *
 * What was struck does not heal unless it is noticed: a node that is back on its disk and never had
 * a doubt lacks what it lost. But where the end of a log is lost, peers may not have heard of it,
 * when it was nothing that was acknowledged: there a node is taken to be well when its peers had
 * the time to tell it. If it is not, what is lost then is a bug.
 *
 * Clocks have a budget too: fewer than half of them may be wrong at a time, or nobody could say
 * which. One that was wrong counts for as long as the others may go by what it showed
 * (core/wall/wall.c).
 *
 * After: Alagappan et al., "Protocol-aware recovery for consensus-based storage" (FAST 2018), whose
 * point it is that what may be lost on one disk depends on what the others hold; TigerBeetle's
 * simulator has an atlas of that name. */
#ifndef COVEY_SIM_ATLAS_H
#define COVEY_SIM_ATLAS_H

#include "base/buf.h"
#include "base/limits.h"
#include "core/wall/wall.h"

enum {
    /* by then a node that is up has met its peers, and they have said what they know of it */
    ATLAS_TOLD_MS = 5000,
    ATLAS_CLOCK_MS =
        /* a clock that was set right counts no more: the last packets of before are a second old */
    WALL_FRESH_MS + 1000,
};

struct layout;
struct world;

enum atlas_notice {
    ATLAS_UNNOTICED,
    ATLAS_SILENT,  /* perhaps there is nothing to notice: see atlas_silent */
    ATLAS_NOTICED, /* the node has doubted what it holds */
};

struct atlas_node {
    uint8_t *struck;  /* per vnode: it may lack what it acknowledged, */
    uint8_t *noticed; /* and since then: enum atlas_notice */
    /* of the node, when it was struck last; it cannot heal before the next */
    uint64_t life;
    uint64_t wrong_until_us; /* its clock */
};

struct atlas {
    struct world *world;
    struct atlas_node *node;
    uint64_t strikes, refused;
};

/* A set of vnodes, a byte each; NULL stands for all. */

void atlas_init(struct atlas *a, struct world *w);
void atlas_close(struct atlas *a);

/* The layout of all nodes, once nobody is without it but those who may have lost it; NULL
 * before. */
const struct layout *atlas_layout(const struct atlas *a);

/* Asks to damage what a node holds of some vnodes. True: it is within the budget, and noted. Always
 * false until the cluster has formed, for before that the node's votes are all that counts, and of
 * those none can be spared. */
bool atlas_strike(struct atlas *a, uint32_t node, const uint8_t vnodes[VNODES_MAX]);

/* A node doubts what it holds of some slots (SLOTS / 8 bytes, a bit each), or of all: its disk is a
 * new one (NULL). */
void atlas_noticed(struct atlas *a, uint32_t node, const uint8_t *slots);

/* What was struck last may go unnoticed, and rightly so, in vnodes where nothing was lost: it was
 * the end of the log (only peers can tell that it is gone, of what they were told), or a record of
 * which it is not clear yet how far it reaches. */
void atlas_silent(struct atlas *a, uint32_t node);

/* Asks to set a node's clock wrong until then. True: it is within the budget, and noted. One clock
 * is wrong at a time: a partition may leave any three nodes together, and two wrong ones among them
 * would be the majority by which the third judges. */
bool atlas_clock(struct atlas *a, uint32_t node, uint64_t until_us);

/* Whether a node may lack what it acknowledged in a vnode. */
bool atlas_struck(struct atlas *a, uint32_t node, uint16_t vnode);

/* Whether all that was struck has healed; when not, and why is not NULL, what has not. */
bool atlas_healed(struct atlas *a, struct buf *why);

#endif
