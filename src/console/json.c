/* json.c: a RESP reply as JSON (RFC 8259). */
#include "console/text.h"

#include <stdio.h>

/* One character of a string: the bytes it took. */
static size_t put_character(struct sink *s, struct slice rest)
{
    static const char *const named[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    uint8_t first = rest.p[0];
    size_t n = text_utf8(rest);
    if (n == 0) {
        text_put(s, SLICE("\\ufffd"));
        return 1;
    }
    if (first == '"' || first == '\\') {
        text_put(s, SLICE("\\"));
    } else if (first < 0x20 || first == 0x7f) {
        char text[8];
        snprintf(text, sizeof text, "\\u%04x", first);
        bool has_name = first < sizeof named / sizeof named[0] && named[first] != NULL;
        text_put(s, slice_str(has_name ? named[first] : text));
        return 1;
    }
    text_put(s, slice_of(rest.p, n));
    return n;
}

static void put_string(struct sink *s, struct slice text)
{
    text_put(s, SLICE("\""));
    size_t plain = 0; /* start of a run that needs no escape: most strings are one run */
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] >= 0x20 && text.p[i] < 0x7f && text.p[i] != '"' && text.p[i] != '\\') {
            i++;
            continue;
        }
        text_put(s, slice_of(text.p + plain, i - plain));
        i += put_character(s, slice_of(text.p + i, text.n - i));
        plain = i;
    }
    text_put(s, slice_of(text.p + plain, text.n - plain));
    text_put(s, SLICE("\""));
}

/* A RESP double or big number is JSON's already, but for inf and nan, which JSON has not: strings then. */
static void put_number(struct sink *s, struct slice text)
{
    bool digits = text.n > 0;
    for (size_t i = 0; i < text.n && digits; i++)
        digits = memchr("0123456789+-.eE", text.p[i], 15) != NULL;
    if (digits)
        text_put(s, text);
    else
        put_string(s, text);
}

static void put_value(struct sink *s, const struct resp_reply *r, uint32_t i);

static void put_list(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    text_put(s, SLICE("["));
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count; k++) {
        if (k > 0)
            text_put(s, SLICE(","));
        put_value(s, r, child);
        child = resp_after(r, child);
    }
    text_put(s, SLICE("]"));
}

static void put_name(struct sink *s, const struct resp_value *v)
{
    if (v->type != RESP_INTEGER) {
        put_string(s, v->text);
        return;
    }
    text_put(s, SLICE("\""));
    text_put_integer(s, v->integer);
    text_put(s, SLICE("\""));
}

static void put_map(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    text_put(s, SLICE("{"));
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count / 2; k++) {
        if (k > 0)
            text_put(s, SLICE(","));
        put_name(s, &r->v[child]);
        text_put(s, SLICE(":"));
        child = resp_after(r, child);
        put_value(s, r, child);
        child = resp_after(r, child);
    }
    text_put(s, SLICE("}"));
}

static void put_value(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    const struct resp_value *v = &r->v[i];
    switch (v->type) {
    case RESP_NULL:
        text_put(s, SLICE("null"));
        break;
    case RESP_BOOLEAN:
        text_put(s, v->integer ? SLICE("true") : SLICE("false"));
        break;
    case RESP_INTEGER:
        text_put_integer(s, v->integer);
        break;
    case RESP_DOUBLE:
    case RESP_BIG:
        put_number(s, v->text);
        break;
    case RESP_ERROR:
        text_put(s, SLICE("{\"error\":"));
        put_string(s, v->text);
        text_put(s, SLICE("}"));
        break;
    case RESP_SIMPLE:
    case RESP_BULK:
        put_string(s, v->text);
        break;
    case RESP_MAP:
        put_map(s, r, i);
        break;
    case RESP_ARRAY:
    case RESP_SET:
    case RESP_PUSH:
        put_list(s, r, i);
        break;
    }
}

int render_json(struct buf *out, const struct resp_reply *reply, struct slice command)
{
    struct sink s = {out, 0};
    const struct resp_value *v = reply->v;
    bool wrap = v[0].type == RESP_ARRAY && v[0].count > 0 && v[1].type == RESP_MAP;
    if (wrap) {
        text_put(&s, SLICE("{"));
        put_string(&s, command);
        text_put(&s, SLICE(":"));
    }
    put_value(&s, reply, 0);
    text_put(&s, wrap ? SLICE("}\n") : SLICE("\n"));
    return s.error;
}
