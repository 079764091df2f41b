/* json.c: a RESP reply as JSON (RFC 8259). */
#include "console/text.h"

#include <stdio.h>

size_t render_utf8(struct slice s)
{
    if (s.n == 0)
        return 0;
    uint8_t first = s.p[0];
    if (first < 0x80)
        return 1;
    size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((first == 0xe0 && s.p[1] < 0xa0) || (first == 0xf0 && s.p[1] < 0x90)) /* overlong */
        return 0;
    if ((first == 0xed && s.p[1] > 0x9f) || (first == 0xf4 && s.p[1] > 0x8f)) /* surrogates; beyond U+10FFFF */
        return 0;
    return n;
}

/* One character of a string: the bytes it took. */
static size_t put_character(struct sink *s, struct slice rest)
{
    static const char *const named[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    uint8_t first = rest.p[0];
    size_t n = render_utf8(rest);
    if (n == 0) {
        put(s, SLICE("\\ufffd"));
        return 1;
    }
    if (first == '"' || first == '\\') {
        put(s, SLICE("\\"));
    } else if (first < 0x20 || first == 0x7f) {
        char text[8];
        snprintf(text, sizeof text, "\\u%04x", first);
        bool has_name = first < sizeof named / sizeof named[0] && named[first] != NULL;
        put(s, slice_str(has_name ? named[first] : text));
        return 1;
    }
    put(s, slice_of(rest.p, n));
    return n;
}

static void put_string(struct sink *s, struct slice text)
{
    put(s, SLICE("\""));
    size_t plain = 0; /* start of a run that needs no escape: most strings are one run */
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] >= 0x20 && text.p[i] < 0x7f && text.p[i] != '"' && text.p[i] != '\\') {
            i++;
            continue;
        }
        put(s, slice_of(text.p + plain, i - plain));
        i += put_character(s, slice_of(text.p + i, text.n - i));
        plain = i;
    }
    put(s, slice_of(text.p + plain, text.n - plain));
    put(s, SLICE("\""));
}

/* A RESP double or big number is JSON's already, but for inf and nan, which JSON has not: strings then. */
static void put_number(struct sink *s, struct slice text)
{
    bool digits = text.n > 0;
    for (size_t i = 0; i < text.n && digits; i++)
        digits = memchr("0123456789+-.eE", text.p[i], 15) != NULL;
    if (digits)
        put(s, text);
    else
        put_string(s, text);
}

static void put_value(struct sink *s, const struct resp_reply *r, uint32_t i);

static void put_list(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    put(s, SLICE("["));
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count; k++) {
        if (k > 0)
            put(s, SLICE(","));
        put_value(s, r, child);
        child = resp_after(r, child);
    }
    put(s, SLICE("]"));
}

static void put_name(struct sink *s, const struct resp_value *v)
{
    if (v->type != RESP_INTEGER) {
        put_string(s, v->text);
        return;
    }
    put(s, SLICE("\""));
    put_integer(s, v->integer);
    put(s, SLICE("\""));
}

static void put_map(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    put(s, SLICE("{"));
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count / 2; k++) {
        if (k > 0)
            put(s, SLICE(","));
        put_name(s, &r->v[child]);
        put(s, SLICE(":"));
        child = resp_after(r, child);
        put_value(s, r, child);
        child = resp_after(r, child);
    }
    put(s, SLICE("}"));
}

static void put_value(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    const struct resp_value *v = &r->v[i];
    switch (v->type) {
    case RESP_NULL:
        put(s, SLICE("null"));
        break;
    case RESP_BOOLEAN:
        put(s, v->integer ? SLICE("true") : SLICE("false"));
        break;
    case RESP_INTEGER:
        put_integer(s, v->integer);
        break;
    case RESP_DOUBLE:
    case RESP_BIG:
        put_number(s, v->text);
        break;
    case RESP_ERROR:
        put(s, SLICE("{\"error\":"));
        put_string(s, v->text);
        put(s, SLICE("}"));
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
        put(&s, SLICE("{"));
        put_string(&s, command);
        put(&s, SLICE(":"));
    }
    put_value(&s, reply, 0);
    put(&s, wrap ? SLICE("}\n") : SLICE("\n"));
    return s.error;
}
