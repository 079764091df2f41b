/* node.c: the life of a node, and the order of a step.
 *
 *     BORN --(the first event)--> WAKING --(enough members met)--> READY
 *                                   |                                |
 *                                   '----(it cannot go on)-----------+--> STOPPED
 *
 * Birth. A node is born with its data directory: the world draws its id. A founder draws a cluster
 * id too and adopts a layout of itself alone. Every other node starts with none, asks its seeds in
 * turn, learns the cluster id from the first hello that has one, and asks to be let in (chain.c).
 * It writes the cluster id down only together with the layout that admits it: a node that was
 * refused belongs to no cluster.
 *
 * Waking. A node that has a layout on disk needs no seed: it recalls the members' last addresses,
 * and SWIM finds them. It answers clients once it is part of a layout and has met W-1 other
 * members. Before, it could only answer with errors, and -LOADING says better what is the matter.
 * To meet a member is to have a stream with it, and so its hello, which says what it remembers of
 * our log (log_end.c): a node that lost the end of its log must know before it answers anything.
 *
 * A claim. A node that lost its disk and is told to found anew, at its old address, is a cluster of
 * one that answers nil to what the others hold. The others look for the member that it was
 * (membership.c says how that is seen), and from then on it answers no client. A node that is not
 * alone reports the claim in STATUS and serves on: others joined its cluster on purpose.
 *
 * The step. In this order, because each part may rest on what the ones before it found out:
 *
 *     the moment    time, the clocks, the own log's end: everything else is judged by them
 *     the event     to the protocol that it concerns (protocols.c has the table)
 *     the layout    if the chain has another one in force, it goes to every protocol at once,
 *                   before anything that is in its terms
 *     the members   what SWIM believes of them; then who is ready, greeted, dialled again
 *     own states    saved last, when nothing of this step can change them any more
 *     the records   how they stand, and whether writes are fenced, as the step leaves it: the next
 *                   step begins with that
 *
 * Each protocol appends a bounded number of actions. Carrying over is sliced too, and
 * node_deadline_ms says "now" until all of it is done.
 *
 * This file has birth, the step and the end; membership.c the other members as the node meets them
 * and what is carried over, shard.c its records, protocols.c the table, node_report.c what a node
 * reports about itself. */
#include "core/node/node_inner.h"

#include "base/check.h"
#include "core/ring/ring.h"
#include "wire/bytes.h"

#include <stdlib.h>

