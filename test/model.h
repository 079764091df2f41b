/* model.h: a checker of models: every state that a protocol can come to is visited, and must keep
 * the rules.
 *
 * A model is a protocol cut down to what matters: a state, and the steps that lead from it to
 * others. Messages that come late, in any order or never, and processes that stop anywhere, are
 * states in which a step is possible and is not taken. The search goes breadth first, so the trace
 * of a broken rule is as short as any. Of a state that was met only a fingerprint of 64 bits is
 * kept, and which state it came from, as TLC does it (Yu, Manolios and Lamport 1999, "Model
 * checking TLA+ specifications"): two states with one fingerprint count as one. For 25 million
 * states the chance that this ever happens is 2 in 100,000.
 *
 * A state takes 16 to 28 bytes here, and for as long as it waits for its turn its own bytes beside.
 * Memory that is out aborts. */
#ifndef COVEY_TEST_MODEL_H
#define COVEY_TEST_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct model_search;

struct model {
    /* bytes of a state: it has no pointers, and no padding that is not always 0 */
    size_t state_n;
    const void *first; /* the state in which all begins */

    /* Says each state that can come after this one, by model_step. */
    void (*next)(struct model_search *s, const void *state);

    /* Brings states that differ in names alone to one of them; NULL: there are none such. What can
     * come after the one must be, but for those names, what can come after the other. */
    void (*canonical)(void *state);

    /* The rule that a state breaks, NULL when it keeps them all. */
    const char *(*broken)(const void *state);

    uint32_t states_max; /* the search stops when it has met more */
};

enum model_result {
    MODEL_HOLDS,  /* every state was visited */
    MODEL_BROKEN, /* a state breaks a rule; the way to it was printed */
    MODEL_CAP,    /* states_max were met, and none of them breaks a rule */
};

struct model_report {
    uint32_t states; /* met */
    unsigned steps;  /* BROKEN: of the way to the state that breaks the rule */
};

/* Visits the states, and prints how it ended, under that name. */
enum model_result model_explore(const struct model *m, const char *name,
                                struct model_report *report);

/* A state that can come next (copied), and what happens on the way to it, for the trace. */
__attribute__((format(printf, 3, 4))) void model_step(struct model_search *s, const void *state,
                                                      const char *what, ...);

#endif
