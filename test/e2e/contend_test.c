/* contend_test.c: a few keys that everybody writes and reads without pause, through all nodes,
 * while one node after another loses packets or has slow streams. Nobody dies.
 *
 * It is about order. An owner that is silent to a coordinator, because a segment is being sent
 * again, may serve a reader all the while: whatever a coordinator makes of the silence, nobody may
 * see a key go back. Each write is unique, and the simulator's history (sim/history.h) says at each
 * read whether it can be true. With the writes that end UNKNOWN it counts how often a coordinator
 * could not tell, which is no fault, and should be rare.
 *
 * E2E_WRITES makes the stories longer (200000 is the measure of a change to the write path),
 * E2E_SEED repeats their weather; an argument is the pattern of the one story that is wanted. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "base/check.h"
#include "base/rng.h"
#include "lossy.h"
#include "sim/history.h"
#include "slow.h"
#include "writers.h"

enum {
    CLIENTS = 16,
    KEYS = 4,
    WRITES = 10000,     /* acknowledged or not */
    WRITES_SLOW = 4000, /* the same behind proxies, whose streams stand still half of the time */
    /* at least: a fast machine has its writes done before anything has befallen it */
    STRIKES = 5,
    SET_PERCENT = 50,
    TURN_MS = 5,
    STRUCK_MS_MIN = 1000, /* a node is struck for so long at least, */
    STRUCK_MS_MAX = 5000, /* and at most, */
    REST_MS_MAX = 500,    /* and then no node for so long at most */
    LOSS_MIN = 5,         /* % of the packets */
    LOSS_MAX = 80,
};

/* A client has a connection to each node, and one command under way. Half of them roam: each
 * command goes to any node, so that what one node was told is soon asked of another; while a node
 * is in trouble most of these wait for it. The others keep the keys hot meanwhile: each stays with
 * a node. */
struct contender {
    struct client client[E2E_NODES];
    unsigned node;
    bool roams, asked, writes;
    uint32_t key, write;
    uint64_t begin_us;
};

/* What befalls the nodes. */
struct weather_of {
    bool struck;
    uint64_t turns_us;
    struct slow *slow; /* NULL: packets are lost */
};

struct contention {
    struct cluster *cluster;
    struct history history;
    struct rng rng;
    struct contender contender[CLIENTS];
    struct weather_of weather;
    bool running;
    uint32_t next_value;
    uint64_t writes, ok, refused, unknown, reads, reads_failed, strikes;
};

/* ---- The clients ---- */

static void open_one(struct contention *t, unsigned i)
{
    struct contender *k = &t->contender[i];
    k->node = i % E2E_NODES;
    k->roams = i % 2;
    for (unsigned node = 0; node < E2E_NODES; node++) {
        client_init(&k->client[node]);
        if (client_open(&k->client[node], e2e_host(t->cluster, node), e2e_port(t->cluster, node)) !=
            0)
            e2e_fail(t->cluster, __FILE__, __LINE__, "%s", k->client[node].why);
    }
}

static void say(struct contention *t, struct contender *k)
{
    char key[16], value[16];
    if (k->roams)
        k->node = (unsigned)rng_below(&t->rng, E2E_NODES);
    k->key = (uint32_t)rng_below(&t->rng, KEYS);
    k->writes = rng_below(&t->rng, 100) < SET_PERCENT;
    snprintf(value, sizeof value, "v%" PRIu32, t->next_value);
    struct slice word[3] = {k->writes ? SLICE("SET") : SLICE("GET"),
                            slice_str(writers_key(k->key, key)), slice_str(value)};
    k->begin_us = writers_now_us();
    k->asked = true;
    if (k->writes) {
        k->write = history_begin(&t->history, k->key, t->next_value++, k->begin_us);
        t->writes++;
    }
    struct client *client = &k->client[k->node];
    if (client_send(client, word, k->writes ? 3 : 2) != 0 || client_write(client) != 0)
        e2e_fail(t->cluster, __FILE__, __LINE__, "%s", client->why);
}

