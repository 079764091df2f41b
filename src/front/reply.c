#include "front/reply.h"

#include <stdarg.h>
#include <stdio.h>

struct reply reply_begin(struct buf *out, int proto)
{
    return (struct reply){.out = out, .from = out->n, .proto = proto};
}

int reply_end(struct reply *r)
{
    if (r->error)
        r->out->n = r->from;
    return r->error;
}

static void note(struct reply *r, int error)
{
    if (error && !r->error)
        r->error = error;
}

void reply_error(struct reply *r, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->error || n < 0)
        return;
    r->out->n = r->from;
    note(r,
         resp_error(r->out, slice_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1)));
}

void reply_simple(struct reply *r, const char *text)
{
    if (!r->error)
        note(r, resp_simple(r->out, slice_str(text)));
}

void reply_integer(struct reply *r, int64_t n)
{
    if (!r->error)
        note(r, resp_integer(r->out, n));
}

void reply_bool(struct reply *r, bool yes)
{
    if (r->proto < 3)
        reply_integer(r, yes);
    else if (!r->error)
        note(r, buf_slice(r->out, yes ? SLICE("#t\r\n") : SLICE("#f\r\n")));
}

void reply_bulk(struct reply *r, struct slice bytes)
{
    if (!r->error)
        note(r, resp_bulk(r->out, bytes));
}

void reply_text(struct reply *r, const char *text)
{
    reply_bulk(r, slice_str(text));
}

void reply_null(struct reply *r)
{
    if (!r->error)
        note(r, resp_null(r->out, r->proto));
}

void reply_array(struct reply *r, uint32_t n)
{
    if (!r->error)
        note(r, resp_array(r->out, n));
}

void reply_map(struct reply *r, uint32_t pairs)
{
    if (!r->error)
        note(r, resp_map(r->out, pairs, r->proto));
}

void reply_set(struct reply *r, uint32_t n)
{
    if (r->proto < 3)
        reply_array(r, n);
    else if (!r->error)
        note(r, buf_printf(r->out, "~%u\r\n", n));
}

void reply_push(struct reply *r, uint32_t n)
{
    if (!r->error)
        note(r, resp_push(r->out, n, r->proto));
}

void reply_raw(struct reply *r, struct slice encoded)
{
    if (!r->error)
        note(r, buf_slice(r->out, encoded));
}

void reply_field_integer(struct reply *r, const char *name, int64_t n)
{
    reply_text(r, name);
    reply_integer(r, n);
}

void reply_field_bool(struct reply *r, const char *name, bool yes)
{
    reply_text(r, name);
    reply_bool(r, yes);
}

void reply_field_bulk(struct reply *r, const char *name, struct slice bytes)
{
    reply_text(r, name);
    reply_bulk(r, bytes);
}

void reply_field_text(struct reply *r, const char *name, const char *text)
{
    reply_text(r, name);
    reply_text(r, text);
}
