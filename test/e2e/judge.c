/* judge.c: see judge.h. */
#include "judge.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT = 64 };

/* What WHERE says that an owner holds: words, so that equal means equal in all. */
struct held {
    char holds[TEXT], stamp[TEXT], writer[TEXT], digest[TEXT];
};

static void field(const struct client *client, uint32_t owner, const char *name, char out[TEXT])
{
    uint32_t at = client_field(client, owner, name);
    struct slice text = at != 0 ? client->reply.v[at].text : SLICE("?");
    snprintf(out, TEXT, "%.*s", (int)text.n, (const char *)text.p);
}

/* Asks node 0 where the key lives; all three must answer. */
static void where(struct cluster *c, uint32_t key, struct held held[WRITERS_NODES])
{
    char name[16];
    const struct client *client = &c->client[0];
    e2e_ask(c, 0, "WHERE", writers_key(key, name), NULL);
    e2e_check(c, client->fd >= 0);
    uint32_t owners = client_field(client, 0, "owners"), owner = owners + 1;
    e2e_check(c, owners != 0 && client->reply.v[owners].count == WRITERS_NODES);
    for (unsigned i = 0; i < WRITERS_NODES; i++, owner = resp_after(&client->reply, owner)) {
        field(client, owner, "holds", held[i].holds);
        field(client, owner, "stamp", held[i].stamp);
        field(client, owner, "writer", held[i].writer);
        field(client, owner, "digest", held[i].digest);
        if (strcmp(held[i].holds, "no answer") == 0)
            e2e_fail(c, __FILE__, __LINE__, "an owner of %s did not answer", name);
    }
}

/* ---- Held by W owners ---- */

/* The write that was acknowledged, or seen by a read, and began last: what holds it or what came
 * after it will do. */
static uint32_t last_known(const struct history_key *k)
{
    uint32_t last = 0;
    for (uint32_t i = 1; i < k->n; i++)
        if (k->w[i].end_us != UINT64_MAX && k->w[i].begin_us > k->w[last].begin_us)
            last = i;
    return last;
}

/* The value with that digest; a value that nobody wrote is none. */
static bool value_of(const struct history_key *k, const char *digest, uint32_t *value)
{
    char text[WRITERS_VALUE], mine[TEXT];
    for (uint32_t i = 1; i < k->n; i++) {
        if (k->w[i].value == HISTORY_ABSENT)
            continue;
        snprintf(mine, sizeof mine, "%016" PRIx64,
                 hash_bytes(slice_str(writers_value(k->w[i].value, text))));
        if (strcmp(mine, digest) == 0) {
            *value = k->w[i].value;
            return true;
        }
    }
    return false;
}

static bool covers(struct writers *w, uint32_t key, const struct held *held, uint32_t write)
{
    uint32_t value = HISTORY_ABSENT;
    if (strcmp(held->holds, "nothing") == 0)
        return write == 0;
    if (strcmp(held->holds, "value") == 0 && !value_of(&w->history.key[key], held->digest, &value))
        e2e_fail(w->cluster, __FILE__, __LINE__,
                 "an owner of k%" PRIu32 " holds a value that nobody wrote", key);
    return history_covers(&w->history, key, value, write);
}

static void judge_durable(struct writers *w)
{
    struct held held[WRITERS_NODES] = {0};
    for (uint32_t key = 0; key < WRITERS_KEYS; key++) {
        uint32_t write = last_known(&w->history.key[key]);
        unsigned holders = 0;
        where(w->cluster, key, held);
        for (unsigned i = 0; i < WRITERS_NODES; i++)
            holders += covers(w, key, &held[i], write);
        if (holders < 2)
            e2e_fail(w->cluster, __FILE__, __LINE__,
                     "k%" PRIu32 ": only %u owners hold v%" PRIu32 " or what came after it", key,
                     holders, w->history.key[key].w[write].value);
    }
}

/* ---- Read through every node ---- */

static void read_key(struct writers *w, unsigned node, uint32_t key)
{
    char name[16];
    const struct client *client = &w->cluster->client[node];
    uint64_t begin_us = writers_now_us();
    e2e_ask(w->cluster, node, "GET", writers_key(key, name), NULL);
    if (client->fd < 0 ||
        (client->reply.v[0].type != RESP_BULK && client->reply.v[0].type != RESP_NULL))
        e2e_fail(w->cluster, __FILE__, __LINE__, "GET %s through %s, when all are well: %.300s",
                 name, e2e_name(node), w->cluster->text);
    const struct resp_value *v = &client->reply.v[0];
    uint32_t value = v->type == RESP_NULL ? HISTORY_ABSENT : writers_number(v->text);
    char text[WRITERS_VALUE];
    if (v->type == RESP_BULK && !slice_eq(v->text, slice_str(writers_value(value, text))))
        e2e_fail(w->cluster, __FILE__, __LINE__, "%s holds other bytes than anybody wrote: %.300s",
                 name, w->cluster->text);
    if (!history_read(&w->history, key, value, begin_us, writers_now_us()))
        e2e_fail(w->cluster, __FILE__, __LINE__, "through %s, when all are well: %.*s",
                 e2e_name(node), (int)w->history.why.n, (const char *)w->history.why.p);
}

static void read_all(struct writers *w, const char *level)
{
    for (unsigned node = 0; node < WRITERS_NODES; node++) {
        e2e_expect(w->cluster, node, "OK", "CONSISTENCY", "READ", level);
        for (uint32_t key = 0; key < WRITERS_KEYS; key++)
            read_key(w, node, key);
        e2e_expect(w->cluster, node, "OK", "CONSISTENCY", "READ", "QUORUM");
    }
}

/* ---- The same at all owners ---- */

void judge_equal(struct writers *w)
{
    struct held held[WRITERS_NODES] = {0};
    for (uint32_t key = 0; key < WRITERS_KEYS; key++) {
        where(w->cluster, key, held);
        for (unsigned i = 1; i < WRITERS_NODES; i++)
            if (memcmp(&held[i], &held[0], sizeof held[0]) != 0)
                e2e_fail(w->cluster, __FILE__, __LINE__,
                         "k%" PRIu32 " differs: %s %s by %s (%s), and %s %s by %s (%s)", key,
                         held[0].holds, held[0].stamp, held[0].writer, held[0].digest,
                         held[i].holds, held[i].stamp, held[i].writer, held[i].digest);
    }
}

void judge(struct writers *w)
{
    judge_durable(w);
    read_all(w, "QUORUM");
    read_all(w, "ALL");
    judge_equal(w);
}
