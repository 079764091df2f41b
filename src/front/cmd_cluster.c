/* cmd_cluster.c: covey's own questions, MEMBERS, RING, WHERE and HINTS (STATUS: cmd_status.c), and
 * the messages when a member changes.
 *
 * Each reply is a map, or an array of maps, of plain values. RESP3 clients get maps, RESP2
 * clients flat arrays; the console makes tables and JSON of either without knowing the fields.
 * Users' scripts depend on the names of the fields: fields may be added, but not changed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/id.h"
#include "front/cmd.h"

/* ---- Members ---- */

static const char *const state_names[] = {[MEMBER_ALIVE] = "alive",
                                          [MEMBER_SUSPECT] = "suspect",
                                          [MEMBER_DEAD] = "dead",
                                          [MEMBER_LEFT] = "left"};

/* For people, a member is alive when it takes part: it is reachable, and has the layout in
 * force. */
static const char *state_of(const struct member_info *m)
{
    if (m->state == MEMBER_ALIVE && (!m->in_layout || !m->adopted))
        return "joining";
    return state_names[m->state];
}

static void field_id(struct reply *r, const char *name, uint64_t id)
{
    char text[ADDR_TEXT];
    reply_field_text(r, name, node_id_text(id, text));
}

static void field_addr(struct reply *r, struct addr addr)
{
    char text[ADDR_TEXT];
    reply_field_text(r, "addr", addr_text(addr, text));
}

static void reply_member(struct reply *r, const struct member_info *m)
{
    reply_map(r, 12);
    field_id(r, "id", m->id);
    reply_field_bulk(r, "name", m->name);
    field_addr(r, m->addr);
    reply_field_text(r, "state", state_of(m));
    reply_field_integer(r, "incarnation", (int64_t)m->incarnation);
    reply_field_integer(r, "weight", m->weight);
    reply_field_bulk(r, "zone", m->zone);
    reply_field_integer(r, "places", m->places);
    reply_field_integer(r, "firsts", m->firsts);
    reply_field_integer(r, "recovering", m->recovering);
    reply_field_bool(r, "self", m->self);
    reply_field_integer(r, "since_ms", (int64_t)m->since_ms);
}

static void answer_members(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_array(r, result->members.member_n);
    for (uint32_t i = 0; i < result->members.member_n; i++)
        reply_member(r, &result->members.member[i]);
}

CMD_ASKS(cmd_members, OP_MEMBERS, FOLD_ONE, answer_members)

/* ---- The ring ---- */

static struct slice name_of(const struct result *result, uint64_t id)
{
    for (uint32_t i = 0; i < result->members.member_n; i++) {
        if (result->members.member[i].id == id)
            return result->members.member[i].name;
    }
    return SLICE("?");
}

/* The percentage of the layout's places that a member has, with two digits: shares of 1,000
 * members still differ. */
static void field_share(struct reply *r, uint32_t places, const struct layout *l)
{
    uint32_t all = (uint32_t)l->vnodes * l->n;
    uint32_t share = all ? (uint32_t)((uint64_t)places * 10000 / all) : 0;
    char text[16];

    snprintf(text, sizeof text, "%u.%02u%%", share / 100, share % 100);
    reply_field_text(r, "share", text);
}

static void reply_shares(struct reply *r, const struct result *result)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < result->members.member_n; i++)
        n += result->members.member[i].in_layout;
    reply_array(r, n);
    for (uint32_t i = 0; i < result->members.member_n; i++) {
        const struct member_info *m = &result->members.member[i];
        if (!m->in_layout)
            continue;
        reply_map(r, 8);
        field_id(r, "id", m->id);
        reply_field_bulk(r, "name", m->name);
        reply_field_text(r, "state", state_of(m));
        reply_field_bulk(r, "zone", m->zone);
        reply_field_integer(r, "weight", m->weight);
        reply_field_integer(r, "places", m->places);
        reply_field_integer(r, "firsts", m->firsts);
        field_share(r, m->places, result->members.layout);
    }
}

static void answer_ring(struct reply *r, struct session_op *op, const struct result *result)
{
    static const struct layout none;
    const struct layout *l = result->members.layout ? result->members.layout : &none;
    (void)op;

    reply_map(r, 7);
    reply_field_integer(r, "epoch", (int64_t)l->epoch);
    reply_field_integer(r, "vnodes", l->vnodes);
    reply_field_integer(r, "slots", SLOTS);
    reply_field_integer(r, "n", l->n);
    reply_field_integer(r, "w", l->w);
    reply_field_integer(r, "r", l->r);
    reply_text(r, "members");
    if (result->members.layout)
        reply_shares(r, result);
    else
        reply_array(r, 0);
}

/* ---- The ring, arc by arc ----
 *
 * Neighbouring vnodes with the same owners are one row: of three members all own every vnode,
 * and a thousand equal lines would tell nothing. The first owner alternates from vnode to vnode
 * and does not end a row (RING counts the firsts, WHERE gives the order of a key's owners). A
 * vnode that this node has not yet compared with the other owners does end a row. */

