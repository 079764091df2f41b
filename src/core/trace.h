/* trace.h: typed traces, and the one printer of them. */
#ifndef COVEY_CORE_TRACE_H
#define COVEY_CORE_TRACE_H

#include "base/buf.h"

enum trace_level { TRACE_DEBUG, TRACE_INFO, TRACE_WARN, TRACE_ERROR };

enum trace_kind {
#define TRACE(NAME, event, level, id, a, b, text) TRACE_##NAME,
#include "core/trace.def"
#undef TRACE
    TRACE_KINDS
};

struct trace {
    enum trace_kind kind;
    uint64_t id; /* a member; printed as 16 hex digits */
    uint64_t a, b;
    struct slice text; /* lives until the node's next step */
};

enum trace_level trace_level(enum trace_kind kind);

/* Appends a line without its newline, in logfmt:
 *     event=member.dead level=warn member=00000000000000c1 incarnation=4 by=00000000000000a1 name=c
 * Text is quoted where it is empty or has blanks, quotes, '=' or control bytes in it. A number (a
 * or b) whose name is "by" is printed as a member, one whose name is "error" by the error's name,
 * any other in decimal. Errors as buf_reserve; then nothing was appended. */
int trace_print(struct buf *out, const struct trace *t);

/* Appends " name=text", quoted as above; nothing where the name is "". */
int trace_print_text(struct buf *out, const char *name, struct slice text);

#endif
