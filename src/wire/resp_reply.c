/* resp_reply.c: what nodes answer, as the console and other clients read it.
 *
 * A reply is a tree; it is read in one pass without recursion into a flat list in depth-first
 * order, with a small stack of how many children each open aggregate still wants. RESP3 attributes
 * (|) say something about the element that follows them; nobody here asks, so they are read like a
 * map and taken off the list again. */
#include <limits.h>
#include <stdlib.h>

#include "wire/resp_line.h"

enum { RESP_REPLY_FIRST = 16 }; /* elements of the first allocation */

void resp_reply_init(struct resp_reply *r)
{
    *r = (struct resp_reply){0};
}

void resp_reply_close(struct resp_reply *r)
{
    free(r->v);
    resp_reply_init(r);
}

/* A zeroed element at the end of the list, or NULL when memory is out. */
static struct resp_value *value_add(struct resp_reply *r)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : RESP_REPLY_FIRST;
        struct resp_value *v = realloc(r->v, cap * sizeof *v);
        if (!v)
            return NULL;
        r->v = v;
        r->cap = cap;
    }
    struct resp_value *v = &r->v[r->n++];
    *v = (struct resp_value){0};
    return v;
}

/* ---- One element ---- */

/* "+text": bytes of the line, its text without type and line end. */
static int read_line(struct slice in, struct slice *text)
{
    const uint8_t *cr = memchr(in.p, '\r', in.n);
    if (!cr || cr + 1 == in.p + in.n)
        return in.n > INT_MAX ? ERR_TOO_BIG : ERR_INCOMPLETE;
    if (cr[1] != '\n')
        return ERR_BAD_MESSAGE;
    *text = slice_of(in.p + 1, (size_t)(cr - in.p) - 1);
    return (int)(cr - in.p) + 2;
}

static int read_number(struct slice in, int64_t *n)
{
    int line = resp_number(in, n);
    /* an endless number is malformed, not large */
    return line == ERR_TOO_BIG ? ERR_BAD_MESSAGE : line;
}

/* "$3", and the bytes: -1 gives a null. */
static int read_bulk(struct slice in, struct resp_value *v, enum resp_type type)
{
    int64_t n;
    int line = read_number(in, &n);
    if (line < 0)
        return line;
    v->type = n == -1 ? RESP_NULL : type;
    if (n == -1)
        return line;
    if (n < 0 || n > RESP_BULK_MAX)
        return ERR_BAD_MESSAGE;
    size_t at = (size_t)line, end = at + (size_t)n;
    if (in.n < end + 2)
        return ERR_INCOMPLETE;
    if (in.p[end] != '\r' || in.p[end + 1] != '\n')
        return ERR_BAD_MESSAGE;
    v->text = slice_of(in.p + at, (size_t)n);
    return (int)(end + 2);
}

/* "=8", "txt:" and the bytes. */
static int read_verbatim(struct slice in, struct resp_value *v)
{
    int n = read_bulk(in, v, RESP_BULK);
    if (n < 0)
        return n;
    if (v->text.n < 4 || v->text.p[3] != ':')
        return ERR_BAD_MESSAGE;
    v->text = slice_of(v->text.p + 4, v->text.n - 4);
    return n;
}

/* "*3": the count of children, `each` for every one announced. */
static int read_aggregate(struct slice in, struct resp_value *v, enum resp_type type, uint32_t each)
{
    int64_t n;
    int line = read_number(in, &n);
    if (line < 0)
        return line;
    if (n < -1)
        return ERR_BAD_MESSAGE;
    if (n > RESP_ARGS_MAX)
        return ERR_TOO_BIG;
    v->type = n == -1 ? RESP_NULL : type;
    v->count = n == -1 ? 0 : (uint32_t)n * each;
    return line;
}

static int read_text(struct slice in, struct resp_value *v, enum resp_type type)
{
    v->type = type;
    return read_line(in, &v->text);
}

