/* main.c: covey-sim, the simulator's command line. */
#include "base/check.h"
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char USAGE[] =
    "covey-sim: many nodes of the real code on virtual time, under faults drawn from a seed\n"
    "\n"
    "  covey-sim [--seed S] [--seeds N] [--nodes N] [--clients N] [--time SECONDS] [--loss PERCENT[%]]\n"
    "            [--no-faults] [--no-check] [--story] [--twice] [--expect-failure]\n"
    "\n"
    "  --seed S           the first seed (1)\n"
    "  --seeds N          how many seeds, one after the other (1)\n"
    "  --nodes N          nodes of the cluster (5)\n"
    "  --clients N        clients that read and write (4)\n"
    "  --time SECONDS     virtual time under faults (60)\n"
    "  --loss PERCENT     datagrams lost all the time, besides the faults\n"
    "  --no-faults        no schedule of faults\n"
    "  --no-check         do not check the nodes' invariants after each step\n"
    "  --story            print everything that happens\n"
    "  --twice            run each seed twice and compare the hashes\n"
    "  --expect-failure   succeed if, and only if, some seed breaks an invariant: for canaries\n"
    "\n"
    "Exits 0 when every seed held, 1 when one broke (its number and what broke are printed), 2 for bad arguments.\n";

struct arguments {
    struct run_options run;
    uint64_t seeds;
    bool twice, expect_failure;
};

static void report_check(const char *file, int line, const char *what)
{
    fprintf(stderr, "broken invariant at %s:%d: %s\n", file, line, what);
}

static void bad(const char *what, const char *value)
{
    fprintf(stderr, "covey-sim: %s: '%s'; see covey-sim --help\n", what, value);
    exit(2);
}

static uint64_t number(const char *flag, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t n = text ? strtoull(text, &end, 10) : 0;
    if (!text || end == text || (*end && strcmp(end, "%") != 0) || n < least || n > most) {
        fprintf(stderr, "covey-sim: %s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'\n", flag, least, most,
                text ? text : "nothing");
        exit(2);
    }
    return n;
}

static bool number_flag(struct arguments *a, const char *flag, const char *value)
{
    struct {
        const char *flag;
        uint64_t least, most;
        uint64_t *wide;
        uint32_t *narrow;
        uint32_t scale;
    } table[] = {
        {"--seed", 0, UINT64_MAX, &a->run.seed, NULL, 1},  {"--seeds", 1, 1000000, &a->seeds, NULL, 1},
        {"--nodes", 1, 8000, NULL, &a->run.nodes, 1},      {"--clients", 0, 1000, NULL, &a->run.clients, 1},
        {"--time", 0, 86400, NULL, &a->run.time_ms, 1000}, {"--loss", 0, 90, NULL, &a->run.loss, 1},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(flag, table[i].flag) != 0)
            continue;
        uint64_t n = number(flag, value, table[i].least, table[i].most);
        if (table[i].wide)
            *table[i].wide = n;
        else
            *table[i].narrow = (uint32_t)n * table[i].scale;
        return true;
    }
    return false;
}

static bool plain_flag(struct arguments *a, const char *flag)
{
    if (strcmp(flag, "--no-faults") == 0)
        a->run.faults = false;
    else if (strcmp(flag, "--no-check") == 0)
        a->run.check = false;
    else if (strcmp(flag, "--story") == 0)
        a->run.story = true;
    else if (strcmp(flag, "--twice") == 0)
        a->twice = true;
    else if (strcmp(flag, "--expect-failure") == 0)
        a->expect_failure = true;
    else
        return false;
    return true;
}

static void parse(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){.run = {.seed = 1, .nodes = 5, .clients = 4, .time_ms = 60000, .faults = true, .check = true},
                            .seeds = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (plain_flag(a, argv[i]))
            continue;
        if (!number_flag(a, argv[i], i + 1 < argc ? argv[i + 1] : NULL))
            bad("unknown flag", argv[i]);
        i++;
    }
}

static void print_result(const struct run_options *o, const struct run_result *r)
{
    printf("seed %" PRIu64 ": %s hash %016" PRIx64 " events %" PRIu64 " steps %" PRIu64 " formed %" PRIu64 " ms, agreed %" PRIu64
           " ms after healing; writes %" PRIu64 " ok %" PRIu64 " failed %" PRIu64 " unknown, reads %" PRIu64 ", repaired %" PRIu64
           "; deaths %" PRIu64 " (%" PRIu64 " of live nodes); hints %" PRIu64 "\n",
           o->seed, r->ok ? "held" : "BROKE", r->hash, r->events, r->steps, r->formed_ms, r->converged_ms, r->writes_ok,
           r->writes_failed, r->writes_unknown, r->reads, r->repaired, r->deaths, r->false_deaths, r->hints);
    if (!r->ok)
        printf("seed %" PRIu64 ": %.*s\n  again, with its story: covey-sim --seed %" PRIu64 " --nodes %" PRIu32 " --time %" PRIu32
               " --story\n",
               o->seed, (int)r->why.n, (const char *)r->why.p, o->seed, o->nodes, o->time_ms / 1000);
    fflush(stdout);
}

/* One seed; true when it held, and did so twice alike where that is asked. */
static bool one(const struct arguments *a, const struct run_options *o)
{
    struct run_result r, again;
    run_seed(o, &r);
    print_result(o, &r);
    bool ok = r.ok;
    if (a->twice) {
        run_seed(o, &again);
        if (again.hash != r.hash) {
            printf("seed %" PRIu64 ": two runs differ: %016" PRIx64 " and %016" PRIx64 "\n", o->seed, r.hash, again.hash);
            ok = false;
        }
        buf_close(&again.why);
    }
    buf_close(&r.why);
    return ok;
}

int main(int argc, char **argv)
{
    struct arguments a;
    parse(&a, argc, argv);
    check_report = report_check;
    uint64_t broke = 0;
    for (uint64_t k = 0; k < a.seeds; k++) {
        struct run_options o = a.run;
        o.seed += k;
        broke += !one(&a, &o);
        if (broke && a.expect_failure) {
            printf("found within %" PRIu64 " seeds\n", k + 1);
            return 0;
        }
    }
    printf("%" PRIu64 " seeds held, %" PRIu64 " broke\n", a.seeds - broke, broke);
    return a.expect_failure ? 1 : broke > 0;
}
