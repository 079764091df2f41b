/* seeds.c: see seeds.h. */
#include "rt/seeds.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "rt/world.h"

static int seed_index(const struct seed *s)
{
    return (int)(s - s->world->seeds.seed);
}

static void seed_failed(struct seed *s, int status)
{
    char why[WHY_MAX];
    snprintf(why, sizeof why, "the name %s does not resolve: %s; is it spelt right?", s->at.host,
             uv_strerror(status));
    world_link_down(s->world, 0, seed_index(s), ERR_BAD_ADDRESS, why);
}

void seeds_down(struct seeds *ss, int i, int error, const char *why)
{
    CHECK(i >= 0 && (unsigned)i < ss->n);
    const struct seed *s = &ss->seed[i];
    char text[WHY_MAX];
    bool six = strchr(s->at.host, ':') != NULL;
    snprintf(text, sizeof text, "%s%.200s%s:%u: %.250s", six ? "[" : "", s->at.host, six ? "]" : "",
             s->at.port, why);
    world_link_down(s->world, 0, i, error, text);
}

/* The try-th of the addresses, round and round: one of them may be dead. */
static struct addr pick(const struct addrinfo *list, unsigned try)
{
    unsigned n = 0;
    for (const struct addrinfo *i = list; i; i = i->ai_next)
        n++;
    CHECK(n > 0);
    for (try %= n; try; try--)
        list = list->ai_next;
    return endpoint_addr(list->ai_addr, 0);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct seed *s = r->data;
    s->resolving = false;
    world_clock(s->world);
    if (s->world->closing) {
        /* the loop is closing */
    } else if (status || !list) {
        seed_failed(s, status ? status : UV_EAI_NODATA);
    } else {
        peers_open_seed(&s->world->peers, seed_index(s), pick(list, s->tries++));
    }
    uv_freeaddrinfo(list);
}

void seeds_try(struct seeds *ss, int i)
{
    CHECK(i >= 0 && (unsigned)i < ss->n);
    struct seed *s = &ss->seed[i];
    struct addr a;
    char port[8]; /* as the resolver's service: each address comes back with it */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (endpoint_literal(s->at.host, s->at.port, &a) == 0) {
        peers_open_seed(&s->world->peers, i, a);
        return;
    }
    if (s->resolving)
        return; /* the answer under way is the answer to this try too */
    s->resolving = true;
    s->resolve.data = s;
    snprintf(port, sizeof port, "%u", s->at.port);
    int error = uv_getaddrinfo(&s->world->loop, &s->resolve, on_resolved, s->at.host, port, &hints);
    if (error) {
        s->resolving = false;
        seed_failed(s, error);
    }
}

void seeds_close(struct seeds *ss)
{
    for (unsigned i = 0; i < ss->n; i++)
        if (ss->seed[i].resolving)
            uv_cancel((uv_req_t *)&ss->seed[i].resolve);
}