static int read_integer(struct slice in, struct resp_value *v)
{
    v->type = RESP_INTEGER;
    return read_number(in, &v->integer);
}

static int read_null(struct slice in, struct resp_value *v)
{
    int n = read_text(in, v, RESP_NULL);
    return n > 0 && v->text.n ? ERR_BAD_MESSAGE : n;
}

static int read_boolean(struct slice in, struct resp_value *v)
{
    int n = read_text(in, v, RESP_BOOLEAN);
    if (n < 0)
        return n;
    if (v->text.n != 1 || (v->text.p[0] != 't' && v->text.p[0] != 'f'))
        return ERR_BAD_MESSAGE;
    v->integer = v->text.p[0] == 't';
    return n;
}

/* The element at the start of in (n > 0), without children: its bytes, or an error. */
static int read_value(struct slice in, struct resp_value *v)
{
    switch (in.p[0]) {
    case '+':
        return read_text(in, v, RESP_SIMPLE);
    case '-':
        return read_text(in, v, RESP_ERROR);
    case ',':
        return read_text(in, v, RESP_DOUBLE);
    case '(':
        return read_text(in, v, RESP_BIG);
    case ':':
        return read_integer(in, v);
    case '_':
        return read_null(in, v);
    case '#':
        return read_boolean(in, v);
    case '$':
        return read_bulk(in, v, RESP_BULK);
    case '!':
        return read_bulk(in, v, RESP_ERROR);
    case '=':
        return read_verbatim(in, v);
    case '*':
        return read_aggregate(in, v, RESP_ARRAY, 1);
    case '~':
        return read_aggregate(in, v, RESP_SET, 1);
    case '>':
        return read_aggregate(in, v, RESP_PUSH, 1);
    case '%':
        return read_aggregate(in, v, RESP_MAP, 2);
    case '|':
        return read_aggregate(in, v, RESP_MAP, 2);
    default:
        return ERR_BAD_MESSAGE;
    }
}

/* ---- The tree ---- */

/* An aggregate that still wants children. */
struct open {
    uint32_t left;
    uint32_t at;    /* its place in the list */
    bool attribute; /* to be taken off the list when complete */
};

struct tree {
    struct open open[RESP_DEPTH_MAX];
    unsigned depth;
};

/* An element was read: an aggregate opens, and whatever is now complete closes. True when the whole
 * reply is. */
static bool tree_close(struct tree *t, struct resp_reply *r, bool attribute)
{
    /* an attribute is no element of its parent, not even an empty one */
    bool complete = !attribute;
    if (attribute)
        r->n--;
    while (complete && t->depth) {
        struct open *top = &t->open[t->depth - 1];
        if (--top->left)
            return false;
        t->depth--;
        if (top->attribute)
            r->n = top->at;
        complete = !top->attribute;
    }
    return complete;
}

int resp_parse_reply(struct resp_reply *r, struct slice in)
{
    struct tree t = {.depth = 0};
    size_t at = 0;
    r->n = 0;
    for (;;) {
        if (at == in.n)
            return ERR_INCOMPLETE;
        struct resp_value *v = value_add(r);
        if (!v)
            return ERR_NO_MEMORY;
        int n = read_value(slice_of(in.p + at, in.n - at), v);
        if (n < 0)
            return n;
        bool attribute = in.p[at] == '|';
        at += (size_t)n;
        if (at > INT_MAX)
            return ERR_TOO_BIG;
        if (v->count) {
            if (t.depth == RESP_DEPTH_MAX)
                return ERR_TOO_BIG;
            t.open[t.depth++] = (struct open){v->count, r->n - 1, attribute};
        } else if (tree_close(&t, r, attribute)) {
            return (int)at;
        }
    }
}

uint32_t resp_after(const struct resp_reply *r, uint32_t i)
{
    for (uint64_t wanted = 1; wanted; i++)
        wanted += (uint64_t)r->v[i].count - 1;
    return i;
}
