/* compact_jobs.c: what compaction does on the keeper's thread: it reads a chunk of the victim and
 * takes it apart, writes and syncs the copies, unlinks a file.
 *
 * A job works on what the loop left for it in struct compact, and sees nothing of the table. When
 * the job is done the loop takes up what it read or wrote, or its error (c->error). The keeper
 * rests as long as a chunk made it work.
 *
 * A chunk ends with its last complete record; a record that is larger than a chunk is read alone.
 * Damage inside is passed over and noted in c->bad. With more stretches of it than fit there the
 * chunk ends early, and the next one begins there. */
#include "store/log/compact_inner.h"

#include <stdio.h>

#include "base/array.h"
#include "base/check.h"
#include "base/error.h"

/* ---- Reading ---- */

/* Rests as long as the last chunk took of this thread, so that half of the disk and of the
 * processor is left to others. The time that the loop took for the chunk does not count: a busy
 * loop has more to compact, not less. */
static void rest(struct compact *c, struct keeper *k)
{
    if (!c->urgent)
        keeper_pause(k, c->worked_us);
    c->worked_us = 0;
}

static int item_add(struct compact *c, const struct record_view *v, uint32_t at)
{
    struct compact_item *item = array_room(c->item, c->item_n, &c->item_cap, sizeof *item);
    CHECK(at >= c->at && at - c->at + v->size <= c->chunk.n);
    if (!item)
        return ERR_NO_MEMORY;
    c->item = item;
    c->item[c->item_n++] =
        (struct compact_item){.view = *v, .at = at, .from = {at, c->victim->ordinal}};
    return 0;
}

/* Fills the chunk with n bytes at c->at, or with what is left of the victim up to where it was
 * published: behind a cut the file may go on with what was never acknowledged. */
static int chunk_fill(struct compact *c, uint32_t n)
{
    CHECK(c->at >= SEGMENT_HEADER && c->at < c->victim->published);
    uint32_t left = c->victim->published - c->at;
    c->chunk.n = 0;
    int error = buf_reserve(&c->chunk, n < left ? n : left);
    if (error)
        return error;
    ssize_t got = segment_read(c->victim, c->io, c->chunk.p, n < left ? n : left, c->at, 0);
    if (got <= 0)
        return ERR_IO; /* 0: the file is shorter than it was */
    c->chunk.n = (size_t)got;
    return 0;
}

/* Notes damage at the offset *at of the chunk, and passes over it. False when no more can be noted
 * of this chunk. */
static bool pass_over(struct compact *c, size_t *at)
{
    if (c->bad_n == COMPACT_BAD)
        return false;
    struct slice rest_of = slice_of(c->chunk.p + *at, c->chunk.n - *at);
    struct damage_finding f = damage_look(rest_of);
    size_t skip = f.size ? f.size : segment_resync(rest_of);
    uint32_t from = c->at + (uint32_t)*at;
    CHECK(skip <= rest_of.n);
    *at += skip ? skip : rest_of.n;
    c->bad[c->bad_n++] = (struct lost){.slot = f.slot,
                                       .any = f.size == 0,
                                       .none = f.state,
                                       .segment = c->victim->ordinal,
                                       .from = from,
                                       .to = c->at + (uint32_t)*at};
    return true;
}

/* Lists the complete records of the chunk, and the stretches that are no record. ERR_INCOMPLETE
 * when the first record is larger than the chunk. */
static int chunk_list(struct compact *c)
{
    bool more = c->at + c->chunk.n < c->victim->published;
    size_t at = 0;
    while (at < c->chunk.n) {
        struct record_view v;
        int n = record_decode(slice_of(c->chunk.p + at, c->chunk.n - at), &v);
        if (n == ERR_INCOMPLETE && more && at > 0)
            break;
        if (n == ERR_INCOMPLETE && more && c->chunk.n < RECORD_MAX)
            return n;
        if (n < 0 && pass_over(c, &at))
            continue;
        if (n < 0)
            break;
        bool mark = v.record.kind == RECORD_STATE && slice_eq(v.record.key, MARK_NAME);
        int error = mark ? 0 : item_add(c, &v, c->at + (uint32_t)at);
        if (error)
            return error;
        at += (size_t)n;
    }
    c->chunk_end = c->at + (uint32_t)at;
    CHECK(c->chunk_end <= c->victim->published);
    return 0;
}

