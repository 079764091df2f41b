/* floors.c: see floors.h. */
#include "store/table/floors.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "wire/bytes.h"

int floors_init(struct floors *f, uint32_t n)
{
    *f = (struct floors){.n = n, .of = calloc(n, sizeof *f->of)};
    return f->of ? 0 : ERR_NO_MEMORY;
}

void floors_close(struct floors *f)
{
    free(f->of);
    *f = (struct floors){0};
}

static void raise_coming(struct floors *f, uint32_t vnode, uint64_t stamp)
{
    CHECK(vnode < f->n);
    if (stamp > f->of[vnode].coming)
        f->of[vnode].coming = stamp;
    if (stamp > f->greatest)
        f->greatest = stamp;
}

void floors_erase(struct floors *f, uint32_t vnode, uint64_t stamp)
{
    raise_coming(f, vnode, stamp);
    f->of[vnode].erasure = ++f->erasures;
}

uint64_t floors_ticket(const struct floors *f, uint32_t vnode)
{
    return f->of[vnode].erasure + 1;
}

void floors_raise(struct floors *f, uint32_t vnode, uint64_t stamp)
{
    raise_coming(f, vnode, stamp);
    if (stamp > f->of[vnode].durable)
        f->of[vnode].durable = stamp;
}

/* Both numbers of vnodes are powers of two: so the vnodes here that overlap the arc lie in it, or
 * one lies around it. */
void floors_raise_arc(struct floors *f, uint32_t i, uint32_t n, uint64_t stamp)
{
    uint32_t from = (uint32_t)((uint64_t)i * f->n / n),
             to = (uint32_t)((uint64_t)(i + 1) * f->n / n);
    for (uint32_t v = from; v < (to > from ? to : from + 1); v++)
        floors_raise(f, v, stamp);
}

int floors_cut(struct floors *f, uint32_t n)
{
    struct floors fresh;
    if (n == f->n)
        return 0;
    int error = floors_init(&fresh, n);
    if (error)
        return error;
    for (uint32_t i = 0; i < f->n; i++)
        floors_raise_arc(&fresh, i, f->n, f->of[i].coming);
    fresh.erasures = f->erasures + 1;
    for (uint32_t v = 0; v < n; v++)
        fresh.of[v].erasure = fresh.erasures; /* so no ticket from before is good any more */
    floors_close(f);
    *f = fresh;
    return 0;
}

int floors_append(const struct floors *f, struct buf *out)
{
    int error = buf_reserve(out, (size_t)f->n * 8);
    for (uint32_t i = 0; !error && i < f->n; i++) {
        put_u64(out->p + out->n, f->of[i].durable);
        out->n += 8;
    }
    return error;
}

void floors_take(struct floors *f, struct slice bytes)
{
    uint32_t n = (uint32_t)(bytes.n / 8);
    for (uint32_t i = 0; i < n; i++)
        floors_raise_arc(f, i, n, get_u64(bytes.p + 8 * (size_t)i));
}
