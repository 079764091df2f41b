/* main.c: covey-sim, the simulator's command line. */
#include "base/check.h"
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char USAGE[] =
    "covey-sim: many nodes of the real code on virtual time, under faults drawn from a seed\n"
    "\n"
    "  covey-sim [--seed S] [--seeds N] [--nodes N] [--clients N] [--commands N] [--hot N] [--time "
    "SECONDS]\n"
    "            [--loss PERCENT[%]] [--only KIND,...] [--schedule FILE] [--no-faults] "
    "[--no-check] [--story] [--show WORD,...] [--twice] "
    "[--expect-failure]\n"
    "  covey-sim shrink [the same]\n"
    "\n"
    "  shrink             the seed's run breaks a rule: look for the smallest run that breaks it "
    "too, and tell its story\n"
    "  --seed S           the first seed (1)\n"
    "  --seeds N          how many seeds, one after the other (1)\n"
    "  --nodes N          nodes of the cluster (5)\n"
    "  --clients N        clients that read and write (4)\n"
    "  --commands N       commands that each client gives; 0: as long as there is time (0)\n"
    "  --hot N            the clients write and read N keys alone, without thinking; 0: many keys, "
    "and thinking (0)\n"
    "  --time SECONDS     virtual time under faults (60)\n"
    "  --loss PERCENT     datagrams lost all the time, besides the faults\n"
    "  --only KIND,...    draw faults of these kinds only\n"
    "  --schedule FILE    the faults are those in FILE, written as a story's head and shrink write "
    "them; - is the standard "
    "input\n"
    "  --no-faults        no schedule of faults\n"
    "  --no-check         do not check the nodes' invariants after each step\n"
    "  --story            print what the nodes log, what clients did, and the faults\n"
    "  --show WORD,...    print lines of these words besides: names of messages (PUT), of events "
    "(link.up), and those of sim/story.h (put, hint)\n"
    "  --twice            run each seed twice and compare the hashes\n"
    "  --expect-failure   succeed if, and only if, some seed breaks an invariant: for canaries\n"
    "\n"
    "Exits 0 when every seed held, 1 when one broke (its number and what broke are printed), 2 for "
    "bad arguments.\n"
    "shrink exits 0 when it has something to show, 1 when the seed holds.\n";