void compact_read_chunk(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    rest(c, k);
    uint64_t began_us = keeper_clock_us();
    c->item_n = c->next = c->bad_n = 0;
    c->error = chunk_fill(c, CHUNK_BYTES);
    if (!c->error)
        c->error = chunk_list(c);
    if (c->error == ERR_INCOMPLETE) {
        c->error = chunk_fill(c, RECORD_MAX);
        if (!c->error)
            c->error = chunk_list(c);
    }
    c->worked_us = keeper_clock_us() - began_us;
}

/* ---- Copying ---- */

/* A copy says what the record is by now: a value that a flush covers, or that has lapsed, is a
 * tombstone. */
static int gather_one(struct compact *c, struct compact_item *item)
{
    const struct record *was = &item->view.record;
    const struct index_item *is = &item->held;
    item->to.offset = (uint32_t)c->copy.n;
    if (item->standing == STANDING_LIVE && is->kind == RECORD_TOMBSTONE &&
        was->kind != RECORD_TOMBSTONE)
        return record_encode(&c->copy, &(struct record){.kind = RECORD_TOMBSTONE,
                                                        .version = is->version,
                                                        .expiry_ms = is->expiry_ms,
                                                        .key = was->key});
    return buf_slice(&c->copy, slice_of(c->chunk.p + (item->at - c->at), item->view.size));
}

/* Gathers the records to copy; their offsets count from the first byte of the copy. */
static int gather_copies(struct compact *c)
{
    c->copy.n = 0;
    for (uint32_t i = 0; i < c->item_n; i++) {
        int error = c->item[i].standing == STANDING_DEAD ? 0 : gather_one(c, &c->item[i]);
        if (error)
            return error;
    }
    return 0;
}

/* The segment that the copies go to: the output, or a fresh one where that is full. NULL after an
 * error. */
static struct segment *destination(struct compact *c)
{
    struct segment *s = c->fresh ? c->fresh : c->output;
    CHECK(!s || (s->base == SEGMENT_COPIES && !s->ended));
    if (s && (s->end == SEGMENT_HEADER || s->end + c->copy.n <= c->segment_bytes))
        return s;
    c->error = s ? segment_seal(s, c->io) : 0;
    if (!c->error)
        c->error =
            segments_create(&c->segments->numbers, c->dir, s, SEGMENT_COPIES, c->io, &c->fresh);
    return c->error ? NULL : c->fresh;
}

static uint32_t try_copy(struct compact *c)
{
    uint32_t base = 0;
    struct segment *s = destination(c);
    if (s)
        c->error = segment_append(s, c->io, buf_view(&c->copy), false, 0, &base);
    if (!c->error)
        c->error = segment_sync(s, c->io, s->end);
    CHECK(c->error || base + c->copy.n == atomic_load(&s->synced));
    return base;
}

static void copy_gathered(struct compact *c)
{
    uint32_t base = try_copy(c);
    if (c->error == ERR_NO_SPACE && reserve_release(c->reserve))
        base = try_copy(c);
    for (uint32_t i = 0; i < c->item_n; i++)
        c->item[i].to.offset += base;
}

void compact_copy_chunk(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    uint64_t began_us = keeper_clock_us();
    (void)k;
    c->error = gather_copies(c);
    if (!c->error)
        copy_gathered(c);
    c->worked_us += keeper_clock_us() - began_us;
}

/* ---- Unlinking ---- */

void compact_unlink_file(struct keeper *k, void *arg)
{
    struct compact *c = arg;
    char name[SEGMENT_NAME], aside[SEGMENT_NAME];
    (void)k;
    CHECK(c->gone->reads == 0);
    segment_name(c->gone->number, name);
    snprintf(aside, sizeof aside, "damaged-%08u.log", (unsigned)c->gone->number);
    int failed = c->gone->aside ? c->io->renameat(c->dir, name, c->dir, aside)
                                : c->io->unlinkat(c->dir, name, 0);
    c->error = failed || c->io->fsync(c->dir) != 0 ? ERR_IO : 0;
    if (!c->error) /* closing gives back pages and blocks, which the loop must not wait for */
        segment_close_file(c->gone);
}
