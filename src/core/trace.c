/* trace.c: the one printer of traces (see trace.h). */
#include "core/trace.h"

#include "base/check.h"
#include "base/error.h"
#include "base/id.h"

static const struct trace_form {
    enum trace_level level;
    const char *event, *id, *a, *b, *text; /* names; "" where the field is not used */
} forms[TRACE_KINDS] = {
#define TRACE(NAME, event, level, id, a, b, text) \
    [TRACE_##NAME] = {TRACE_##level, event, id, a, b, text},
#include "core/trace.def"
#undef TRACE
};

enum trace_level trace_level(enum trace_kind kind)
{
    CHECK(kind < TRACE_KINDS);
    return forms[kind].level;
}

static const char *level_name(enum trace_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

/* ---- Values: each function appends " name=value", or nothing for a field without a name ---- */

static int print_member(struct buf *out, const char *name, uint64_t id)
{
    char hex[ADDR_TEXT];
    return *name ? buf_printf(out, " %s=%s", name, node_id_text(id, hex)) : 0;
}

static int print_number(struct buf *out, const char *name, uint64_t value)
{
    if (!*name)
        return 0;
    if (strcmp(name, "by") == 0)
        return print_member(out, name, value);
    if (strcmp(name, "error") == 0)
        return buf_printf(out, " error=%s", error_name((int)(int64_t)value));
    return buf_printf(out, " %s=%llu", name, (unsigned long long)value);
}

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return text.n == 0;
}

/* One byte inside quotes. Bytes of 0x80 and more are printed as they are: they may be UTF-8. */
static int print_quoted_byte(struct buf *out, uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        return buf_printf(out, "\\%c", c);
    case '\n':
        return buf_append(out, "\\n", 2);
    case '\r':
        return buf_append(out, "\\r", 2);
    case '\t':
        return buf_append(out, "\\t", 2);
    default:
        return c < ' ' || c == 0x7f ? buf_printf(out, "\\x%02x", c) : buf_append(out, &c, 1);
    }
}

int trace_print_text(struct buf *out, const char *name, struct slice text)
{
    if (!*name)
        return 0;
    int error = buf_printf(out, " %s=", name);
    if (error)
        return error;
    if (!needs_quotes(text))
        return buf_slice(out, text);
    error = buf_append(out, "\"", 1);
    for (size_t i = 0; !error && i < text.n; i++)
        error = print_quoted_byte(out, text.p[i]);
    return error ? error : buf_append(out, "\"", 1);
}

static int print_fields(struct buf *out, const struct trace_form *form, const struct trace *t)
{
    int error = buf_printf(out, "event=%s level=%s", form->event, level_name(form->level));
    if (!error)
        error = print_member(out, form->id, t->id);
    if (!error)
        error = print_number(out, form->a, t->a);
    if (!error)
        error = print_number(out, form->b, t->b);
    return error ? error : trace_print_text(out, form->text, t->text);
}

int trace_print(struct buf *out, const struct trace *t)
{
    CHECK(t->kind < TRACE_KINDS);
    size_t before = out->n;
    int error = print_fields(out, &forms[t->kind], t);
    if (error)
        out->n = before; /* no line is printed in part */
    return error;
}
