/* text.h: what the renderers write with: output that remembers its first error, and single values
 * as text. */
#ifndef COVEY_CONSOLE_TEXT_H
#define COVEY_CONSOLE_TEXT_H

#include "base/buf.h"
#include "console/render.h"

/* Output that remembers its first error: the error stops all that follows, and is returned at the
 * end. */
struct sink {
    struct buf *out;
    int error; /* 0, or as buf_reserve */
};

void text_put(struct sink *s, struct slice bytes);
void text_put_spaces(struct sink *s, size_t n);
void text_put_integer(struct sink *s, int64_t n);

/* How many bytes the well-formed UTF-8 character at the start of s has (RFC 3629: no surrogates, no
 * overlong forms); 0: there is none. */
size_t text_utf8(struct slice s);

/* Puts text that is safe on a terminal: control characters, and bytes that are no UTF-8, become \n,
 * \t or \xNN. */
void text_put_escaped(struct sink *s, struct slice text);

/* Puts a value on one line, as people read it: true is "yes", an absent one "-", 192000 in a field
 * that is called "…_ms" is "3m12s"; an aggregate's elements stand with blanks between. */
void text_put_cell(struct sink *s, const struct resp_reply *r, uint32_t i, struct slice field);

/* A field's name as a heading: "since_ms" is "since", since its values have their unit. */
struct slice text_heading(struct slice field);

/* The ANSI colour of a word ("alive" is green), or NULL. What follows a colon does not count:
 * "healthy: ...". */
const char *text_colour(struct slice text);

/* Puts text in a colour; NULL: plain. */
void text_put_coloured(struct sink *s, struct slice text, const char *colour);

/* The columns that text takes on a terminal, by counting characters: names and numbers have no wide
 * ones. */
size_t text_width(struct slice text);

/* ---- json.c ---- */

/* Puts text as a JSON string; bytes that are no UTF-8 as {"base64":"..."}. */
void json_put_string(struct sink *s, struct slice text);

/* Puts {"code":...,"message":...}: the value of "error". */
void json_put_error(struct sink *s, struct slice code, struct slice message);

/* ---- table.c ---- */

/* Puts the array of maps at element i as an aligned table, headings first. */
void render_table(struct sink *s, const struct resp_reply *r, uint32_t i, const struct render *how);

#endif
