/* flushed.c: see flushed.h. */
#include "store/table/flushed.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

void flushed_close(struct flushed *f)
{
    free(f->durable);
    free(f->coming);
    *f = (struct flushed){0};
}

/* ---- Parts of the ring ---- */

/* The number of equal parts of the ring with which an area has no part in half. */
static uint32_t parts_of(const struct flush_area *a)
{
    uint32_t ends = a->slot_first | ((uint32_t)a->slot_last + 1);
    return SLOTS / (ends & (0 - ends));
}

/* A copy of stamps with more parts. NULL when memory is out. */
static uint64_t *spread(const uint64_t *stamp, uint32_t n, uint32_t parts)
{
    uint64_t *more = calloc((size_t)SPACES_CLIENTS * parts, sizeof *more);
    for (size_t i = 0; more && stamp && i < (size_t)SPACES_CLIENTS * parts; i++)
        more[i] = stamp[i / (parts / n)];
    return more;
}

static int room(struct flushed *f, const struct flush_area *a)
{
    uint32_t parts = parts_of(a);
    if (parts <= f->n)
        return 0;
    uint64_t *durable = spread(f->durable, f->n, parts), *coming = spread(f->coming, f->n, parts);
    if (!durable || !coming) {
        free(durable);
        free(coming);
        return ERR_NO_MEMORY;
    }
    free(f->durable);
    free(f->coming);
    f->durable = durable;
    f->coming = coming;
    f->n = parts;
    return 0;
}

static uint32_t first_part(const struct flushed *f, const struct flush_area *a)
{
    return (uint32_t)a->slot_first * f->n / SLOTS;
}

static uint32_t last_part(const struct flushed *f, const struct flush_area *a)
{
    return (uint32_t)a->slot_last * f->n / SLOTS;
}

static bool raise_in(const struct flushed *f, uint64_t *stamp, const struct flush_run *run)
{
    bool raised = false;
    CHECK(parts_of(&run->area) <= f->n);
    for (size_t s = run->area.space_first; s <= run->area.space_last; s++) {
        for (size_t i = first_part(f, &run->area); i <= last_part(f, &run->area); i++) {
            uint64_t *at = &stamp[s * f->n + i];
            raised |= run->stamp > *at;
            *at = run->stamp > *at ? run->stamp : *at;
        }
    }
    return raised;
}

uint64_t flushed_least(const struct flushed *f, const struct flush_area *a)
{
    uint64_t least = f->durable ? UINT64_MAX : 0;
    for (size_t s = a->space_first; f->durable && s <= a->space_last; s++)
        for (size_t i = first_part(f, a); i <= last_part(f, a); i++)
            least = f->durable[s * f->n + i] < least ? f->durable[s * f->n + i] : least;
    return least;
}

/* ---- Runs ---- */

/* Appends the runs of one space. They hold for the spaces after it up to `last` too. */
static int append_row(const struct flushed *f, uint8_t space, uint8_t last, struct buf *out)
{
    const uint64_t *row = f->coming + (size_t)space * f->n;
    uint32_t slots = SLOTS / f->n; /* of a part */
    int error = 0;
    for (uint32_t i = 0, end; !error && i < f->n; i = end) {
        for (end = i + 1; end < f->n && row[end] == row[i]; end++)
            ;
        struct flush_run run = {{space, last, (uint16_t)(i * slots), (uint16_t)(end * slots - 1)},
                                row[i]};
        if (run.stamp > 0)
            error = flush_run_append(out, &run);
    }
    return error;
}

/* Appends all submitted stamps as runs. Neighbouring spaces with the same stamps share theirs. */
static int append_all(const struct flushed *f, struct buf *out)
{
    size_t row = f->n * sizeof *f->coming;
    int error = 0;
    for (unsigned s = 0, end; !error && s < SPACES_CLIENTS; s = end) {
        for (end = s + 1;
             end < SPACES_CLIENTS && memcmp(f->coming + s * f->n, f->coming + end * f->n, row) == 0;
             end++)
            ;
        error = append_row(f, (uint8_t)s, (uint8_t)(end - 1), out);
    }
    return error;
}

int flushed_announce(struct flushed *f, const struct flush_run *run, struct buf *out)
{
    int error = room(f, &run->area);
    if (error)
        return error;
    raise_in(f, f->coming, run);
    return append_all(f, out);
}

int flushed_reserve(struct flushed *f, struct slice runs)
{
    struct flush_run run;
    int got, error = 0;
    while (!error && (got = flush_run_next(&runs, &run)) != 0)
        error = got < 0 ? ERR_CORRUPT : room(f, &run.area);
    return error;
}

bool flushed_take(struct flushed *f, struct slice runs)
{
    struct flush_run run;
    bool raised = false;
    while (flush_run_next(&runs, &run) == 1) {
        raised |= raise_in(f, f->durable, &run);
        raise_in(f, f->coming, &run);
        f->greatest = run.stamp > f->greatest ? run.stamp : f->greatest;
    }
    return raised;
}
