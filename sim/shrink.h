/* shrink.h: from a run that breaks a rule to a small run that breaks the same rule.
 *
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
 * 2002) over what makes a run: the faults of its schedule, how long each lasts and how strong it
 * is, the nodes, the clients, their commands, the time. The result is deterministic, and minimal in
 * this sense: no single step that the shrinker knows makes it smaller and still breaks the rule
 * (unless it gave up after SHRINK_RUNS_MAX runs). */
#ifndef COVEY_SIM_SHRINK_H
#define COVEY_SIM_SHRINK_H

#include "sim/run.h"

/* of a twentieth of a second each, and less the smaller the run has become */
enum { SHRINK_RUNS_MAX = 1500 };

struct shrunk {
    struct run_options o; /* the least run that was found; its schedule stands below */
    struct schedule schedule;
    const char *what; /* the rule that it breaks: run_result.what, or the text of a CHECK */
    unsigned runs;    /* that were tried */
};

/* Shrinks the run that *o describes. False when that run holds: there is nothing to shrink then.
 * While it works, check_report is its own, for a run may end in a broken CHECK, which is as good a
 * rule. */
bool shrink(struct shrunk *s, const struct run_options *o);

#endif
