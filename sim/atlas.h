/* atlas.h: the fault atlas says which disks may be damaged, such that the others can always make up
 * for it. So any loss of an acknowledged write is a bug.
 *
 * The budget. An acknowledged write is on the disks of W owners of its vnode. So of each vnode W-1
 * owners may have lost what they held, and not more. An owner whose disk was struck counts against
 * the budget until it has *healed*: it was started on that disk, has noticed the damage, and is not
 * recovering in the vnode any more. Within the budget an owner can always recover: of the N-1
 * others at most W-2 are struck, so N-W+1 are not, which is how many it needs
 * (core/repair/repair_recover.c). With N = 3 and W = 2:
 *
 *     owner 0   owner 1   owner 2     a strike at owner 2 is
 *     sound     sound     sound       allowed: 0 and 1 hold all that was acknowledged
 *     struck    sound     sound       refused: owner 1 alone would be left
 *     healed    sound     sound       allowed again
 *
 * A schedule says when which disk should be damaged, but only the run shows what has healed. So the
 * atlas is asked at the moment when a fault strikes. A fault beyond the budget does less: power is
 * lost, and the disk stays as it is. What the atlas allows depends on nothing but the run. So a
 * seed is one run, and a schedule from which faults were taken out can still be played.
 *
 * Damage heals only if the node notices it: a node that runs on its disk again, and never had a
 * doubt, lacks what it lost. There is one exception. If the end of a log is lost, and nothing in it
 * was acknowledged, perhaps no peer knows that there was more. Then the node counts as healed when
 * its peers had the time to report what they remember of its log. If something acknowledged is
 * missing after that, it is a bug.
 *
 * Clocks have a budget too: one may be wrong at a time, since a node takes the median of the clocks
 * for true (see atlas_clock). A clock that was wrong counts as wrong for as long as other nodes may
 * go by what it showed (core/wall/wall.c).
 *
 * After Alagappan et al., "Protocol-aware recovery for consensus-based storage" (FAST 2018): what
 * may be lost on one disk depends on what the others hold. TigerBeetle's simulator has an atlas of
 * the same name. */
#ifndef COVEY_SIM_ATLAS_H
#define COVEY_SIM_ATLAS_H

#include "base/buf.h"
#include "base/limits.h"
#include "core/wall/wall.h"

enum {
    /* A node that has been up for so long has met its peers, and has their reports of its log. */
    ATLAS_REPORTED_MS = 5000,
    /* A clock that has been right for so long does not count as wrong any more. The last packets
     * that showed it wrong were up to a second on their way. */
    ATLAS_CLOCK_MS = WALL_FRESH_MS + 1000,
};

struct layout;
struct world;

enum atlas_notice {
    ATLAS_UNNOTICED,
    ATLAS_SILENT,  /* perhaps there is nothing to notice (atlas_silent) */
    ATLAS_NOTICED, /* the node put in doubt what it holds */
};

struct atlas_node {
    uint8_t *struck;  /* per vnode: 1 where the node may lack what it acknowledged */
    uint8_t *noticed; /* per vnode: whether it noticed the last strike, enum atlas_notice */
    uint64_t life;    /* the life in which it was struck last: it can heal only in a later one */
    uint64_t wrong_until_us; /* until then its clock counts as wrong */
};

struct atlas {
    struct world *world;
    struct atlas_node *node;
    uint64_t strikes, refused;
};

void atlas_init(struct atlas *a, struct world *w);
void atlas_close(struct atlas *a);

/* The layout of which all nodes are members. NULL while a node that runs does not have it, except
 * one whose disk may have lost it. */
const struct layout *atlas_layout(const struct atlas *a);

/* Asks whether what a node holds of some vnodes may be damaged (a byte for each vnode; NULL: all).
 * True: it is within the budget, and counts from now on.
 * Always false until the cluster has formed: until then a disk holds nothing but the node's votes,
 * and no vote may be lost. */
bool atlas_strike(struct atlas *a, uint32_t node, const uint8_t vnodes[VNODES_MAX]);

/* To be called when a node puts in doubt what it holds of some slots (SLOTS / 8 bytes, a bit each),
 * or of all (NULL), because its disk is a new one. */
void atlas_noticed(struct atlas *a, uint32_t node, const uint8_t *slots);

/* To be called when the node may rightly not notice its last strike, for one of two reasons. The
 * strike took the end of the log, which only peers can miss, and only as far as it was announced to
 * them. Or it damaged a record whose length is not known yet. */
void atlas_silent(struct atlas *a, uint32_t node);

/* Asks whether a node's clock may be wrong until then. True: it is within the budget, and counts.
 * One clock is wrong at a time: a partition may leave any three nodes together, and two wrong
 * clocks among them would be the majority by which the third judges. */
bool atlas_clock(struct atlas *a, uint32_t node, uint64_t until_us);

/* Whether a node may lack what it acknowledged in a vnode. */
bool atlas_struck(struct atlas *a, uint32_t node, uint16_t vnode);

/* Whether every strike has healed. If one has not, a sentence about it is appended to `why`, unless
 * that is NULL. */
bool atlas_healed(struct atlas *a, struct buf *why);

#endif
