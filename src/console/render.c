/* render.c: a RESP reply as text for people. */
#include "console/render.h"

#include "base/error.h"
#include "console/text.h"

static void put_block(struct sink *s, const struct resp_reply *r, uint32_t i,
                      const struct render *how, size_t indent);

static bool is_aggregate(const struct resp_value *v)
{
    return v->type == RESP_ARRAY || v->type == RESP_SET || v->type == RESP_MAP ||
           v->type == RESP_PUSH;
}

static bool is_table(const struct resp_reply *r, uint32_t i)
{
    if (r->v[i].type != RESP_ARRAY || r->v[i].count == 0)
        return false;
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count; k++) {
        if (r->v[child].type != RESP_MAP)
            return false;
        child = resp_after(r, child);
    }
    return true;
}

static bool is_bare(struct slice name)
{
    return slice_eq(name, SLICE("verdict")) || slice_eq(name, SLICE("warning"));
}

/* A verdict and a warning come first and stand alone: they are what the operator wants to know. */
static void put_headline(struct sink *s, const struct resp_value *name, const struct resp_value *v,
                         const struct render *how)
{
    bool warning = slice_eq(name->text, SLICE("warning"));
    if (v->text.n == 0)
        return;
    if (warning)
        text_put_coloured(s, SLICE("warning: "), how->colour ? "\033[33m" : NULL);
    const char *colour = how->colour && !warning ? text_colour(v->text) : NULL;
    text_put(s, slice_str(colour != NULL ? colour : ""));
    text_put_escaped(s, v->text);
    text_put(s, slice_str(colour != NULL ? "\033[0m\n" : "\n"));
}

static void put_pair(struct sink *s, const struct resp_reply *r, uint32_t name, size_t width,
                     const struct render *how, size_t indent)
{
    uint32_t value = resp_after(r, name);
    struct slice heading = text_heading(r->v[name].text);
    text_put_spaces(s, indent);
    text_put_coloured(s, heading, how->colour ? "\033[2m" : NULL);
    text_put_spaces(s, width - text_width(heading) + 2);
    const char *colour = how->colour ? text_colour(r->v[value].text) : NULL;
    text_put(s, slice_str(colour != NULL ? colour : ""));
    text_put_cell(s, r, value, r->v[name].text);
    text_put(s, slice_str(colour != NULL ? "\033[0m" : ""));
    text_put(s, SLICE("\n"));
}

/* Whether an aggregate gets lines of its own, and not one cell. */
static bool is_section(const struct resp_reply *r, uint32_t i)
{
    return is_table(r, i) ||
           (is_aggregate(&r->v[i]) && r->v[i].count > 0 && is_aggregate(&r->v[i + 1])) ||
           r->v[i].type == RESP_MAP;
}

enum pass { PASS_WIDTH, PASS_HEADLINE, PASS_PAIR, PASS_SECTION };

/* One pass over the fields of a map: for the width of the names, the headlines, the plain pairs, or
 * the sections. */
static void map_pass(struct sink *s, const struct resp_reply *r, uint32_t i,
                     const struct render *how, size_t indent, enum pass pass, size_t *width)
{
    uint32_t name = i + 1;
    for (uint32_t k = 0; k < r->v[i].count / 2; k++) {
        uint32_t value = resp_after(r, name);
        bool bare = is_bare(r->v[name].text) && !is_aggregate(&r->v[value]);
        bool section = is_section(r, value);
        size_t w = text_width(text_heading(r->v[name].text));
        if (pass == PASS_WIDTH && !bare && !section)
            *width = w > *width ? w : *width;
        if (pass == PASS_HEADLINE && bare)
            put_headline(s, &r->v[name], &r->v[value], how);
        if (pass == PASS_PAIR && !bare && !section)
            put_pair(s, r, name, *width, how, indent);
        if (pass == PASS_SECTION && section) {
            text_put(s, SLICE("\n"));
            text_put_spaces(s, indent);
            text_put_escaped(s, r->v[name].text);
            text_put(s, SLICE("\n"));
            put_block(s, r, value, how, indent + 2);
        }
        name = resp_after(r, value);
    }
}

static void put_map(struct sink *s, const struct resp_reply *r, uint32_t i,
                    const struct render *how, size_t indent)
{
    size_t width = 0;
    map_pass(s, r, i, how, indent, PASS_WIDTH, &width);
    map_pass(s, r, i, how, indent, PASS_HEADLINE, &width);
    map_pass(s, r, i, how, indent, PASS_PAIR, &width);
    map_pass(s, r, i, how, indent, PASS_SECTION, &width);
}

static void put_list(struct sink *s, const struct resp_reply *r, uint32_t i,
                     const struct render *how, size_t indent)
{
    if (r->v[i].count == 0) {
        text_put_spaces(s, indent);
        text_put(s, SLICE("(none)\n"));
    }
    uint32_t child = i + 1;
    for (uint32_t k = 0; k < r->v[i].count; k++) {
        text_put_spaces(s, indent);
        if (!how->raw) {
            text_put_integer(s, (int64_t)k + 1);
            text_put(s, SLICE(") "));
        }
        if (is_aggregate(&r->v[child]))
            text_put_cell(s, r, child, SLICE(""));
        else
            put_block(s, r, child, how, 0);
        if (is_aggregate(&r->v[child]))
            text_put(s, SLICE("\n"));
        child = resp_after(r, child);
    }
}

/* Puts a string, a number, an error or nothing on a line. */
static void put_scalar(struct sink *s, const struct resp_value *v, const struct render *how,
                       size_t indent)
{
    text_put_spaces(s, indent);
    if (v->type == RESP_NULL) {
        text_put(s, how->raw ? SLICE("") : SLICE("(nil)"));
    } else if (v->type == RESP_ERROR) {
        text_put_coloured(s, SLICE("error: "), how->colour ? "\033[31m" : NULL);
        text_put_escaped(s, v->text);
    } else if (v->type == RESP_INTEGER) {
        text_put_integer(s, v->integer);
    } else if (v->type == RESP_BOOLEAN) {
        text_put(s, v->integer ? SLICE("yes") : SLICE("no"));
    } else if (how->raw) {
        text_put(s, v->text);
    } else {
        text_put_escaped(s, v->text);
    }
    text_put(s, SLICE("\n"));
}

/* The texts of INFO and CLIENT LIST have lines of their own: they stay lines, each made safe. */
static void put_lines(struct sink *s, struct slice text)
{
    while (text.n > 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        size_t shown = n > 0 && text.p[n - 1] == '\r' ? n - 1 : n;
        text_put_escaped(s, slice_of(text.p, shown));
        text_put(s, SLICE("\n"));
        size_t used = end != NULL ? n + 1 : n;
        text = slice_of(text.p + used, text.n - used);
    }
}

static void put_block(struct sink *s, const struct resp_reply *r, uint32_t i,
                      const struct render *how, size_t indent)
{
    const struct resp_value *v = &r->v[i];
    if (is_table(r, i))
        render_table(s, r, i, how);
    else if (v->type == RESP_MAP)
        put_map(s, r, i, how, indent);
    else if (is_aggregate(v))
        put_list(s, r, i, how, indent);
    else if (v->type == RESP_BULK && v->text.n > 0 && v->text.p[v->text.n - 1] == '\n' && !how->raw)
        put_lines(s, v->text);
    else
        put_scalar(s, v, how, indent);
}

int render_text(struct buf *out, const struct resp_reply *reply, const struct render *how)
{
    struct sink s = {out, 0};
    put_block(&s, reply, 0, how, 0);
    return s.error;
}
