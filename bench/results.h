/* results.h: the measurements of all rounds, and the table made of them.
 *
 * A round measures every cell (arm, pipeline, operation) once. It measures the arms one right after
 * the other, so that a ratio compares neighbours in time. The table shows medians over the rounds,
 * of the ratios too: one disturbed round then changes nothing. */
#ifndef COVEY_BENCH_RESULTS_H
#define COVEY_BENCH_RESULTS_H

#include <stdio.h>

#include "bench/arm.h"

enum { ROUNDS_MAX = 100, PIPELINES = 3, OPS = 2 };

extern const unsigned result_pipelines[PIPELINES]; /* 1, 16, 64 */

/* The measurements of one cell, by round. */
struct cell {
    uint64_t rate[ROUNDS_MAX]; /* replies a second */
    uint64_t p50_us[ROUNDS_MAX], p99_us[ROUNDS_MAX], p999_us[ROUNDS_MAX], max_us[ROUNDS_MAX];
    uint64_t errors; /* of all rounds */
    char error[LOAD_WHY];
};

struct results {
    unsigned rounds; /* complete ones */
    bool present[ARMS];
    char absent[ARMS][LOAD_WHY]; /* why an arm is not present */
    struct cell cell[ARMS][PIPELINES][OPS];
    uint64_t idle_kib[ARMS][ROUNDS_MAX], loaded_kib[ARMS][ROUNDS_MAX];
};

/* Adds one measurement; round counts from 0. */
void results_add(struct cell *c, unsigned round, const struct load_report *r);

/* Prints the table, the memory, and the targets with whether they are met. */
void results_print(const struct results *r, FILE *to);

/* The errors of all cells: replies that were not what they had to be. */
uint64_t results_errors(const struct results *r);

#endif
