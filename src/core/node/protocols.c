/* protocols.c: see protocols.h. To add a protocol is to add a line to the table, and its struct to
 * the node. */
#include "core/node/protocols.h"

#include "core/node/node.h"

#include <stddef.h>

/* By the owner of its tokens, in the order in which protocols that are due have their turn: SWIM
 * and the chain before what clients wait for, and that before what can wait. */
static const struct {
    size_t at; /* of its struct in the node */
    const struct protocol *is;
} table[] = {
    [TOKEN_SWIM] = {offsetof(struct node, member.swim), &swim_protocol},
    [TOKEN_CHAIN] = {offsetof(struct node, member.chain), &chain_protocol},
    [TOKEN_HINT] = {offsetof(struct node, shard.hint), &hint_protocol},
    [TOKEN_COORD] = {offsetof(struct node, shard.coord), &coord_protocol},
    [TOKEN_FLUSH] = {offsetof(struct node, shard.coord), &flush_protocol},
    [TOKEN_ERASE] = {offsetof(struct node, shard.erase), &erase_protocol},
    [TOKEN_REPAIR] = {offsetof(struct node, shard.repair), &repair_protocol},
    [TOKEN_REPLICA] = {offsetof(struct node, shard.replica), &replica_protocol},
    [TOKEN_LOG_END] = {offsetof(struct node, shard.log_end), &log_end_protocol},
    [TOKEN_SHARD] = {offsetof(struct node, shard), &shard_protocol},
    [TOKEN_MEMBER] = {offsetof(struct node, member), &membership_protocol},
};

enum { PROTOCOLS = sizeof table / sizeof table[0] };

static void *struct_of(struct node *n, unsigned i)
{
    return (uint8_t *)n + table[i].at;
}

static const void *view_of(const struct node *n, unsigned i)
{
    return (const uint8_t *)n + table[i].at;
}

void protocols_begin(struct node *n)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++)
        if (table[i].is->begin)
            table[i].is->begin(struct_of(n, i));
}

int protocols_layout(struct node *n)
{
    int error = 0;
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS && !error; i++)
        if (table[i].is->layout)
            error = table[i].is->layout(struct_of(n, i), &n->now);
    return error;
}

void protocols_barred(struct node *n)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++)
        if (table[i].is->barred)
            table[i].is->barred(struct_of(n, i), &n->now);
}

void protocols_member(struct node *n, const struct member *who, unsigned change)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS && change; i++)
        if (table[i].is->member)
            table[i].is->member(struct_of(n, i), &n->now, who, change);
}

bool protocols_message(struct node *n, uint64_t from, const struct message *m, struct out *out)
{
    bool taken = false;
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS && !taken; i++)
        taken =
            table[i].is->message && table[i].is->message(struct_of(n, i), &n->now, from, m, out);
    return taken;
}

/* The protocol of a token, whatever bytes a peer may have put there; 0: nobody's. */
static unsigned owner_of(uint64_t token)
{
    unsigned owner = TOKEN_OWNER(token);
    return owner < PROTOCOLS ? owner : 0;
}

void protocols_answer(struct node *n, uint64_t from, const struct message *m, struct out *out)
{
    unsigned i = owner_of(m->head.op);
    if (i && table[i].is->answer)
        table[i].is->answer(struct_of(n, i), &n->now, from, m, out);
}

void protocols_stored(struct node *n, uint64_t token, const struct event *ev, struct out *out)
{
    unsigned i = owner_of(token);
    if (i && table[i].is->stored)
        table[i].is->stored(struct_of(n, i), &n->now, TOKEN_NUMBER(token), ev, out);
}

void protocols_tick(struct node *n, struct out *out)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++) {
        if (!table[i].is->tick || table[i].is->deadline_ms(view_of(n, i), &n->now) > n->now.ms)
            continue;
        table[i].is->tick(struct_of(n, i), &n->now, out);
        return;
    }
}

uint64_t protocols_deadline_ms(const struct node *n)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++) {
        uint64_t due = table[i].is->deadline_ms ? table[i].is->deadline_ms(view_of(n, i), &n->now)
                                                : UINT64_MAX;
        at = due < at ? due : at;
    }
    return at;
}

void protocols_check(const struct node *n)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++)
        if (table[i].is->check)
            table[i].is->check(view_of(n, i), &n->now);
}

void protocols_close(struct node *n)
{
    for (unsigned i = TOKEN_FIRST; i < PROTOCOLS; i++)
        if (table[i].is->close)
            table[i].is->close(struct_of(n, i));
}
