/* mem.c: the table of the real store over a device that is a run of bytes.
 *
 * The device has two parts: what is synced (struct mem_disk, which outlives the store) and what was
 * committed and not synced yet (`flight`). An offset counts through both, so a record keeps its
 * location when a sync moves it from the second to the first. Honest: results come out at mem_sync.
 * Lying: at store_commit, though the bytes are in flight still and a crash loses them. */
#include "store/mem/mem.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "store/log/doubt.h"
#include "store/log/segment.h"
#include "store/table/table.h"

enum {
    DISK_MAX = 1 << 30, /* bytes of one simulated disk; offsets have 32 bits */
    SECTOR = 512,       /* what a disk writes whole or not at all */
    SLICE_BUCKETS = 8,  /* of a burial: so few that other things come between */
};

struct mem {
    struct store head;
    struct table table;
    struct group gather; /* submitted */
    struct group flight; /* committed, and not synced */
    struct mem_disk *disk;
    struct buf scratch; /* a value, uncompressed */
    struct doubt doubt;
    struct queue backups; /* struct backup_asked */
    bool lie;
};

/* A question about backups, of which there are none here. */
struct backup_asked {
    uint64_t token;
    bool status;
};

static struct mem *mem_of(struct store *s)
{
    return (struct mem *)s;
}

void mem_disk_init(struct mem_disk *d)
{
    buf_init(&d->synced, DISK_MAX);
    d->torn_n = 0;
    d->hole_n = 0;
}

void mem_disk_copy(struct mem_disk *to, const struct mem_disk *from)
{
    *to = *from;
    buf_init(&to->synced, DISK_MAX);
    CHECK(!buf_slice(&to->synced, buf_view(&from->synced)));
}

uint64_t mem_disk_position(const struct mem_disk *d)
{
    return d->excised + d->synced.n;
}

static bool at_the_end(const struct mem_disk *d, const struct mem_hole *h)
{
    return h->from + h->n >= d->synced.n - d->torn_n;
}

bool mem_disk_lost_end(const struct mem_disk *d, uint64_t *position)
{
    const struct mem_hole *last = d->hole_n ? &d->hole[d->hole_n - 1] : NULL;
    *position = last ? d->excised + last->from : 0;
    return last && at_the_end(d, last);
}

void mem_disk_spare_end(struct mem_disk *d)
{
    d->hole_n--;
}

void mem_disk_close(struct mem_disk *d)
{
    buf_close(&d->synced);
}

static void mem_put(struct store *s, uint64_t token, const struct record *r,
                    struct put_origin origin)
{
    table_put(&mem_of(s)->table, &mem_of(s)->gather, token, r, origin);
}

/* Moves the gathered puts behind those in flight. */
static int gather_to_flight(struct mem *m)
{
    struct group *from = &m->gather, *to = &m->flight;
    uint32_t base = (uint32_t)to->bytes.n;
    struct pending *grown = realloc(to->pending, (to->n + from->n) * sizeof *grown);
    if (!grown)
        return ERR_NO_MEMORY;
    to->pending = grown;
    to->cap = to->n + from->n;
    int error = buf_slice(&to->bytes, buf_view(&from->bytes));
    if (error)
        return error;
    for (uint32_t i = 0; i < from->n; i++) {
        to->pending[to->n] = from->pending[i];
        to->pending[to->n++].item.offset += base;
    }
    to->settled = to->n;
    to->decided += from->decided;
    to->states += from->states;
    from->states = 0; /* the copies of state records have moved too */
    group_reset(from);
    return 0;
}

static void mem_commit(struct store *s)
{
    struct mem *m = mem_of(s);
    doubt_put(&m->doubt, &m->table, &m->gather);
    if (!table_settle(&m->table, &m->gather))
        return;
    if (m->disk->faults.full) {
        table_fail(&m->table, &m->gather, ERR_NO_SPACE);
    } else if (m->lie) {
        uint32_t base = (uint32_t)(m->disk->synced.n + m->flight.bytes.n);
        int error = buf_slice(&m->flight.bytes, buf_view(&m->gather.bytes));
        if (error)
            table_fail(&m->table, &m->gather, ERR_NO_SPACE);
        else
            table_publish(&m->table, &m->gather, 0, base);
    } else if (gather_to_flight(m) != 0) {
        table_fail(&m->table, &m->gather, ERR_NO_SPACE);
    }
}

/* The sync under way failed. Its bytes may be on the disk for all that (Rebello et al. 2020),
 * unknown to the index. */
static void fail_sync(struct mem *m)
{
    CHECK(!m->lie);
    if (m->disk->faults.failed_stays)
        CHECK(!buf_slice(&m->disk->synced, buf_view(&m->flight.bytes)));
    table_fail(&m->table, &m->flight, ERR_IO);
}

