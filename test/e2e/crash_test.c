/* crash_test.c: real nodes are killed and stopped at random under load, and every answer that a
 * client got is held against what is there in the end.
 *
 * The simulator tries the same promises under worse faults; this tries what it cannot: the real log
 * with its helper thread, real sockets, the kernel's signals. E2E_SEED repeats a schedule (the
 * nodes' own timing is not repeated), E2E_KILLS makes it longer: 20 in ninja test, 200 in ninja
 * soak. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "havoc.h"
#include "judge.h"

enum { KILLS = 20, ROUNDS = 3, WARM_COMMANDS = 1000 };

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

/* The story's seed, printed so that its schedule can be had again. */
static uint64_t seed_of(const char *story)
{
    uint64_t seed = number_of("E2E_SEED", writers_now_us() % 1000000);
    printf("%s: E2E_SEED=%" PRIu64 "\n", story, seed);
    return seed;
}

static void start_three(struct cluster *c, const char *durability)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%s:%u", c->host, e2e_port(c, 0));
    e2e_start(c, 0, "--durability", durability, "--new", NULL);
    e2e_start(c, 1, "--durability", durability, "--seed", seed, NULL);
    e2e_start(c, 2, "--durability", durability, "--seed", seed, NULL);
    e2e_await_healthy(c, 3);
}

static void kill_all(struct writers *w, const char *durability)
{
    struct cluster *c = w->cluster;
    for (unsigned i = 0; i < WRITERS_NODES; i++) {
        writers_trouble(w, i);
        nest_signal(&c->nest, i, SIGSTOP); /* so that none sees another die first */
    }
    for (unsigned i = 0; i < WRITERS_NODES; i++) {
        e2e_kill(c, i);
        writers_killed(w, i);
    }
    for (unsigned i = 0; i < WRITERS_NODES; i++)
        e2e_start(c, i, "--durability", durability, NULL);
    e2e_await_healthy(c, WRITERS_NODES);
    writers_well(w);
}

/* When the last blow has fallen and the cluster is healthy again: the judgement, and once more
 * after all have read their logs. */
static void end(struct writers *w, const char *story, const char *durability)
{
    writers_finish(w);
    judge(w);
    kill_all(w, durability);
    judge_equal(w);
    writers_report(w, story);
    writers_close(w);
}

static void havoc(struct cluster *c, const char *story, const char *durability, unsigned kills)
{
    static struct writers w; /* large; and a story that fails leaves this function by a jump */
    struct havoc h;
    struct havoc_options o = {.seed = seed_of(story), .kills = kills, .durability = durability};
    start_three(c, durability);
    writers_open(&w, c, o.seed);
    havoc_init(&h, &w, &o);
    while (havoc_turn(&h))
        writers_turn(&w);
    end(&w, story, durability);
}

/* One node at a time, killed or stopped, for as long as it likes; OK means synced. */
static void test_one_after_the_other(void **state)
{
    havoc(*state, "one after the other", "fsync", (unsigned)number_of("E2E_KILLS", KILLS));
}

/* The same when OK does not mean synced: a process that dies takes nothing with it that it has
 * written, only a machine does. */
static void test_one_after_the_other_unsynced(void **state)
{
    havoc(*state, "one after the other, unsynced", "interval",
          1 + (unsigned)number_of("E2E_KILLS", KILLS) / 4);
}

/* All at once, in the middle of writes, again and again. */
static void all_at_once(struct cluster *c, const char *story, const char *durability)
{
    static struct writers w;
    start_three(c, durability);
    writers_open(&w, c, seed_of(story));
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t until = w.done + WARM_COMMANDS + rng_below(&w.rng, WARM_COMMANDS);
        while (w.done < until)
            writers_turn(&w);
        kill_all(&w, durability);
    }
    end(&w, story, durability);
}

static void test_all_at_once(void **state)
{
    all_at_once(*state, "all at once", "fsync");
}

static void test_all_at_once_unsynced(void **state)
{
    all_at_once(*state, "all at once, unsynced", "interval");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_after_the_other, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_one_after_the_other_unsynced, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_all_at_once, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_all_at_once_unsynced, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
