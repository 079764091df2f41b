/* node.c: the life of a node, and the wires between its protocols.
 *
 * Birth. A node is born with its data directory: the world draws its id. A founder draws a cluster id too and adopts a
 * layout of itself alone; every other node starts with none, asks its seeds in turn, learns the cluster id from the
 * first hello that has one, and asks to be let in (chain.c). It writes the cluster id down only together with the
 * layout that admits it: a node that was refused stays nobody's.
 *
 * Waking. A node that has a layout on disk needs no seed: it recalls the members' last addresses, and SWIM finds them.
 * It answers clients once it is part of a layout and has met W-1 other members: before, it could only answer with
 * errors, and -LOADING says better what is the matter. To meet is to have a stream, and with it the other's hello, which says
 * what is remembered of our log (reach.c): who lost its end must know before it answers anything.
 *
 * A claim. A node that lost its disk and is told to found anew, at its old address, is a cluster of one that answers nil to
 * what the others hold. The others look for the member that it was (node_peers.c says how that is seen), and from then on
 * it answers no client. A node that is not alone says so in STATUS and serves on: others joined its cluster on purpose.
 *
 * The wires. Each event goes to the protocol that it concerns; then, whatever it was, the changes are carried over:
 *
 *   swim  --(a member changed)-------------------> coord (whom to ask), chain (who can vote), hint (who is back), subscribers
 *   chain --(a layout is in force, a fence)------> coord, hint, swim (whom to probe for ever, packet header)
 *   store --(a record was taken)-----------------> chain (no formation any more)
 *   any peer's epoch --(higher than ours)--------> chain (fetch it)
 *
 * Each protocol appends a bounded number of actions; carrying over is sliced too, and node_deadline_ms says "now" until
 * all of it is done.
 *
 * This file has birth, the step and the end; node_peers.c the other members as the node meets them, node_carry.c what is carried
 * over, node_events.c messages and the store's answers, node_report.c what a node says about itself. */
#include "core/node/node_inner.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/ring/ring.h"
#include "wire/bytes.h"

#include <stdlib.h>