/* Whether a stretch of the device has records of the node's own state. */
static bool has_state(const struct mem_disk *d, size_t from, size_t to)
{
    struct record_view v;
    for (size_t at = 0, step; at < to && at < d->synced.n; at += step) {
        struct slice rest = slice_of(d->synced.p + at, d->synced.n - at);
        int whole = record_decode(rest, &v);
        step = whole > 0 ? (size_t)whole : segment_resync(rest);
        if (step == 0)
            return false;
        if (at + step > from && (whole <= 0 || v.record.kind == RECORD_STATE))
            return true;
    }
    return false;
}

/* What was to be written behind the rest lands in sectors somewhere before. (Not over the node's
 * own state: the real store refuses to open then. Nor over damage: what was there is not known any
 * more.) */
static void misdirect(struct mem_disk *d, struct slice flight, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    size_t sectors = d->synced.n / SECTOR;
    for (unsigned tries = 0; sectors > 0 && tries < 8; tries++) {
        size_t at = (size_t)rng_below(&r, sectors) * SECTOR;
        size_t n = flight.n < d->synced.n - at ? flight.n : d->synced.n - at;
        if (has_state(d, at, at + n))
            continue;
        memcpy(d->synced.p + at, flight.p, n);
        return;
    }
}

/* The disk says that it has synced, and has not. */
static void lose(struct mem_disk *d, struct slice flight)
{
    if (d->hole_n == MEM_HOLES)
        return;
    d->hole[d->hole_n++] = (struct mem_hole){d->synced.n, flight.n};
    if (d->faults.misdirects)
        misdirect(d, flight, d->faults.misdirects);
}

void mem_sync(struct store *s)
{
    struct mem *m = mem_of(s);
    struct buf *synced = &m->disk->synced;
    uint32_t base = (uint32_t)synced->n;
    if (!mem_syncing(s))
        return;
    if (m->disk->faults.loses && !m->disk->faults.sync_fails)
        lose(m->disk, buf_view(&m->flight.bytes));
    if (m->disk->faults.sync_fails)
        fail_sync(m);
    else if (buf_slice(synced, buf_view(&m->flight.bytes)) != 0)
        table_fail(&m->table, &m->flight, ERR_NO_SPACE);
    else
        table_publish(&m->table, &m->flight, 0, base);
}

bool mem_syncing(const struct store *s)
{
    return ((const struct mem *)s)->flight.bytes.n > 0;
}

/* The bytes at an offset of the device, as far as they reach. */
static struct slice device(const struct mem *m, uint32_t offset)
{
    const struct buf *synced = &m->disk->synced, *flight = &m->flight.bytes;
    if (offset < synced->n)
        return slice_of(synced->p + offset, synced->n - offset);
    return slice_of(flight->p + (offset - synced->n), flight->n - (offset - synced->n));
}

/* A record could not be read. */
static void note_damage(struct mem *m, const struct store_result *out, uint32_t at)
{
    struct lost lost = {.slot = slot_of_key(out->record.key), .from = at, .to = at + 1};
    CHECK(doubt_found(&m->doubt, &lost));
}

static void mem_backup(struct store *s, uint64_t token, const struct backup_ask *ask)
{
    *(struct backup_asked *)queue_push(&mem_of(s)->backups) =
        (struct backup_asked){token, ask->status};
}

static bool refuse_backup(struct mem *m, struct store_result *out)
{
    static const struct backup_info none,
        refused = {.why = SLICE("this store is in memory alone, so it has no files to copy")};
    const struct backup_asked *a = queue_peek(&m->backups);
    if (!a)
        return false;
    *out = (struct store_result){.kind = STORE_BACKUP_TOLD, .token = a->token, .backup = &none};
    if (!a->status) {
        out->kind = STORE_BACKUP_BEGUN;
        out->error = ERR_REFUSED;
        out->backup = &refused;
    }
    queue_pop(&m->backups);
    return true;
}

static bool mem_reap(struct store *s, struct store_result *out)
{
    struct mem *m = mem_of(s);
    doubt_look(&m->doubt, &m->table, m->flight.n == 0 && m->gather.n == 0);
    struct index_item item;
    int got = 0;
    bool walked; /* between small slices of the walks over the index the rest goes on */
    do {
        if (table_answer(&m->table, out) || doubt_result(&m->doubt, out) || refuse_backup(m, out))
            return true;
        got = table_question(&m->table, out, &item);
        walked = !burial_under_way(&m->table.burial) && !doubt_forgetting(&m->doubt);
        burial_step(&m->table, SLICE_BUCKETS);
        doubt_step(&m->doubt, &m->table, SLICE_BUCKETS);
    } while (got == 0 && !walked);
    if (got == 2)
        out->error = table_value(device(m, item.offset), &m->scratch, out);
    if (got == 2 && out->error == ERR_INCOMPLETE)
        out->error = ERR_CORRUPT; /* its length is damaged */
    if (got == 2 && out->error)
        note_damage(m, out, item.offset);
    return got != 0;
}

