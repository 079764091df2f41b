/* results.c: see results.h. */
#include "bench/results.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "console/screen.h"

const unsigned result_pipelines[PIPELINES] = {1, 16, 64};

static const char *const op_names[OPS] = {[LOAD_SET] = "SET", [LOAD_GET] = "GET"};

/* ---- Figures ---- */

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The middle one, the lower of two. */
static uint64_t median(const uint64_t *v, unsigned n)
{
    uint64_t sorted[ROUNDS_MAX];
    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *v, compare);
    return n ? sorted[(n - 1) / 2] : 0;
}

/* Median over the rounds of a's rate in thousandths of b's. */
static uint64_t ratio_per_mille(const struct cell *a, const struct cell *b, unsigned rounds)
{
    uint64_t ratio[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        ratio[i] = b->rate[i] ? a->rate[i] * 1000 / b->rate[i] : 0;
    return median(ratio, rounds);
}

void results_add(struct cell *c, unsigned round, const struct load_report *r)
{
    c->rate[round] = r->replies * 1000000u / (r->ns / 1000u + 1);
    c->p50_us[round] = histogram_at(&r->latency, 500) / 1000;
    c->p99_us[round] = histogram_at(&r->latency, 990) / 1000;
    c->p999_us[round] = histogram_at(&r->latency, 999) / 1000;
    c->max_us[round] = r->latency.max_ns / 1000;
    if (c->errors == 0)
        snprintf(c->error, sizeof c->error, "%s", r->error);
    c->errors += r->errors;
}

uint64_t results_errors(const struct results *r)
{
    uint64_t n = 0;
    for (unsigned a = 0; a < ARMS; a++)
        for (unsigned p = 0; p < PIPELINES; p++)
            for (unsigned op = 0; op < OPS; op++)
                n += r->cell[a][p][op].errors;
    return n;
}

/* ---- Text ---- */

/* "45.3 %" */
static const char *percent(uint64_t per_mille, char out[SCREEN_COUNT])
{
    snprintf(out, SCREEN_COUNT, "%" PRIu64 ".%" PRIu64 " %%", per_mille / 10, per_mille % 10);
    return out;
}

static void print_row(const struct results *r, unsigned arm, unsigned p, unsigned op, FILE *to)
{
    const struct cell *c = &r->cell[arm][p][op];
    char rate[SCREEN_COUNT], ratio[SCREEN_COUNT] = "-", p50[SCREEN_COUNT], p99[SCREEN_COUNT],
                             p999[SCREEN_COUNT], max[SCREEN_COUNT];
    unsigned n = r->rounds;
    uint64_t most[ROUNDS_MAX];
    memcpy(most, c->max_us, n * sizeof *most);
    qsort(most, n, sizeof *most, compare);
    if (r->present[ARM_FLOOR])
        percent(ratio_per_mille(c, &r->cell[ARM_FLOOR][p][op], n), ratio);
    fprintf(to, "  %-30s %12s %12s %10s %10s %10s %10s %8" PRIu64 "\n",
            arm_title((enum arm_kind)arm), screen_count(median(c->rate, n), rate), ratio,
            screen_count(median(c->p50_us, n), p50), screen_count(median(c->p99_us, n), p99),
            screen_count(median(c->p999_us, n), p999), screen_count(most[n - 1], max), c->errors);
    if (c->errors > 0)
        fprintf(to, "    the first error: %s\n", c->error);
}

static void print_cells(const struct results *r, FILE *to)
{
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned p = 0; p < PIPELINES; p++) {
            char title[SCREEN_COUNT];
            snprintf(title, sizeof title, "%s, pipeline %u", op_names[op], result_pipelines[p]);
            fprintf(to, "%-32s %12s %12s %10s %10s %10s %10s %8s\n", title, "a second",
                    "of the floor", "p50 us", "p99 us", "p99.9 us", "max us", "errors");
            for (unsigned a = 0; a < ARMS; a++)
                if (r->present[a])
                    print_row(r, a, p, op, to);
            fputc('\n', to);
        }
    }
}

