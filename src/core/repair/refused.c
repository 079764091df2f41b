/* refused.c: see refused.h. */
#include "core/repair/refused.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/limits.h"

_Static_assert(REPLICAS_MAX <= 8, "a bit for each rank");

void refused_init(struct refused *f)
{
    *f = (struct refused){0};
    buf_init(&f->keys, REFUSED_KEY_BYTES_MAX);
}

void refused_close(struct refused *f)
{
    free(f->entry);
    buf_close(&f->keys);
    *f = (struct refused){0};
}

static struct slice key_of(const struct refused *f, const struct refused_entry *e)
{
    return slice_of(f->keys.p + e->key_at, e->key_n);
}

struct record refused_record(const struct refused *f, const struct refused_entry *e)
{
    return (struct record){.version = e->version, .expiry_ms = e->expiry_ms, .key = key_of(f, e)};
}

static struct refused_entry *find(const struct refused *f, uint16_t vnode, const struct record *r)
{
    for (unsigned i = 0; i < f->n; i++) {
        struct refused_entry *e = &f->entry[i];
        if (e->vnode == vnode && version_cmp(&e->version, &r->version) == 0 &&
            e->expiry_ms == r->expiry_ms && slice_eq(key_of(f, e), r->key))
            return e;
    }
    return NULL;
}

/* Room for one more entry. */
static int reserve(struct refused *f)
{
    if (f->n == REFUSED_MAX)
        return ERR_TOO_BIG;
    struct refused_entry *entry = array_room(f->entry, f->n, &f->cap, sizeof *entry);
    if (!entry)
        return ERR_NO_MEMORY;
    f->entry = entry;
    return 0;
}

int refused_add(struct refused *f, uint16_t vnode, unsigned rank, const struct record *record)
{
    CHECK(rank < 8);
    struct refused_entry *known = find(f, vnode, record);
    if (known) {
        known->by |= (uint8_t)(1u << rank);
        return 0;
    }
    uint64_t key_at = f->keys.n;
    int error = reserve(f);
    if (!error)
        error = buf_slice(&f->keys, record->key);
    if (error)
        return error;
    f->entry[f->n++] = (struct refused_entry){.key_at = key_at,
                                              .key_n = (uint32_t)record->key.n,
                                              .vnode = vnode,
                                              .by = (uint8_t)(1u << rank),
                                              .version = record->version,
                                              .expiry_ms = record->expiry_ms};
    return 0;
}

/* Takes out the entries that no owner refuses any more, and closes the gaps. */
static void close_gaps(struct refused *f)
{
    unsigned n = 0;
    size_t keys_n = 0;
    for (unsigned i = 0; i < f->n; i++) {
        struct refused_entry e = f->entry[i];
        if (!e.by)
            continue;
        memmove(f->keys.p + keys_n, f->keys.p + e.key_at, e.key_n);
        e.key_at = keys_n;
        keys_n += e.key_n;
        f->entry[n++] = e;
    }
    f->n = n;
    f->keys.n = keys_n;
}

void refused_forget(struct refused *f, uint16_t vnode, unsigned rank)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->entry[i].vnode == vnode)
            f->entry[i].by &= (uint8_t) ~(1u << rank);
    close_gaps(f);
}

void refused_drop(struct refused *f, uint16_t vnode)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->entry[i].vnode == vnode)
            f->entry[i].by = 0;
    close_gaps(f);
}

void refused_erased(struct refused *f, bool failed)
{
    for (unsigned i = 0; i < f->n; i++) {
        struct refused_entry *e = &f->entry[i];
        if (e->erasing && !failed)
            e->by = 0;
        e->erasing = false;
    }
    close_gaps(f);
}

bool refused_by(const struct refused_entry *e, unsigned quorum)
{
    CHECK(quorum > 0);
    return bits_count(e->by) >= quorum;
}

bool refused_any(const struct refused *f, uint16_t vnode, unsigned quorum)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->entry[i].vnode == vnode && refused_by(&f->entry[i], quorum))
            return true;
    return false;
}

void refused_check(const struct refused *f)
{
    size_t keys_n = 0;
    CHECK(f->n <= f->cap && f->cap <= REFUSED_MAX);
    for (unsigned i = 0; i < f->n; i++) {
        CHECK(f->entry[i].by != 0 && f->entry[i].key_at == keys_n);
        keys_n += f->entry[i].key_n;
    }
    CHECK(keys_n == f->keys.n);
}
