/* event.c: how the protocols append their actions (see event.h). */
#include "core/event.h"

#include "base/check.h"
#include "base/hash.h"

#include <stddef.h>

/* A result is three times as large as anything else in an action's union, and most actions have
 * none: only so many bytes as the others need are cleared for these. */
enum {
    ACTION_HEAD = offsetof(struct action, send),
    ACTION_USUAL = ACTION_HEAD + sizeof(((struct action *)0)->send),
};
#define CLEARED(field)                                                                \
    _Static_assert(ACTION_HEAD + sizeof(((struct action *)0)->field) <= ACTION_USUAL, \
                   "a part of the action is not cleared")
CLEARED(packet);
CLEARED(put);
CLEARED(get);
CLEARED(hint);
CLEARED(list);
CLEARED(backup);
CLEARED(erasable);
CLEARED(member);
CLEARED(trace);

struct action *out_add(struct out *o, enum action_kind kind)
{
    CHECK(o->n < OUT_MAX);
    struct action *a = &o->action[o->n++];
    /* a field that the caller does not fill must not have the last step's bytes in it */
    memset(a, 0, kind == ACT_REPLY ? sizeof *a : ACTION_USUAL);
    a->kind = kind;
    o->put_n += kind == ACT_STORE_PUT;
    return a;
}

struct message *out_send(struct out *o, uint64_t to, struct addr addr, enum message_kind kind)
{
    struct action *a = out_add(o, ACT_SEND);
    a->send.to = to;
    a->send.addr = addr;
    a->send.message.kind = (uint8_t)kind;
    return &a->send.message;
}

struct packet *out_packet(struct out *o, struct addr to, const struct packet_header *header)
{
    if (o->packet_n == OUT_PACKETS)
        return NULL;
    struct packet *p = &o->packet[o->packet_n++];
    packet_begin(p, header);
    struct action *a = out_add(o, ACT_PACKET);
    a->packet.to = to;
    a->packet.packet = p;
    return p;
}

void out_trace(struct out *o, enum trace_kind kind, uint64_t id, uint64_t a, uint64_t b,
               struct slice text)
{
    out_add(o, ACT_TRACE)->trace =
        (struct trace){.kind = kind, .id = id, .a = a, .b = b, .text = text};
}

void out_state(struct out *o, uint64_t token, struct slice name, uint64_t serial,
               struct slice bytes)
{
    struct action *a = out_add(o, ACT_STORE_PUT);
    o->state_n++;
    a->put.token = token;
    a->put.record = (struct record){
        .kind = RECORD_STATE,
        .version = {.stamp = serial, .digest = hash_bytes(bytes)},
        .key = name,
        .value = bytes,
    };
}
