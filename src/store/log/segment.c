/* Segments: the files of the log.
 *
 *     header, 64 bytes little-endian
 *         "COVEYSEG" | u32 format (3) | u32 number | u64 id, random
 *         u32 number of the segment written before, 0: none | u32 where that one ends
 *         u64 base | 16 bytes of zero | u64 XXH3-64 of the 56 bytes before
 *     records (wire/record.h), back to back; among them sync marks
 *     zeros, perhaps
 *
 * **Zeros ahead.** Appending grows the file, and then each fdatasync must also write the file
 * system's journal for the new size. Writing zeros AHEAD_BYTES beyond the end, once in AHEAD_BYTES,
 * makes nearly every later sync one of data alone.
 *
 * **Sync marks.** After a crash the end of the log may be torn, and that is no fault: nothing there
 * was acknowledged. But a damaged record among synced ones is a fault, and to cut the log there
 * would drop acknowledged records without a word. What distinguishes the two? "Valid records
 * follow, so it is damage" is wrong: the pages of one group reach the disk in any order, so after a
 * loss of power a good record may follow a torn one. So the log says itself how far it was synced.
 * A mark is a state record of the name "log.synced". Its stamp is the number of bytes that were
 * durable when it was written; its node is the segment's id, for a stored value may well contain
 * another log's bytes. Each group begins with a mark when there was a sync since the last one.
 *
 *     at offset o      a mark behind it            then it is
 *     a bad record     vouches for more than o     damage
 *     a bad record     there is none such          a torn tail, cut at o
 *
 * Damage in the very last synced group goes unnoticed by this. A clean stop writes a last mark
 * against that, and the peers remember this node's log end (core/log_end/log_end.c).
 *
 * A full segment is sealed before the next is made: it is synced, ended with a mark that vouches
 * for all before it, and synced again. The header of the next segment says where it ends. So it is
 * noticed when a segment is cut short later.
 *
 * **After a failed write or sync** nothing is known of what lies behind the last good sync. To try
 * the sync again would give a false answer: the system may have dropped the pages (Rebello et al.
 * 2020, "Can applications recover from fsync failures?"). The segment ends at its last good sync,
 * and what was not synced is written again to the next one. */
#include "store/log/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "wire/bytes.h"

enum {
    /* Once in a MiB the file system's journal is written, which is little; so is a MiB of disk. */
    AHEAD_BYTES = 1024 * 1024,
    ZERO_BYTES = 64 * 1024,
    IOVS = AHEAD_BYTES / ZERO_BYTES,
};

static const char MAGIC[8] = "COVEYSEG";
static const uint8_t zeros[ZERO_BYTES];

void segment_name(uint32_t number, char out[SEGMENT_NAME])
{
    snprintf(out, SEGMENT_NAME, "seg-%08u.log", (unsigned)number);
}

