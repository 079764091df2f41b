/* render.h: replies for people (tables, lines) and for programs (JSON), made from the reply's
 * structure alone.
 *
 * For people: an array of maps is a table, a map is "name value" lines followed by its tables, a
 * plain array is numbered lines. Little is known by name: a "verdict" and a "warning" come first, a
 * field that ends in _ms is a duration, a few columns are the first to go when a table is wider
 * than the terminal, and are named under it. On a terminal bytes that are not printable text are
 * escaped, so that no value and no peer's name can command the terminal; into a pipe a string goes
 * as it is.
 *
 * For programs: one line of JSON, an object with one field. It has the name of the command, and its
 * value is the reply: {"get":"Paris"}, {"members":[...]}; so fields can be added beside it later.
 * Of an error it is {"error":{"code":"NOQUORUM", "message":"..."}}. Strings must be Unicode in
 * JSON, so one with a byte that is not part of well-formed UTF-8 becomes {"base64":"..."}. `help
 * json` (help.c) tells this to users. */
#ifndef COVEY_CONSOLE_RENDER_H
#define COVEY_CONSOLE_RENDER_H

#include "base/buf.h"
#include "wire/resp.h"

struct render {
    /* a string is printed as it is, and "not there" is an empty line: for pipes */
    bool raw;
    bool colour;      /* the output takes ANSI colours */
    unsigned columns; /* of the terminal; 0: no limit */
};

/* Appends the reply as text that ends in a newline. Errors as buf_reserve. */
int render_text(struct buf *out, const struct resp_reply *reply, const struct render *how);

/* Appends the reply as one line of JSON; `command` in lower case. Errors as buf_reserve. */
int render_json(struct buf *out, const struct resp_reply *reply, struct slice command);

#endif
