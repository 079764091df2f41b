/* Snapshots of the index.
 *
 *     header, 64 bytes little-endian
 *         "COVEYIDX" | u32 format | u32 bytes of an entry | u64 seed of the index's hash
 *         u32 arcs | 28 bytes of zero | u64 checksum of the 56 bytes before
 *     images of arcs (store/index/index_image.c), back to back
 *     footer
 *         of each arc:   u64 offset of its image | u64 checksum | u64 bytes
 *         u32 count, then the node ids in the order of their small numbers: u64 each
 *         u32 count, then the segments:
 *             u32 number | u64 id | u32 ordinal | u32 complete_to | u32 named_to
 *             u64 tally: all | u64 tally: others
 *         u32 count, then the state records: u32 ordinal | u32 offset | the record
 *         the floors, as many as arcs: u64 each
 *     trailer, 32 bytes
 *         u64 offset of the footer | u64 its bytes | u64 its checksum | "COVEYEND"
 *
 * A snapshot is written in parts:
 *
 *     REST --> WRITE: some arcs --> WRITE ... --> END: the footer, a sync, the name --> REST
 *
 * **Taken while the store works.** The loop copies one arc or a few in a turn, so each arc is as of
 * a moment of its own. That does no harm. `complete_to` of a segment is what was in the index when
 * the first arc was copied: the snapshot has all records before that offset, or a later version of
 * their keys. A start replays every segment from there on, by version. What a late arc already has
 * of that tail is met again, and changes nothing.
 *
 * **Never ahead of the log.** An arc may name a record that the sync of interval mode has not
 * reached. So all that was published when the last arc was copied (`named_to`) is synced before the
 * snapshot gets its name. A start that finds a segment shorter than its named_to does without the
 * snapshot.
 *
 * **It may be old.** Compaction goes on after a snapshot was taken, and removes segments that it
 * names. A start drops each entry whose segment is gone. No record is lost with such an entry. If
 * the record counted when the segment went, compaction had copied it. It did so after the snapshot
 * was taken: else the entry would name the copy, for compaction rests while a snapshot is taken,
 * and what was copied by then is published. So the copy stands in the tail. Hence a segment may be
 * unlinked without a new snapshot, and no snapshot is ever wrong.
 *
 *     moment                 segment 1   2    3    the snapshot says       a start finds k by
 *     snapshot of k          k1          -    -    k in 1                  the snapshot
 *     compaction moved k     k1          -    k1   k in 1                  either: the same version
 *     segment 1 is gone                  -    k1   k in 1: dropped         the tail: segment 3
 *
 * A snapshot that is damaged (a checksum, a reference out of bounds) or of another format is passed
 * over, and the whole log is read. */
#include "store/log/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/phase.h"
#include "wire/bytes.h"

enum {
    /* A tail of this size is read in a quarter of a second. */
    SNAPSHOT_LEAST_BYTES = 64 * 1024 * 1024,
    /* Small arcs go together up to this: 50 us of copying. */
    PART_BYTES = 256 * 1024,
    /* A larger arc is not written: it would have twenty million keys. */
    PART_MAX = 1024 * 1024 * 1024,
    /* The file is synced once in so many bytes: so a sync of the log never waits behind half a
     * gigabyte. */
    SYNC_BYTES = 8 * 1024 * 1024,
};

static const uint32_t next_phase[] = {
    [SNAPSHOT_REST] = PHASE(SNAPSHOT_WRITE) | PHASE(SNAPSHOT_REST),
    [SNAPSHOT_WRITE] = PHASE(SNAPSHOT_WRITE) | PHASE(SNAPSHOT_END) | PHASE(SNAPSHOT_REST),
    [SNAPSHOT_END] = PHASE(SNAPSHOT_REST),
};

void snapshot_init(struct snapshot *s)
{
    s->fd = -1;
    buf_init(&s->part, PART_MAX);
}

void snapshot_close(struct snapshot *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    buf_close(&s->part);
    free(s->arc);
    s->arc = NULL;
}

bool snapshot_due(const struct snapshot *s)
{
    uint64_t least = s->least_bytes ? s->least_bytes : SNAPSHOT_LEAST_BYTES;
    /* so that snapshots at most double what is written */
    uint64_t wanted = s->last_bytes > least ? s->last_bytes : least;
    return s->table->tallies.written - s->written >= wanted;
}

int snapshot_remove(int dir, const struct log_io *io)
{
    if (io->unlinkat(dir, SNAPSHOT_NAME, 0) != 0)
        return errno == ENOENT ? 0 : ERR_IO;
    return io->fsync(dir) ? ERR_IO : 0;
}

/* ---- On the keeper's thread ---- */