/* The shares of one step: its own protocol, then the carrying over, and a tick where time is due. */
_Static_assert(SWIM_OUT_MAX + CHAIN_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(REPAIR_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(COORD_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(HINT_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(ERASE_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");

/* ---- Birth and end ---- */

/* The members' last addresses: a run of ALIVE messages. */
static int recall_members(struct node *n, struct slice bytes, uint64_t now_ms)
{
    while (bytes.n > 0) {
        struct message m;
        int used = message_decode(bytes, &m);
        if (used <= 0 || m.kind != MSG_ALIVE || m.alive.incarnation > INCARNATION_MAX)
            return ERR_BAD_MESSAGE;
        if (m.alive.member != n->self)
            swim_recall(&n->swim, m.alive.member, m.alive.addr, m.alive.name, m.alive.incarnation, now_ms);
        bytes = slice_of(bytes.p + used, bytes.n - (size_t)used);
    }
    return 0;
}

static int init_founder(struct node *n, const struct node_options *o)
{
    struct layout_member self = {.id = n->self, .disk = n->disk, .weight = n->weight, .zone_n = n->zone_n};
    memcpy(self.zone, n->zone, n->zone_n);
    struct ring_change birth = {
        .member = &self,
        .member_n = 1,
        .n_wanted = o->n_wanted ? o->n_wanted : 3,
        .vnodes = o->vnodes,
        .generation = o->generation,
    };
    n->found = true;
    n->cluster = o->cluster;
    return ring_compute(&birth, &n->first);
}

static int init_cluster(struct node *n, const struct node_options *o)
{
    n->cluster_serial = o->cluster_saved.serial;
    if (o->cluster_saved.bytes.n == 0) /* a layout without the cluster it is of: such a node would believe the first stranger */
        return chain_layout(&n->chain) ? ERR_BAD_MESSAGE : 0;
    if (o->cluster_saved.bytes.n != sizeof n->cluster.b)
        return ERR_BAD_MESSAGE;
    memcpy(n->cluster.b, o->cluster_saved.bytes.p, sizeof n->cluster.b);
    n->cluster_saved = true;
    return cluster_id_none(n->cluster) ? ERR_BAD_MESSAGE : 0;
}

/* A number of the node's state, 8 bytes little-endian; 0 where there is none. False when it is malformed. */
static bool recall_number(struct slice bytes, uint64_t *number)
{
    *number = bytes.n == 8 ? get_u64(bytes.p) : 0;
    return bytes.n == 0 || bytes.n == 8;
}

static int init_swim(struct node *n, const struct node_options *o, uint64_t incarnation, uint64_t now_ms)
{
    struct swim_options swim = {
        .self = o->id,
        .addr = o->addr,
        .name = o->name,
        .profile = o->profile,
        .incarnation = incarnation,
        .serial = o->incarnation.serial,
        .seed = o->seed,
    };
    return swim_init(&n->swim, &swim, now_ms);
}

static int init_chain(struct node *n, const struct node_options *o, uint64_t now_ms)
{
    struct chain_options chain = {
        .self = o->id,
        .acceptor = o->chain.bytes,
        .acceptor_serial = o->chain.serial,
        .layout = o->layout.bytes,
        .layout_serial = o->layout.serial,
        .seed = o->seed + 1,
    };
    int error = chain_init(&n->chain, &chain, now_ms);
    if (!error)
        chain_holds_records(&n->chain, n->wrote); /* before the first event: a restarted member may be asked to vote by it */
    return error;
}

static int init_reach(struct node *n, const struct node_options *o)
{
    struct reach_options reach = {
        .self = o->id,
        .boot = o->boot,
        .position = o->position,
        .boots = o->boots.bytes,
        .boots_serial = o->boots.serial,
        .reached = o->reached.bytes,
        .reached_serial = o->reached.serial,
    };
    return reach_init(&n->reach, &reach);
}

static int init_protocols(struct node *n, const struct node_options *o, uint64_t now_ms)
{
    uint64_t incarnation, ceiling_ms;
    if (!recall_number(o->incarnation.bytes, &incarnation) || !recall_number(o->clock.bytes, &ceiling_ms) ||
        incarnation > INCARNATION_MAX || ceiling_ms > hlc_wall_ms(STAMP_MAX))
        return ERR_BAD_MESSAGE;
    struct coord_options coord = {.self = o->id, .ops_max = o->ops_max, .deadline_ms = o->op_deadline_ms};
    hint_init(&n->hint, &(struct hint_options){.self = o->id, .age_max_ms = o->hint_age_ms});
    erase_init(&n->erase,
               &(struct erase_options){.self = o->id, .age_ms = o->erase_age_ms ? o->erase_age_ms : HINT_AGE_DEFAULT_MS});
    int e = init_swim(n, o, incarnation, now_ms);
    e = e ? e : init_chain(n, o, now_ms);
    e = e ? e : coord_init(&n->coord, &coord);
    coord_ceiling_recall(&n->coord, ceiling_ms);
    e = e ? e : init_reach(n, o);
    n->forgot = n->reach.healing;
    repair_init(&n->repair, o->id, o->seed + 2);
    n->repair.manual = o->repair_manual;
    return e ? e : replica_init(&n->replica, 0);
}

int node_init(struct node *n, const struct node_options *o, uint64_t now_ms)
{
    CHECK(o->id != 0 && o->name.n > 0);
    if (o->name.n > NODE_NAME_MAX || o->zone.n > ZONE_MAX || o->seed_n > SEEDS_MAX)
        return ERR_TOO_BIG;
    *n = (struct node){
        .self = o->id,
        .boot = o->boot,
        .addr = o->addr,
        .name_n = (uint8_t)o->name.n,
        .zone_n = (uint8_t)o->zone.n,
        .weight = o->weight ? o->weight : 100,
        .seed_n = o->seed_n,
        .seed_at_ms = o->seed_n ? now_ms : UINT64_MAX,
        .redial_ms = UINT64_MAX,
        .meet_by_ms = UINT64_MAX,
        .wrote = o->records > 0,
        .now_ms = now_ms,
        .members_serial = o->members.serial,
        .clock_serial = o->clock.serial,
        .disk = o->disk ? o->disk : o->id,
        .whole = o->whole.bytes.n > 0,
        .whole_serial = o->whole.serial,
    };
    memcpy(n->name, o->name.p, o->name.n);
    if (o->zone.n)
        memcpy(n->zone, o->zone.p, o->zone.n);
    layout_init(&n->first);
    buf_init(&n->members_bytes, MESSAGE_MAX);
    int e = init_protocols(n, o, now_ms);
    e = e ? e : init_cluster(n, o);
    if (!e && o->found)
        e = init_founder(n, o);
    e = e ? e : recall_members(n, o->members.bytes, now_ms);
    if (e)
        node_close(n);
    return e;
}

void node_close(struct node *n)
{
    swim_close(&n->swim);
    chain_close(&n->chain);
    coord_close(&n->coord);
    hint_close(&n->hint);
    replica_close(&n->replica);
    repair_close(&n->repair);
    reach_close(&n->reach);
    erase_close(&n->erase);
    layout_close(&n->first);
    buf_close(&n->members_bytes);
    free(n->peer);
    free(n->info);
    free(n->synced);
    n->synced = NULL;
    n->peer = NULL;
    n->info = NULL;
}

static void start(struct node *n, struct out *out)
{
    n->started = true;
    node_header_update(n);
    swim_start(&n->swim, out);
    if (n->found && !chain_layout(&n->chain)) {
        out_trace(out, TRACE_NODE_FOUNDED, n->self, 0, 0, slice_str(cluster_id_text(n->cluster, n->said_cluster)));
        node_save_cluster(n, out);
        chain_found_take(&n->chain, &n->first, out);
    }
    n->found = false;
}

/* Tries the next seed until a member was met: for ever, once a second. */
static void try_seed(struct node *n, struct out *out)
{
    if (n->now_ms < n->seed_at_ms)
        return;
    out_add(out, ACT_SEED)->seed = (int)n->seed_next;
    n->seed_next = (n->seed_next + 1) % n->seed_n;
    n->seed_tries++;
    n->seed_at_ms = n->now_ms + SEED_RETRY_MS;
}

static void on_timer(struct node *n, struct out *out)
{
    /* One protocol a step keeps the step's bound small; node_deadline_ms brings us back for the rest. */
    if (swim_deadline_ms(&n->swim) <= n->now_ms)
        swim_tick(&n->swim, n->now_ms, out);
    else if (chain_deadline_ms(&n->chain) <= n->now_ms)
        chain_tick(&n->chain, n->now_ms, out);
    else if (hint_deadline_ms(&n->hint) <= n->now_ms)
        hint_tick(&n->hint, out);
    else if (coord_deadline_ms(&n->coord) <= n->now_ms)
        coord_tick(&n->coord, out);
    else if (erase_deadline_ms(&n->erase) <= n->now_ms)
        erase_tick(&n->erase, out);
    else
        repair_tick(&n->repair, out);
    if (n->seed_n)
        try_seed(n, out);
}

static bool of_all_slots(struct slice slots)
{
    bool all = true;
    for (size_t i = 0; i < slots.n; i++)
        all = all && slots.p[i] == 0xff;
    return all;
}

/* What may have been of any slot may have been of none: a vote, or another promise of this node's own. */
static void on_damaged(struct node *n, struct slice slots)
{
    n->doubt_why = SLICE("the store may lack records: these vnodes are not read here until they are fetched from other owners");
    repair_doubt(&n->repair, slots);
    if (!of_all_slots(slots))
        return;
    n->forgot = true;
    reach_damaged(&n->reach);
}

static void dispatch(struct node *n, const struct event *ev, struct out *out)
{
    switch (ev->kind) {
    case EV_TIMER:
        on_timer(n, out);
        break;
    case EV_PACKET:
        node_on_packet(n, ev, out);
        break;
    case EV_LINK_UP:
        node_on_link_up(n, ev, out);
        break;
    case EV_LINK_DOWN:
        node_on_link_down(n, ev, out);
        break;
    case EV_STRANGER:
        node_on_stranger(n, ev);
        break;
    case EV_MESSAGE:
        node_on_message(n, ev, out);
        break;
    case EV_REQUEST:
        node_on_request(n, ev->request, out);
        break;
    case EV_STORED:
        node_on_stored(n, ev, out);
        break;
    case EV_READ:
        node_on_read(n, ev, out);
        break;
    case EV_COUNTED:
        node_on_counted(n, ev, out);
        break;
    case EV_HINTED:
        node_on_hinted(n, ev, out);
        break;
    case EV_HINTS:
        hint_found(&n->hint, ev, out);
        break;
    case EV_TOLD:
        node_on_told(n, ev, out);
        break;
    case EV_DAMAGED:
        on_damaged(n, ev->damaged);
        break;
    }
}

/* A coordinator's own copies are acknowledged to its clients alone, who remember nothing: its puts tell the other owners. */
static void tell_position(const struct node *n, struct out *out)
{
    for (unsigned i = 0; i < out->n; i++)
        if (out->action[i].kind == ACT_SEND && out->action[i].send.message.kind == MSG_PUT)
            out->action[i].send.message.put.position = reach_announced(&n->reach);
}

/* A put on its way to the store is a record held, as far as a formation is concerned. */
static void note_writes(struct node *n, const struct out *out)
{
    for (unsigned i = 0; i < out->n && !n->wrote; i++)
        n->wrote = out->action[i].kind == ACT_STORE_PUT && out->action[i].put.record.kind != RECORD_STATE;
}

/* For how long the process stood still before this step: it comes so much later than it was due. */
static uint64_t standstill(const struct node *n, uint64_t now_ms)
{
    enum { GAP_MS = 100 }; /* less does no harm, and is not worth asking for the deadline */
    uint64_t due_ms = now_ms > n->now_ms + GAP_MS ? node_deadline_ms(n) : UINT64_MAX;
    return now_ms > due_ms ? now_ms - due_ms : 0;
}

void node_step(struct node *n, const struct event *ev, struct out *out)
{
    CHECK(ev->now_ms >= n->now_ms);
    if (n->stopped)
        return;
    uint64_t late_ms = standstill(n, ev->now_ms);
    n->now_ms = ev->now_ms;
    n->wall_ms = ev->wall_ms < WALL_MS_MAX ? ev->wall_ms : WALL_MS_MAX;
    n->store_refuses = ev->refuses;
    reach_position(&n->reach, ev->position);
    hint_time(&n->hint, ev->now_ms, n->wall_ms);
    if (late_ms > 0)
        wall_late(&n->wall, ev->now_ms, late_ms);
    node_tell_time(n, out);
    repair_time(&n->repair, ev->now_ms, n->wall_ms, n->coord.fenced);
    erase_time(&n->erase, ev->now_ms, n->coord.believed_ms, n->coord.fenced || n->repair.recovering_n > 0);
    if (!n->started)
        start(n, out);
    dispatch(n, ev, out);
    note_writes(n, out);
    tell_position(n, out);
    node_carry(n, out);
}

uint64_t node_deadline_ms(const struct node *n)
{
    if (n->stopped)
        return UINT64_MAX;
    if (!n->started || n->more)
        return n->now_ms;
    uint64_t at = swim_deadline_ms(&n->swim);
    uint64_t chain = chain_deadline_ms(&n->chain), coord = coord_deadline_ms(&n->coord), hint = hint_deadline_ms(&n->hint);
    at = chain < at ? chain : at;
    at = coord < at ? coord : at;
    at = hint < at ? hint : at;
    at = repair_deadline_ms(&n->repair) < at ? repair_deadline_ms(&n->repair) : at;
    at = erase_deadline_ms(&n->erase) < at ? erase_deadline_ms(&n->erase) : at;
    at = n->seed_at_ms < at ? n->seed_at_ms : at;
    at = n->meet_by_ms < at ? n->meet_by_ms : at;
    at = n->redial_ms < at ? n->redial_ms : at;
    if (n->members_dirty && n->members_saved_ms + MEMBERS_SAVE_MS < at)
        at = n->members_saved_ms + MEMBERS_SAVE_MS;
    return at;
}

bool node_drain(struct node *n)
{
    return coord_drain(&n->coord);
}

bool node_ready(const struct node *n)
{
    return n->ready;
}

bool node_claimed(const struct node *n)
{
    return !cluster_id_none(n->claim.cluster);
}

bool node_serves(const struct node *n)
{
    return n->ready && !(node_claimed(n) && chain_layout(&n->chain)->member_n == 1);
}