static void mem_set_vnodes(struct store *s, uint16_t vnodes)
{
    CHECK(table_cut(&mem_of(s)->table, vnodes) == 0); /* a simulation without memory cannot go on */
}

static uint64_t mem_position(const struct store *s)
{
    const struct mem *m = (const struct mem *)s;
    return m->disk->excised + m->disk->synced.n + (m->lie ? m->flight.bytes.n : 0);
}

static bool mem_damaged(const struct store *s, uint32_t vnode)
{
    const struct mem *m = (const struct mem *)s;
    return damage_in(&m->doubt.all, vnode, m->table.index.arc_n);
}

static void mem_doubt(struct store *s, struct slice slots)
{
    struct mem *m = mem_of(s);
    doubt_raise(&m->doubt, slots);
    doubt_put(&m->doubt, &m->table, &m->gather);
}

static void mem_healed(struct store *s, struct slice slots)
{
    doubt_clear(&mem_of(s)->doubt, slots);
    recent_forget(&mem_of(s)->table.recent);
}

static void mem_close(struct store *s)
{
    struct mem *m = mem_of(s);
    doubt_close(&m->doubt);
    table_close(&m->table);
    group_close(&m->gather);
    group_close(&m->flight);
    buf_close(&m->scratch);
    queue_close(&m->backups);
    free(m);
}

const struct table *mem_table(const struct store *s)
{
    return &((const struct mem *)s)->table;
}

int mem_peek(const struct store *s, struct slice key, struct buf *scratch, struct record *out)
{
    const struct mem *m = (const struct mem *)s;
    struct index_item item = table_look(&m->table, key);
    *out = (struct record){
        .kind = item.kind, .version = item.version, .expiry_ms = item.expiry_ms, .key = key};
    if (item.kind != RECORD_VALUE)
        return 0;
    struct store_result r = {.record = *out};
    int error = table_value(device(m, item.offset), scratch, &r);
    *out = r.record;
    return error ? ERR_CORRUPT : 0;
}

void mem_tear_bytes(struct buf *disk, struct slice flight, uint64_t seed)
{
    size_t from = disk->n;
    struct rng r;
    rng_init(&r, seed);
    bool prefix = rng_below(&r, 2);
    CHECK(!buf_append(disk, flight.p, prefix ? (size_t)rng_below(&r, flight.n + 1) : flight.n));
    for (size_t at = from; !prefix && at < disk->n;) {
        size_t end = (at / SECTOR + 1) * SECTOR < disk->n ? (at / SECTOR + 1) * SECTOR : disk->n;
        if (rng_below(&r, 2))
            memset(disk->p + at, 0, end - at);
        at = end;
    }
}

void mem_tear(struct store *s, uint64_t seed)
{
    struct mem *m = mem_of(s);
    struct buf *disk = &m->disk->synced;
    size_t from = disk->n;
    CHECK(!m->lie);
    mem_tear_bytes(disk, buf_view(&m->flight.bytes), seed);
    m->disk->torn_n = disk->n - from;
}

void mem_crash(struct store *s)
{
    mem_close(s);
}

/* ---- Damage ---- */

static bool is_ring_record(struct slice bytes, struct record_view *v)
{
    return record_decode(bytes, v) > 0 && v->record.kind != RECORD_STATE;
}

/* Counts the whole records of the ring, or finds number `wanted` of them: its offset, its size. */
static uint32_t ring_records(const struct mem_disk *d, uint32_t wanted, size_t *offset,
                             size_t *size)
{
    struct slice all = buf_view(&d->synced);
    uint32_t n = 0;
    struct record_view v;
    for (size_t at = 0, step = 0; at < all.n && n <= wanted; at += step) {
        struct slice rest = slice_of(all.p + at, all.n - at);
        int whole = record_decode(rest, &v);
        step = whole > 0 ? (size_t)whole : segment_resync(rest);
        if (step == 0)
            break;
        if (whole <= 0 || !is_ring_record(rest, &v))
            continue;
        n++;
        *offset = at;
        *size = step;
    }
    return n;
}