struct arc {
    uint32_t first, last; /* vnodes */
    /* whether this node has compared all of them with the other owners */
    bool synced;
    uint64_t synced_ms; /* how long ago the last comparison of the stalest one was; where synced */
};

static bool owned_by(const struct layout *l, uint32_t vnode, uint16_t member)
{
    bool found = false;

    for (unsigned i = 0; i < l->n; i++)
        found |= l->owner[(size_t)vnode * l->n + i] == member;
    return found;
}

static bool same_owners(const struct layout *l, uint32_t a, uint32_t b)
{
    bool same = true;

    for (unsigned i = 0; i < l->n; i++)
        same &= owned_by(l, a, l->owner[(size_t)b * l->n + i]);
    return same;
}

/* Whether this node, as an owner of the vnode, has compared it with the other owners. */
static bool is_synced(const struct result *result, uint32_t vnode)
{
    return result->members.synced_ms && result->members.synced_ms[vnode] != UINT64_MAX;
}

/* The arc that begins at a vnode. */
static struct arc arc_at(const struct result *result, uint32_t vnode)
{
    const struct layout *l = result->members.layout;
    const uint64_t *ago_ms = result->members.synced_ms;
    struct arc a = {vnode, vnode, is_synced(result, vnode), 0};

    for (uint32_t v = vnode;
         v < l->vnodes && same_owners(l, vnode, v) && is_synced(result, v) == a.synced; v++) {
        a.last = v;
        if (a.synced && ago_ms[v] > a.synced_ms)
            a.synced_ms = ago_ms[v];
    }
    return a;
}

/* The owners stand in the order of the members: by id. */
static void reply_arc(struct reply *r, const struct result *result, const struct arc *a)
{
    const struct layout *l = result->members.layout;
    uint32_t width = SLOTS / l->vnodes;

    reply_map(r, 6);
    reply_field_integer(r, "vnode", a->first);
    reply_field_integer(r, "last_vnode", a->last);
    reply_field_integer(r, "first_slot", a->first * width);
    reply_field_integer(r, "last_slot", (a->last + 1) * width - 1);
    reply_text(r, "owners");
    reply_array(r, l->n);
    for (uint16_t m = 0; m < l->member_n; m++) {
        if (owned_by(l, a->first, m))
            reply_bulk(r, name_of(result, l->member[m].id));
    }
    if (a->synced) {
        reply_field_integer(r, "synced_ms", (int64_t)a->synced_ms);
        return;
    }
    reply_text(r, "synced_ms");
    reply_null(r);
}

static void answer_vnodes(struct reply *r, struct session_op *op, const struct result *result)
{
    uint32_t vnodes = result->members.layout ? result->members.layout->vnodes : 0, arc_n = 0;
    struct arc a;
    (void)op;

    for (uint32_t v = 0; v < vnodes; v = arc_at(result, v).last + 1)
        arc_n++;
    reply_array(r, arc_n);
    for (uint32_t v = 0; v < vnodes; v = a.last + 1) {
        a = arc_at(result, v);
        reply_arc(r, result, &a);
    }
}

void cmd_ring(struct session *s)
{
    static const struct session_ask shares = {OP_RING, FOLD_ONE, answer_ring};
    static const struct session_ask vnodes = {OP_RING, FOLD_ONE, answer_vnodes};
    char usage[COMMAND_USAGE_MAX];

    if (s->request.arg_n == 1)
        session_ask(s, &shares);
    else if (s->request.arg_n == 2 && cmd_is(s->request.arg[1], "vnodes"))
        session_ask(s, &vnodes);
    else
        reply_error(&s->reply, "ERR syntax error, it is %s", cmd_usage(s, usage));
}

/* ---- Where a key lives ---- */

static const char *holds_text(const struct where_owner *o, uint64_t wall_ms)
{
    if (o->recovering)
        return "recovering";
    if (!o->answered)
        return "no answer";
    if (o->record.kind == RECORD_NONE)
        return "nothing";
    if (expiry_passed(o->record.expiry_ms, wall_ms))
        return "expired";
    return o->record.kind == RECORD_TOMBSTONE ? "deletion" : "value";
}

static void reply_owner(struct reply *r, const struct where_owner *o, uint64_t wall_ms)
{
    const struct version *v = &o->record.version;
    bool version = o->answered && o->record.kind != RECORD_NONE;
    char text[64] = "";

    reply_map(r, 8);
    field_id(r, "id", o->id);
    reply_field_bulk(r, "name", o->name);
    field_addr(r, o->addr);
    reply_field_text(r, "state", state_names[o->state]);
    reply_field_text(r, "holds", holds_text(o, wall_ms));
    if (version)
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, v->stamp >> 16, v->stamp & 0xffff);
    reply_field_text(r, "stamp", text); /* milliseconds since 1970, and a counter within them */
    reply_field_text(r, "writer", version ? node_id_text(v->node, text) : "");
    if (version)
        snprintf(text, sizeof text, "%016" PRIx64, v->digest);
    reply_field_text(r, "digest", version ? text : "");
}

