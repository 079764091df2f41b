/* resp_request.c: what clients say.
 *
 * The common case is a pipeline of small arrays that are all there: one pass, no copy, no
 * allocation. Three things make it longer. A request may arrive in pieces, even a value in a
 * thousand of them, and is to be read once: the parser remembers what it is done with, as offsets,
 * for the input may move in memory between calls. A request may announce more than we want to keep:
 * announcements allocate nothing (room for arguments grows as they arrive), and what is over a
 * limit is dropped as it arrives, so that the client gets an error and keeps its connection. And
 * people type: the inline form, split as redis-cli splits it.
 *
 *   idle --'*'--> array --last bulk--> idle (a command)
 *    |              `--over a limit--> dropping --last bulk--> idle (too_big)
 *    `--other--> inline --line end--> idle (a command)
 *
 * Deviations from Redis: a bulk must end in CR LF (Redis skips two bytes unseen, which lets a
 * client that counts wrongly go on in a stream that means something else), and a count line is too
 * long after 32 bytes rather than 64 KiB. */
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "wire/resp_line.h"

enum {
    /* arguments of the first allocation: enough for most commands */
    RESP_ARGS_FIRST = 16,
    /* room for more arguments is given back with the next command: a huge MSET should not cost its
     * client's lifetime */
    RESP_ARGS_KEPT = 1024,
};

void resp_request_init(struct resp_request *r)
{
    *r = (struct resp_request){0};
    buf_init(&r->unquoted, RESP_INLINE_MAX);
}

void resp_request_close(struct resp_request *r)
{
    free(r->arg);
    buf_close(&r->unquoted);
    resp_request_init(r);
}

static int fail(struct resp_request *r, const char *why)
{
    r->why = why;
    return ERR_BAD_MESSAGE;
}

static int args_grow(struct resp_request *r)
{
    CHECK(r->arg_n < RESP_ARGS_MAX);
    uint32_t cap = r->arg_cap ? r->arg_cap * 2 : RESP_ARGS_FIRST;
    struct slice *arg = realloc(r->arg, cap * sizeof *arg);
    if (!arg)
        return ERR_NO_MEMORY;
    r->arg = arg;
    r->arg_cap = cap;
    return 0;
}

/* Where the next argument goes, or NULL when memory is out. */
static inline struct slice *arg_next(struct resp_request *r)
{
    if (r->arg_n == r->arg_cap && args_grow(r) != 0)
        return NULL;
    return &r->arg[r->arg_n++];
}

static void args_clear(struct resp_request *r)
{
    r->arg_n = 0;
    if (r->arg_cap <= RESP_ARGS_KEPT)
        return;
    free(r->arg);
    r->arg = NULL;
    r->arg_cap = 0;
}

/* ---- Inline commands ---- */

static inline bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape in double quotes stands for; *at is behind the backslash and moves behind
 * the escape. */
static uint8_t unescape(struct slice line, size_t *at)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    uint8_t c = line.p[(*at)++];
    if (c == 'x' && line.n - *at >= 2 && hex_digit(line.p[*at]) >= 0 &&
        hex_digit(line.p[*at + 1]) >= 0) {
        c = (uint8_t)(hex_digit(line.p[*at]) << 4 | hex_digit(line.p[*at + 1]));
        *at += 2;
        return c;
    }
    const char *name = c ? strchr(names, c) : NULL;
    return name ? (uint8_t)bytes[name - names] : c;
}

/* The rest of a quoted piece, *at behind its opening quote: appends its bytes (room was made),
 * moves *at behind the closing quote. False when there is none, or something other than a blank
 * follows it. */
static bool take_quoted(struct slice line, size_t *at, uint8_t quote, struct buf *to)
{
    while (*at < line.n) {
        uint8_t c = line.p[(*at)++];
        if (c == quote)
            return *at == line.n || is_blank(line.p[*at]);
        if (c == '\\' && *at < line.n) {
            if (quote == '"')
                c = unescape(line, at);
            else if (line.p[*at] == '\'')
                c = line.p[(*at)++];
        }
        to->p[to->n++] = c;
    }
    return false;
}

static bool take_word(struct slice line, size_t *at, struct buf *to)
{
    while (*at < line.n && !is_blank(line.p[*at])) {
        uint8_t c = line.p[(*at)++];
        if (c == '"' || c == '\'')
            return take_quoted(line, at, c, to);
        to->p[to->n++] = c;
    }
    return true;
}

static int split_words(struct resp_request *r, struct slice line)
{
    r->unquoted.n = 0;
    /* words are never longer than the line, and so do not move below */
    int error = buf_reserve(&r->unquoted, line.n);
    if (error)
        return error;
    for (size_t at = 0;;) {
        while (at < line.n && is_blank(line.p[at]))
            at++;
        if (at == line.n)
            return 0;
        size_t from = r->unquoted.n;
        if (!take_word(line, &at, &r->unquoted))
            return fail(r, "unbalanced quotes in request");
        struct slice *arg = arg_next(r);
        if (!arg)
            return ERR_NO_MEMORY;
        *arg = slice_of(r->unquoted.p + from, r->unquoted.n - from);
    }
}

