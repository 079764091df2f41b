/* text.h: what the renderers write with: output that remembers its first error, and single values
 * as text. */
#ifndef COVEY_CONSOLE_TEXT_H
#define COVEY_CONSOLE_TEXT_H

#include "base/buf.h"
#include "console/render.h"

/* Output with a memory for errors: the first one stops all that follows, and is reported at the
 * end. */
struct sink {
    struct buf *out;
    int error; /* 0, or as buf_reserve */
};

void text_put(struct sink *s, struct slice bytes);
void text_put_spaces(struct sink *s, size_t n);
void text_put_integer(struct sink *s, int64_t n);

/* Bytes of the well-formed UTF-8 character at the start of s (RFC 3629: no surrogates, no overlong
 * forms), or 0. */
size_t text_utf8(struct slice s);

/* Text that is safe on a terminal: control characters and bytes that are no UTF-8 become \n, \t,
 * \xNN. */
void text_put_escaped(struct sink *s, struct slice text);

/* A value on one line, as a person reads it: true is "yes", an absent one "-", 192000 in a field
 * named "…_ms" is "3m12s"; of an aggregate its members, separated by spaces. */
void text_put_cell(struct sink *s, const struct resp_reply *r, uint32_t i, struct slice field);

/* A field's name as a heading: "since_ms" is "since", since its values come with their unit. */
struct slice text_heading(struct slice field);

/* The ANSI colour that a word has ("alive" is green), or NULL. Whatever follows a colon does not
 * count: "healthy: ..." */
const char *text_colour(struct slice text);

/* Appends text in that colour; NULL: plain. */
void text_put_coloured(struct sink *s, struct slice text, const char *colour);

/* Columns that well-formed text takes on a terminal, by counting characters: no wide ones are
 * expected in names and numbers. */
size_t text_width(struct slice text);

/* ---- json.c ---- */

/* Text as a JSON string; bytes that are no UTF-8 as {"base64":"..."}. */
void json_put_string(struct sink *s, struct slice text);

/* {"code":...,"message":...}: what stands under "error". */
void json_put_error(struct sink *s, struct slice code, struct slice message);

/* ---- table.c ---- */

/* The array of maps at element i as an aligned table, headings first. */
void render_table(struct sink *s, const struct resp_reply *r, uint32_t i, const struct render *how);

#endif
