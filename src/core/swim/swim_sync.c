/* swim_sync.c: push-pull (memberlist's addition to SWIM; the hash before the table is ours).
 *
 * Gossip alone converges with high probability; push-pull makes it certain, and brings a joiner or
 * a returning half of the cluster up to date at once.
 *
 *      a --SYNC_HASH--> b            equal: that is all, each time in a quiet cluster
 *      a <--SYNC_TABLE, wanted-- b   else b sends its table
 *      a --SYNC_TABLE---> b          and a its own
 *
 * The hash covers the live members that answered (swim_table.c keeps it up to date), so two nodes
 * that agree on these but forgot the dead at different times do not exchange tables for it. The
 * table has the gone in it too: a peer that believes one of them alive must learn of its death, if
 * only as a suspicion.
 *
 * Push-pull is every sync_ms up to SWIM_SYNC_SMALL members. With each doubling above that, one more
 * sync_ms lies between, because the cost of a table grows with the members, and so does the number
 * of those that send it. */
#include "core/swim/swim_sync.h"

#include "core/swim/swim_belief.h"
#include "core/swim/swim_bound.h"
#include "core/swim/swim_gossip.h"

/* ---- When ---- */

static uint64_t pause_ms(struct swim *s)
{
    uint64_t ms = s->times.sync_ms;
    for (uint32_t n = SWIM_SYNC_SMALL; n < swim_n(s); n *= 2)
        ms += s->times.sync_ms;
    /* at random around the mean, or nodes that started together would sync together */
    return ms - ms / 8 + rng_below(&s->rng, ms / 4);
}

uint64_t swim_sync_deadline_ms(const struct swim *s)
{
    return s->live.n && s->self->state != MEMBER_LEFT ? s->sync_ms : UINT64_MAX;
}

static void send_hash(struct swim *s, const struct swim_member *m)
{
    struct message *hash = swim_send(s, m->id, m->addr, MSG_SYNC_HASH);
    if (!hash)
        return;
    hash->sync_hash.hash = s->hash;
    s->synced_ms = s->now_ms;
}

void swim_sync_with(struct swim *s, const struct swim_member *m)
{
    if (s->ready && (s->synced_ms == 0 || s->now_ms - s->synced_ms >= s->times.period_ms))
        send_hash(s, m);
}

void swim_sync_tick(struct swim *s)
{
    if (s->now_ms < swim_sync_deadline_ms(s))
        return;
    struct swim_member *m;
    if (swim_pick(s, 1, 0, true, &m) == 0) /* a joiner's first: none had the time to answer it */
        m = s->live.m[rng_below(&s->rng, s->live.n)];
    s->sync_ms = s->now_ms + pause_ms(s);
    send_hash(s, m);
}

/* ---- Writing a table ---- */

/* A member as an entry. Sketches are left out, since nothing is known of them. Of the gone only
 * that fact matters. */
static int put_entry(struct buf *b, const struct swim_member *m)
{
    if (m->sketch || !m->verified)
        return 0;
    struct message entry = swim_alive_message(m);
    if (swim_gone(m))
        entry.alive.meta = (struct slice){0};
    int error = buf_append(b, &m->state, 1);
    return error ? error : message_append(b, &entry);
}

static int put_list(struct buf *b, const struct swim_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        int error = put_entry(b, l->m[i]);
        if (error)
            return error;
    }
    return 0;
}

static void send_table(struct swim *s, bool reply_wanted)
{
    s->table.n = 0;
    if (put_entry(&s->table, s->self) || put_list(&s->table, &s->live) ||
        put_list(&s->table, &s->gone)) {
        s->counters.dropped++; /* memory is out: the next push-pull tries again */
        return;
    }
    struct message *table = swim_send(s, s->source.id, s->source.addr, MSG_SYNC_TABLE);
    if (!table)
        return;
    table->sync_table.reply_wanted = reply_wanted;
    table->sync_table.members = buf_view(&s->table);
}

void swim_sync_hash(struct swim *s, const struct msg_sync_hash *h)
{
    if (s->ready && h->hash != s->hash)
        send_table(s, true);
}

/* ---- Reading one ---- */

/* The alive first, so that a stranger gets its address; it is believed in once it answers. */
static bool take_entry(struct swim *s, uint8_t state, const struct msg_alive *a)
{
    bool known = swim_member(s, a->member) || a->member == s->self->id;
    switch (state) {
    case MEMBER_ALIVE:
        return swim_on_alive(s, a);
    case MEMBER_SUSPECT:
        if (!swim_on_alive(s, a))
            return false;
        swim_on_suspect(s, a->member, a->incarnation, s->source.id, false);
        return true;
    case MEMBER_DEAD:
        if (known)
            swim_on_suspect(s, a->member, a->incarnation, s->source.id, false);
        return true;
    case MEMBER_LEFT:
        swim_on_dead(s, a->member, a->incarnation, a->member);
        return true;
    default:
        return false;
    }
}

void swim_sync_table(struct swim *s, const struct msg_sync_table *t)
{
    struct slice rest = t->members;
    for (unsigned i = 0; rest.n && i < MEMBERS_MAX; i++) {
        struct message entry;
        int n = message_decode(slice_of(rest.p + 1, rest.n - 1), &entry);
        bool valid = n > 0 && entry.kind == MSG_ALIVE;
        if (valid)
            entry.alive.incarnation =
                swim_bound_stream(s, entry.alive.member, entry.alive.incarnation);
        if (!valid || !take_entry(s, rest.p[0], &entry.alive)) {
            swim_trace_dropped(s, t->members.n, SLICE("a member table"));
            break;
        }
        rest = slice_of(rest.p + 1 + n, rest.n - 1 - (size_t)n);
    }
    if (t->reply_wanted && s->ready)
        send_table(s, false);
}
