/* run.c: covey beside the bare floor and beside Redis, in one run on one machine, and one table.
 * The first part of `ninja bench`.
 *
 * The machine is shared and noisy, and floor, nodes, Redis and the load generator share its cores.
 * So only ratios count, and only between measurements that are neighbours in time. All arms start
 * at the beginning of a round (an idle one costs next to nothing). Then, for each operation and
 * pipeline, every arm is measured for a few seconds, one right after the other. At the end of a
 * round all arms are killed and their directories removed: each round starts from the same state,
 * and the logs on disk stay small.
 *
 * The figures decide nothing: a missed target is printed as missed, and the exit code is 0. Wrong
 * replies are another matter: 1. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/results.h"

enum {
    WARM_MS = 300,
    FILL_PIPELINE = 16,
    SECONDS_MAX = 600,
};

struct options {
    uint32_t rounds, seconds, connections, value_bytes, keys;
    bool wanted[ARMS];
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    stop = number;
}

/* ---- Options ---- */

static void usage(FILE *to)
{
    fprintf(to, "usage: run [options]\n"
                "  --rounds N          how often each arm is measured (3)\n"
                "  --seconds S         how long each time (2)\n"
                "  --only ARM,ARM      of:");
    for (unsigned a = 0; a < ARMS; a++)
        fprintf(to, " %s", arm_name((enum arm_kind)a));
    fprintf(to, "\n"
                "  --connections C, -c client connections (60)\n"
                "  -d BYTES            of a value (100)\n"
                "  -r KEYS             different keys (100000)\n");
}

static bool parse_only(struct options *o, char *list)
{
    memset(o->wanted, 0, sizeof o->wanted);
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        unsigned a = 0;
        while (a < ARMS && strcmp(word, arm_name((enum arm_kind)a)) != 0)
            a++;
        if (a == ARMS) {
            fprintf(stderr, "bench: no arm is called '%s'\n", word);
            return false;
        }
        o->wanted[a] = true;
    }
    return true;
}

static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    *out = (uint32_t)n;
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && n >= 1 && n <= max)
        return true;
    fprintf(stderr, "bench: '%s' is no number from 1 to %u\n", text, max);
    return false;
}

static bool parse(struct options *o, int argc, char **argv)
{
    static const struct option flags[] = {
        {"rounds", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},   {"connections", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "c:d:r:h", flags, NULL)) != -1;) {
        if (c == 'n')
            good = parse_number(optarg, ROUNDS_MAX, &o->rounds);
        else if (c == 's')
            good = parse_number(optarg, SECONDS_MAX, &o->seconds);
        else if (c == 'o')
            good = parse_only(o, optarg);
        else if (c == 'c')
            good = parse_number(optarg, LOAD_CONNECTIONS_MAX, &o->connections);
        else if (c == 'd')
            good = parse_number(optarg, LOAD_VALUE_MAX, &o->value_bytes);
        else if (c == 'r')
            good = parse_number(optarg, 100 * 1000 * 1000, &o->keys);
        else
            good = false;
    }
    if (!good || optind < argc)
        usage(stderr);
    return good && optind == argc;
}

/* ---- One round ---- */

struct round {
    const struct options *o;
    struct results *results;
    unsigned number;
    struct arm arm[ARMS];
    char why[LOAD_WHY];
};

static void progress(const struct round *r, const char *what, unsigned arm)
{
    if (isatty(2))
        fprintf(stderr, "\r\033[Kround %u of %u: %s: %s", r->number + 1, r->o->rounds, what,
                arm_title((enum arm_kind)arm));
}

static bool measure(struct round *r, unsigned arm, const struct load_options *options,
                    struct load_report *report)
{
    struct load_options o = *options;
    char why[LOAD_WHY];
    o.connections = r->o->connections;
    o.value_bytes = r->o->value_bytes;
    o.keys = r->o->keys;
    o.stop = &stop;
    arm_aim(&r->arm[arm], &o);
    if (load_run(&o, report, why) == 0)
        return true;
    snprintf(r->why, sizeof r->why, "%s: %.200s", arm_title((enum arm_kind)arm), why);
    return false;
}