bool mem_damage(struct mem_disk *d, uint64_t seed, struct damage_finding *finding)
{
    size_t offset = 0, size = 0;
    struct rng r;
    rng_init(&r, seed);
    uint32_t n = ring_records(d, UINT32_MAX, &offset, &size);
    if (n == 0)
        return false;
    ring_records(d, (uint32_t)rng_below(&r, n), &offset, &size);
    d->synced.p[offset + rng_below(&r, size)] ^= (uint8_t)(1u << rng_below(&r, 8));
    *finding = damage_look(slice_of(d->synced.p + offset, d->synced.n - offset));
    return true;
}

/* ---- Replay ---- */

/* A record that cannot be read and was never synced ends what the disk holds, for behind it nothing
 * was ever synced: a later record may be whole there, but others that came before it are
 * missing. */
static void cut(struct mem_disk *d, size_t offset)
{
    d->synced.n = offset;
}

/* Takes a damaged record that was synced out of the disk, as compaction does, and marks its slot.
 * One that looks like the node's own state, which is not damaged in the simulator, has a damaged
 * kind: it may have been anything. */
static void carry_out(struct mem_disk *d, size_t offset, struct damage *damage)
{
    struct slice rest = slice_of(d->synced.p + offset, d->synced.n - offset);
    struct damage_finding f = damage_look(rest);
    size_t synced_n = rest.n - d->torn_n, n = f.size ? f.size : segment_resync(rest);
    if (f.state)
        f.size = 0;
    if (n == 0 || n > synced_n)
        n = synced_n;
    damage_mark(damage, &f);
    memmove(d->synced.p + offset, d->synced.p + offset + n, rest.n - n);
    d->synced.n -= n;
    d->excised += n;
}

/* The doubt stands on the disk before anything is served. */
static int remember(struct mem *m, const struct damage *damage)
{
    doubt_open(&m->doubt, damage, &m->table);
    if (!m->doubt.changed)
        return 0;
    doubt_put(&m->doubt, &m->table, &m->gather);
    table_settle(&m->table, &m->gather);
    uint32_t base = (uint32_t)m->disk->synced.n;
    int error = buf_slice(&m->disk->synced, buf_view(&m->gather.bytes));
    if (!error)
        table_publish(&m->table, &m->gather, 0, base);
    doubt_look(&m->doubt, &m->table, true);
    return error;
}

/* What was never written shows when the power was off: zeros, where later writes have made the file
 * longer; else the log ends there, and nothing in it tells (the position that the node announced
 * does). */
static void show_holes(struct mem_disk *d)
{
    while (d->hole_n > 0) {
        const struct mem_hole *h = &d->hole[--d->hole_n];
        if (!at_the_end(d, h)) {
            memset(d->synced.p + h->from, 0, h->n);
        } else {
            d->synced.n = h->from;
            d->torn_n = 0;
            d->shortened = true;
        }
    }
}

static int replay(struct mem *m)
{
    struct mem_disk *d = m->disk;
    struct damage damage = {0};
    for (size_t offset = 0; offset < d->synced.n;) {
        struct record_view v;
        int n = record_decode(slice_of(d->synced.p + offset, d->synced.n - offset), &v);
        if (n <= 0 && offset >= d->synced.n - d->torn_n) {
            cut(d, offset);
            break;
        }
        if (n <= 0) {
            carry_out(d, offset, &damage);
            continue;
        }
        int error = table_replay(&m->table, &v, 0, (uint32_t)offset);
        if (error)
            return error;
        offset += (size_t)n;
    }
    d->torn_n = 0;
    table_opened(&m->table);
    return remember(m, &damage);
}

static int mem_refuses(const struct store *s)
{
    return ((const struct mem *)s)->disk->faults.full ? ERR_NO_SPACE : 0;
}

struct store *mem_open(const struct mem_options *options)
{
    static const struct store_vtable vtable = {
        .put = mem_put,
        .backup = mem_backup,
        .commit = mem_commit,
        .reap = mem_reap,
        .set_vnodes = mem_set_vnodes,
        .position = mem_position,
        .refuses = mem_refuses,
        .damaged = mem_damaged,
        .doubt = mem_doubt,
        .healed = mem_healed,
        .close = mem_close,
    };
    struct mem *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->head.vtable = &vtable;
    m->head.table = &m->table;
    m->disk = options->disk;
    m->lie = options->lie_about_sync;
    if (m->disk->synced.max == 0)
        mem_disk_init(m->disk);
    show_holes(m->disk);
    group_init(&m->gather);
    group_init(&m->flight);
    buf_init(&m->scratch, RECORD_VALUE_MAX);
    queue_init(&m->backups, sizeof(struct backup_asked));
    int error = table_init(&m->table, 0);
    if (!error)
        error = replay(m);
    if (error) {
        mem_close(&m->head);
        return NULL;
    }
    return &m->head;
}
