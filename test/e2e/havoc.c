/* havoc.c: see havoc.h. */
#include "havoc.h"

#include <stdio.h>

enum {
    ASK_US = 50 * 1000, /* between two questions whether the cluster is healthy */
    REST_MS = 500,      /* at most, before a blow that waits until the cluster is healthy */
    /* at most, before one that does not: a node that was killed is still reading its log then */
    HURRY_MS = 60,
    STOP_PERCENT = 35,
    IMPATIENT_PERCENT = 25,
    DOWN_MS = 2000,
    STOP_MS_MIN = 100,
    STOP_MS_MAX = 3000,
};

/* Half of them short: races live there; long ones are noticed by the failure detector, which is
 * another story. */
static uint32_t draw_ms(struct rng *r, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(r, rng_below(r, 2) ? most - least : (most - least) / 10);
}

static void draw(struct havoc *h)
{
    struct rng *r = &h->rng;
    bool kill = rng_below(r, 100) >= STOP_PERCENT, patient = rng_below(r, 100) >= IMPATIENT_PERCENT;
    h->blow = (struct blow){.kill = kill,
                            .node = (unsigned)rng_below(r, WRITERS_NODES),
                            .after_ms = (uint32_t)rng_below(r, patient ? REST_MS : HURRY_MS),
                            .for_ms = kill ? draw_ms(r, 0, DOWN_MS)
                                           : draw_ms(r, STOP_MS_MIN, STOP_MS_MAX),
                            .patient = patient};
    h->due_us = writers_now_us() + (uint64_t)h->blow.after_ms * 1000;
}

void havoc_init(struct havoc *h, struct writers *w, const struct havoc_options *o)
{
    *h = (struct havoc){
        .writers = w, .durability = o->durability, .kills_left = o->kills, .healthy = true};
    rng_init(&h->rng, o->seed);
    draw(h);
}

static void strike(struct havoc *h)
{
    const struct blow *b = &h->blow;
    struct cluster *c = h->writers->cluster;
    printf("  %s %s for %u ms%s\n", b->kill ? "kill" : "stop", e2e_name(b->node), b->for_ms,
           h->healthy ? "" : ", at once");
    h->struck = true;
    h->healthy = false;
    h->due_us = writers_now_us() + (uint64_t)b->for_ms * 1000;
    writers_trouble(h->writers, b->node);
    if (b->kill) {
        e2e_kill(c, b->node);
        writers_killed(h->writers, b->node);
        h->kills_left--;
    } else {
        writers_stopped(h->writers, b->node);
        nest_signal(&c->nest, b->node, SIGSTOP);
    }
}

static void relieve(struct havoc *h)
{
    const struct blow *b = &h->blow;
    struct cluster *c = h->writers->cluster;
    if (b->kill) {
        e2e_start(c, b->node, "--durability", h->durability, NULL);
    } else {
        nest_signal(&c->nest, b->node, SIGCONT);
        writers_resumed(h->writers, b->node);
    }
    h->struck = false;
    h->give_up_us = writers_now_us() + E2E_WAIT_MS * 1000;
    draw(h);
}

/* Each node says that all three are well. */
static void look_around(struct havoc *h)
{
    struct cluster *c = h->writers->cluster;
    h->asked_us = writers_now_us();
    for (unsigned i = 0; i < WRITERS_NODES; i++)
        if (e2e_status(c, i, "code") != 0) {
            if (h->asked_us > h->give_up_us)
                e2e_fail(c, __FILE__, __LINE__, "not healthy within %d ms; %s says: %s",
                         E2E_WAIT_MS, e2e_name(i), c->text);
            return;
        }
    h->healthy = true;
    h->due_us = writers_now_us() + (uint64_t)h->blow.after_ms * 1000;
    writers_well(h->writers);
}

bool havoc_turn(struct havoc *h)
{
    uint64_t now_us = writers_now_us();
    if (h->struck) {
        if (h->due_us <= now_us)
            relieve(h);
        return true;
    }
    if (!h->healthy && now_us >= h->asked_us + ASK_US)
        look_around(h);
    if (h->kills_left == 0)
        return !h->healthy;
    if (h->due_us <= writers_now_us() && (h->healthy || !h->blow.patient))
        strike(h);
    return true;
}