/* Starts an arm, notes its idle memory, and writes every key once, so that each GET finds a
 * value. */
static bool set_up(struct round *r, unsigned arm)
{
    static struct load_report report;
    progress(r, "starting", arm);
    if (!arm_start(&r->arm[arm], (enum arm_kind)arm, &stop, r->why))
        return false;
    r->results->idle_kib[arm][r->number] = arm_rss_kib(&r->arm[arm]);
    if (!measure(
            r, arm,
            &(struct load_options){.op = LOAD_SET, .pipeline = FILL_PIPELINE, .every_key = true},
            &report))
        return false;
    if (report.errors == 0)
        return true;
    snprintf(r->why, sizeof r->why, "%s: %.200s", arm_title((enum arm_kind)arm), report.error);
    return false;
}

static bool measure_cell(struct round *r, unsigned arm, unsigned p, unsigned op)
{
    static struct load_report report;
    char what[64];
    snprintf(what, sizeof what, "%s, pipeline %u", op == LOAD_SET ? "SET" : "GET",
             result_pipelines[p]);
    progress(r, what, arm);
    struct load_options o = {.op = (enum load_op)op,
                             .pipeline = result_pipelines[p],
                             .warm_ms = WARM_MS,
                             .count_ms = r->o->seconds * 1000,
                             .seed = r->number + 1};
    if (!measure(r, arm, &o, &report))
        return false;
    results_add(&r->results->cell[arm][p][op], r->number, &report);
    return true;
}

static bool measure_all(struct round *r)
{
    for (unsigned p = 0; p < PIPELINES; p++)
        for (unsigned op = 0; op < OPS; op++)
            for (unsigned a = 0; a < ARMS; a++)
                if (r->results->present[a] && !measure_cell(r, a, p, op))
                    return false;
    for (unsigned a = 0; a < ARMS; a++)
        if (r->results->present[a])
            r->results->loaded_kib[a][r->number] = arm_rss_kib(&r->arm[a]);
    return true;
}

static bool run_round(struct round *r)
{
    bool good = true;
    for (unsigned a = 0; a < ARMS && good; a++)
        good = !r->results->present[a] || set_up(r, a);
    good = good && measure_all(r);
    for (unsigned a = 0; a < ARMS; a++)
        arm_stop(&r->arm[a]);
    if (isatty(2))
        fprintf(stderr, "\r\033[K");
    return good;
}

/* ---- All of it ---- */

/* Finds the programs of the wanted arms. False with a message when none is there. */
static bool find_programs(const struct options *o, struct results *results)
{
    char path[PATH_MAX];
    bool any = false;
    for (unsigned a = 0; a < ARMS; a++) {
        results->present[a] =
            o->wanted[a] && arm_program((enum arm_kind)a, path, results->absent[a]);
        any |= results->present[a];
    }
    for (unsigned a = 0; a < ARMS && !any; a++)
        if (o->wanted[a])
            fprintf(stderr, "bench: nothing to measure: %s\n", results->absent[a]);
    return any;
}

int main(int argc, char **argv)
{
    static struct results results;
    struct options o = {
        .rounds = 3, .seconds = 2, .connections = 60, .value_bytes = 100, .keys = 100000};
    for (unsigned a = 0; a < ARMS; a++)
        o.wanted[a] = true;
    if (!parse(&o, argc, argv))
        return 2;
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    if (!find_programs(&o, &results))
        return 1;
    printf("%u rounds of %u s a measurement, %u connections, %u-byte values, %u keys, %ld "
           "processors; medians\n\n",
           o.rounds, o.seconds, o.connections, o.value_bytes, o.keys,
           sysconf(_SC_NPROCESSORS_ONLN));
    fflush(stdout);
    for (; results.rounds < o.rounds; results.rounds++) {
        struct round r = {.o = &o, .results = &results, .number = results.rounds};
        if (!run_round(&r)) {
            fprintf(stderr, "bench: %s\n", r.why);
            return stop ? 128 + stop : 1;
        }
    }
    results_print(&results, stdout);
    return results_errors(&results) ? 1 : 0;
}
