#include "console/loader.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/limits.h"
#include "console/clock.h"

enum { PAUSE_MS = 200 }; /* before a refused SET is sent again */

static int fail(struct loader *l, int error, const char *why)
{
    snprintf(l->why, sizeof l->why, "%s", why);
    return error;
}

static int lost(struct loader *l)
{
    return fail(l, ERR_IO, l->client.why);
}

int loader_open(struct loader *l, const char *host, uint16_t port)
{
    client_init(&l->client);
    /* the last value may have any size */
    buf_init(&l->bytes, LOADER_BATCH_BYTES + KEY_MAX + 16 * 1024 * 1024);
    l->n = 0;
    l->acknowledged = 0;
    return client_open(&l->client, host, port) ? lost(l) : 0;
}

void loader_close(struct loader *l)
{
    client_close(&l->client);
    buf_close(&l->bytes);
}

int loader_count(struct loader *l, uint64_t *keys)
{
    if (client_ask(&l->client, (const char *const[]){"DBSIZE", NULL}) != 0)
        return lost(l);
    const struct resp_value *v = &l->client.reply.v[0];
    *keys = (uint64_t)v->integer;
    if (v->type == RESP_INTEGER)
        return 0;
    snprintf(l->why, sizeof l->why, "%s does not say how many keys there are: %.*s",
             l->client.where, (int)v->text.n, (const char *)v->text.p);
    return ERR_REFUSED;
}

static int send_one(struct loader *l, const struct loader_key *k)
{
    char end[24];
    snprintf(end, sizeof end, "%" PRIu64, k->expiry_ms);
    const struct slice arg[] = {
        SLICE("SET"),
        slice_of(l->bytes.p + k->key_at, k->key_n),
        slice_of(l->bytes.p + k->value_at, k->value_n),
        SLICE("PXAT"),
        slice_str(end),
    };
    return client_send(&l->client, arg, k->expiry_ms ? 5 : 3);
}

/* Whether an error is one that passes: the key is sent again. */
static bool passing(struct slice text)
{
    static const char *const code[] = {"BUSY ",    "NOQUORUM ", "UNKNOWN ", "LOADING ",
                                       "FORMING ", "CLOCK ",    "IOERR "};
    for (unsigned i = 0; i < sizeof code / sizeof code[0]; i++)
        if (text.n > strlen(code[i]) && memcmp(text.p, code[i], strlen(code[i])) == 0)
            return true;
    return false;
}

/* Takes the reply to a key. 0, also when the key must be sent again. */
static int take_reply(struct loader *l, struct loader_key *k)
{
    if (client_receive(&l->client, CLIENT_TIMEOUT_MS) != 0)
        return lost(l);
    const struct resp_value *v = &l->client.reply.v[0];
    k->done = v->type != RESP_ERROR;
    l->acknowledged += k->done;
    if (k->done)
        return 0;
    snprintf(l->why, sizeof l->why, "key \"%.*s\": %.*s", (int)(k->key_n < 200 ? k->key_n : 200),
             (const char *)l->bytes.p + k->key_at, (int)(v->text.n < 600 ? v->text.n : 600),
             (const char *)v->text.p);
    return passing(v->text) ? 0 : ERR_REFUSED;
}

/* Sends the keys that are not stored and takes the replies. *left: how many are still not
 * stored. */
static int round_trip(struct loader *l, unsigned *left)
{
    int error = 0;
    *left = 0;
    for (unsigned i = 0; i < l->n; i++)
        if (!l->key[i].done && send_one(l, &l->key[i]) != 0)
            return fail(l, ERR_NO_MEMORY, "out of memory for the commands");
    if (client_write(&l->client) != 0)
        return lost(l);
    for (unsigned i = 0; i < l->n; i++) {
        if (l->key[i].done)
            continue;
        int one = take_reply(l, &l->key[i]);
        if (one == ERR_IO)
            return one;
        error = error ? error : one;
        *left += !l->key[i].done;
    }
    return error;
}

int loader_finish(struct loader *l)
{
    unsigned left = l->n;
    uint64_t good_ms = clock_ms();
    while (left > 0) {
        unsigned before = left;
        int error = round_trip(l, &left);
        if (error)
            return error;
        uint64_t now_ms = clock_ms();
        good_ms = left < before ? now_ms : good_ms;
        if (left == before && now_ms - good_ms > LOADER_PATIENCE_MS)
            return ERR_REFUSED; /* `why` is the last refusal */
        if (left > 0 && client_receive(&l->client, PAUSE_MS) != ERR_INCOMPLETE)
            return lost(l);
    }
    l->n = 0;
    l->bytes.n = 0;
    return 0;
}

int loader_put(struct loader *l, struct slice key, struct slice value, uint64_t expiry_ms)
{
    size_t at = l->bytes.n;
    if (buf_slice(&l->bytes, key) != 0 || buf_slice(&l->bytes, value) != 0)
        return fail(l, ERR_NO_MEMORY, "out of memory for the keys under way");
    l->key[l->n++] = (struct loader_key){
        .key_at = at,
        .value_at = at + key.n,
        .key_n = (uint32_t)key.n,
        .value_n = (uint32_t)value.n,
        .expiry_ms = expiry_ms,
    };
    return l->n < LOADER_BATCH && l->bytes.n < LOADER_BATCH_BYTES ? 0 : loader_finish(l);
}
