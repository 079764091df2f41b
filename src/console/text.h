/* text.h: what the renderers write with: output that remembers its first error, and single values as text. */
#ifndef COVEY_CONSOLE_TEXT_H
#define COVEY_CONSOLE_TEXT_H

#include "base/buf.h"
#include "console/render.h"

/* Output with a memory for errors: the first one stops all that follows, and is reported at the end. */
struct sink {
    struct buf *out;
    int error; /* 0, or as buf_reserve */
};

void put(struct sink *s, struct slice bytes);
void put_spaces(struct sink *s, size_t n);
void put_integer(struct sink *s, int64_t n);

/* Text that is safe on a terminal: control characters and bytes that are no UTF-8 become \n, \t, \xNN. */
void put_escaped(struct sink *s, struct slice text);

/* A value on one line, as a person reads it: true is "yes", an absent one "-", 192000 in a field named "…_ms" is "3m12s";
 * of an aggregate its members, separated by spaces. */
void put_cell(struct sink *s, const struct resp_reply *r, uint32_t i, struct slice field);

/* A field's name as a heading: "since_ms" is "since", since its values come with their unit. */
struct slice text_heading(struct slice field);

/* The ANSI colour that a word has ("alive" is green), or NULL. Whatever follows a colon does not count: "healthy: ..." */
const char *text_colour(struct slice text);

/* Appends text in that colour; NULL: plain. */
void put_coloured(struct sink *s, struct slice text, const char *colour);

/* Columns that well-formed text takes on a terminal, by counting characters: no wide ones are expected in names and numbers. */
size_t text_width(struct slice text);

/* ---- table.c ---- */

/* The array of maps at element i as an aligned table, headings first. */
void put_table(struct sink *s, const struct resp_reply *r, uint32_t i, const struct render *how);

#endif
