/* snapshot_load.c: the index from a snapshot: the footer is read first, then the arcs, half of them
 * on a second thread. snapshot.c has the format. */
#include "store/log/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/helper.h"
#include "wire/bytes.h"

/* A reader of the footer: takes bytes off its front. */
struct cursor {
    const uint8_t *p, *end;
    bool bad; /* more was taken than there was */
};

static const uint8_t *take(struct cursor *c, uint64_t n)
{
    const uint8_t *p = c->p;
    if (c->bad || n > (uint64_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    c->p += n;
    return p;
}

static uint32_t take_u32(struct cursor *c)
{
    const uint8_t *p = take(c, 4);
    return p ? get_u32(p) : 0;
}

/* ---- The file ---- */

static int read_at(const struct snapshot_load *l, int fd, void *p, size_t n, uint64_t at)
{
    ssize_t got = log_io_read(l->io, fd, p, n, (off_t)at, 0);
    return got < 0 ? ERR_IO : (size_t)got < n ? ERR_CORRUPT : 0;
}

/* Reads header and footer and checks both. */
static int read_frame(struct snapshot_load *l, int fd, uint8_t header[SNAPSHOT_HEADER],
                      struct buf *footer)
{
    struct stat st;
    uint8_t trailer[SNAPSHOT_TRAILER];
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    l->bytes = (uint64_t)st.st_size;
    if (l->bytes < SNAPSHOT_HEADER + SNAPSHOT_TRAILER)
        return ERR_CORRUPT;
    int error = read_at(l, fd, header, SNAPSHOT_HEADER, 0);
    if (!error)
        error = read_at(l, fd, trailer, SNAPSHOT_TRAILER, l->bytes - SNAPSHOT_TRAILER);
    if (error)
        return error;
    uint64_t at = get_u64(trailer), n = get_u64(trailer + 8);
    l->format = get_u32(header + 8);
    if (memcmp(header, "COVEYIDX", 8) == 0 && l->format != SNAPSHOT_FORMAT)
        return ERR_BAD_FORMAT; /* another format may differ from here on */
    if (memcmp(header, "COVEYIDX", 8) != 0 || get_u32(header + 12) != index_entry_bytes() ||
        get_u64(header + 56) != hash_bytes(slice_of(header, 56)) ||
        memcmp(trailer + 24, "COVEYEND", 8) != 0 || n > SNAPSHOT_FOOTER_MAX || at > l->bytes ||
        at + n + SNAPSHOT_TRAILER != l->bytes)
        return ERR_CORRUPT;
    error = buf_reserve(footer, n);
    if (!error)
        error = read_at(l, fd, footer->p, n, at);
    footer->n = n;
    return error ? error : hash_bytes(buf_view(footer)) == get_u64(trailer + 16) ? 0 : ERR_CORRUPT;
}

/* ---- The footer ---- */

static int load_nodes(struct snapshot_load *l, struct cursor *c)
{
    uint32_t n = take_u32(c);
    for (uint32_t i = 1; i <= n; i++) {
        const uint8_t *p = take(c, 8);
        if (!p || nodes_number(&l->table->index.nodes, get_u64(p)) != (int)i)
            return ERR_CORRUPT;
    }
    return 0;
}

/* One segment of the footer: if it is in the directory it gets its ordinal, and its tail begins
 * where the snapshot is complete. */
static int load_segment(struct snapshot_load *l, const uint8_t *p)
{
    struct stat st;
    uint32_t number = get_u32(p), ordinal = get_u32(p + 12), complete_to = get_u32(p + 16),
             named_to = get_u32(p + 20);
    struct segment *s = segments_numbered(l->found, l->found_n, number);
    l->greatest = number > l->greatest ? number : l->greatest;
    if (!s)
        return 0; /* compacted since, or lost: the list of segments says which (replay.c) */
    bool taken = ordinal < l->segments->ordinal_n && l->segments->of[ordinal];
    if (s->id != get_u64(p + 4) || ordinal > SEGMENTS_MAX || taken ||
        segments_have(l->segments, s) || complete_to < SEGMENT_HEADER || named_to < complete_to)
        return ERR_CORRUPT;
    if (fstat(s->fd, &st) != 0 || st.st_size < (off_t)named_to)
        return ERR_CORRUPT;
    int error = segments_add_at(l->segments, s, (uint16_t)ordinal);
    if (!error)
        error = tally_room(&l->table->tallies, (uint16_t)ordinal);
    if (error)
        return error;
    s->end = s->published = s->covered.complete_to = complete_to;
    s->covered.named_to = named_to;
    l->table->tallies.of[ordinal].all = get_u64(p + 24);
    l->table->tallies.of[ordinal].others = get_u64(p + 32);
    return 0;
}

static int load_segments(struct snapshot_load *l, struct cursor *c)
{
    uint32_t n = take_u32(c);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = take(c, SNAPSHOT_SEGMENT);
        int error = p ? load_segment(l, p) : ERR_CORRUPT;
        if (error)
            return error;
    }
    return 0;
}

static int load_states(struct snapshot_load *l, struct cursor *c)
{
    uint32_t n = take_u32(c);
    for (uint32_t i = 0; i < n; i++) {
        struct record_view v;
        uint32_t ordinal = take_u32(c), offset = take_u32(c);
        int size =
            c->bad ? ERR_CORRUPT : record_decode(slice_of(c->p, (size_t)(c->end - c->p)), &v);
        if (size < 0 || v.record.kind != RECORD_STATE)
            return ERR_CORRUPT;
        take(c, (uint64_t)size);
        if (ordinal >= l->segments->ordinal_n || !l->segments->of[ordinal])
            continue; /* its segment is gone: a newer record of the state is in the tail */
        uint64_t all = l->table->tallies.of[ordinal].all; /* which counts the record already */
        int error = table_replay(l->table, &v, (uint16_t)ordinal, offset);
        l->table->tallies.of[ordinal].all = all;
        if (error)
            return error;
    }
    return 0;
}

/* ---- The arcs ---- */

/* What one thread loads: the arcs from..to. */
struct half {
    const struct snapshot_load *l;
    const uint8_t *arcs; /* of the footer */
    int fd;
    uint32_t from, to;
    struct index index; /* a copy, for the counts; the arcs are the table's own */
    struct index_image_segments segments;
    int error;
};

static int load_arc(struct half *h, uint32_t arc, struct buf *image)
{
    const uint8_t *p = h->arcs + (size_t)arc * 24;
    uint64_t at = get_u64(p), checksum = get_u64(p + 8), n = get_u64(p + 16);
    if (n == 0)
        return 0;
    if (n > h->l->bytes || at > h->l->bytes)
        return ERR_CORRUPT;
    image->n = 0;
    int error = buf_reserve(image, n);
    if (!error)
        error = read_at(h->l, h->fd, image->p, n, at);
    if (!error && hash_bytes(slice_of(image->p, n)) != checksum)
        error = ERR_CORRUPT;
    return error ? error : index_image_read(&h->index, arc, slice_of(image->p, n), &h->segments);
}

static void *load_half(void *arg)
{
    struct half *h = arg;
    struct buf image;
    buf_init(&image, SIZE_MAX / 2); /* what is read is no larger than the file */
    for (uint32_t i = h->from; i < h->to && !h->error; i++)
        h->error = load_arc(h, i, &image);
    buf_close(&image);
    return NULL;
}

static int half_init(struct half *h, struct snapshot_load *l, int fd, const uint8_t *arcs,
                     const bool *known)
{
    *h = (struct half){.l = l, .fd = fd, .arcs = arcs, .index = l->table->index};
    h->index.records = h->index.key_bytes = h->index.bytes = 0;
    h->segments = (struct index_image_segments){.known = known, .n = l->segments->ordinal_n};
    h->segments.tally = calloc(l->table->tallies.n, sizeof *h->segments.tally);
    return h->segments.tally ? 0 : ERR_NO_MEMORY;
}

static void half_add(struct half *h, struct snapshot_load *l)
{
    struct index *ix = &l->table->index;
    index_inherit(ix, &h->index);
    ix->records += h->index.records;
    ix->key_bytes += h->index.key_bytes;
    ix->bytes += h->index.bytes;
    for (uint32_t i = 0; i < l->segments->ordinal_n; i++)
        l->table->tallies.of[i].live += h->segments.tally[i].live;
}

static int load_halves(struct snapshot_load *l, int fd, const uint8_t *arcs, const bool *known)
{
    struct half half[2];
    pthread_t thread;
    uint32_t arc_n = l->table->index.arc_n;
    int error = half_init(&half[0], l, fd, arcs, known);
    if (half_init(&half[1], l, fd, arcs, known) != 0 || error) {
        error = ERR_NO_MEMORY;
    } else {
        half[0].to = half[1].from = arc_n / 2;
        half[1].to = arc_n;
        bool second = helper_start(&thread, load_half, &half[1]) == 0;
        load_half(&half[0]);
        if (second)
            pthread_join(thread, NULL);
        else
            load_half(&half[1]);
        error = half[0].error ? half[0].error : half[1].error;
        half_add(&half[0], l);
        half_add(&half[1], l);
    }
    free(half[0].segments.tally);
    free(half[1].segments.tally);
    return error;
}

static int load_arcs(struct snapshot_load *l, int fd, const uint8_t *arcs)
{
    bool *known = calloc(l->segments->ordinal_n + 1, sizeof *known);
    if (!known)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < l->segments->ordinal_n; i++)
        known[i] = l->segments->of[i] != NULL;
    int error = load_halves(l, fd, arcs, known);
    free(known);
    return error;
}

