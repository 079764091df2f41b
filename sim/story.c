#include "sim/story.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WHERE_TEXT = 32,
    LINE_TEXT = 1024,
    TEXT_COLUMN = 23, /* where the text of a line begins */
};

void story_init(struct story *s, const struct world *w, const struct story_options *o)
{
    *s = (struct story){.world = w, .o = *o};
    buf_init(&s->line, 1 << 20);
    buf_init(&s->trace, 1 << 20);
}

void story_close(struct story *s)
{
    buf_close(&s->line);
    buf_close(&s->trace);
    free(s->version);
}

/* ---- Lines ---- */

/* Whether a word is among the chosen ones. */
static bool chosen(const struct story *s, struct slice word)
{
    for (const char *at = s->o.words; at;) {
        const char *comma = strchr(at, ',');
        if (slice_eq(slice_of(at, comma ? (size_t)(comma - at) : strlen(at)), word))
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

/* Prints s->line. */
static void print_line(struct story *s, const char *where)
{
    uint64_t us = s->world->now_us - s->from_us;
    if (s->o.columns && s->line.n > s->o.columns - TEXT_COLUMN) {
        s->line.n = s->o.columns - TEXT_COLUMN - strlen("...");
        CHECK(!buf_printf(&s->line, "..."));
    }
    int n = (int)s->line.n;
    const char *text = (const char *)s->line.p;
    if (s->o.into)
        CHECK(!buf_printf(s->o.into, "%5" PRIu64 ".%06" PRIu64 " %-9s %.*s\n", us / 1000000,
                          us % 1000000, where, n, text));
    else
        printf("%5" PRIu64 ".%06" PRIu64 " %-9s %.*s\n", us / 1000000, us % 1000000, where, n,
               text);
}

static const char *where_is(char out[WHERE_TEXT], char letter, uint32_t i)
{
    snprintf(out, WHERE_TEXT, "%c%" PRIu32, letter, i);
    return out;
}

void story_line(struct story *s, const char *where, const char *format, ...)
{
    char text[LINE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->line.n = 0;
    CHECK(!buf_printf(&s->line, "%s", text));
    print_line(s, where);
}

/* ---- The log ---- */

/* A line of the log counts in the hash. */
static void count_line(struct story *s, const struct buf *line)
{
    s->hash = hash_seeded(buf_view(line), s->hash ^ s->world->now_us);
}

/* Makes "NAME rest" of s->trace, which is "event=NAME level=LEVEL rest"; members by their names. */
static void shorten_trace(struct story *s, size_t name_n)
{
    const char *name = (const char *)s->trace.p + strlen("event=");
    const char *rest = strchr(name + name_n + 1, ' ');
    s->line.n = 0;
    CHECK(!buf_append(&s->line, name, name_n));
    for (const char *at = rest; at && *at;) {
        size_t n = strspn(at, "0123456789abcdef");
        if (n == 16 && at[-1] == '=') {
            story_print_member(s, strtoull(at, NULL, 16));
            at += n;
        } else {
            CHECK(!buf_append(&s->line, at++, 1));
        }
    }
}

void story_trace(struct story *s, uint32_t node, const struct trace *t)
{
    char where[WHERE_TEXT];
    s->trace.n = 0;
    CHECK(!trace_print(&s->trace, t));
    count_line(s, &s->trace);
    CHECK(!buf_append(&s->trace, "", 1));
    const char *name = (const char *)s->trace.p + strlen("event=");
    size_t name_n = strcspn(name, " ");
    if (!s->o.log && !chosen(s, slice_of(name, name_n)))
        return;
    shorten_trace(s, name_n);
    print_line(s, where_is(where, 'n', node));
}

/* A line of the log that is made of words already. */
static void log_line(struct story *s, const char *word, char letter, uint32_t i)
{
    char where[WHERE_TEXT];
    count_line(s, &s->line);
    if (s->o.log || chosen(s, slice_str(word)))
        print_line(s, where_is(where, letter, i));
}

void story_power(struct story *s, uint32_t node, bool up)
{
    s->line.n = 0;
    CHECK(!buf_printf(&s->line, "%s", up ? "-- starts" : "-- loses power"));
    log_line(s, "power", 'n', node);
}

void story_fault(struct story *s, uint32_t number, bool begins)
{
    s->line.n = 0;
    CHECK(!buf_printf(&s->line, "-- fault %" PRIu32 " %s", number, begins ? "begins" : "ends"));
    log_line(s, "fault", 'f', number);
}

void story_client(struct story *s, uint32_t client, const char *format, ...)
{
    char text[LINE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->line.n = 0;
    CHECK(!buf_append(&s->line, text, strlen(text)));
    log_line(s, "client", 'c', client);
}

/* ---- The rest ---- */

static void print_slots(struct story *s, struct slice slots)
{
    unsigned n = 0;
    for (size_t i = 0; i < slots.n; i++)
        n += bits_count(slots.p[i]);
    CHECK(!buf_printf(&s->line, " %u slots", n));
}

/* The word of an action; empty: no line is made of it. */
static struct slice word_of_action(const struct action *a)
{
    switch (a->kind) {
    case ACT_SEND:
        return slice_str(message_name(a->send.message.kind));
    case ACT_STORE_PUT:
        return a->put.record.kind == RECORD_STATE ? a->put.record.key : SLICE("put");
    case ACT_STORE_GET:
        return SLICE("get");
    case ACT_HINT_PUT:
        return SLICE("hint");
    case ACT_HINT_DROP:
        return SLICE("drop");
    case ACT_STORE_DOUBT:
        return SLICE("doubt");
    case ACT_STORE_HEAL:
        return SLICE("heal");
    default:
        return SLICE("");
    }
}

/* What follows the word. */
static void describe_action(struct story *s, const struct action *a)
{
    switch (a->kind) {
    case ACT_SEND:
        story_print_fields(s, &a->send.message);
        break;
    case ACT_STORE_PUT:
        if (a->put.record.kind != RECORD_STATE)
            story_print_record(s, &a->put.record);
        break;
    case ACT_STORE_GET:
        CHECK(!buf_printf(&s->line, " ") && !buf_slice(&s->line, key_name(a->get.key)));
        break;
    case ACT_HINT_PUT:
        CHECK(!buf_printf(&s->line, " for "));
        story_print_member(s, a->hint.target);
        story_print_record(s, &a->hint.record);
        break;
    case ACT_HINT_DROP:
        CHECK(!buf_printf(&s->line, " %" PRIu32 " hints for ", a->hint_drop.n));
        story_print_member(s, a->hint_drop.target);
        break;
    default:
        print_slots(s, a->slots);
        break;
    }
}

void story_action(struct story *s, uint32_t node, const struct action *a)
{
    char where[WHERE_TEXT];
    struct slice word = s->o.words ? word_of_action(a) : SLICE("");
    if (word.n == 0 || !chosen(s, word))
        return;
    bool state = a->kind == ACT_STORE_PUT && a->put.record.kind == RECORD_STATE;
    s->line.n = 0;
    CHECK(!buf_printf(&s->line, "%s", state ? "state " : "") && !buf_slice(&s->line, word));
    describe_action(s, a);
    where_is(where, 'n', node);
    const struct sim_node *to =
        a->kind == ACT_SEND ? world_by_id((struct world *)s->world, a->send.to) : NULL;
    if (to)
        snprintf(where, sizeof where, "n%" PRIu32 " -> %s", node, to->name);
    print_line(s, where);
}

/* A put that was answered; nothing is printed of a version that the story has not mentioned: that
 * is a state of the node's own. */
static void stored_line(struct story *s, uint32_t node, const struct store_result *r)
{
    char where[WHERE_TEXT];
    if (!story_knows(s, &r->held))
        return;
    s->line.n = 0;
    if (r->error)
        CHECK(!buf_printf(&s->line, "not stored (%s): holds ", error_name(r->error)));
    else
        CHECK(!buf_printf(&s->line, "stored "));
    story_print_version(s, &r->held);
    print_line(s, where_is(where, 'n', node));
}

static void hints_line(struct story *s, uint32_t node, bool read, uint64_t n, uint64_t target)
{
    char where[WHERE_TEXT];
    s->line.n = 0;
    CHECK(!buf_printf(&s->line, "%s %" PRIu64 " for ", read ? "hints: read" : "hinted: keeps", n));
    story_print_member(s, target);
    print_line(s, where_is(where, 'n', node));
}

void story_result(struct story *s, uint32_t node, const struct event *ev)
{
    if (ev->kind == EV_STORED && chosen(s, SLICE("stored")))
        stored_line(s, node, &ev->stored);
    else if (ev->kind == EV_HINTED && chosen(s, SLICE("hinted")))
        hints_line(s, node, false, ev->hinted.waiting, ev->hinted.target);
    else if (ev->kind == EV_HINTS && chosen(s, SLICE("hints")))
        hints_line(s, node, true, ev->hints.n, ev->hints.target);
}