uint32_t segment_number(const char *name)
{
    unsigned number;
    char again[SEGMENT_NAME];
    if (sscanf(name, "seg-%8u.log", &number) != 1)
        return 0;
    segment_name(number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

/* ---- Making and opening ---- */

static struct segment *segment_new(uint32_t number, int fd, const uint8_t header[SEGMENT_HEADER])
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fd = fd;
    s->number = number;
    s->id = get_u64(header + 16);
    s->before = get_u32(header + 24);
    s->before_end = get_u32(header + 28);
    s->base = get_u64(header + 32);
    s->end = s->marked = s->published = SEGMENT_HEADER;
    atomic_init(&s->synced, SEGMENT_HEADER);
    return s;
}

static void header_write(uint8_t header[SEGMENT_HEADER], uint32_t number, uint64_t id,
                         const struct segment *before, uint64_t base)
{
    CHECK(!before || (before->number < number && before->end >= SEGMENT_HEADER));
    memset(header, 0, SEGMENT_HEADER);
    memcpy(header, MAGIC, sizeof MAGIC);
    put_u32(header + 8, SEGMENT_FORMAT);
    put_u32(header + 12, number);
    put_u64(header + 16, id);
    put_u32(header + 24, before ? before->number : 0);
    put_u32(header + 28, before ? before->end : 0);
    put_u64(header + 32, base);
    put_u64(header + 56, hash_bytes(slice_of(header, 56)));
}

/* Writes all of the header under a passing name, so that a crash leaves no segment without one. */
static int create_file(int dir, const char *name, const uint8_t header[SEGMENT_HEADER],
                       const struct log_io *io)
{
    char passing[SEGMENT_NAME];
    snprintf(passing, sizeof passing, "%.12s.new", name);
    int fd = openat(dir, passing, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    struct iovec iov = {(void *)(uintptr_t)header, SEGMENT_HEADER};
    if (log_io_write(io, fd, &iov, 1, 0) != 0 || io->fdatasync(fd) != 0 ||
        io->renameat(dir, passing, dir, name) != 0 || io->fsync(dir) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

uint64_t segment_next_base(const struct segment *s)
{
    CHECK(s->base != SEGMENT_COPIES);
    return s->base + (s->published > s->end ? s->published : s->end);
}

int segment_create(int dir, uint32_t number, const struct segment *before, uint64_t base,
                   const struct log_io *io, struct segment **out)
{
    uint64_t id;
    uint8_t header[SEGMENT_HEADER];
    char name[SEGMENT_NAME];
    CHECK(number > 0);
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return ERR_IO;
    segment_name(number, name);
    header_write(header, number, id, before, base);
    int fd = create_file(dir, name, header, io);
    if (fd < 0)
        return log_io_error(errno);
    *out = segment_new(number, fd, header);
    if (*out)
        return 0;
    close(fd);
    return ERR_NO_MEMORY;
}

static bool sum_holds(const uint8_t header[SEGMENT_HEADER])
{
    return get_u64(header + 56) == hash_bytes(slice_of(header, 56));
}

int segment_header(const uint8_t header[SEGMENT_HEADER], uint32_t number, uint32_t *says)
{
    uint8_t ours[SEGMENT_HEADER];
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return ERR_CORRUPT;
    memcpy(ours, header, sizeof ours);
    put_u32(ours + 8, SEGMENT_FORMAT);
    *says = get_u32(header + 8);
    /* Another format may have its checksum elsewhere. Where ours is right, the field is damaged. */
    if (*says != SEGMENT_FORMAT)
        return sum_holds(ours) ? ERR_CORRUPT : ERR_BAD_FORMAT;
    *says = get_u32(header + 12);
    return !sum_holds(header) ? ERR_CORRUPT : *says != number ? ERR_REFUSED : 0;
}

static int open_file(int dir, uint32_t number)
{
    char name[SEGMENT_NAME];
    segment_name(number, name);
    return openat(dir, name, O_RDWR | O_CLOEXEC);
}

/* Takes the descriptor. 0 or ERR_NO_MEMORY. */
static int open_as(int fd, uint32_t number, const uint8_t header[SEGMENT_HEADER],
                   struct segment **out)
{
    *out = segment_new(number, fd, header);
    if (!*out)
        close(fd);
    return *out ? 0 : ERR_NO_MEMORY;
}

int segment_open(int dir, uint32_t number, struct segment **out, uint32_t *says)
{
    uint8_t header[SEGMENT_HEADER];
    int fd = open_file(dir, number);
    if (fd < 0)
        return ERR_IO;
    ssize_t n = pread(fd, header, sizeof header, 0);
    int error = n < 0                ? ERR_IO
                : n < SEGMENT_HEADER ? ERR_CORRUPT
                                     : segment_header(header, number, says);
    if (!error)
        return open_as(fd, number, header, out);
    close(fd);
    return error;
}

int segment_open_wreck(int dir, uint32_t number, struct segment **out)
{
    static const uint8_t none[SEGMENT_HEADER];
    int fd = open_file(dir, number);
    int error = fd < 0 ? ERR_IO : open_as(fd, number, none, out);
    if (!error)
        (*out)->wreck = (*out)->first = (*out)->aside = (*out)->doubted = true;
    return error;
}

void segment_close_file(struct segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void segment_close(struct segment *s)
{
    if (!s)
        return;
    if (s->fd >= 0 && s->filled > s->end && ftruncate(s->fd, s->end) != 0)
        s->filled = 0; /* it does no harm: a replay takes zeros for the end */
    segment_close_file(s);
    free(s->carried.at);
    free(s);
}

/* ---- Appending ---- */

/* Keeps zeros ahead of the end. Only speed depends on that, so an error is passed over: the next
 * append meets it again if the disk has failed. */
static void fill_ahead(struct segment *s, const struct log_io *io, uint32_t limit)
{
    if (s->end < s->filled || s->end >= limit)
        return;
    struct iovec iov[IOVS];
    int n = 0;
    uint32_t left = limit - s->end < AHEAD_BYTES ? limit - s->end : AHEAD_BYTES;
    uint32_t filled = s->end + left;
    for (; left > 0; n++) {
        uint32_t part = left < ZERO_BYTES ? left : ZERO_BYTES;
        iov[n] = (struct iovec){(void *)(uintptr_t)zeros, part};
        left -= part;
    }
    CHECK(n <= IOVS && filled <= limit);
    if (log_io_write(io, s->fd, iov, n, s->end) == 0)
        s->filled = filled;
}

static void mark_write(const struct segment *s, uint32_t synced, uint8_t mark[MARK_BYTES])
{
    struct record r = {
        .kind = RECORD_STATE, .version = {.stamp = synced, .node = s->id}, .key = MARK_NAME};
    /* a buffer that has all its room allocates nothing */
    struct buf b = {.p = mark, .cap = MARK_BYTES, .max = MARK_BYTES};
    CHECK(record_encode(&b, &r) == 0 && b.n == MARK_BYTES);
}

int segment_append(struct segment *s, const struct log_io *io, struct slice bytes, bool ahead,
                   uint32_t limit, uint32_t *base)
{
    uint8_t mark[MARK_BYTES];
    uint32_t synced = atomic_load(&s->synced), mark_n = 0;
    CHECK(!s->ended && s->end >= SEGMENT_HEADER && synced <= s->end && s->marked <= synced);
    CHECK(bytes.n <= UINT32_MAX - MARK_BYTES - s->end);
    if (synced > s->marked) {
        mark_write(s, synced, mark);
        mark_n = MARK_BYTES;
    }
    if (atomic_load(&s->broken))
        return ERR_IO;
    struct iovec iov[2] = {{mark, mark_n}, {(void *)(uintptr_t)bytes.p, bytes.n}};
    int error = log_io_write(io, s->fd, iov, 2, s->end);
    if (error)
        return error;
    if (mark_n > 0) {
        s->marked = synced;
        s->mark_end = s->end + MARK_BYTES;
    }
    *base = s->end + mark_n;
    s->end = *base + (uint32_t)bytes.n;
    CHECK(s->mark_end <= *base && s->marked <= s->end);
    if (ahead)
        fill_ahead(s, io, limit);
    return 0;
}

int segment_sync(struct segment *s, const struct log_io *io, uint32_t end)
{
    CHECK(end >= SEGMENT_HEADER);
    if (atomic_load(&s->broken))
        return ERR_IO;
    if (io->fdatasync(s->fd) != 0) {
        atomic_store(&s->broken, true);
        return ERR_IO; /* also where the disk is full: what was not written is unknown */
    }
    /* the keeper, for a snapshot, may sync what the committer syncs: the greater end stands */
    uint32_t synced = atomic_load(&s->synced);
    while (synced < end && !atomic_compare_exchange_weak(&s->synced, &synced, end))
        continue;
    CHECK(atomic_load(&s->synced) >= end);
    return 0;
}

int segment_seal(struct segment *s, const struct log_io *io)
{
    uint32_t base;
    if (s->end == SEGMENT_HEADER || (s->mark_end == s->end && s->marked == s->end - MARK_BYTES))
        return 0;
    int error = segment_sync(s, io, s->end);
    if (!error)
        error = segment_append(s, io, slice_of(NULL, 0), false, 0, &base);
    if (!error && s->filled > s->end && ftruncate(s->fd, s->end) != 0)
        error = log_io_error(errno);
    if (error)
        return error;
    s->filled = 0;
    CHECK(s->mark_end == s->end && s->marked == s->end - MARK_BYTES);
    return segment_sync(s, io, s->end);
}

void segment_cut(struct segment *s)
{
    if (s->ended)
        return; /* what follows its end may be anything */
    CHECK(atomic_load(&s->synced) <= s->end);
    s->end = atomic_load(&s->synced);
    s->filled = 0;
    s->ended = true;
}

/* ---- Reading ---- */

ssize_t segment_read(const struct segment *s, const struct log_io *io, void *p, size_t n,
                     uint32_t at, int flags)
{
    CHECK(s->fd >= 0);
    return log_io_read(io, s->fd, p, n, at, flags);
}

bool segment_is_mark(const struct segment *s, const struct record *r, uint32_t *vouched)
{
    if (r->kind != RECORD_STATE || r->version.node != s->id || !slice_eq(r->key, MARK_NAME))
        return false;
    *vouched = (uint32_t)r->version.stamp;
    return true;
}

/* Tries each offset. That is slow, and happens only where damage is found. */
size_t segment_resync(struct slice bytes)
{
    struct record_view v;
    for (size_t at = 1; at + RECORD_HEADER <= bytes.n; at++)
        if (record_decode(slice_of(bytes.p + at, bytes.n - at), &v) > 0)
            return at;
    return 0;
}
