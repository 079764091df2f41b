#include "store/log/doubt.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/check.h"
#include "base/hash.h"

static struct slice bytes_of(const struct damage *d)
{
    return slice_of(d->slot, sizeof d->slot);
}

/* Moves all slots of one set to another. */
static void move_all(struct damage *from, struct damage *to)
{
    for (size_t i = 0; i < sizeof to->slot; i++)
        to->slot[i] |= from->slot[i];
    *from = (struct damage){0};
}

static void add(struct damage *to, struct slice slots)
{
    CHECK(slots.n == sizeof to->slot);
    for (size_t i = 0; i < slots.n; i++)
        to->slot[i] |= slots.p[i];
}

/* What holds between any two calls. */
static void check(const struct doubt *d)
{
    CHECK(d->forgetting_n + d->saving_n <= d->lost_n && d->lost_n <= d->lost_cap);
    CHECK(d->saving_n == 0 || d->serial > 0);
}

void doubt_close(struct doubt *d)
{
    free(d->lost);
}

void doubt_open(struct doubt *d, const struct damage *found, const struct table *t)
{
    struct slice held;
    uint64_t serial;
    *d = (struct doubt){.all = *found, .changed = damage_any(found)};
    if (table_state(t, DAMAGE_NAME, &held, &serial) && held.n == sizeof d->all.slot)
        add(&d->all, held);
    d->unreported = d->all;
    d->report_due = damage_any(&d->all);
}

static void mark(struct damage *d, const struct lost *l)
{
    struct damage_finding f = {.size = !l->any, .slot = l->slot};
    damage_mark(d, &f);
}

static bool lost_room(struct doubt *d)
{
    struct lost *lost = array_room(d->lost, d->lost_n, &d->lost_cap, sizeof *lost);
    if (lost)
        d->lost = lost;
    return lost != NULL;
}

static bool same(const struct lost *a, const struct lost *b)
{
    return a->segment == b->segment && a->from == b->from && a->to == b->to;
}

bool doubt_found(struct doubt *d, const struct lost *l)
{
    CHECK(l->from < l->to && !l->none);
    for (uint32_t i = 0; i < d->lost_n; i++)
        if (same(&d->lost[i], l))
            return true; /* it was read twice before it was forgotten */
    if (!lost_room(d))
        return false;
    d->lost[d->lost_n++] = *l;
    mark(&d->all, l);
    mark(&d->found, l);
    d->changed = true;
    return true;
}

bool doubt_names(const struct doubt *d, uint16_t segment)
{
    for (uint32_t i = 0; i < d->lost_n; i++)
        if (d->lost[i].segment == segment)
            return true;
    return false;
}

void doubt_raise(struct doubt *d, struct slice slots)
{
    add(&d->all, slots);
    d->changed = true;
}

void doubt_clear(struct doubt *d, struct slice slots)
{
    CHECK(slots.n == sizeof d->all.slot);
    /* what the node does not know of yet it cannot have fetched */
    for (size_t i = 0; i < slots.n; i++)
        d->all.slot[i] &= (uint8_t)(~slots.p[i] | d->found.slot[i] | d->saving.slot[i] |
                                    d->forgetting.slot[i] | d->unreported.slot[i]);
    d->changed = true;
}

void doubt_put(struct doubt *d, const struct table *t, struct group *g)
{
    struct slice held;
    uint64_t serial = 0;
    if (!d->changed)
        return;
    table_state(t, DAMAGE_NAME, &held, &serial);
    if (d->serial > serial)
        serial = d->serial; /* another is on its way: this one covers all of it too */
    struct record r = {.kind = RECORD_STATE,
                       .version = {.stamp = serial + 1},
                       .key = DAMAGE_NAME,
                       .value = bytes_of(&d->all)};
    r.version.digest = hash_bytes(r.value);
    table_put_own(g, &r);
    d->serial = serial + 1;
    d->changed = false;
    d->saving_n = d->lost_n - d->forgetting_n;
    move_all(&d->found, &d->saving);
    check(d);
}

/* ---- Forgetting ---- */

static bool is_lost(void *arg, const struct location *at)
{
    const struct doubt *d = arg;
    for (uint32_t i = 0; i < d->forgetting_n; i++) {
        const struct lost *l = &d->lost[i];
        if (l->segment == at->segment && at->offset >= l->from && at->offset < l->to)
            return true;
    }
    return false;
}

/* Whether an entry of the arc may name what is being forgotten. */
static bool concerns(const struct doubt *d, uint32_t arc)
{
    for (uint32_t i = 0; i < d->forgetting_n; i++)
        if (d->lost[i].any || (uint32_t)d->lost[i].slot * d->arc_n / SLOTS == arc)
            return true;
    return false;
}

/* No entry names what was being forgotten: the node may know of it. */
static void forgotten(struct doubt *d)
{
    check(d);
    d->lost_n -= d->forgetting_n;
    for (uint32_t i = 0; i < d->lost_n; i++)
        d->lost[i] = d->lost[i + d->forgetting_n];
    d->forgetting_n = 0;
    d->report_due |= damage_any(&d->forgetting);
    move_all(&d->forgetting, &d->unreported);
}

static void walk_from_start(struct doubt *d, struct table *t)
{
    d->arc_n = t->index.arc_n;
    t->walk = (struct table_walk){0};
}

void doubt_step(struct doubt *d, struct table *t, uint32_t buckets)
{
    if (d->arc_n != t->index.arc_n) /* the ring was cut anew */
        walk_from_start(d, t);
    while (d->forgetting_n > 0 && buckets > 0) {
        CHECK(t->walk.arc < d->arc_n);
        uint32_t n = concerns(d, t->walk.arc) ? table_forget(t, buckets, is_lost, d) : 0;
        buckets -= n > 0 ? n : 1;
        if (t->walk.bucket == 0 && ++t->walk.arc == d->arc_n)
            forgotten(d);
    }
}

/* ---- What was put ---- */

void doubt_look(struct doubt *d, struct table *t, bool idle)
{
    struct slice value;
    uint64_t serial = 0;
    if (!d->serial || d->forgetting_n > 0)
        return;
    bool durable = table_state(t, DAMAGE_NAME, &value, &serial) && serial >= d->serial;
    if (!durable && !idle)
        return;
    check(d);
    d->serial = 0;
    if (durable) {
        move_all(&d->saving, &d->forgetting);
        d->forgetting_n = d->saving_n;
        d->saving_n = 0;
        walk_from_start(d, t);
        if (d->forgetting_n == 0)
            forgotten(d);
    } else {
        move_all(&d->saving, &d->found);
        d->saving_n = 0;
        d->changed = true;
    }
    check(d);
}

bool doubt_result(struct doubt *d, struct store_result *out)
{
    if (!d->report_due)
        return false;
    CHECK(damage_any(&d->unreported));
    d->report_due = false;
    d->reported = (struct damage){0};
    move_all(&d->unreported, &d->reported);
    *out = (struct store_result){.kind = STORE_DAMAGED, .bytes = bytes_of(&d->reported)};
    return true;
}