static int load_floors(struct snapshot_load *l, struct cursor *c)
{
    size_t n = (size_t)l->table->floors.n * 8;
    const uint8_t *p = take(c, n);
    if (!p)
        return ERR_CORRUPT;
    floors_take(&l->table->floors, slice_of(p, n));
    return 0;
}

/* ---- All of it ---- */

static int load(struct snapshot_load *l, int fd, struct buf *footer)
{
    uint8_t header[SNAPSHOT_HEADER];
    int error = read_frame(l, fd, header, footer);
    if (error)
        return error;
    uint32_t arc_n = get_u32(header + 24);
    if (arc_n == 0 || arc_n > VNODES_MAX || (arc_n & (arc_n - 1)) != 0)
        return ERR_CORRUPT;
    index_close(&l->table->index);
    error = index_init(&l->table->index, arc_n, get_u64(header + 16));
    if (!error)
        error = forest_cut(&l->table->forest, arc_n); /* a tree is built when it is asked for */
    if (!error)
        error = floors_cut(&l->table->floors, arc_n);
    struct cursor c = {footer->p, footer->p + footer->n, false};
    const uint8_t *arcs = take(&c, (uint64_t)arc_n * 24);
    if (!error)
        error = arcs ? load_nodes(l, &c) : ERR_CORRUPT;
    if (!error)
        error = load_segments(l, &c);
    if (!error)
        error = load_states(l, &c);
    if (!error)
        error = load_floors(l, &c);
    return error ? error : load_arcs(l, fd, arcs);
}

int snapshot_load(struct snapshot_load *l)
{
    struct buf footer;
    int fd = openat(l->dir, SNAPSHOT_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    buf_init(&footer, SNAPSHOT_FOOTER_MAX);
    int error = load(l, fd, &footer);
    buf_close(&footer);
    close(fd);
    return error;
}