static bool begins(struct slice s, const char *with)
{
    return s.n >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

/* What an error means for a write; it must be one that a client is promised. */
static enum outcome meaning(struct contention *t, const struct contender *k, struct slice text)
{
    static const char *const refused[] = {"NOQUORUM ", "LOADING ", "BUSY "};
    if (begins(text, "UNKNOWN "))
        return OUTCOME_UNKNOWN;
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (begins(text, refused[i]))
            return OUTCOME_FAILED;
    e2e_fail(t->cluster, __FILE__, __LINE__, "%s said what no client is promised: %.*s",
             e2e_name(k->node), (int)text.n, (const char *)text.p);
}

static void take_write(struct contention *t, const struct contender *k, const struct resp_value *v)
{
    enum outcome outcome = v->type == RESP_SIMPLE ? OUTCOME_OK : meaning(t, k, v->text);
    history_end(&t->history, k->key, k->write, outcome, writers_now_us());
    t->ok += outcome == OUTCOME_OK;
    t->refused += outcome == OUTCOME_FAILED;
    t->unknown += outcome == OUTCOME_UNKNOWN;
}

static void take_read(struct contention *t, const struct contender *k, const struct resp_value *v)
{
    if (v->type == RESP_ERROR) {
        (void)meaning(t, k, v->text);
        t->reads_failed++;
        return;
    }
    uint32_t value = v->type == RESP_NULL ? HISTORY_ABSENT : writers_number(v->text);
    t->reads++;
    if (!history_read(&t->history, k->key, value, k->begin_us, writers_now_us()))
        e2e_fail(t->cluster, __FILE__, __LINE__, "after %" PRIu64 " writes, through %s: %.*s",
                 t->writes, e2e_name(k->node), (int)t->history.why.n,
                 (const char *)t->history.why.p);
}

static void hear(struct contention *t, struct contender *k)
{
    struct client *client = &k->client[k->node];
    int error = client_receive(client, 0);
    if (error == ERR_INCOMPLETE &&
        writers_now_us() < k->begin_us + (uint64_t)CLIENT_TIMEOUT_MS * 1000)
        return;
    if (error != 0)
        e2e_fail(t->cluster, __FILE__, __LINE__, "no answer to a %s through %s: %s",
                 k->writes ? "SET" : "GET", e2e_name(k->node), client->why);
    k->asked = false;
    if (k->writes)
        take_write(t, k, client->reply.v);
    else
        take_read(t, k, client->reply.v);
}

/* ---- The weather ---- */

static void strike(struct contention *t, unsigned node)
{
    unsigned percent = LOSS_MIN + (unsigned)rng_below(&t->rng, LOSS_MAX - LOSS_MIN + 1);
    t->strikes++;
    if (t->weather.slow)
        slow_strike(t->weather.slow, t->cluster, node);
    else
        lossy_strike(t->cluster, node, percent);
}

static void relieve(struct contention *t)
{
    if (t->weather.slow)
        slow_strike(t->weather.slow, t->cluster, E2E_NODES);
    else
        lossy_strike(t->cluster, 0, 0);
}

static void weather_turn(struct contention *t)
{
    struct weather_of *x = &t->weather;
    if (writers_now_us() < x->turns_us)
        return;
    x->struck = !x->struck && t->running;
    if (x->struck)
        strike(t, (unsigned)rng_below(&t->rng, E2E_NODES));
    else
        relieve(t);
    uint64_t ms = x->struck ? STRUCK_MS_MIN + rng_below(&t->rng, STRUCK_MS_MAX - STRUCK_MS_MIN)
                            : rng_below(&t->rng, REST_MS_MAX);
    x->turns_us = writers_now_us() + ms * 1000;
}

/* ---- The story ---- */

static void turn(struct contention *t)
{
    struct pollfd p[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct contender *k = &t->contender[i];
        if (!k->asked && t->running)
            say(t, k);
        p[i] = (struct pollfd){.fd = k->asked ? k->client[k->node].fd : -1, .events = POLLIN};
    }
    poll(p, CLIENTS, TURN_MS);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (t->contender[i].asked)
            hear(t, &t->contender[i]);
}

static bool pending(const struct contention *t)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (t->contender[i].asked)
            return true;
    return false;
}

