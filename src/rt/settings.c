/* settings.c: see settings.h. */
#include "rt/settings.h"

#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "rt/client.h"
#include "rt/options.h"

struct checking {
    struct settings *s;
    const struct covey_options *o;
    char *why;
    size_t why_n;
};

#define REFUSE(c, ...) (snprintf((c)->why, (c)->why_n, __VA_ARGS__), ERR_REFUSED)

/* Until cluster keys and passwords are built, bytes travel in clear and nobody has to prove who he
 * is: whoever reaches a port may read and write everything. On loopback alone that is the
 * operator's own decision. */
static int check_loopback(const struct checking *c, const char *flag, const char *given,
                          struct addr a)
{
    if (endpoint_loopback(a))
        return 0;
    return REFUSE(c,
                  "--%s %.60s: a node listens on loopback only for now, because without a cluster "
                  "key and a password (not built yet) whoever reaches its ports could read and "
                  "write everything; give 127.0.0.1 or ::1",
                  flag, given);
}

static int set_bind(const struct checking *c, const char *flag, const char *given, struct addr *out)
{
    uint16_t port = c->o->port ? c->o->port : PORT_DEFAULT;
    if (port > PORT_MAX)
        return REFUSE(c, "--port %u: the base port is at most %d, because peers use the next one",
                      port, PORT_MAX);
    if (endpoint_literal(given, port, out))
        return REFUSE(c, "--%s %.60s: not a numeric address; give 127.0.0.1 or ::1", flag, given);
    return check_loopback(c, flag, given, *out);
}

static int set_advertise(const struct checking *c)
{
    struct endpoint e;
    const char *given = c->o->advertise;
    c->s->advertise = c->s->bind;
    if (!given)
        return 0;
    if (endpoint_parse(given, &e) || endpoint_literal(e.host, e.port, &c->s->advertise))
        return REFUSE(c,
                      "--advertise %.60s: not a numeric address with a base port, such as "
                      "127.0.0.1:7400 or [::1]:7400",
                      given);
    return check_loopback(c, "advertise", given, c->s->advertise);
}

static int set_addresses(const struct checking *c)
{
    const char *bind = c->o->bind ? c->o->bind : "127.0.0.1";
    int error = set_bind(c, "bind", bind, &c->s->bind);
    if (!error)
        error = set_bind(c, "client-bind", c->o->client_bind ? c->o->client_bind : bind,
                         &c->s->client_bind);
    return error ? error : set_advertise(c);
}

static int set_seeds(const struct checking *c)
{
    if (c->o->seed_n > SEEDS_MAX)
        return REFUSE(c, "--seed: %u given; give %d at most, one live neighbour is enough",
                      c->o->seed_n, SEEDS_MAX);
    if (c->o->found && c->o->seed_n > 0)
        return REFUSE(
            c,
            "--new founds a cluster, and --seed %.60s names the neighbour of one to join: leave "
            "one of the two out (a seed may also stand in the file of --config)",
            c->o->seeds[0]);
    for (unsigned i = 0; i < c->o->seed_n; i++)
        if (endpoint_parse(c->o->seeds[i], &c->s->seed[i]))
            return REFUSE(
                c, "--seed %.60s: not HOST:PORT or [IPV6]:PORT with a base port from 1 to %d",
                c->o->seeds[i], PORT_MAX);
    c->s->seed_n = c->o->seed_n;
    return 0;
}

static int set_text(const struct checking *c, const char *flag, const char *given, char *out,
                    size_t out_n)
{
    if (given && strlen(given) >= out_n)
        return REFUSE(c, "--%s %.40s...: %zu bytes; give %zu at most", flag, given, strlen(given),
                      out_n - 1);
    snprintf(out, out_n, "%s", given ? given : "");
    return 0;
}

/* The default name is "host-7400": no other node of this machine has it, nor of another. */
static int set_names(const struct checking *c)
{
    char host[NODE_NAME_MAX - 5] = "node"; /* leaves room for - and a port */
    char name[NODE_NAME_MAX + 1], dir[NODE_NAME_MAX + 8];
    if (gethostname(host, sizeof host) == 0)
        host[sizeof host - 1] = 0;
    snprintf(name, sizeof name, "%s-%u", host, c->s->bind.port);
    c->s->name_given = c->o->name && *c->o->name;
    int error =
        set_text(c, "name", c->s->name_given ? c->o->name : name, c->s->name, sizeof c->s->name);
    snprintf(dir, sizeof dir, "covey-%s", c->s->name);
    for (char *p = dir; *p; p++)
        *p = *p == '/' ? '_' : *p; /* a name may be any text; the directory stays below this one */
    error = error ? error
                  : set_text(c, "data", c->o->data_dir ? c->o->data_dir : dir, c->s->data_dir,
                             sizeof c->s->data_dir);
    error = error ? error : set_text(c, "zone", c->o->zone, c->s->zone, sizeof c->s->zone);
    return error ? error
                 : set_text(c, "config", c->o->config_file, c->s->config_file,
                            sizeof c->s->config_file);
}

