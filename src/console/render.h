/* render.h: replies for people (tables, lines) and for programs (JSON), made from the structure of
 * the reply alone.
 *
 * For people: an array of maps is a table; a map is "name value" lines followed by its tables;
 * another array is numbered lines. A few names are known: "verdict" and "warning" come first, a
 * field that ends in _ms is a duration, and a few columns are left out first when a table is wider
 * than the terminal, and are named under it. On a terminal, bytes that are not printable text are
 * escaped, so that no value and no peer's name can command the terminal. Into a pipe a string goes
 * as it is.
 *
 * For programs: one line of JSON, an object with one field. The field has the name of the command,
 * and its value is the reply: {"get":"Paris"}, {"members":[...]}; other fields can be added beside
 * it later. An error is {"error":{"code":"NOQUORUM","message":"..."}}. JSON strings are Unicode, so
 * a string with a byte that is not well-formed UTF-8 becomes {"base64":"..."}. `help json` (help.c)
 * explains this to users. */
#ifndef COVEY_CONSOLE_RENDER_H
#define COVEY_CONSOLE_RENDER_H

#include "base/buf.h"
#include "wire/resp.h"

struct render {
    /* for pipes: a string is printed as it is, and an absent one is an empty line */
    bool raw;
    bool colour;      /* the output takes ANSI colours */
    unsigned columns; /* of the terminal; 0: no limit */
};

/* Appends the reply as text that ends in a newline. Errors as buf_reserve. */
int render_text(struct buf *out, const struct resp_reply *reply, const struct render *how);

/* Appends the reply as one line of JSON, under the name `command`, which is in lower case. Errors
 * as buf_reserve. */
int render_json(struct buf *out, const struct resp_reply *reply, struct slice command);

#endif
