/* run.h: one run of the simulator: a seed, its phases, its verdict.
 *
 *   form      the nodes start at different times and become one cluster of all
 *   faults    clients work while the schedule's faults come and go (in one run of four they already come while the cluster forms)
 *   heal      every fault ends, every node is up; the members must agree within CONVERGE_MS
 *   converge  hints alone make the owners of every key equal, but for what a loss of power cut off
 *   compare   every pair of owners compares what it holds, and what is over is erased everywhere; then they must hold the
 *             same (in half of the runs this comes late, and till then they compare nothing by themselves)
 *   judge     every key is read through every node in turn: nothing acknowledged is lost, nor undone. In half of the runs
 *             before the comparison too
 *
 * From faults to judge is a round; one run of three has two of them, so that what heals is struck
 * again.
 */
#ifndef COVEY_SIM_RUN_H
#define COVEY_SIM_RUN_H

#include "sim/answers.h"
#include "sim/hints.h"
#include "sim/load.h"
#include "sim/members.h"
#include "sim/owners.h"
#include "sim/votes.h"
#include "sim/restarts.h"
#include "sim/story.h"

enum {
    /* a cluster without faults forms well within that (it takes a few seconds; 100 nodes some
     * tens) */
    FORM_MS = 60 * 1000,
    /* after healing: longest suspicion + gossip + a push-pull of 30 s + a probe of the dead of 30
     * s */
    CONVERGE_MS = 90 * 1000,
    /* for every pair of owners to compare: a few round trips each, one exchange at a time at a
     * node */
    COMPARE_MS = 60 * 1000,
    /* what is over is erased so late: some absences are longer, and all clocks are less wrong */
    ERASE_AGE_MS = 12 * 1000,
    /* for all that is over to be erased: the last value lives for 8 s more, the third owner waits
     * half as long again, and owners that differed are compared meanwhile */
    ERASED_MS = 60 * 1000,
    RUN_KEYS = 100,
};

struct run_options {
    uint64_t seed;
    uint32_t nodes;    /* 5 */
    uint32_t clients;  /* 4 */
    uint32_t commands; /* of each client, then it falls silent; 0: no end */
    /* clients write and read so many keys alone, without thinking; 0: many, and thinking */
    uint32_t hot;
    uint32_t time_ms;                /* of the faults; 60,000 */
    uint32_t loss;                   /* % */
    bool faults;                     /* draw a schedule */
    uint32_t kinds;                  /* of these kinds, a bit each; 0: of all */
    bool check;                      /* node_check after each step */
    bool story;                      /* print its log */
    const char *words;               /* and lines of these words (story.h); may be NULL */
    const struct schedule *schedule; /* instead of drawing one; may be NULL */
};

struct run_result {
    bool ok;
    /* what broke: a short name, the same in every run that breaks the same rule; NULL when it
     * held */
    const char *what;
    uint64_t hash; /* of everything that was traced and answered */
    uint64_t events, steps, packets, messages;
    uint64_t writes_ok, writes_failed, writes_unknown, reads;
    uint64_t deaths, false_deaths;
    uint64_t hints; /* brought to their owners */
    /* records, at all nodes that are up in the end, since they started */
    uint64_t erased;
    uint64_t repaired;                /* records that the last comparison of all owners moved */
    uint64_t formed_ms, converged_ms; /* how long it took */
    struct schedule schedule;         /* what was drawn, or given */
    struct buf why;                   /* what broke, in words; to be closed */
};

void run_seed(const struct run_options *o, struct run_result *r);

/* Frees the last run, which was left by a jump out of check_report, and its result's `why`. */
void run_abandon(void);

#endif
