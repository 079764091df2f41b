/* embed.c: covey.h, the embedding API, over a world. */
#include "covey.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "rt/world.h"

struct covey {
    struct world world;
};

static void put_why(char *why, size_t why_n, const char *sentence)
{
    if (why_n)
        snprintf(why, why_n, "%s", sentence);
}

int covey_open(struct covey **out, const struct covey_options *options, char *why, size_t why_n)
{
    char sentence[COVEY_WHY_MAX] = "out of memory";
    struct covey *c = malloc(sizeof *c);
    *out = NULL;
    if (!c || world_open(&c->world, options, sentence, sizeof sentence)) {
        free(c);
        put_why(why, why_n, sentence);
        return COVEY_FAILED;
    }
    *out = c;
    return COVEY_OK;
}

int covey_run(struct covey *c, char *why, size_t why_n)
{
    if (world_run(&c->world) == 0)
        return COVEY_OK;
    put_why(why, why_n, c->world.why[0] ? c->world.why : error_sentence(c->world.error));
    return COVEY_FAILED;
}

void covey_stop(struct covey *c)
{
    world_stop(&c->world);
}

void covey_close(struct covey *c)
{
    if (!c)
        return;
    world_close(&c->world);
    free(c);
}
