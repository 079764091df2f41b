/* seeds.h: the neighbours that the settings name. A host name is resolved anew at each try, so a
 * machine that was given another address is found. Of several addresses each try takes the next. */
#ifndef COVEY_RT_SEEDS_H
#define COVEY_RT_SEEDS_H

#include <uv.h>

#include "core/node/node.h"
#include "rt/endpoint.h"

struct world;

struct seed {
    struct world *world;
    struct endpoint at;
    uv_getaddrinfo_t resolve;
    bool resolving;
    unsigned tries;
};

struct seeds {
    struct seed seed[SEEDS_MAX];
    unsigned n;
};

/* ACT_SEED: opens a stream to seed number i. EV_LINK_UP or EV_LINK_DOWN follows. */
void seeds_try(struct seeds *ss, int i);

/* The stream to a seed could not be opened, or broke before its hello: steps the node with
 * EV_LINK_DOWN, the seed's name before the sentence. */
void seeds_down(struct seeds *ss, int i, int error, const char *why);

/* Cancels what is being resolved, where libuv can. */
void seeds_close(struct seeds *ss);

#endif
