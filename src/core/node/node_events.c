/* node_events.c: messages of peers, requests of clients, answers of the store: each to the protocol that it concerns, with what
 * the node knows that this one does not. */
#include "core/node/node_inner.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/ring/ring.h"
#include "wire/bytes.h"

/* Which of the vnodes in a question about trees are recovering here, a bit each. */
static uint32_t vnodes_recovering(const struct node *n, struct slice vnodes)
{
    uint32_t bits = 0;
    for (unsigned i = 0; n->repair.recovering_n > 0 && i < REPAIR_ROOTS && 2 * i + 2 <= vnodes.n; i++) {
        uint16_t v = get_u16(vnodes.p + 2 * i);
        bits |= (uint32_t)(v < n->repair.layout->vnodes && repair_recovering(&n->repair, v)) << i;
    }
    return bits;
}

/* Whether a key is one that this node may have lost. */
static bool key_recovering(const struct node *n, struct slice key)
{
#ifdef CANARY_RECOVERING_NOT_FOUND
    return false;
#endif
    return n->repair.recovering_n > 0 && repair_recovering(&n->repair, layout_vnode(n->repair.layout, slot_of_key(key)));
}

/* What every message says: that a stream is up, so hellos were exchanged (perhaps before there was a layout to keep that in);
 * and an acknowledgement, how far the peer's log is. */
static void meet(struct node *n, uint64_t from, const struct message *m)
{
    struct node_peer *p = node_peer_find(n, from);
    if (!p)
        return;
    p->met = true;
    if (!p->told && p->twin.boot) { /* the hello came before there was a layout, and so did the stream */
        p->told = p->twin.boot;
        coord_link(&n->coord, from, p->told);
    }
    if (m->kind == MSG_PROBE_ACK)
        twin_answered(&p->twin, m->probe_ack.seq);
    else if (m->kind == MSG_PUT_ACK)
        reach_heard(&n->reach, from, p->told, m->put_ack.position);
    else if (m->kind == MSG_FLUSHED)
        reach_heard(&n->reach, from, p->told, m->flushed.position);
    else if (m->kind == MSG_PUT)
        reach_heard(&n->reach, from, p->told, m->put.position);
}

/* Where a put comes from. What is put because of a list that we gave is held by an owner; the store
 * knows by the ticket whether it may have been erased since. (Of another process's tickets it knows
 * nothing: the boot nonce sets them apart.) */
static struct put_origin origin_of(const struct node *n, uint64_t from, const struct msg_put *m)
{
    const struct layout *l = chain_layout(&n->chain);
    uint16_t vnode = l ? layout_vnode(l, slot_of_key(m->record.key)) : 0;
    if (m->ticket == 0 || !l || !layout_owns(l, vnode, from))
        return (struct put_origin){.from = m->lapsed ? PUT_FROM_READER : PUT_FROM_ANYBODY};
    return (struct put_origin){
        .from = repair_recovering(&n->repair, vnode) ? PUT_FROM_SOURCE : PUT_FROM_OWNER,
        .ticket = m->ticket - n->boot,
    };
}

static struct replica_view view_of(const struct node *n, uint64_t from, const struct message *m)
{
    struct replica_view view = {
        .epoch = n->epoch, .fenced = n->coord.fenced, .doubts = n->repair.doubts, .wall_ms = n->coord.believed_ms, .peer = from};
    if (m->kind >= MSG_PUT)
        view.addr = node_peer_addr(n, from);
    if (m->kind == MSG_GET || m->kind == MSG_PUT)
        view.recovering = key_recovering(n, m->kind == MSG_GET ? m->get.key : m->put.record.key);
    if (m->kind == MSG_TREE_GET)
        view.recovering = vnodes_recovering(n, m->tree_get.vnodes);
    if (m->kind == MSG_PUT)
        view.origin = origin_of(n, from, &m->put);
    if (m->kind == MSG_ERASE_ASK || m->kind == MSG_GREATEST_GET)
        view.recovering = n->repair.recovering_n > 0;
    if (m->kind == MSG_ERASE_ASK)
        view.refusal = erase_judge(m->erase_ask.entries, view.wall_ms);
    return view;
}