/* Appends the part to the file. */
static int write_part(struct snapshot *s)
{
    struct iovec iov = {s->part.p, s->part.n};
    int error = log_io_write(s->io, s->fd, &iov, 1, (off_t)s->at);
    if (error)
        return error;
    s->at += s->part.n;
    s->unsynced += s->part.n;
    if (s->unsynced < SYNC_BYTES)
        return 0;
    s->unsynced = 0;
    return s->io->fdatasync(s->fd) ? log_io_error(errno) : 0;
}

static int create(struct snapshot *s)
{
    s->fd = openat(s->dir, SNAPSHOT_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return s->fd < 0 ? log_io_error(errno) : 0;
}

static void write_arcs(struct keeper *k, void *arg)
{
    struct snapshot *s = arg;
    uint64_t began_us = keeper_clock_us();
    size_t at = s->from == 0 ? SNAPSHOT_HEADER : 0; /* the header goes with the first arcs */
    for (uint32_t i = s->from; i < s->to; i++) {
        struct snapshot_arc *a = &s->arc[i];
        a->at = s->at + at;
        a->checksum = hash_bytes(slice_of(s->part.p + at, a->bytes));
        at += a->bytes;
    }
    CHECK(at == s->part.n);
    s->error = s->fd < 0 ? create(s) : 0;
    if (!s->error)
        s->error = write_part(s);
    keeper_pause(k, keeper_clock_us() - began_us);
}

/* Makes all durable that the arcs may name, then the snapshot, then its name. */
static int end(struct snapshot *s)
{
    int error = 0;
    for (uint32_t i = 0; i < s->lagging_n && !error; i++)
        error = segment_sync(s->lagging[i], s->io, s->lagging[i]->covered.named_to);
    if (!error)
        error = write_part(s);
    if (error)
        return error;
    if (s->io->fdatasync(s->fd) != 0 ||
        s->io->renameat(s->dir, SNAPSHOT_NEW, s->dir, SNAPSHOT_NAME) != 0 ||
        s->io->fsync(s->dir) != 0)
        return log_io_error(errno);
    return 0;
}

static void write_end(struct keeper *k, void *arg)
{
    struct snapshot *s = arg;
    (void)k;
    s->error = end(s);
}

/* ---- On the loop ---- */

static void put_header(const struct snapshot *s, struct buf *out)
{
    uint8_t *p = out->p + out->n;
    memset(p, 0, SNAPSHOT_HEADER);
    memcpy(p, "COVEYIDX", 8);
    put_u32(p + 8, SNAPSHOT_FORMAT);
    put_u32(p + 12, (uint32_t)index_entry_bytes());
    put_u64(p + 16, s->table->index.seed);
    put_u32(p + 24, s->arc_n);
    put_u64(p + 56, hash_bytes(slice_of(p, 56)));
    out->n += SNAPSHOT_HEADER;
}

static int begin(struct snapshot *s)
{
    CHECK(s->fd < 0 && !s->arc);
    s->arc_n = s->table->index.arc_n;
    s->arc = calloc(s->arc_n, sizeof *s->arc);
    s->from = s->to = 0;
    s->at = s->unsynced = 0;
    s->written = s->table->tallies.written;
    s->part.n = 0;
    if (!s->arc || buf_reserve(&s->part, SNAPSHOT_HEADER) != 0)
        return ERR_NO_MEMORY;
    put_header(s, &s->part);
    uint32_t i = 0;
    for (struct segment *one; (one = segments_next(s->segments, &i)) != NULL;) {
        const struct tally *t = &s->table->tallies.of[one->ordinal];
        one->covered =
            (struct covered){.complete_to = one->published, .all = t->all, .others = t->others};
    }
    return 0;
}

/* Copies the next arcs into the part. */
static int copy_arcs(struct snapshot *s)
{
    s->from = s->to;
    for (; s->to < s->arc_n && s->part.n < PART_BYTES; s->to++) {
        s->arc[s->to].bytes = index_image_bytes(&s->table->index, s->to);
        int error = s->arc[s->to].bytes ? index_image_write(&s->table->index, s->to, &s->part) : 0;
        if (error)
            return error;
    }
    CHECK(s->from < s->to);
    return 0;
}

static int put_segments(const struct snapshot *s, struct buf *out)
{
    uint32_t n = s->segments->n - s->segments->leaving;
    int error = buf_reserve(out, 4 + (size_t)n * SNAPSHOT_SEGMENT);
    if (error)
        return error;
    uint8_t *p = put_u32(out->p + out->n, n);
    uint32_t i = 0;
    for (struct segment *one; (one = segments_next(s->segments, &i)) != NULL;) {
        struct covered *has = &one->covered;
        if (one->phase != SEGMENT_USED)
            continue;
        if (has->complete_to == 0) /* the segment was made since the snapshot began */
            has->complete_to = SEGMENT_HEADER;
        has->named_to = one->published;
        CHECK(has->complete_to <= has->named_to);
        p = put_u32(put_u64(put_u32(p, one->number), one->id), one->ordinal);
        p = put_u32(put_u32(p, has->complete_to), has->named_to);
        p = put_u64(put_u64(p, has->all), has->others);
        n--;
    }
    CHECK(n == 0);
    out->n = (size_t)(p - out->p);
    return 0;
}

/* Finds the segments that are to be synced before the snapshot gets its name. ERR_BUSY: there are
 * too many. */
static int find_lagging(struct snapshot *s)
{
    uint32_t i = 0;
    s->lagging_n = 0;
    for (struct segment *one; (one = segments_next(s->segments, &i)) != NULL;) {
        if (one->phase != SEGMENT_USED || atomic_load(&one->synced) >= one->published)
            continue;
        if (s->lagging_n == SNAPSHOT_LAGGING)
            return ERR_BUSY;
        s->lagging[s->lagging_n++] = one;
    }
    return 0;
}

static int put_states(const struct snapshot *s, struct buf *out)
{
    uint32_t n = 0;
    for (const struct state *one = s->table->states; one; one = one->next)
        n++;
    int error = buf_reserve(out, 4);
    if (error)
        return error;
    put_u32(out->p + out->n, n);
    out->n += 4;
    for (const struct state *one = s->table->states; one && !error; one = one->next) {
        struct record r = {.kind = RECORD_STATE,
                           .version = one->version,
                           .key = state_name(one),
                           .value = state_value(one)};
        error = buf_reserve(out, 8);
        if (error)
            break;
        put_u32(put_u32(out->p + out->n, one->segment), one->offset);
        out->n += 8;
        error = record_encode(out, &r);
    }
    return error;
}

static int put_footer(const struct snapshot *s, struct buf *out)
{
    const struct nodes *nodes = &s->table->index.nodes;
    int error = buf_reserve(out, (size_t)s->arc_n * 24 + 4 + (size_t)nodes->n * 8);
    if (error)
        return error;
    uint8_t *p = out->p + out->n;
    for (uint32_t i = 0; i < s->arc_n; i++)
        p = put_u64(put_u64(put_u64(p, s->arc[i].at), s->arc[i].checksum), s->arc[i].bytes);
    p = put_u32(p, nodes->n - 1);
    for (uint32_t i = 1; i < nodes->n; i++)
        p = put_u64(p, nodes->id[i]);
    out->n = (size_t)(p - out->p);
    error = put_segments(s, out);
    if (!error)
        error = put_states(s, out);
    return error ? error : floors_append(&s->table->floors, out);
}

static int prepare_end(struct snapshot *s)
{
    s->part.n = 0;
    int error = put_footer(s, &s->part);
    if (!error)
        error = find_lagging(s);
    if (!error)
        error = buf_reserve(&s->part, SNAPSHOT_TRAILER);
    if (error)
        return error;
    uint64_t checksum = hash_bytes(buf_view(&s->part)), n = s->part.n;
    uint8_t *p = put_u64(put_u64(put_u64(s->part.p + s->part.n, s->at), n), checksum);
    memcpy(p, "COVEYEND", 8);
    s->part.n += SNAPSHOT_TRAILER;
    return 0;
}

static void ask(struct snapshot *s, enum snapshot_phase phase,
                void (*run)(struct keeper *k, void *arg))
{
    phase_enter(&s->phase, phase, next_phase);
    keeper_ask(s->keeper, run, s);
}

static void finish(struct snapshot *s, int error)
{
    s->error = error;
    s->last_bytes = error ? s->last_bytes : s->at;
    s->taken += error == 0;
    phase_enter(&s->phase, SNAPSHOT_REST, next_phase);
    snapshot_close(s);
}

/* Has the keeper write the next part: some arcs, or the end. After an error nothing was asked. */
static int next_part(struct snapshot *s)
{
    CHECK(s->from <= s->to && s->to <= s->arc_n);
    if (s->arc_n != s->table->index.arc_n)
        return ERR_BUSY; /* the ring was cut anew: what was copied is of no use */
    bool last = s->to == s->arc_n;
    int error = last ? prepare_end(s) : copy_arcs(s);
    if (!error)
        ask(s, last ? SNAPSHOT_END : SNAPSHOT_WRITE, last ? write_end : write_arcs);
    return error;
}

void snapshot_step(struct snapshot *s)
{
    int error = 0;
    if (s->keeper->busy && !keeper_done(s->keeper))
        return;
    if (s->phase == SNAPSHOT_END) {
        finish(s, s->error);
        return;
    }
    if (s->phase == SNAPSHOT_REST) {
        error = begin(s);
    } else {
        error = s->error;
        s->part.n = 0;
    }
    if (!error)
        error = next_part(s);
    if (error)
        finish(s, error);
}
