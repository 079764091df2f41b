/* run.h: one run of the simulator: a seed, its phases, its verdict.
 *
 *   form      the nodes start at different times and become one cluster of all
 *   faults    clients work while the faults of the schedule begin and end; in one run of four the
 *             faults come already while the cluster forms
 *   heal      every fault has ended, every node is up; the members must agree within CONVERGE_MS
 *   converge  hints alone make the owners of every key equal, but for what a loss of power cut off
 *   compare   every pair of owners compares what it holds, and all that is over is erased; then the
 *             owners must hold the same. In half of the runs owners compare in this phase alone
 *   judge     every key is read through a node: nothing acknowledged is lost, nor undone. In half
 *             of the runs this is done before `compare` too
 *
 * The phases from faults to judge are a round. One run of three has two rounds, so that what has
 * healed is struck again. */
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
    /* A cluster without faults forms within that. It takes a few seconds; of 100 nodes some
     * tens. */
    FORM_MS = 60 * 1000,
    /* After the faults the members agree within that: the longest suspicion, gossip, a push-pull of
     * 30 s, and a probe of the dead of 30 s. */
    CONVERGE_MS = 90 * 1000,
    /* Every pair of owners compares within that: a few round trips each, one exchange at a time at
     * a node. */
    COMPARE_MS = 60 * 1000,
    /* A deletion, or a value that is over, is erased at that age. Some absences are longer, and
     * every clock is wrong by less. */
    ERASE_AGE_MS = 12 * 1000,
    /* All that is over is erased within that: the last value lives for 8 s more, the third owner
     * waits half as long again, and owners that differed compare meanwhile. */
    ERASED_MS = 60 * 1000,
    RUN_KEYS = 100,
};

struct run_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t clients;
    uint32_t commands; /* commands of each client; 0: as many as there is time for */
    /* clients write and read so many keys alone, without pauses; 0: many keys, with pauses */
    uint32_t hot;
    uint32_t time_ms;                /* how long the faults last, in all rounds */
    uint32_t loss;                   /* % of datagrams lost in the whole run */
    bool faults;                     /* draw a schedule */
    uint32_t kinds;                  /* a bit for each kind of fault to be drawn; 0: all kinds */
    bool check;                      /* node_check after each step */
    bool story;                      /* print its log */
    const char *words;               /* and lines of these words (story.h); may be NULL */
    const struct schedule *schedule; /* instead of drawing one; may be NULL */
};

struct run_result {
    bool ok;
    /* the short name of the rule that broke, the same in every run that breaks it; NULL: none */
    const char *what;
    uint64_t hash; /* of the log of the run (story.h) */
    uint64_t events, steps, packets, messages;
    uint64_t writes_ok, writes_failed, writes_unknown, reads;
    uint64_t deaths, false_deaths;
    uint64_t hints;    /* hints that were brought to their owners */
    uint64_t erased;   /* records that were erased, at nodes that are up, since their starts */
    uint64_t repaired; /* records that the last comparison of all owners moved */
    uint64_t formed_ms, converged_ms; /* how long the members took to form, and to agree */
    struct schedule schedule;         /* the schedule that was drawn, or given */
    struct buf why;                   /* what broke, in words; the caller closes it */
};

void run_seed(const struct run_options *o, struct run_result *r);

/* Frees the last run, which a jump out of check_report left, and its result's `why`. */
void run_abandon(void);

#endif