static int set_number(const struct checking *c, const char *flag, uint64_t given, uint64_t fallback,
                      uint64_t max, uint64_t *out)
{
    if (given > max)
        return REFUSE(c, "--%s %llu: give %llu at most", flag, (unsigned long long)given,
                      (unsigned long long)max);
    *out = given ? given : fallback;
    return 0;
}

static int set_numbers(const struct checking *c)
{
    uint64_t weight = 0, replicas = 0, clients = 0, ops = 0;
    int error = set_number(c, "weight", c->o->weight, 100, 1000, &weight);
    error = error ? error : set_number(c, "replicas", c->o->replicas, 3, REPLICAS_MAX, &replicas);
    error = error ? error
                  : set_number(c, "max-clients", c->o->clients_max, CLIENTS_DEFAULT, CLIENTS_LIMIT,
                               &clients);
    error =
        error ? error : set_number(c, "ops-max", c->o->ops_max, OPS_MAX_DEFAULT, 1u << 20, &ops);
    error = error ? error
                  : set_number(c, "value-max", c->o->value_max_bytes, VALUE_MAX, 9u * 1024 * 1024,
                               &c->s->value_max_bytes);
    c->s->weight = (uint16_t)weight;
    c->s->replicas = (uint8_t)replicas;
    c->s->clients_max = (uint32_t)clients;
    c->s->ops_max = (uint32_t)ops;
    return error;
}

/* "90s", "3h": the largest unit that is exact. */
static const char *time_text(uint64_t ms, char out[32])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{24 * 60 * 60 * 1000, "d"},
                 {60 * 60 * 1000, "h"},
                 {60 * 1000, "m"},
                 {1000, "s"},
                 {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    snprintf(out, 32, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].unit);
    return out;
}

/* The age of a hint is that of its write. It is written when the write's deadline has passed, if
 * not before: with an age that is hardly longer, it would be dropped before its owner can be back.
 * And a tombstone must outlive the hints of what it deleted. If it were erased before, the floor
 * would have to keep those hints out, and would keep out live records stamped below it as well
 * (core/erase/erase.c). */
static int set_ages(const struct checking *c)
{
    enum { HINT_AGE_MIN_MS = 5 * OP_DEADLINE_DEFAULT_MS };
    struct settings *s = c->s;
    char given[32], least[32];
    s->hint_age_ms = c->o->hint_age_ms ? c->o->hint_age_ms : HINT_AGE_DEFAULT_MS;
    s->erase_age_ms = s->hint_age_ms > HINT_AGE_DEFAULT_MS ? s->hint_age_ms : HINT_AGE_DEFAULT_MS;
    if (c->o->erase_age_ms)
        s->erase_age_ms = c->o->erase_age_ms;
    if (s->hint_age_ms < HINT_AGE_MIN_MS)
        return REFUSE(c,
                      "--hint-age %s: a write may take %d s until an owner is given up, and the "
                      "owner has to come back: give %s at least",
                      time_text(s->hint_age_ms, given), OP_DEADLINE_DEFAULT_MS / 1000,
                      time_text(HINT_AGE_MIN_MS, least));
    if (s->erase_age_ms < s->hint_age_ms)
        return REFUSE(
            c,
            "--erase-age %s: less than the hint age, %s: a deletion must outlive all that is kept "
            "of older writes for owners that are away; give %s at least, or a smaller --hint-age",
            time_text(s->erase_age_ms, given), time_text(s->hint_age_ms, least),
            time_text(s->hint_age_ms, least));
    return 0;
}

int settings_from(struct settings *s, const struct covey_options *o, char *why, size_t why_n)
{
    struct checking c = {.s = s, .o = o, .why = why, .why_n = why_n};
    *s = (struct settings){
        .found = o->found,
        .profile = o->profile == COVEY_WAN     ? SWIM_WAN
                   : o->profile == COVEY_LOCAL ? SWIM_LOCAL
                                               : SWIM_LAN,
        .durability = o->durability == COVEY_INTERVAL ? DURABILITY_INTERVAL : DURABILITY_FSYNC,
    };
    int error = set_addresses(&c);
    error = error ? error : set_seeds(&c);
    error = error ? error : set_names(&c);
    error = error ? error : set_numbers(&c);
    return error ? error : set_ages(&c);
}