/* When all is well again every key is read through every node: all say the same, and it is what the
 * history allows. */
static void read_last(struct contention *t)
{
    struct contender *k = &t->contender[0];
    for (k->key = 0; k->key < KEYS; k->key++)
        for (k->node = 0; k->node < E2E_NODES; k->node++) {
            char key[16];
            k->begin_us = writers_now_us();
            e2e_ask(t->cluster, k->node, "GET", writers_key(k->key, key), NULL);
            e2e_check(t->cluster, t->cluster->client[k->node].reply.v[0].type == RESP_BULK);
            take_read(t, k, t->cluster->client[k->node].reply.v);
        }
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static void contend(struct cluster *c, const char *story, struct slow *slow, uint64_t seed,
                    uint64_t writes)
{
    static struct contention t; /* large; and a story that fails leaves this function by a jump */
    uint64_t begin_us = writers_now_us();
    t = (struct contention){
        .cluster = c, .running = true, .next_value = 1, .weather = {.slow = slow}};
    history_init(&t.history, KEYS);
    rng_init(&t.rng, seed);
    for (unsigned i = 0; i < CLIENTS; i++)
        open_one(&t, i);
    while (t.writes < writes || t.strikes < STRIKES) {
        weather_turn(&t);
        turn(&t);
    }
    t.running = false;
    while (pending(&t))
        turn(&t); /* ends: what is not answered fails the story */
    relieve(&t);
    e2e_await_healthy(c, E2E_NODES);
    read_last(&t);
    printf("%s: %" PRIu64 " writes: %" PRIu64 " ok, %" PRIu64 " refused, %" PRIu64
           " UNKNOWN; %" PRIu64 " reads, %" PRIu64 " without an answer; %" PRIu64
           " nodes struck, %.1f s\n",
           story, t.writes, t.ok, t.refused, t.unknown, t.reads, t.reads_failed, t.strikes,
           (double)(writers_now_us() - begin_us) / 1e6);
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned node = 0; node < E2E_NODES; node++)
            client_close(&t.contender[i].client[node]);
    history_close(&t.history);
}

/* The story's seed, printed so that its weather can be had again. */
static uint64_t seed_of(const char *story)
{
    uint64_t seed = number_of("E2E_SEED", writers_now_us() % 1000000);
    printf("%s: E2E_SEED=%" PRIu64 "\n", story, seed);
    return seed;
}

static struct lossy lossy;
static struct slow slow;

static int tear_down(void **state)
{
    /* first: the proxies hold whatever was open when they began, the end of the cluster's pipe
     * too */
    slow_close(&slow);
    int error = e2e_teardown(state);
    lossy_close(&lossy);
    return error;
}

static void test_one_after_another_loses_packets(void **state)
{
    struct cluster *c = *state;
    if (!lossy_open(&lossy, c))
        skip();
    lossy_start(&lossy, c);
    contend(c, "one after another loses packets", NULL, seed_of("one after another loses packets"),
            number_of("E2E_WRITES", WRITES));
}

static void test_one_after_another_has_slow_streams(void **state)
{
    struct cluster *c = *state;
    uint64_t seed = seed_of("one after another has slow streams");
    slow_open(&slow, c, seed);
    slow_start(c);
    contend(c, "one after another has slow streams", &slow, seed,
            number_of("E2E_WRITES", WRITES_SLOW));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_after_another_loses_packets, e2e_setup, tear_down),
        cmocka_unit_test_setup_teardown(test_one_after_another_has_slow_streams, e2e_setup,
                                        tear_down),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]); /* "*packets" is the first story alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
