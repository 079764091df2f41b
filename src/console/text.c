/* text.c: single values as text. */
#include "console/text.h"

#include <stdio.h>
#include <time.h>

void text_put(struct sink *s, struct slice bytes)
{
    if (s->error == 0)
        s->error = buf_slice(s->out, bytes);
}

void text_put_spaces(struct sink *s, size_t n)
{
    while (n-- > 0)
        text_put(s, SLICE(" "));
}

void text_put_integer(struct sink *s, int64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)n);
    text_put(s, slice_of(text, (size_t)len));
}

size_t text_utf8(struct slice s)
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
    /* surrogates; beyond U+10FFFF */
    if ((first == 0xed && s.p[1] > 0x9f) || (first == 0xf4 && s.p[1] > 0x8f))
        return 0;
    return n;
}

void text_put_escaped(struct sink *s, struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        struct slice rest = slice_of(text.p + i, text.n - i);
        size_t n = text_utf8(rest);
        uint8_t first = text.p[i];
        /* U+0080 .. U+009F are control characters too: a terminal may take U+009B for ESC [ */
        bool control =
            first < 0x20 || first == 0x7f || (n == 2 && first == 0xc2 && text.p[i + 1] < 0xa0);
        if (n > 0 && !control) {
            text_put(s, slice_of(text.p + i, n));
            i += n;
            continue;
        }
        char escape[8];
        snprintf(escape, sizeof escape,
                 first == '\n'   ? "\\n"
                 : first == '\t' ? "\\t"
                                 : "\\x%02x",
                 first);
        text_put(s, slice_str(escape));
        i++;
    }
}

static bool is_ms(struct slice field)
{
    return field.n > 3 && memcmp(field.p + field.n - 3, "_ms", 3) == 0;
}

/* Whether a field is a time in seconds since 1970; 0: never. */
static bool is_time(struct slice field)
{
    return field.n > 3 && memcmp(field.p + field.n - 3, "_at", 3) == 0;
}

struct slice text_heading(struct slice field)
{
    return is_ms(field) || is_time(field) ? slice_of(field.p, field.n - 3) : field;
}

/* Two units are enough: nobody wants the milliseconds of a week. */
static void put_duration(struct sink *s, int64_t ms)
{
    char text[64];
    long long t = ms / 1000;
    if (t < 10)
        snprintf(text, sizeof text, "%lld.%llds", t, (long long)(ms % 1000 / 100));
    else if (t < 60)
        snprintf(text, sizeof text, "%llds", t);
    else if (t < 3600)
        snprintf(text, sizeof text, "%lldm%02llds", t / 60, t % 60);
    else if (t < 86400)
        snprintf(text, sizeof text, "%lldh%02lldm", t / 3600, t % 3600 / 60);
    else
        snprintf(text, sizeof text, "%lldd%02lldh", t / 86400, t % 86400 / 3600);
    text_put(s, slice_str(text));
}

static void put_time(struct sink *s, int64_t at)
{
    char text[64] = "-";
    time_t t = (time_t)at;
    struct tm tm;
    if (at > 0 && gmtime_r(&t, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    text_put(s, slice_str(text));
}

static void put_members(struct sink *s, const struct resp_reply *r, uint32_t i)
{
    bool map = r->v[i].type == RESP_MAP;
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count; k++) {
        if (k > 0)
            text_put(s, map && k % 2 == 1 ? SLICE("=") : SLICE(" "));
        text_put_cell(s, r, child, SLICE(""));
        child = resp_after(r, child);
    }
}

void text_put_cell(struct sink *s, const struct resp_reply *r, uint32_t i, struct slice field)
{
    const struct resp_value *v = &r->v[i];
    switch (v->type) {
    case RESP_NULL:
        text_put(s, SLICE("-"));
        break;
    case RESP_BOOLEAN:
        text_put(s, v->integer ? SLICE("yes") : SLICE("-"));
        break;
    case RESP_INTEGER:
        if (is_ms(field) && v->integer >= 0)
            put_duration(s, v->integer);
        else if (is_time(field))
            put_time(s, v->integer);
        else
            text_put_integer(s, v->integer);
        break;
    case RESP_SIMPLE:
    case RESP_ERROR:
    case RESP_BULK:
    case RESP_DOUBLE:
    case RESP_BIG:
        if (v->text.n == 0)
            text_put(s, SLICE("-"));
        text_put_escaped(s, v->text);
        break;
    case RESP_ARRAY:
    case RESP_MAP:
    case RESP_SET:
    case RESP_PUSH:
        put_members(s, r, i);
        break;
    }
}

const char *text_colour(struct slice text)
{
    static const struct {
        const char *word, *colour;
    } table[] = {
        {"alive", "\033[32m"},    {"healthy", "\033[32m"}, {"ok", "\033[32m"},
        {"suspect", "\033[33m"},  {"joining", "\033[33m"}, {"loading", "\033[33m"},
        {"degraded", "\033[31m"}, {"dead", "\033[31m"},    {"FAILED", "\033[31m"},
        {"left", "\033[2m"},
    };
    const uint8_t *colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
    struct slice word = slice_of(text.p, colon != NULL ? (size_t)(colon - text.p) : text.n);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (slice_eq(word, slice_str(table[i].word)))
            return table[i].colour;
    }
    return NULL;
}

void text_put_coloured(struct sink *s, struct slice text, const char *colour)
{
    if (colour != NULL)
        text_put(s, slice_str(colour));
    text_put(s, text);
    if (colour != NULL)
        text_put(s, SLICE("\033[0m"));
}

size_t text_width(struct slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += (text.p[i] & 0xc0) != 0x80;
    return n;
}