/* What a peer wants of this node's records. */
static void on_demand(struct node *n, uint64_t from, const struct message *m, struct out *out)
{
    if (m->kind == MSG_ERASE) {
        erase_obey(&n->erase, from, &m->erase, n->repair.recovering_n > 0, out);
        return;
    }
    struct replica_view view = view_of(n, from, m);
    replica_message(&n->replica, &view, m, out);
}

/* What a peer answers: to the protocol that asked. */
static void on_answer(struct node *n, uint64_t from, const struct message *m, struct out *out)
{
    switch (TOKEN_OWNER(m->head.op)) {
    case TOKEN_COORD:
    case TOKEN_FLUSH:
        coord_message(&n->coord, from, m, out);
        break;
    case TOKEN_HINT:
        coord_hint_answered(&n->coord, from);
        hint_message(&n->hint, from, m, out);
        break;
    case TOKEN_REPAIR:
        repair_message(&n->repair, from, m, out);
        break;
    case TOKEN_ERASE:
        erase_message(&n->erase, from, m, out);
        break;
    default: /* of no question of ours */
        break;
    }
}

static void on_other(struct node *n, uint64_t from, const struct message *m, struct out *out)
{
    if (m->kind == MSG_LAYOUT)
        node_save_cluster(n, out);
    bool taken = m->kind == MSG_JOIN && node_name_taken(n, m->join.name, from);
    if (!chain_message(&n->chain, from, m, taken, n->now_ms, out))
        swim_message(&n->swim, from, m, n->now_ms, out);
}

void node_on_message(struct node *n, const struct event *ev, struct out *out)
{
    uint64_t from = ev->message.from;
    const struct message *m = ev->message.message;
    uint64_t epoch = message_epoch(m);
    if (epoch > n->epoch)
        node_heard(n, from, epoch, out);
    meet(n, from, m);
    switch (message_role(m->kind)) {
    case ROLE_REQUEST:
        on_demand(n, from, m, out);
        break;
    case ROLE_ANSWER:
        on_answer(n, from, m, out);
        break;
    case ROLE_OTHER:
        on_other(n, from, m, out);
        break;
    }
}

void node_on_request(struct node *n, const struct request *r, struct out *out)
{
    if (r->kind < OP_MEMBERS) {
        if (node_serves(n)) {
            coord_request(&n->coord, r, out);
            return;
        }
        int error = n->ready ? ERR_OTHER_CLUSTER : ERR_LOADING;
        out_add(out, ACT_REPLY)->reply = (struct result){.token = r->token, .kind = r->kind, .error = error};
        return;
    }
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = r->token, .kind = r->kind};
    if (r->kind == OP_STATUS) {
        node_status(n, &a->reply.status);
        return;
    }
    if (r->kind == OP_HINTS) {
        a->reply.error = node_hints(n, &a->reply.hints.target, &a->reply.hints.target_n);
        a->reply.hints.keeper = slice_of(n->name, n->name_n);
        return;
    }
    if (r->kind == OP_REPAIR) {
        a->reply.error = r->vnode == REPAIR_NONE ? 0 : !n->ready ? ERR_LOADING : repair_ask(&n->repair, r->vnode);
        a->reply.repair = n->repair.info;
        a->reply.repair.running |= n->repair.next_ms == 0;
        return;
    }
    if (r->kind == OP_BACKUP || r->kind == OP_BACKUP_STATUS) {
        a->reply.error = ERR_REFUSED;
        return;
    }
    a->reply.error = node_members(n, &a->reply.members.member, &a->reply.members.member_n);
    a->reply.members.layout = chain_layout(&n->chain);
    if (r->kind == OP_RING && !a->reply.error)
        a->reply.error = node_synced(n, &a->reply.members.synced_ms);
}

/* What a replica's answer says of this node, whatever was asked. */
static struct replica_now answering(const struct node *n)
{
    return (struct replica_now){
        .epoch = n->epoch, .boot = n->boot, .position = reach_announced(&n->reach), .doubts = n->repair.doubts};
}

