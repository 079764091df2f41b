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

/* Each run takes a twentieth of a second, and less when it has become smaller. */
enum { SHRINK_RUNS_MAX = 1500 };

struct shrunk {
    struct run_options o;     /* the smallest run that was found, without its schedule */
    struct schedule schedule; /* the schedule of that run */
    const char *what;         /* the rule that it breaks: run_result.what, or the text of a CHECK */
    unsigned runs;            /* how many runs were tried */
};

/* Shrinks the run that *o describes. False when that run breaks no rule: there is nothing to
 * shrink. A broken CHECK is a broken rule too, so check_report is replaced during the call. */
bool shrink(struct shrunk *s, const struct run_options *o);

#endif