static void print_mib(uint64_t kib, FILE *to)
{
    fprintf(to, " %10" PRIu64 ".%" PRIu64, kib / 1024, kib % 1024 * 10 / 1024);
}

static void print_memory(const struct results *r, FILE *to)
{
    fprintf(to, "%-32s %12s %12s\n", "resident MiB, largest process", "idle", "loaded");
    for (unsigned a = 0; a < ARMS; a++) {
        if (!r->present[a])
            continue;
        fprintf(to, "  %-30s", arm_title((enum arm_kind)a));
        print_mib(median(r->idle_kib[a], r->rounds), to);
        print_mib(median(r->loaded_kib[a], r->rounds), to);
        fputc('\n', to);
    }
    fputc('\n', to);
}

/* ---- Targets ---- */

/* A rate that must be at least a part of another rate of the same round. */
struct target {
    enum arm_kind arm;
    enum load_op op;
    unsigned p; /* index of the pipeline */
    enum arm_kind of_arm;
    enum load_op of_op;
    uint64_t least_per_mille;
};

static const struct target targets[] = {
    {ARM_INTERVAL, LOAD_SET, 0, ARM_FLOOR, LOAD_SET, 450},
    {ARM_INTERVAL, LOAD_SET, 1, ARM_FLOOR, LOAD_SET, 200},
    {ARM_FSYNC, LOAD_SET, 0, ARM_FLOOR, LOAD_SET, 400},
    {ARM_FSYNC, LOAD_SET, 1, ARM_FLOOR, LOAD_SET, 150},
    {ARM_INTERVAL, LOAD_GET, 0, ARM_INTERVAL, LOAD_SET, 950},
    {ARM_INTERVAL, LOAD_GET, 1, ARM_INTERVAL, LOAD_SET, 950},
};

enum { IDLE_KIB_MAX = 10 * 1024 };

static void print_target(const struct results *r, const struct target *t, FILE *to)
{
    char text[96], least[SCREEN_COUNT], is[SCREEN_COUNT];
    snprintf(text, sizeof text, "%s %s, pipeline %u, of %s %s", arm_title(t->arm), op_names[t->op],
             result_pipelines[t->p], t->of_arm == ARM_FLOOR ? "the floor's" : "its own",
             op_names[t->of_op]);
    if (!r->present[t->arm] || !r->present[t->of_arm]) {
        fprintf(to, "  %-56s not measured\n", text);
        return;
    }
    uint64_t ratio = ratio_per_mille(&r->cell[t->arm][t->p][t->op],
                                     &r->cell[t->of_arm][t->p][t->of_op], r->rounds);
    fprintf(to, "  %-56s at least %8s: %8s  %s\n", text, percent(t->least_per_mille, least),
            percent(ratio, is), ratio >= t->least_per_mille ? "met" : "missed");
}

static void print_targets(const struct results *r, FILE *to)
{
    fprintf(to, "targets\n");
    for (unsigned i = 0; i < sizeof targets / sizeof targets[0]; i++)
        print_target(r, &targets[i], to);
    if (r->present[ARM_FSYNC]) {
        uint64_t kib = median(r->idle_kib[ARM_FSYNC], r->rounds);
        fprintf(to, "  %-56s under     %6d M: %6" PRIu64 ".%" PRIu64 " M  %s\n",
                "an idle node's resident memory", IDLE_KIB_MAX / 1024, kib / 1024,
                kib % 1024 * 10 / 1024, kib < IDLE_KIB_MAX ? "met" : "missed");
    }
}

void results_print(const struct results *r, FILE *to)
{
    print_cells(r, to);
    print_memory(r, to);
    print_targets(r, to);
    for (unsigned a = 0; a < ARMS; a++)
        if (!r->present[a] && r->absent[a][0])
            fprintf(to, "not measured: %s: %s\n", arm_title((enum arm_kind)a), r->absent[a]);
}