struct arguments {
    struct run_options run;
    struct schedule schedule; /* what --schedule gave */
    uint64_t seeds;
    bool shrink, twice, expect_failure;
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
        fprintf(stderr, "covey-sim: %s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'\n",
                flag, least, most, text ? text : "nothing");
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
        {"--seed", 0, UINT64_MAX, &a->run.seed, NULL, 1},
        {"--seeds", 1, 1000000, &a->seeds, NULL, 1},
        {"--nodes", 1, 8000, NULL, &a->run.nodes, 1},
        {"--clients", 0, 1000, NULL, &a->run.clients, 1},
        {"--time", 0, 86400, NULL, &a->run.time_ms, 1000},
        {"--loss", 0, 90, NULL, &a->run.loss, 1},
        {"--commands", 0, 1000000, NULL, &a->run.commands, 1},
        {"--hot", 0, RUN_KEYS, NULL, &a->run.hot, 1},
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

static bool only_flag(struct arguments *a, const char *flag, const char *value)
{
    if (strcmp(flag, "--only") != 0)
        return false;
    for (const char *at = value; at;) {
        const char *comma = strchr(at, ',');
        enum fault_kind kind;
        if (!fault_named(slice_of(at, comma ? (size_t)(comma - at) : strlen(at)), &kind))
            bad("--only wants kinds of faults, as stories name them", value);
        a->run.kinds |= 1u << kind;
        at = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool schedule_flag(struct arguments *a, const char *flag, const char *value)
{
    static char text[64 * 1024]; /* many times what FAULTS_MAX faults take */
    if (strcmp(flag, "--schedule") != 0)
        return false;
    FILE *f = value && strcmp(value, "-") != 0 ? fopen(value, "r") : value ? stdin : NULL;
    if (!f)
        bad("--schedule wants a file that can be read", value ? value : "nothing");
    size_t n = fread(text, 1, sizeof text, f);
    if (ferror(f) || n == sizeof text)
        bad("--schedule: cannot be read, or is no schedule", value);
    if (f != stdin)
        fclose(f);
    unsigned line = schedule_parse(&a->schedule, slice_of(text, n));
    if (line) {
        fprintf(stderr, "covey-sim: %s: line %u is no fault, or one too many\n", value, line);
        exit(2);
    }
    a->run.schedule = &a->schedule;
    return true;
}

static bool show_flag(struct arguments *a, const char *flag, const char *value)
{
    if (strcmp(flag, "--show") != 0)
        return false;
    if (!value)
        bad("--show wants the words of the lines", "nothing");
    a->run.words = value;
    return true;
}

/* Called when all is read: --schedule may stand before --nodes. */
static void check_schedule(const struct arguments *a)
{
    for (unsigned i = 0; i < a->schedule.n; i++)
        if (!fault_fits(&a->schedule.fault[i], a->run.nodes)) {
            fprintf(stderr,
                    "covey-sim: fault %u of the schedule is about a node beyond the %" PRIu32
                    " that there are\n",
                    i + 1, a->run.nodes);
            exit(2);
        }
}

static void parse(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){
        .run =
            {.seed = 1, .nodes = 5, .clients = 4, .time_ms = 60000, .faults = true, .check = true},
        .seeds = 1};
    a->shrink = argc > 1 && strcmp(argv[1], "shrink") == 0;
    for (int i = 1 + a->shrink; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (plain_flag(a, argv[i]))
            continue;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!number_flag(a, argv[i], value) && !only_flag(a, argv[i], value) &&
            !show_flag(a, argv[i], value) && !schedule_flag(a, argv[i], value))
            bad("unknown flag", argv[i]);
        i++;
    }
    check_schedule(a);
}

/* The arguments that make this run again, without a schedule that was given. */
static void print_options(const struct run_options *o)
{
    printf("--seed %" PRIu64 " --nodes %" PRIu32 " --clients %" PRIu32 " --time %" PRIu32, o->seed,
           o->nodes, o->clients, o->time_ms / 1000);
    if (o->commands)
        printf(" --commands %" PRIu32, o->commands);
    if (o->hot)
        printf(" --hot %" PRIu32, o->hot);
    if (o->loss && !o->schedule)
        printf(" --loss %" PRIu32, o->loss);
    const char *before = " --only ";
    for (unsigned k = 0; k < FAULT_KINDS && !o->schedule; k++)
        if (o->kinds >> k & 1) {
            printf("%s%s", before, fault_name((enum fault_kind)k));
            before = ",";
        }
    printf("%s%s", o->faults ? "" : " --no-faults", o->check ? "" : " --no-check");
}

static void print_result(const struct run_options *o, const struct run_result *r)
{
    printf("seed %" PRIu64 ": %s hash %016" PRIx64 " events %" PRIu64 " steps %" PRIu64
           " formed %" PRIu64 " ms, agreed %" PRIu64 " ms after healing; writes %" PRIu64
           " ok %" PRIu64 " failed %" PRIu64 " unknown, reads %" PRIu64 ", repaired %" PRIu64
           ", erased %" PRIu64 "; deaths %" PRIu64 " (%" PRIu64 " of live nodes); hints %" PRIu64
           "\n",
           o->seed, r->ok ? "held" : "BROKE", r->hash, r->events, r->steps, r->formed_ms,
           r->converged_ms, r->writes_ok, r->writes_failed, r->writes_unknown, r->reads,
           r->repaired, r->erased, r->deaths, r->false_deaths, r->hints);
    if (!r->ok) {
        printf("seed %" PRIu64 ": %s: %.*s\n  again, with its story: covey-sim ", o->seed, r->what,
               (int)r->why.n, (const char *)r->why.p);
        print_options(o);
        printf(" --story\n  made smaller: covey-sim shrink ");
        print_options(o);
        printf("\n");
    }
    fflush(stdout);
}

/* Runs one seed. True when it held; with --twice, when both runs had one hash besides. */
static bool one(const struct arguments *a, const struct run_options *o)
{
    struct run_result r, again;
    run_seed(o, &r);
    print_result(o, &r);
    bool ok = r.ok;
    if (a->twice) {
        run_seed(o, &again);
        if (again.hash != r.hash) {
            printf("seed %" PRIu64 ": two runs differ: %016" PRIx64 " and %016" PRIx64 "\n",
                   o->seed, r.hash, again.hash);
            ok = false;
        }
        buf_close(&again.why);
    }
    buf_close(&r.why);
    return ok;
}

/* The smallest run, as a command line that can be pasted, and its story. */
static void print_shrunk(const struct shrunk *s)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    schedule_print(&s->schedule, &b);
    printf("seed %" PRIu64 " breaks this rule: %s\n%u runs made of it: %u faults, %" PRIu32
           " nodes, %" PRIu32 " clients\n\ncovey-sim ",
           s->o.seed, s->what, s->runs, s->schedule.n, s->o.nodes, s->o.clients);
    print_options(&s->o);
    printf(" --story --schedule - <<'END'\n%.*sEND\n\n", (int)b.n, (const char *)b.p);
    fflush(stdout); /* the story may end in a broken CHECK */
    buf_close(&b);
}

static int shrink_seed(const struct arguments *a)
{
    static struct shrunk s;
    if (!shrink(&s, &a->run)) {
        printf("seed %" PRIu64 " held: there is nothing to shrink\n", a->run.seed);
        return 1;
    }
    print_shrunk(&s);
    struct run_result r;
    s.o.story = true;
    run_seed(&s.o, &r);
    print_result(&s.o, &r);
    buf_close(&r.why);
    return 0;
}

int main(int argc, char **argv)
{
    static struct arguments a;
    parse(&a, argc, argv);
    check_report = report_check;
    if (a.shrink)
        return shrink_seed(&a);
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