/* What one step appends: the actions of one protocol, then those of the carrying over. */
_Static_assert(SWIM_OUT_MAX + CHAIN_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(REPAIR_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(COORD_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(HINT_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");
_Static_assert(ERASE_OUT_MAX + 5 * NODE_CHANGES <= OUT_MAX, "a step overflows");

static const uint32_t next_phase[] = {
    [NODE_BORN] = PHASE(NODE_WAKING),
    [NODE_WAKING] = PHASE(NODE_READY) | PHASE(NODE_STOPPED),
    [NODE_READY] = PHASE(NODE_STOPPED),
    [NODE_STOPPED] = 0,
};

void node_enter(struct node *n, enum node_phase phase)
{
    phase_enter(&n->phase, phase, next_phase);
}

/* ---- Birth and end ---- */

/* Reads the members' last addresses: a run of ALIVE messages. */
static int recall_members(struct node *n, struct slice bytes)
{
    while (bytes.n > 0) {
        struct message m;
        int used = message_decode(bytes, &m);
        if (used <= 0 || m.kind != MSG_ALIVE || m.alive.incarnation > INCARNATION_MAX)
            return ERR_BAD_MESSAGE;
        if (m.alive.member != n->member.self)
            swim_recall(&n->member.swim, m.alive.member, m.alive.addr, m.alive.name,
                        m.alive.incarnation, n->now.ms);
        bytes = slice_of(bytes.p + used, bytes.n - (size_t)used);
    }
    return 0;
}

static int init_founder(struct membership *s, const struct node_options *o)
{
    struct layout_member self = {
        .id = s->self, .disk = s->disk, .weight = s->weight, .zone_n = s->zone_n};
    memcpy(self.zone, s->zone, s->zone_n);
    struct ring_change birth = {
        .member = &self,
        .member_n = 1,
        .n_wanted = o->n_wanted ? o->n_wanted : 3,
        .vnodes = o->vnodes,
        .generation_id = o->generation_id,
        .secret = o->secret,
    };
    s->found = true;
    s->cluster = o->cluster;
    return ring_compute(&birth, &s->first);
}

static int init_cluster(struct membership *s, const struct node_options *o)
{
    s->cluster_serial = o->cluster_saved.serial;
    /* a layout without its cluster: such a node would believe the first stranger */
    if (o->cluster_saved.bytes.n == 0)
        return chain_layout(&s->chain) ? ERR_BAD_MESSAGE : 0;
    if (o->cluster_saved.bytes.n != sizeof s->cluster.b)
        return ERR_BAD_MESSAGE;
    memcpy(s->cluster.b, o->cluster_saved.bytes.p, sizeof s->cluster.b);
    s->cluster_saved = true;
    return cluster_id_none(s->cluster) ? ERR_BAD_MESSAGE : 0;
}

/* A number of the node's state, 8 bytes little-endian; 0 where there is none. False when it is
 * malformed. */
static bool recall_number(struct slice bytes, uint64_t *number)
{
    *number = bytes.n == 8 ? get_u64(bytes.p) : 0;
    return bytes.n == 0 || bytes.n == 8;
}

static int init_swim(struct node *n, const struct node_options *o, uint64_t incarnation)
{
    struct swim_options swim = {
        .self = o->id,
        .addr = o->addr,
        .name = o->name,
        .profile = o->profile,
        .incarnation = incarnation,
        .serial = o->incarnation.serial,
        .seed = o->seed,
        .now = &n->now,
    };
    return swim_init(&n->member.swim, &swim, n->now.ms);
}

static int init_chain(struct node *n, const struct node_options *o)
{
    struct chain_options chain = {
        .self = o->id,
        .acceptor = o->chain.bytes,
        .acceptor_serial = o->chain.serial,
        .layout = o->layout.bytes,
        .layout_serial = o->layout.serial,
        .seed = o->seed + 1,
    };
    return chain_init(&n->member.chain, &n->now, &chain);
}

/* The node itself is in the table of members like any other. */
static int init_cast(struct membership *s, const struct node_options *o)
{
    struct member *self = cast_make(&s->cast, o->id);
    if (!self)
        return ERR_NO_MEMORY;
    self->self = true;
    (void)cast_believe(self, o->addr, MEMBER_ALIVE, o->name);
    return 0;
}

static int init_log_end(struct shard *s, const struct node_options *o)
{
    struct log_end_options log_end = {
        .self = o->id,
        .boot = o->boot,
        .position = o->position,
        .boots = o->boots.bytes,
        .boots_serial = o->boots.serial,
        .ends = o->ends.bytes,
        .ends_serial = o->ends.serial,
    };
    return log_end_init(&s->log_end, &log_end);
}

static int init_shard(struct shard *s, const struct node_options *o)
{
    uint64_t ceiling_ms;
    if (!recall_number(o->clock.bytes, &ceiling_ms) || ceiling_ms > hlc_wall_ms(STAMP_MAX))
        return ERR_BAD_MESSAGE;
    struct coord_options coord = {
        .self = o->id, .ops_max = o->ops_max, .deadline_ms = o->op_deadline_ms};
    hint_init(&s->hint, &(struct hint_options){.self = o->id, .age_max_ms = o->hint_age_ms});
    erase_init(&s->erase, &(struct erase_options){.self = o->id,
                                                  .age_ms = o->erase_age_ms ? o->erase_age_ms
                                                                            : HINT_AGE_DEFAULT_MS});
    int e = coord_init(&s->coord, &coord);
    coord_ceiling_recall(&s->coord, ceiling_ms);
    e = e ? e : init_log_end(s, o);
    s->forgot = s->log_end.healing;
    repair_init(&s->repair, o->id, o->seed + 2);
    s->repair.manual = o->repair_manual;
    return e ? e : replica_init(&s->replica, 0);
}

static int init_members(struct node *n, const struct node_options *o)
{
    uint64_t incarnation;
    if (!recall_number(o->incarnation.bytes, &incarnation) || incarnation > INCARNATION_MAX)
        return ERR_BAD_MESSAGE;
    int e = init_cast(&n->member, o);
    e = e ? e : init_swim(n, o, incarnation);
    e = e ? e : init_chain(n, o);
    e = e ? e : init_cluster(&n->member, o);
    if (!e && o->found)
        e = init_founder(&n->member, o);
    return e ? e : recall_members(n, o->members.bytes);
}

static struct membership membership_of(const struct node_options *o, uint64_t now_ms)
{
    return (struct membership){
        .self = o->id,
        .disk = o->disk ? o->disk : o->id,
        .addr = o->addr,
        .name_n = (uint8_t)o->name.n,
        .zone_n = (uint8_t)o->zone.n,
        .weight = o->weight ? o->weight : 100,
        .seed_n = o->seed_n,
        .seed_at_ms = o->seed_n ? now_ms : UINT64_MAX,
        .redial_ms = UINT64_MAX,
        .meet_by_ms = UINT64_MAX,
        .members_serial = o->members.serial,
    };
}

int node_init(struct node *n, const struct node_options *o, uint64_t now_ms)
{
    CHECK(o->id != 0 && o->name.n > 0);
    if (o->name.n > NODE_NAME_MAX || o->zone.n > ZONE_MAX || o->seed_n > SEEDS_MAX)
        return ERR_TOO_BIG;
    *n = (struct node){.now = {.ms = now_ms, .boot = o->boot}, .member = membership_of(o, now_ms)};
    n->shard.self = o->id;
    n->shard.wrote = o->records > 0;
    n->shard.clock_serial = o->clock.serial;
    n->shard.healed = o->healed.bytes.n > 0;
    n->shard.healed_serial = o->healed.serial;
    n->now.cast = &n->member.cast;
    memcpy(n->member.name, o->name.p, o->name.n);
    if (o->zone.n)
        memcpy(n->member.zone, o->zone.p, o->zone.n);
    layout_init(&n->member.first);
    buf_init(&n->member.members_bytes, MESSAGE_MAX);
    int e = init_shard(&n->shard, o);
    /* before the first event: a restarted member may be asked to vote by it */
    n->now.own = shard_own(&n->shard);
    e = e ? e : init_members(n, o);
    if (e)
        node_close(n);
    return e;
}

void node_close(struct node *n)
{
    protocols_close(n);
    free(n->info);
    free(n->synced);
    n->synced = NULL;
    n->info = NULL;
}

void node_halt(struct node *n, int error, struct slice why, struct out *out)
{
    CHECK(error < 0);
    node_enter(n, NODE_STOPPED);
    out_trace(out, TRACE_NODE_REFUSED, 0, (uint64_t)error, 0, why);
    struct action *a = out_add(out, ACT_STOP);
    a->stop.error = error;
    a->stop.why = why;
}

/* ---- The moment ---- */

void node_header(struct node *n)
{
    struct packet_header h = {
        .cluster = n->member.cluster,
        .boot = n->now.boot,
        .epoch = n->now.epoch,
        .layout_hash = n->member.layout_hash,
    };
    swim_set_header(&n->member.swim, &h);
}

/* How long the process stood still before this step: how much later it comes than it was due. */
static uint64_t standstill(const struct node *n, uint64_t now_ms)
{
    enum { GAP_MS = 100 }; /* less does no harm, and is not worth asking for the deadline */
    uint64_t due_ms = now_ms > n->now.ms + GAP_MS ? node_deadline_ms(n) : UINT64_MAX;
    return now_ms > due_ms ? now_ms - due_ms : 0;
}

/* What the peers' clocks say of ours. A clock at the end of the calendar counts as ahead: no stamp
 * would leave room above. */
static void judge_clock(struct node *n, struct out *out)
{
    struct moment *now = &n->now;
    uint64_t ahead_ms = wall_ahead_ms(&n->member.wall);
    bool ahead = ahead_ms > CLOCK_SKEW_MAX_MS || now->wall_ms == WALL_MS_MAX;
    if (ahead && !now->ahead)
        out_trace(out, TRACE_CLOCK_AHEAD, 0, ahead_ms, CLOCK_SKEW_MAX_MS,
                  SLICE("writes are refused here until it is set right"));
    if (!ahead && now->ahead)
        out_trace(out, TRACE_CLOCK_RIGHT, 0, ahead_ms, 0, slice_of(NULL, 0));
    now->ahead = ahead;
    now->believed_ms = wall_believed_ms(&n->member.wall);
}

static void moment_begin(struct node *n, const struct event *ev, struct out *out)
{
    uint64_t late_ms = standstill(n, ev->now_ms);
    n->now.ms = ev->now_ms;
    n->now.wall_ms = ev->wall_ms < WALL_MS_MAX ? ev->wall_ms : WALL_MS_MAX;
    if (late_ms > 0)
        wall_late(&n->member.wall, ev->now_ms, late_ms);
    wall_time(&n->member.wall, n->now.ms, n->now.wall_ms);
    judge_clock(n, out);
    shard_begin(&n->shard, ev->position, ev->refuses, &n->now.own);
}

/* The fence, and how the records stand, as this step leaves them. */
static void moment_end(struct node *n)
{
    bool fenced = chain_fenced(&n->member.chain), recovering = n->shard.repair.recovering_n > 0;
    bool barred = fenced != n->now.fenced || recovering != n->barred_by_recovering;
    n->now.fenced = fenced;
    n->now.own = shard_own(&n->shard);
    n->barred_by_recovering = recovering;
    if (barred)
        protocols_barred(n);
}

/* ---- The step ---- */

static void on_request(struct node *n, const struct request *r, struct out *out)
{
    if (r->kind >= OP_MEMBERS) {
        node_report(n, r, out);
        return;
    }
    if (node_serves(n)) {
        shard_request(&n->shard, &n->now, r, out);
        return;
    }
    int error = node_ready(n) ? ERR_OTHER_CLUSTER : ERR_LOADING;
    out_add(out, ACT_REPLY)->reply =
        (struct result){.token = r->token, .kind = r->kind, .error = error};
}

static void on_stored(struct node *n, const struct event *ev, struct out *out)
{
    shard_note_stored(&n->shard, ev, out);
    protocols_stored(n, ev->stored.token, ev, out);
}

static void on_hinted(struct node *n, const struct event *ev, struct out *out)
{
    if (hint_kept(&n->shard.hint, &n->now, ev, out))
        node_halt(n, ERR_NO_MEMORY,
                  SLICE("out of memory while a hint was kept for a member; restart this node"),
                  out);
}

static void dispatch(struct node *n, const struct event *ev, struct out *out)
{
    switch (ev->kind) {
    case EV_TIMER:
        protocols_tick(n, out);
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
        on_request(n, ev->request, out);
        break;
    case EV_STORED:
        on_stored(n, ev, out);
        break;
    case EV_READ:
    case EV_COUNTED:
    case EV_ANSWERED:
        protocols_stored(n, ev->read.token, ev, out); /* the three are of one kind */
        break;
    case EV_HINTED:
        on_hinted(n, ev, out);
        break;
    case EV_HINTS:
        hint_found(&n->shard.hint, &n->now, ev, out);
        break;
    case EV_BACKUP:
        node_on_backup(n, ev, out);
        break;
    case EV_DAMAGED:
        shard_damaged(&n->shard, &n->now, ev->damaged.bytes);
        break;
    }
}

void node_step(struct node *n, const struct event *ev, struct out *out)
{
    CHECK(ev->now_ms >= n->now.ms);
    if (n->phase == NODE_STOPPED)
        return;
    moment_begin(n, ev, out);
    protocols_begin(n);
    if (n->phase == NODE_BORN) {
        node_enter(n, NODE_WAKING);
        membership_start(n, out);
    }
    dispatch(n, ev, out);
    if (n->phase != NODE_STOPPED)
        membership_carry(n, out);
    if (n->phase == NODE_STOPPED)
        return;
    shard_carry(&n->shard, &n->now, node_ready(n), out);
    moment_end(n);
}

uint64_t node_deadline_ms(const struct node *n)
{
    if (n->phase == NODE_STOPPED)
        return UINT64_MAX;
    return n->phase == NODE_BORN ? n->now.ms : protocols_deadline_ms(n);
}

bool node_drain(struct node *n)
{
    return coord_drain(&n->shard.coord);
}

bool node_ready(const struct node *n)
{
    return n->phase == NODE_READY;
}

bool node_claimed(const struct node *n)
{
    return !cluster_id_none(n->member.claim.cluster);
}

bool node_serves(const struct node *n)
{
    return node_ready(n) && !(node_claimed(n) && n->now.layout->member_n == 1);
}
