/* schedule_parse.c: a schedule read back from its print, so that a failing run can be handed on,
 * edited and replayed.
 *
 * The reader knows the words that schedule_print writes and nothing else; blanks between words are
 * free. */
#include "sim/schedule.h"

/* The rest of a line. */
struct cursor {
    const uint8_t *p, *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
        c->p++;
}

/* Takes `text`, after blanks; false, and nothing taken, when something else stands there. */
static bool take(struct cursor *c, const char *text)
{
    size_t n = strlen(text);
    skip_blanks(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0)
        return false;
    c->p += n;
    return true;
}

static bool take_number(struct cursor *c, uint32_t *value)
{
    uint64_t v = 0;
    const uint8_t *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && v <= UINT32_MAX)
        v = v * 10 + (uint64_t)(*c->p++ - '0');
    *value = (uint32_t)v;
    return c->p > from && v <= UINT32_MAX;
}

/* "12.500s" */
static bool take_time(struct cursor *c, uint32_t *ms)
{
    uint32_t s, fraction;
    skip_blanks(c);
    if (!take_number(c, &s) || c->p == c->end || *c->p++ != '.')
        return false;
    const uint8_t *from = c->p;
    if (!take_number(c, &fraction) || c->p - from != 3 || s >= UINT32_MAX / 1000 ||
        c->p == c->end || *c->p++ != 's')
        return false;
    *ms = s * 1000 + fraction;
    return true;
}

/* A name ends with its letters, so no kind is mistaken for another whose name it begins with. */
static bool take_kind(struct cursor *c, enum fault_kind *kind)
{
    skip_blanks(c);
    const uint8_t *from = c->p;
    while (c->p < c->end && ((*c->p >= 'a' && *c->p <= 'z') || *c->p == '-'))
        c->p++;
    return fault_named(slice_of(from, (size_t)(c->p - from)), kind);
}

static bool take_about(struct cursor *c, struct fault *f)
{
    switch (fault_about(f->kind)) {
    case ABOUT_NODE:
        return take(c, "n") && take_number(c, &f->a);
    case ABOUT_PAIR:
        return take(c, "n") && take_number(c, &f->a) && take(c, "->") && take(c, "n") &&
               take_number(c, &f->b);
    case ABOUT_SPLIT:
        return take(c, "") && take_number(c, &f->a) && take(c, "nodes from the rest, shuffle ") &&
               take_number(c, &f->b);
    case ABOUT_NETWORK:
        break;
    }
    return true;
}

static bool fault_parse(struct cursor c, struct fault *f)
{
    *f = (struct fault){0};
    if (!take_time(&c, &f->from_ms) || !take(&c, "..") || !take_time(&c, &f->until_ms) ||
        f->until_ms < f->from_ms)
        return false;
    if (!take_kind(&c, &f->kind) || !take_about(&c, f))
        return false;
    if (fault_has_amount(f->kind) &&
        !(take(&c, "") && take_number(&c, &f->amount) && f->amount > 0))
        return false;
    skip_blanks(&c);
    return c.p == c.end;
}

unsigned schedule_parse(struct schedule *s, struct slice text)
{
    const uint8_t *p = text.p, *end = text.p + text.n;
    s->n = 0;
    for (unsigned line = 1; p < end; line++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        struct cursor c = {p, stop ? stop : end};
        p = stop ? stop + 1 : end;
        skip_blanks(&c);
        if (c.p == c.end || *c.p == '#')
            continue;
        if (s->n == FAULTS_MAX || !fault_parse(c, &s->fault[s->n]))
            return line;
        s->n++;
    }
    return 0;
}