static int parse_inline(struct resp_request *r, struct slice in)
{
    const uint8_t *end = memchr(in.p + r->scanned, '\n', in.n - r->scanned);
    size_t n = end ? (size_t)(end - in.p) : in.n;
    if (n > RESP_INLINE_MAX)
        return fail(r, "too big inline request");
    if (!end) {
        r->scanned = n;
        return ERR_INCOMPLETE;
    }
    r->scanned = 0;
    int error = split_words(r, slice_of(in.p, n));
    return error ? error : (int)n + 1;
}

/* ---- Arrays of bulk strings ---- */

/* The line "*3": sets what is left. 0, the line's bytes when it announces nothing, or an error. */
static int begin_array(struct resp_request *r, struct slice in)
{
    int64_t n;
    int line = resp_number(in, &n);
    if (line == ERR_INCOMPLETE)
        return line;
    if (line == ERR_TOO_BIG)
        return fail(r, "too big mbulk count string");
    if (line < 0 || n > RESP_ARGS_MAX)
        return fail(r, "invalid multibulk length");
    if (n <= 0)
        return line;
    r->left = (uint32_t)n;
    r->scanned = (size_t)line;
    return 0;
}

static int fail_expected(struct resp_request *r, uint8_t got)
{
    memcpy(r->why_text, "expected '$', got 'x'", sizeof "expected '$', got 'x'");
    r->why_text[sizeof "expected '$', got '" - 1] = got >= ' ' && got < 127 ? (char)got : '?';
    return fail(r, r->why_text);
}

/* The line "$3" at the start of in (n > 0): its bytes or an error. */
static inline int bulk_line(struct resp_request *r, struct slice in, size_t *bulk_n)
{
    int64_t n;
    if (in.p[0] != '$')
        return fail_expected(r, in.p[0]);
    int line = resp_number(in, &n);
    if (line > 0 && n >= 0 && n <= RESP_BULK_MAX) {
        *bulk_n = (size_t)n;
        return line;
    }
    if (line == ERR_INCOMPLETE)
        return line;
    return fail(r, line == ERR_TOO_BIG ? "too big bulk count string" : "invalid bulk length");
}

/* Drops as much of the current bulk as is there. */
static void skip_bulk(struct resp_request *r, struct slice in)
{
    size_t there = in.n - r->scanned;
    size_t n = r->skip < there ? r->skip : there;
    r->scanned += n;
    r->skip -= n;
    if (!r->skip)
        r->left--;
}

/* The next bulk of the array. 0 when the parser got further, else ERR_INCOMPLETE or another
 * error. */
static inline int parse_bulk(struct resp_request *r, struct slice in, size_t bulk_max)
{
    if (r->scanned == in.n)
        return ERR_INCOMPLETE;
    if (r->skip) {
        skip_bulk(r, in);
        return 0;
    }
    size_t n = 0;
    int line = bulk_line(r, slice_of(in.p + r->scanned, in.n - r->scanned), &n);
    if (line < 0)
        return line;
    size_t at = r->scanned + (size_t)line;
    size_t end = at + n + 2;
    if (!r->dropping && (n > bulk_max || end > RESP_REQUEST_MAX)) {
        r->dropping = n > bulk_max ? n : end;
        args_clear(r);
    }
    if (r->dropping) {
        r->scanned = at;
        r->skip = n + 2;
        return 0;
    }
    if (end > in.n)
        return ERR_INCOMPLETE;
    if (in.p[end - 2] != '\r' || in.p[end - 1] != '\n')
        return fail(r, "expected CR LF after a bulk string");
    struct slice *arg = arg_next(r);
    if (!arg)
        return ERR_NO_MEMORY;
    *arg = slice_of((const uint8_t *)(uintptr_t)at, n); /* an offset until the request is whole */
    r->scanned = end;
    r->left--;
    return 0;
}

/* Hands over what was scanned: all of the request, or all that is there of a dropped one. */
static int consume(struct resp_request *r, struct slice in)
{
    int consumed = (int)r->scanned;
    r->scanned = 0;
    if (!r->left) {
        r->too_big = r->dropping;
        r->dropping = 0;
    }
    for (uint32_t i = 0; i < r->arg_n; i++)
        r->arg[i].p = in.p + (uintptr_t)r->arg[i].p;
    return consumed;
}

int resp_parse_request(struct resp_request *r, struct slice in, size_t bulk_max)
{
    if (in.n > INT_MAX)
        in.n = INT_MAX;
    r->too_big = 0;
    if (!r->left) {
        args_clear(r);
        if (in.n == 0)
            return ERR_INCOMPLETE;
        if (in.p[0] != '*')
            return parse_inline(r, in);
        int line = begin_array(r, in);
        if (line)
            return line;
    }
    int error = 0;
    while (r->left && !error)
        error = parse_bulk(r, in, bulk_max);
    if (error && !(error == ERR_INCOMPLETE && r->dropping && r->scanned))
        return error;
    return consume(r, in);
}
