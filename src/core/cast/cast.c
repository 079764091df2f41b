/* cast.c: see cast.h. */
#include "core/cast/cast.h"

#include "base/check.h"
#include "base/phase.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t next_stream[] = {
    [STREAM_UNTRIED] = PHASE(STREAM_UNTRIED) | PHASE(STREAM_UP) | PHASE(STREAM_REFUSED),
    [STREAM_UP] = PHASE(STREAM_UP) | PHASE(STREAM_BROKEN), /* UP again: with another process */
    [STREAM_BROKEN] = PHASE(STREAM_UP) | PHASE(STREAM_REFUSED) | PHASE(STREAM_UNTRIED),
    [STREAM_REFUSED] = PHASE(STREAM_UP) | PHASE(STREAM_UNTRIED),
};

void cast_close(struct cast *c)
{
    free(c->member);
    *c = (struct cast){0};
}

/* Index of the first member whose id is not below. */
static unsigned index_of(const struct cast *c, uint64_t id)
{
    unsigned low = 0, high = c->n;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (c->member[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct member *cast_find(const struct cast *c, uint64_t id)
{
    unsigned i = index_of(c, id);
    return i < c->n && c->member[i].id == id ? &c->member[i] : NULL;
}

struct addr cast_addr(const struct cast *c, uint64_t id)
{
    const struct member *m = cast_find(c, id);
    return m ? m->addr : (struct addr){0};
}

bool cast_name_taken(const struct cast *c, struct slice name, uint64_t id)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->member[i].id != id && member_present(&c->member[i]) &&
            slice_eq(member_name(&c->member[i]), name))
            return true;
    return false;
}

bool member_reachable(const struct member *m, uint64_t now_ms)
{
    if (!m || m->self)
        return m != NULL;
    bool stream =
        m->stream == STREAM_UP || (m->stream != STREAM_REFUSED && m->held_until_ms <= now_ms);
    return member_present(m) && m->addr.family != 0 && stream;
}

bool member_gone(const struct member *m)
{
    return !m || (!m->self && (!member_present(m) || m->stream == STREAM_REFUSED));
}

static bool grow(struct cast *c)
{
    unsigned cap = c->cap ? c->cap * 2 : 8;
    struct member *more = cap > MEMBERS_MAX ? NULL : realloc(c->member, cap * sizeof *more);
    if (!more)
        return false;
    c->member = more;
    c->cap = cap;
    return true;
}

/* Whether nobody would miss it: it is absent, has no stream, and the layout does not name it. */
static bool forgettable(const struct member *m)
{
    return !m->self && !m->peer && !member_present(m) && m->stream != STREAM_UP;
}

/* Forgets a member that nobody would miss. False: there is none. */
static bool make_room(struct cast *c)
{
    unsigned i = 0;
    while (i < c->n && !forgettable(&c->member[i]))
        i++;
    if (i == c->n)
        return false;
    c->n--;
    memmove(c->member + i, c->member + i + 1, (c->n - i) * sizeof *c->member);
    return true;
}

struct member *cast_make(struct cast *c, uint64_t id)
{
    unsigned i = index_of(c, id);
    if (i < c->n && c->member[i].id == id)
        return &c->member[i];
    if (c->n == c->cap && !grow(c) && !make_room(c))
        return NULL;
    i = index_of(c, id);
    memmove(c->member + i + 1, c->member + i, (c->n - i) * sizeof *c->member);
    c->n++;
    c->member[i] = (struct member){.id = id, .state = MEMBER_DEAD, .redial_ms = UINT64_MAX};
    return &c->member[i];
}

unsigned cast_believe(struct member *m, struct addr addr, enum member_state state,
                      struct slice name)
{
    bool was = member_present(m), was_alive = m->state == MEMBER_ALIVE,
         moved = !addr_eq(m->addr, addr);
    m->addr = addr;
    m->state = (uint8_t)state;
    m->name_n = (uint8_t)(name.n < NODE_NAME_MAX ? name.n : NODE_NAME_MAX);
    if (m->name_n)
        memcpy(m->name, name.p, m->name_n);
    bool is = member_present(m), alive = state == MEMBER_ALIVE;
    if (alive)
        m->held_until_ms = 0; /* SWIM has news of it: another stream is worth a try */
    if (((is && !was) || moved) && m->stream != STREAM_UP)
        phase_enter(&m->stream, STREAM_UNTRIED, next_stream);
    m->link += was && !is; /* what it was asked is not waited for */
    return (is && !was ? CAST_PRESENT : 0) | (was && !is ? CAST_ABSENT : 0) |
           (alive && !was_alive ? CAST_ALIVE : 0) | (was_alive && !alive ? CAST_DOUBTED : 0);
}

unsigned cast_link(struct member *m, uint64_t boot, uint64_t now_ms)
{
    bool up = boot != 0, was = m->stream == STREAM_UP;
    /* the stream of a new process came up before the end of the old one's was seen */
    bool other = up && was && m->boot != boot;
    if (!up && m->stream == STREAM_REFUSED)
        return 0; /* nothing was sent to it since the last */
    phase_enter(&m->stream, up ? STREAM_UP : was ? STREAM_BROKEN : STREAM_REFUSED, next_stream);
    m->held_until_ms = up ? 0 : now_ms + MEMBER_HOLD_MS;
    m->link += !up || other;
    m->boot = up ? boot : m->boot;
    return (unsigned)((up ? CAST_UP : CAST_DOWN) | (other ? CAST_PROCESS : 0));
}

void cast_check(const struct cast *c)
{
    CHECK(c->n <= c->cap);
    for (unsigned i = 0; i < c->n; i++) {
        const struct member *m = &c->member[i];
        CHECK(i == 0 || m[-1].id < m->id);
        CHECK(m->state <= MEMBER_LEFT && m->name_n <= NODE_NAME_MAX);
        CHECK(m->stream != STREAM_UP || (m->boot && m->held_until_ms == 0));
    }
}
