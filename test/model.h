/* model.h: a checker of models. It visits every state that a protocol can come to, and each must
 * keep the rules.
 *
 * A model is a protocol cut down to what matters: a state, and the steps that lead from it to other
 * states. A message that is late or never comes, or a process that has stopped, is a step that is
 * possible and is not taken. The search goes breadth first, so the trace of a broken rule is as
 * short as any. Of a state that was visited the checker keeps a fingerprint of 64 bits, and which
 * state it came from, as TLC does it (Yu, Manolios and Lamport 1999, "Model checking TLA+
 * specifications"). Two states with one fingerprint count as one. Among 25 million states the
 * chance that there are two such is 2 in 100,000.
 *
 * A state takes 16 to 28 bytes, and its own bytes besides as long as it waits for its turn. Without
 * memory the program aborts. */
#ifndef COVEY_TEST_MODEL_H
#define COVEY_TEST_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct model_search;

struct model {
    size_t state_n;    /* bytes of a state, which has no pointers, and no padding that is not 0 */
    const void *first; /* the first state */

    /* Calls model_step for each state that can follow this one. */
    void (*next)(struct model_search *s, const void *state);

    /* Of states that differ in names alone it makes one and the same state; NULL: there are none
     * such. What can follow the one must be, but for those names, what can follow the other. */
    void (*canonical)(void *state);

    /* The rule that a state breaks; NULL: it keeps all rules. */
    const char *(*broken)(const void *state);

    uint32_t states_max; /* the search stops when it has visited so many */
};

enum model_result {
    MODEL_HOLDS,  /* every state was visited */
    MODEL_BROKEN, /* a state breaks a rule; the way to it was printed */
    MODEL_CAP,    /* states_max were visited, and none of them breaks a rule */
};

struct model_report {
    uint32_t states; /* how many states were visited */
    unsigned steps;  /* BROKEN: how many steps lead to the state that breaks the rule */
};

/* Visits the states, and prints how the search ended, under that name. */
enum model_result model_explore(const struct model *m, const char *name,
                                struct model_report *report);

/* Names a state that can follow, which is copied, and what leads to it, for the trace. */
__attribute__((format(printf, 3, 4))) void model_step(struct model_search *s, const void *state,
                                                      const char *what, ...);

#endif
