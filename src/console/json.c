/* json.c: a RESP reply as JSON (RFC 8259). */
#include "console/text.h"

#include <sodium.h>
#include <stdio.h>

/* Puts one character of a string. Returns how many bytes it took. */
static size_t put_character(struct sink *s, struct slice rest)
{
    static const char *const named[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
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

static void put_characters(struct sink *s, struct slice text)
{
    text_put(s, SLICE("\""));
    size_t plain = 0; /* start of a run of bytes that need no escape: most strings are one run */
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

static bool is_utf8(struct slice text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n && n > 0; i += n)
        n = text_utf8(slice_of(text.p + i, text.n - i));
    return n > 0;
}

static void put_base64(struct sink *s, struct slice bytes)
{
    enum { CHUNK = 768 }; /* a multiple of three: padding comes at the end alone */
    char text[sodium_base64_ENCODED_LEN(CHUNK, sodium_base64_VARIANT_ORIGINAL)];
    for (size_t i = 0; i < bytes.n; i += CHUNK) {
        size_t n = bytes.n - i < CHUNK ? bytes.n - i : CHUNK;
        text_put(s, slice_str(sodium_bin2base64(text, sizeof text, bytes.p + i, n,
                                                sodium_base64_VARIANT_ORIGINAL)));
    }
}

void json_put_string(struct sink *s, struct slice text)
{
    if (is_utf8(text)) {
        put_characters(s, text);
        return;
    }
    text_put(s, SLICE("{\"base64\":\""));
    put_base64(s, text);
    text_put(s, SLICE("\"}"));
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Whether the text is a number in JSON: -1.5e+9 is, +1, .5, 1. and 007 are not. */
static bool is_number(struct slice text)
{
    const uint8_t *p = text.p, *end = text.p + text.n;
    p += p < end && *p == '-';
    const uint8_t *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return false;
    if (p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        if (p == digits)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        p = skip_digits(p, end);
        if (p == digits)
            return false;
    }
    return p == end;
}

/* A RESP double or big number is a number in JSON too, except inf and nan: they become strings. */
static void put_number(struct sink *s, struct slice text)
{
    if (is_number(text))
        text_put(s, text);
    else
        json_put_string(s, text);
}

/* The bytes of an error's code: its first word, if that is in capitals ("NOQUORUM 1 of 2 ...");
 * else 0. */
static size_t code_bytes(struct slice text)
{
    size_t n = 0;
    while (n < text.n && ((text.p[n] >= 'A' && text.p[n] <= 'Z') || text.p[n] == '_'))
        n++;
    return n < text.n && text.p[n] == ' ' ? n : 0;
}

void json_put_error(struct sink *s, struct slice code, struct slice message)
{
    text_put(s, SLICE("{\"code\":"));
    json_put_string(s, code);
    text_put(s, SLICE(",\"message\":"));
    json_put_string(s, message);
    text_put(s, SLICE("}"));
}

static void put_error(struct sink *s, struct slice text)
{
    size_t n = code_bytes(text);
    if (n == 0)
        json_put_error(s, SLICE("ERR"), text);
    else
        json_put_error(s, slice_of(text.p, n), slice_of(text.p + n + 1, text.n - n - 1));
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

/* A field's name is a string in JSON whatever its bytes; covey's own names are ASCII. */
static void put_name(struct sink *s, const struct resp_value *v)
{
    if (v->type != RESP_INTEGER) {
        put_characters(s, v->text);
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
        put_error(s, v->text);
        text_put(s, SLICE("}"));
        break;
    case RESP_SIMPLE:
    case RESP_BULK:
        json_put_string(s, v->text);
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
    bool failed = reply->v[0].type == RESP_ERROR; /* an error has a name of its own */
    if (!failed) {
        text_put(&s, SLICE("{"));
        put_characters(&s, command);
        text_put(&s, SLICE(":"));
    }
    put_value(&s, reply, 0);
    text_put(&s, failed ? SLICE("\n") : SLICE("}\n"));
    return s.error;
}