static void answer_where(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_map(r, 3);
    reply_field_integer(r, "slot", result->where.slot);
    reply_field_integer(r, "vnode", result->where.vnode);
    reply_text(r, "owners");
    reply_array(r, result->where.owner_n);
    for (unsigned i = 0; i < result->where.owner_n; i++)
        reply_owner(r, &result->where.owner[i], result->wall_ms);
}

CMD_ASKS(cmd_where, OP_WHERE, FOLD_ONE, answer_where)

/* ---- What is kept for other members ---- */

static void reply_hints(struct reply *r, const struct hint_info *i, struct slice keeper)
{
    reply_map(r, 10);
    field_id(r, "id", i->target);
    reply_field_bulk(r, "name", i->name);
    reply_field_text(r, "state", state_names[i->state]);
    reply_field_integer(r, "waiting", (int64_t)i->waiting);
    reply_field_integer(r, "bytes", (int64_t)i->bytes);
    reply_field_bool(r, "replaying", i->replaying);
    reply_field_integer(r, "kept", (int64_t)i->kept);
    reply_field_integer(r, "replayed", (int64_t)i->replayed);
    reply_field_integer(r, "dropped", (int64_t)i->dropped);
    reply_field_bulk(r, "keeper", keeper); /* this node; other keepers count their own */
}

static void answer_hints(struct reply *r, struct session_op *op, const struct result *result)
{
    (void)op;
    reply_array(r, result->hints.target_n);
    for (uint32_t i = 0; i < result->hints.target_n; i++)
        reply_hints(r, &result->hints.target[i], result->hints.keeper);
}

CMD_ASKS(cmd_hints, OP_HINTS, FOLD_ONE, answer_hints)

/* ---- Messages ---- */

#define CHANNEL SLICE("__covey__:members")

static void reply_subscription(struct session *s, const char *what, struct slice channel)
{
    reply_push(&s->reply, 3);
    reply_text(&s->reply, what);
    reply_bulk(&s->reply, channel);
    reply_integer(&s->reply, s->subscribed);
}

static bool channels_exist(struct session *s)
{
    for (uint32_t i = 1; i < s->request.arg_n; i++) {
        struct slice name = s->request.arg[i];
        if (!slice_eq(name, CHANNEL)) {
            reply_error(&s->reply,
                        "ERR there is no channel '%.*s'; the one there is is __covey__:members",
                        name.n < 128 ? (int)name.n : 128, (const char *)name.p);
            return false;
        }
    }
    return true;
}

void cmd_subscribe(struct session *s)
{
    if (!channels_exist(s))
        return;
    s->subscribed = true;
    for (uint32_t i = 1; i < s->request.arg_n; i++)
        reply_subscription(s, "subscribe", s->request.arg[i]);
}

void cmd_unsubscribe(struct session *s)
{
    bool was = s->subscribed;

    if (s->request.arg_n == 1 && !was) { /* no channel to name: null, as in Redis */
        reply_push(&s->reply, 3);
        reply_text(&s->reply, "unsubscribe");
        reply_null(&s->reply);
        reply_integer(&s->reply, 0);
        return;
    }
    if (!channels_exist(s))
        return;
    s->subscribed = false;
    reply_subscription(s, "unsubscribe", CHANNEL);
    for (uint32_t i = 2; i < s->request.arg_n; i++)
        reply_subscription(s, "unsubscribe", CHANNEL);
}

/* A name as logfmt takes it: in quotes when it has a blank, '=' or '"'. Control bytes, quotes
 * and backslashes become question marks. */
static int print_name(struct buf *out, struct slice name)
{
    char text[NODE_NAME_MAX + 2];
    bool quote = name.n == 0;
    size_t n = 1;

    for (size_t i = 0; i < name.n && n < sizeof text - 1; i++) {
        uint8_t byte = name.p[i];
        quote |= byte <= ' ' || byte == '=' || byte == '"';
        text[n++] = (char)(byte < ' ' || byte == '"' || byte == '\\' || byte == 127 ? '?' : byte);
    }
    text[0] = text[n] = '"';
    return quote ? buf_append(out, text, n + 1) : buf_append(out, text + 1, n - 1);
}

/* One line of logfmt, with the event's name of the node's own log: for people above their
 * prompt, and for programs. */
static int print_event(struct buf *out, const struct member_info *m)
{
    char id[ADDR_TEXT], addr[ADDR_TEXT];

    int error = buf_printf(out, "event=member.%s name=", state_of(m));
    error |= print_name(out, m->name);
    return error | buf_printf(out, " addr=%s member=%s incarnation=%" PRIu64,
                              addr_text(m->addr, addr), node_id_text(m->id, id), m->incarnation);
}

void session_member(struct session *s, const struct member_info *m)
{
    uint8_t bytes[512]; /* a line takes at most half of it */
    struct buf text = {.p = bytes, .cap = sizeof bytes, .max = sizeof bytes};

    if (!s->subscribed || session_done(s))
        return;
    int error = print_event(&text, m);
    struct reply r = reply_begin(&s->out, s->proto);
    reply_push(&r, 3);
    reply_text(&r, "message");
    reply_bulk(&r, CHANNEL);
    reply_bulk(&r, buf_view(&text));
    if (reply_end(&r) || error)
        s->broken = true; /* a subscriber must not miss a message without noticing */
}