/* One of the node's own states. Nothing waits for most; a failed one is written again when the members' addresses are. */
static void own_stored(struct node *n, uint64_t number, int error)
{
    if (number == TOKEN_BOOTS)
        reach_stored(&n->reach, error);
    if (number == TOKEN_CLOCK && !error)
        coord_ceiling(&n->coord, n->clock_asked_ms);
    if (number == TOKEN_CLOCK && error)
        coord_ceiling_failed(&n->coord, error);
    if (number == TOKEN_CLOCK)
        n->clock_asked_ms = 0;
    n->members_dirty |= error && error != ERR_SUPERSEDED;
    n->cluster_saved &= !error || number != TOKEN_CLUSTER;
    n->whole_unsaved |= error && number == TOKEN_WHOLE;
}

void node_on_stored(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->stored.token);
    int error = ev->stored.error;
    bool refused = error == ERR_SUPERSEDED || error == ERR_TOO_OLD || error == ERR_LACKS_VALUE ||
                   error == ERR_BUSY; /* no fault of the disk */
    n->put_failed = error == ERR_IO ? ERR_IO : 0;
    if (n->put_failed)
        n->members_dirty = true; /* they are written once a second then, which finds out when the disk is well again */
    if (error && !refused && power_of_two(++n->store_errors)) /* a full disk says so to every put */
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0, slice_str(error_sentence(error)));
    switch (TOKEN_OWNER(ev->stored.token)) {
    case TOKEN_COORD:
        coord_stored(&n->coord, number,
                     &(struct put_answer){.error = error, .held = ev->stored.held, .never_took = ev->stored.never_took}, out);
        break;
    case TOKEN_FLUSH:
        coord_flushed(&n->coord, number, error, out);
        break;
    case TOKEN_REPLICA:
        replica_stored(&n->replica, &now, number, ev, out);
        break;
    case TOKEN_SWIM:
        if (!error)
            swim_stored(&n->swim, number, n->now_ms, out);
        break;
    case TOKEN_CHAIN:
        chain_stored(&n->chain, number, error, n->now_ms, out);
        break;
    case TOKEN_HINT:
        hint_answer(&n->hint, number, n->self, error, out);
        break;
    case TOKEN_ERASE:
        erase_stored(&n->erase, error);
        break;
    case TOKEN_REPAIR:
        repair_stored(&n->repair, number, error, out);
        break;
    case TOKEN_NODE:
        own_stored(n, number, error);
        break;
    }
}

void node_on_read(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->read.token);
    now.recovering = key_recovering(n, ev->read.record.key);
    if (TOKEN_OWNER(ev->read.token) == TOKEN_COORD)
        coord_read(&n->coord, number, now.recovering ? ERR_RECOVERING : ev->read.error, &ev->read.record, ev->read.size, out);
    else if (TOKEN_OWNER(ev->read.token) == TOKEN_REPAIR)
        repair_read(&n->repair, number, ev->read.error, &ev->read.record, out);
    else
        replica_read(&n->replica, &now, number, ev, out);
}

void node_on_counted(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->counted.token);
    struct slice counts =
        slice_of(ev->counted.live, ev->counted.vnode_n * sizeof *ev->counted.live); /* little-endian, as on the wire */
    if (TOKEN_OWNER(ev->counted.token) == TOKEN_COORD)
        coord_counted(&n->coord, number, counts, out);
    else
        replica_counted(&n->replica, &now, number, counts, out);
}

void node_on_hinted(struct node *n, const struct event *ev, struct out *out)
{
    if (hint_kept(&n->hint, ev, out))
        node_halt(n, ERR_NO_MEMORY, SLICE("out of memory while a hint was kept for a member; restart this node"), out);
}

void node_on_told(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->told.token);
    if (TOKEN_OWNER(ev->told.token) == TOKEN_REPAIR)
        repair_told(&n->repair, number, ev, out);
    else if (TOKEN_OWNER(ev->told.token) == TOKEN_ERASE)
        erase_told(&n->erase, number, ev->told.error, ev->told.told, ev->told.upto, ev->told.dead, out);
    else if (TOKEN_OWNER(ev->told.token) == TOKEN_FLUSH)
        coord_greatest(&n->coord, number, n->repair.recovering_n > 0 ? ERR_RECOVERING : ev->told.error, ev->told.greatest, out);
    else
        replica_told(&n->replica, &now, number, ev, out);
}
