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
 * The wires. Each event goes to the protocol that it concerns; then, whatever it was, the changes are carried over:
 *
 *   swim  --(a member changed)-------------------> coord (whom to ask), chain (who can vote), hint (who is back), subscribers
 *   chain --(a layout is in force, a fence)------> coord, hint, swim (whom to probe for ever, packet header)
 *   store --(a record was taken)-----------------> chain (no formation any more)
 *   any peer's epoch --(higher than ours)--------> chain (fetch it)
 *
 * Each protocol appends a bounded number of actions; carrying over is sliced too, and node_deadline_ms says "now" until
 * all of it is done. */
#include "core/node.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/ring.h"

#include <stdlib.h>

enum {
    TOKEN_CLUSTER = 1,
    TOKEN_MEMBERS = 2,
    TOKEN_WHOLE = 3,
    TOKEN_CLOCK = 4,
    TOKEN_BOOTS = 5,
    TOKEN_REACHED = 6
}; /* numbers of TOKEN_NODE */

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
        if (used <= 0 || m.kind != MSG_ALIVE)
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
    if (o->cluster_saved.bytes.n == 0)
        return 0;
    if (o->cluster_saved.bytes.n != sizeof n->cluster.b)
        return ERR_BAD_MESSAGE;
    memcpy(n->cluster.b, o->cluster_saved.bytes.p, sizeof n->cluster.b);
    n->cluster_saved = true;
    return 0;
}

/* A number of the node's state, 8 bytes little-endian; 0 where there is none. False when it is malformed. */
static bool recall_number(struct slice bytes, uint64_t *number)
{
    *number = 0;
    for (size_t i = bytes.n; i-- > 0;)
        *number = *number << 8 | bytes.p[i];
    return bytes.n == 0 || bytes.n == 8;
}

static int init_protocols(struct node *n, const struct node_options *o, uint64_t now_ms)
{
    uint64_t incarnation, ceiling_ms;
    if (!recall_number(o->incarnation.bytes, &incarnation) || !recall_number(o->clock.bytes, &ceiling_ms))
        return ERR_BAD_MESSAGE;
    struct swim_options swim = {
        .self = o->id,
        .addr = o->addr,
        .name = o->name,
        .profile = o->profile,
        .incarnation = incarnation,
        .serial = o->incarnation.serial,
        .seed = o->seed,
    };
    struct chain_options chain = {
        .self = o->id,
        .acceptor = o->chain.bytes,
        .acceptor_serial = o->chain.serial,
        .layout = o->layout.bytes,
        .layout_serial = o->layout.serial,
        .seed = o->seed + 1,
    };
    struct coord_options coord = {.self = o->id, .ops_max = o->ops_max, .deadline_ms = o->op_deadline_ms};
    hint_init(&n->hint, &(struct hint_options){.self = o->id, .age_max_ms = o->hint_age_ms});
    erase_init(&n->erase,
               &(struct erase_options){.self = o->id, .age_ms = o->erase_age_ms ? o->erase_age_ms : HINT_AGE_DEFAULT_MS});
    int e = swim_init(&n->swim, &swim, now_ms);
    e = e ? e : chain_init(&n->chain, &chain, now_ms);
    if (!e)
        chain_holds_records(&n->chain, n->wrote); /* before the first event: a restarted member may be asked to vote by it */
    e = e ? e : coord_init(&n->coord, &coord);
    coord_ceiling_recall(&n->coord, ceiling_ms);
    struct reach_options reach = {
        .self = o->id,
        .boot = o->boot,
        .position = o->position,
        .boots = o->boots.bytes,
        .boots_serial = o->boots.serial,
        .reached = o->reached.bytes,
        .reached_serial = o->reached.serial,
    };
    e = e ? e : reach_init(&n->reach, &reach);
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

/* ---- Peers of the layout ---- */

static struct node_peer *peer_find(const struct node *n, uint64_t id)
{
    const struct layout *l = chain_layout(&n->chain);
    int m = l && n->epoch == l->epoch ? layout_find(l, id) : -1;
    return m < 0 ? NULL : &n->peer[m];
}

/* Sends a living member something that it takes no notice of, for the stream's sake. */
static void greet(struct node_peer *p, struct addr addr, struct out *out)
{
    p->greeted = true;
    out_send(out, p->id, addr, MSG_PROBE)->probe.seq = 0;
}

/* Part of a layout, and W-1 other members of it live and were met. (Members recalled from the disk are suspects until they
 * answer.) */
static void judge_ready(struct node *n, struct out *out)
{
    const struct layout *l = chain_layout(&n->chain);
    if (n->ready || !l || !peer_find(n, n->self))
        return;
    unsigned met = 0, greetings = 0;
    struct swim_view v;
    for (unsigned m = 0; m < n->peer_n && met < l->w; m++) {
        struct node_peer *p = &n->peer[m];
        if (!swim_find(&n->swim, p->id, &v) || v.state != MEMBER_ALIVE)
            continue;
        met += p->met || p->id == n->self;
        if (p->id != n->self && !p->met && !p->greeted && greetings++ < NODE_CHANGES)
            greet(p, v.addr, out);
    }
    if (met < l->w)
        return;
    n->ready = true;
    out_trace(out, TRACE_NODE_READY, n->self, l->epoch, l->member_n, slice_of(NULL, 0));
}

enum twin_verdict node_knock(struct node *n, uint64_t id, uint64_t boot, struct addr addr)
{
    struct node_peer *p = peer_find(n, id);
    struct swim_view v;
    if (!p)
        return TWIN_LET_IN;
    bool moved = swim_find(&n->swim, id, &v) && v.addr.family != 0 && !addr_eq(v.addr, addr);
    enum twin_verdict verdict = twin_knock(&p->twin, boot, moved, n->now_ms);
    n->knocked |= verdict == TWIN_WAIT;
    return verdict;
}

/* Asks those whose place another process wants. */
static void ask_first(struct node *n, struct out *out)
{
    struct swim_view v;
    unsigned asked = 0;
    if (!n->knocked)
        return;
    n->knocked = false;
    for (unsigned m = 0; m < n->peer_n; m++) {
        struct node_peer *p = &n->peer[m];
        if (asked == NODE_CHANGES)
            n->knocked = true;
        else if (twin_ask(&p->twin) && swim_find(&n->swim, p->id, &v) && ++asked)
            out_send(out, p->id, v.addr, MSG_PROBE)->probe.seq = p->twin.knock;
    }
}

static void note_news(struct node *n, struct node_peer *p)
{
    n->news += !p->news;
    p->news = true;
}

/* A peer spoke to us, at that epoch. */
static void heard(struct node *n, uint64_t id, uint64_t epoch, struct out *out)
{
    struct node_peer *p = peer_find(n, id);
    if (p && epoch > p->epoch) {
        bool late = p->epoch < n->epoch && epoch >= n->epoch;
        p->epoch = epoch;
        if (late)
            note_news(n, p);
    }
    if (epoch > n->epoch)
        chain_seen(&n->chain, id, epoch, n->now_ms, out);
}

/* ---- Carrying over ---- */

/* This node cannot go on: from here on it does nothing more. */
static void halt(struct node *n, int error, struct slice why, struct out *out)
{
    n->stopped = true;
    out_trace(out, TRACE_NODE_REFUSED, 0, (uint64_t)error, 0, why);
    struct action *a = out_add(out, ACT_STOP);
    a->stop.error = error;
    a->stop.why = why;
}

static void header_update(struct node *n)
{
    const struct layout *l = chain_layout(&n->chain);
    struct packet_header h = {
        .cluster = n->cluster,
        .from = n->self,
        .boot = n->boot,
        .epoch = l ? l->epoch : 0,
        .layout_hash = l ? layout_hash(l) : 0,
        .wall_ms = n->wall_ms,
        .position = reach_announced(&n->reach),
        .recovering = (uint16_t)n->repair.recovering_n,
    };
    swim_set_header(&n->swim, &h);
}

/* Asked for before the first layout is put into the store, so that whatever a torn write leaves of the two, a layout does not
 * stand there without the cluster that it belongs to: such a node would believe the first stranger. */
static void save_cluster(struct node *n, struct out *out)
{
    if (n->cluster_saved || cluster_id_none(n->cluster))
        return;
    n->cluster_saved = true;
    out_state(out, TOKEN(TOKEN_NODE, TOKEN_CLUSTER), SLICE("cluster"), ++n->cluster_serial,
              slice_of(n->cluster.b, sizeof n->cluster.b));
}

/* Rebuilds the table of peers for a new layout, keeping what was known. False when memory is out. */
static bool peers_rebuild(struct node *n, const struct layout *l)
{
    struct node_peer *peer = calloc(l->member_n, sizeof *peer);
    if (!peer)
        return false;
    for (unsigned m = 0; m < l->member_n; m++) {
        peer[m].id = l->member[m].id;
        for (unsigned i = 0; i < n->peer_n; i++)
            if (n->peer[i].id == peer[m].id)
                peer[m] = n->peer[i];
        peer[m].news = false;
        if (!peer[m].twin.boot)
            peer[m].twin.boot = reach_boot_of(&n->reach, peer[m].id);
    }
    free(n->peer);
    n->peer = peer;
    n->peer_n = l->member_n;
    n->news = 0;
    return true;
}

/* Another disk than the one that this node was let in with: what that one held is to be fetched (repair_recover.c). Whether
 * it was is remembered on this disk. */
static void judge_disk(struct node *n, const struct layout *l)
{
    int m = layout_find(l, n->self);
    if (m < 0 || l->member[m].disk == n->disk || n->whole || n->new_disk)
        return;
    n->new_disk = n->forgot = true;
    n->doubt_why = SLICE("its disk is not the one that it joined with: all records are fetched from the other owners");
    repair_doubt_all(&n->repair);
}

/* What the lost disk held is all here again. */
static void save_whole(struct node *n, struct out *out)
{
    n->new_disk = n->whole_unsaved = false;
    n->whole = true;
    out_state(out, TOKEN(TOKEN_NODE, TOKEN_WHOLE), SLICE("whole"), ++n->whole_serial, SLICE("whole"));
}

/* What repair found out about records that this node lacks: for the log, and for the store to remember. */
static void carry_recovering(struct node *n, struct out *out)
{
    struct slice healed;
    uint32_t vnodes = n->repair.recovering_n;
    if (repair_healed(&n->repair, &healed))
        out_add(out, ACT_STORE_HEAL)->slots = healed;
    if (vnodes > 0 && !n->recovering)
        out_trace(out, TRACE_NODE_RECOVERING, n->self, n->epoch, vnodes, n->doubt_why);
    if (vnodes == 0 && n->recovering)
        out_trace(out, TRACE_NODE_RECOVERED, n->self, n->epoch, 0, slice_of(NULL, 0));
    n->recovering = vnodes > 0;
    if (n->forgot && vnodes == 0 && n->ready) { /* by then the store has said what it doubts */
        n->forgot = false;
        reach_healed(&n->reach);
    }
    chain_forgot(&n->chain, n->forgot);
    if (n->new_disk && vnodes == 0)
        save_whole(n, out);
}

/* The chain has a layout in force that the others do not know yet. */
static void carry_layout(struct node *n, struct out *out)
{
    const struct layout *l = chain_layout(&n->chain);
    if (!l || l->epoch == n->epoch)
        return;
    if (!peers_rebuild(n, l) || coord_layout(&n->coord, l) || hint_layout(&n->hint, l) || repair_layout(&n->repair, l) ||
        erase_layout(&n->erase, l)) {
        halt(n, ERR_NO_MEMORY, SLICE("out of memory while a new layout came into force; restart this node"), out);
        return;
    }
    n->epoch = l->epoch;
    coord_lost(&n->coord, n->repair.recovering);
    for (unsigned m = 0; m < l->member_n; m++) {
        uint64_t id = l->member[m].id;
        struct swim_view v;
        swim_pin(&n->swim, id, true);
        note_news(n, &n->peer[m]);
        if (!swim_find(&n->swim, id, &v))
            continue;
        coord_peer(&n->coord, id, v.addr, v.state);
        hint_peer(&n->hint, id, v.addr, v.state == MEMBER_ALIVE);
        repair_peer(&n->repair, id, v.addr, v.state == MEMBER_ALIVE);
        erase_peer(&n->erase, id, v.addr, v.state == MEMBER_ALIVE);
    }
    judge_disk(n, l);
    header_update(n);
    n->members_dirty = true;
}

/* Whether member m of the layout is known to have adopted it. One never heard is believed to, unless it only came with
 * this epoch: in a large cluster it takes many periods to hear everybody, and the silence of an old member means
 * nothing. */
static bool adopted(const struct node *n, const struct layout *l, unsigned m)
{
    const struct node_peer *p = peer_find(n, l->member[m].id);
    if (l->member[m].id == n->self || !p)
        return p != NULL;
    return p->epoch ? p->epoch >= l->epoch : l->member[m].since < l->epoch;
}

void node_describe(const struct node *n, const struct swim_view *v, struct member_info *info)
{
    const struct layout *l = chain_layout(&n->chain);
    int m = l ? layout_find(l, v->id) : -1;
    *info = (struct member_info){
        .id = v->id,
        .name = v->name,
        .addr = v->addr,
        .state = v->state,
        .incarnation = v->incarnation,
        .since_ms = n->now_ms > v->since_ms ? n->now_ms - v->since_ms : 0,
        .self = v->id == n->self,
        .in_layout = m >= 0,
        .adopted = m >= 0 && adopted(n, l, (unsigned)m),
    };
    if (m < 0)
        return;
    const struct node_peer *p = peer_find(n, v->id);
    info->recovering = v->id == n->self ? n->repair.recovering_n : p ? p->recovering : 0;
    info->weight = l->member[m].weight;
    info->zone = slice_of(l->member[m].zone, l->member[m].zone_n);
}

/* Subscribers hear of members whose place in the layout changed, though they themselves did not. */
static void carry_news(struct node *n, struct out *out)
{
    unsigned told = 0;
    for (unsigned m = 0; n->news > 0 && m < n->peer_n && told < NODE_CHANGES; m++) {
        struct swim_view v;
        if (!n->peer[m].news)
            continue;
        n->peer[m].news = false;
        n->news--;
        if (swim_find(&n->swim, n->peer[m].id, &v) && v.verified) { /* of the others SWIM tells when they answer */
            node_describe(n, &v, &out_add(out, ACT_MEMBER)->member);
            told++;
        }
    }
    n->more |= n->news > 0;
}

static void carry_members(struct node *n, struct out *out)
{
    struct swim_view v;
    n->more = false;
    for (unsigned k = 0; k < NODE_CHANGES; k++) {
        if (!swim_changed(&n->swim, &v))
            return;
        coord_peer(&n->coord, v.id, v.addr, v.state);
        hint_peer(&n->hint, v.id, v.addr, v.state == MEMBER_ALIVE);
        repair_peer(&n->repair, v.id, v.addr, v.state == MEMBER_ALIVE);
        erase_peer(&n->erase, v.id, v.addr, v.state == MEMBER_ALIVE);
        chain_peer(&n->chain, v.id, v.addr, v.state <= MEMBER_SUSPECT);
        node_describe(n, &v, &out_add(out, ACT_MEMBER)->member);
        n->members_dirty |= peer_find(n, v.id) != NULL;
    }
    n->more = true;
}

/* The names of a WHERE result, which the coordinator does not know. */
static void carry_names(struct node *n)
{
    for (unsigned i = 0; i < n->coord.where_n; i++) {
        struct swim_view v;
        if (swim_find(&n->swim, n->coord.where[i].id, &v))
            n->coord.where[i].name = v.name;
    }
}

/* The fence and the records, which chain and coord tell each other through us. */
static void carry_fence(struct node *n)
{
    coord_fence(&n->coord, chain_fenced(&n->chain));
    chain_holds_records(&n->chain, n->wrote || n->replica.puts > 0 || n->coord.writes > 0);
}

/* What the peers' clocks say of ours, which the coordinator must know before anything else of the step. */
static void tell_time(struct node *n, struct out *out)
{
    coord_time(&n->coord, n->now_ms, n->wall_ms);
    wall_time(&n->wall, n->now_ms, n->wall_ms);
    swim_set_wall(&n->swim, n->wall_ms);
    swim_set_log(&n->swim, reach_announced(&n->reach), (uint16_t)n->repair.recovering_n);
    uint64_t ahead_ms = wall_ahead_ms(&n->wall);
    bool ahead = ahead_ms > CLOCK_SKEW_MAX_MS;
    if (ahead && !n->ahead)
        out_trace(out, TRACE_CLOCK_AHEAD, 0, ahead_ms, CLOCK_SKEW_MAX_MS, SLICE("writes are refused here until it is set right"));
    if (!ahead && n->ahead)
        out_trace(out, TRACE_CLOCK_RIGHT, 0, ahead_ms, 0, slice_of(NULL, 0));
    n->ahead = ahead;
    coord_clock(&n->coord, wall_believed_ms(&n->wall), ahead);
}

/* The clock's next ceiling, one at a time. */
static void carry_clock(struct node *n, struct out *out)
{
    uint64_t ms = n->clock_asked_ms ? 0 : coord_ceiling_wanted(&n->coord);
    if (!ms)
        return;
    n->clock_asked_ms = ms;
    for (unsigned i = 0; i < 8; i++)
        n->clock_bytes[i] = (uint8_t)(ms >> (8 * i));
    out_state(out, TOKEN(TOKEN_NODE, TOKEN_CLOCK), SLICE("clock"), ++n->clock_serial,
              slice_of(n->clock_bytes, sizeof n->clock_bytes));
}

static void carry_refusal(struct node *n, struct out *out)
{
    struct slice why;
    int error = chain_refused(&n->chain, &why);
    if (error)
        halt(n, error, why, out);
}

static void save_members(struct node *n, struct out *out)
{
    if (!n->members_dirty || n->now_ms < n->members_saved_ms + MEMBERS_SAVE_MS)
        return;
    n->members_dirty = false;
    n->members_saved_ms = n->now_ms;
    if (n->whole_unsaved)
        save_whole(n, out);
    save_cluster(n, out); /* in case it failed */
    n->members_bytes.n = 0;
    for (unsigned m = 0; m < n->peer_n; m++) {
        struct swim_view v;
        if (!swim_find(&n->swim, n->peer[m].id, &v) || v.addr.family == 0)
            continue;
        struct message alive = {.kind = MSG_ALIVE};
        alive.alive = (struct msg_alive){.member = v.id, .incarnation = v.incarnation, .addr = v.addr, .name = v.name};
        if (message_append(&n->members_bytes, &alive)) {
            n->members_dirty = true; /* memory is out: later */
            return;
        }
    }
    out_state(out, TOKEN(TOKEN_NODE, TOKEN_MEMBERS), SLICE("members"), ++n->members_serial, buf_view(&n->members_bytes));
}

/* Whether this step puts something else. */
static bool puts_something(const struct out *out)
{
    for (unsigned i = 0; i < out->n; i++)
        if (out->action[i].kind == ACT_STORE_PUT)
            return true;
    return false;
}

static void save_reach(struct node *n, struct out *out)
{
    if (chain_layout(&n->chain)) /* before that there is nothing to lose */
        reach_save(&n->reach, n->now_ms, puts_something(out), TOKEN(TOKEN_NODE, TOKEN_BOOTS), TOKEN(TOKEN_NODE, TOKEN_REACHED),
                   out);
}

static void carry(struct node *n, struct out *out)
{
    carry_layout(n, out);
    if (n->stopped)
        return;
    carry_members(n, out);
    carry_news(n, out);
    judge_ready(n, out);
    ask_first(n, out);
    carry_names(n);
    carry_fence(n);
    carry_clock(n, out);
    carry_refusal(n, out);
    save_members(n, out);
    carry_recovering(n, out);
    save_reach(n, out);
}

/* ---- Events ---- */

static void start(struct node *n, struct out *out)
{
    n->started = true;
    header_update(n);
    swim_start(&n->swim, out);
    if (n->found && !chain_layout(&n->chain)) {
        out_trace(out, TRACE_NODE_FOUNDED, n->self, 0, 0, slice_str(cluster_id_text(n->cluster, n->said_cluster)));
        save_cluster(n, out);
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

static void on_packet(struct node *n, const struct event *ev, struct out *out)
{
    struct packet_header h = {0};
    struct slice messages;
    int e = packet_open(ev->packet.bytes, &h, &messages);
    if (!e && !cluster_id_eq(h.cluster, n->cluster))
        e = ERR_OTHER_CLUSTER; /* a joiner's packets are not for the cluster yet either */
    if (!e && h.from == n->self)
        e = ERR_SELF;
    if (!e && node_knock(n, h.from, h.boot, ev->packet.from) != TWIN_LET_IN)
        e = ERR_TWIN;
    if (e) {
        n->bad_packets++;
        out_trace(out, TRACE_PACKET_DROPPED, h.from, (uint64_t)e, ev->packet.bytes.n,
                  slice_str(addr_text(ev->packet.from, n->said_addr)));
        return;
    }
    wall_heard(&n->wall, h.from, h.wall_ms);
    swim_packet(&n->swim, &h, ev->packet.from, messages, n->now_ms, out);
    heard(n, h.from, h.epoch, out);
    struct node_peer *p = peer_find(n, h.from);
    if (p)
        p->recovering = h.recovering;
    if (p && p->met) /* who was told what we remember of it */
        reach_heard(&n->reach, h.from, h.boot, h.position);
}

/* What a peer's hello says of logs: its own, and what it remembers of others', ours among them. */
static void compare_logs(struct node *n, const struct msg_hello *h, struct out *out)
{
    struct node_peer *p = peer_find(n, h->node);
    if (p)
        p->met = true;
    reach_heard(&n->reach, h->node, h->boot, h->log_position);
    if (!reach_told(&n->reach, h->kept))
        return;
    n->doubt_why = SLICE("its log ends before where it was: the data directory is an old copy, or its disk lost what it had; all "
                         "records are compared with those of the other owners");
    n->forgot = true;
    repair_doubt_all(&n->repair);
    out_add(out, ACT_STORE_DOUBT)->slots = slice_of(n->repair.doubt, sizeof n->repair.doubt);
}

static void on_link_up(struct node *n, const struct event *ev, struct out *out)
{
    const struct msg_hello *h = ev->link.hello;
    out_trace(out, TRACE_LINK_UP, h->node, h->epoch, 0, slice_str(addr_text(h->addr, n->said_addr)));
    if (cluster_id_none(n->cluster) && !cluster_id_none(h->cluster)) {
        n->cluster = h->cluster;
        header_update(n);
    }
    coord_link(&n->coord, h->node, true);
    hint_link(&n->hint, h->node, true);
    compare_logs(n, h, out);
    if (cluster_id_none(h->cluster) && cluster_id_none(n->cluster))
        return; /* two who look for a cluster have nothing to tell each other */
    swim_link_up(&n->swim, h, n->now_ms, out);
    heard(n, h->node, h->epoch, out);
    if (!chain_layout(&n->chain) && h->epoch > 0) {
        struct msg_join join = {.weight = n->weight,
                                .zone = slice_of(n->zone, n->zone_n),
                                .name = slice_of(n->name, n->name_n),
                                .addr = n->addr,
                                .disk = n->disk};
        chain_join(&n->chain, h->node, h->addr, &join, n->now_ms, out);
    }
    if (h->epoch > 0)
        n->seed_at_ms = UINT64_MAX; /* a member was met: from here on gossip finds the rest */
}

static bool power_of_two(unsigned n)
{
    return (n & (n - 1)) == 0;
}

static void on_link_down(struct node *n, const struct event *ev, struct out *out)
{
    if (ev->link.seed >= 0) { /* said at tries 1, 2, 4, ... of each round: a log is not a clock */
        if (power_of_two((n->seed_tries + n->seed_n - 1) / n->seed_n))
            out_trace(out, TRACE_NODE_SEED_WAIT, 0, n->seed_tries, 0,
                      ev->link.why.n ? ev->link.why : slice_str(error_sentence(ev->link.error)));
    } else {
        out_trace(out, TRACE_LINK_DOWN, ev->link.peer, (uint64_t)ev->link.error, 0, ev->link.why);
    }
    struct node_peer *p = peer_find(n, ev->link.peer);
    if (p) {
        p->greeted = false;
        twin_gone(&p->twin);
    }
    if (ev->link.error == ERR_TWIN) {
        halt(n, ERR_TWIN, ev->link.why, out);
        return;
    }
    if (ev->link.peer) {
        coord_link(&n->coord, ev->link.peer, false);
        hint_link(&n->hint, ev->link.peer, false);
    }
    if (n->seed_n && !chain_layout(&n->chain) && n->seed_at_ms == UINT64_MAX)
        n->seed_at_ms = n->now_ms + SEED_RETRY_MS; /* whom we had asked to let us in may be gone */
}

/* Whether another live member than `id` has the name. */
static bool name_taken(const struct node *n, struct slice name, uint64_t id)
{
    struct swim_view v;
    for (uint32_t cursor = 0; swim_each(&n->swim, &cursor, &v);)
        if (v.id != id && v.state <= MEMBER_SUSPECT && slice_eq(v.name, name))
            return true;
    return false;
}

static struct addr peer_addr(const struct node *n, uint64_t id)
{
    struct swim_view v;
    return swim_find(&n->swim, id, &v) ? v.addr : (struct addr){0};
}

static uint64_t message_epoch(const struct message *m)
{
    switch (m->kind) {
    case MSG_PUT:
        return m->put.epoch;
    case MSG_FLUSH:
        return m->flush.epoch;
    case MSG_FLUSHED:
        return m->flushed.epoch;
    case MSG_PUT_ACK:
        return m->put_ack.epoch;
    case MSG_GET:
        return m->get.epoch;
    case MSG_GOT:
        return m->got.epoch;
    default:
        return 0;
    }
}

/* Which of the vnodes in a question about trees are recovering here, a bit each. */
static uint32_t vnodes_recovering(const struct node *n, struct slice vnodes)
{
    uint32_t bits = 0;
    for (unsigned i = 0; n->repair.recovering_n > 0 && i < REPAIR_ROOTS && 2 * i + 2 <= vnodes.n; i++) {
        uint16_t v = (uint16_t)(vnodes.p[2 * i] | vnodes.p[2 * i + 1] << 8);
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

/* What every message says: that a stream is up, so hellos were exchanged; and an acknowledgement, how far the peer's log is. */
static void meet(struct node *n, uint64_t from, const struct message *m)
{
    struct node_peer *p = peer_find(n, from);
    if (p)
        p->met = true;
    if (p && m->kind == MSG_PROBE_ACK)
        twin_answered(&p->twin, m->probe_ack.seq);
    if (m->kind == MSG_PUT_ACK)
        reach_acked(&n->reach, from, m->put_ack.position);
    else if (m->kind == MSG_FLUSHED)
        reach_acked(&n->reach, from, m->flushed.position);
    else if (m->kind == MSG_PUT)
        reach_acked(&n->reach, from, m->put.position);
}

/* Where a put comes from. What is put because of a list that we gave lately is held by an owner just now. */
static enum put_from put_from(const struct node *n, uint64_t from, const struct msg_put *m)
{
    const struct layout *l = chain_layout(&n->chain);
    uint64_t given = n->now_ms + 1 - m->ticket; /* how long ago; a time to come is very long ago */
    enum put_from others = m->lapsed ? PUT_FROM_READER : PUT_FROM_ANYBODY;
    if (m->ticket == 0 || given > REPAIR_TICKET_MS || !l)
        return others;
    uint16_t vnode = layout_vnode(l, slot_of_key(m->record.key));
    if (!ring_owns(l, vnode, from))
        return others;
    return repair_recovering(&n->repair, vnode) ? PUT_FROM_SOURCE : PUT_FROM_OWNER;
}

static struct replica_view view_of(const struct node *n, uint64_t from, const struct message *m)
{
    struct replica_view view = {
        .epoch = n->epoch, .fenced = n->coord.fenced, .doubts = n->repair.doubts, .wall_ms = n->coord.believed_ms, .peer = from};
    if (m->kind >= MSG_PUT)
        view.addr = peer_addr(n, from);
    if (m->kind == MSG_GET || m->kind == MSG_PUT)
        view.recovering = key_recovering(n, m->kind == MSG_GET ? m->get.key : m->put.record.key);
    if (m->kind == MSG_TREE_GET)
        view.recovering = vnodes_recovering(n, m->tree_get.vnodes);
    if (m->kind == MSG_PUT)
        view.from = put_from(n, from, &m->put);
    if (m->kind == MSG_ERASE_ASK) {
        view.recovering = n->repair.recovering_n > 0;
        view.refusal = erase_judge(m->erase_ask.entries, view.wall_ms);
    }
    return view;
}

static void on_message(struct node *n, const struct event *ev, struct out *out)
{
    uint64_t from = ev->message.from;
    const struct message *m = ev->message.message;
    uint64_t epoch = message_epoch(m);
    if (epoch > n->epoch)
        heard(n, from, epoch, out);
    meet(n, from, m);
    if (m->kind == MSG_PUT_ACK && TOKEN_OWNER(m->put_ack.op) == TOKEN_HINT) {
        hint_answer(&n->hint, TOKEN_NUMBER(m->put_ack.op), from, (int)m->put_ack.error, out);
        return;
    }
    if (repair_message(&n->repair, from, m, out))
        return;
    if (coord_message(&n->coord, from, m, out))
        return;
    if (erase_message(&n->erase, from, m, n->repair.recovering_n > 0, out))
        return;
    struct replica_view view = view_of(n, from, m);
    if (replica_message(&n->replica, &view, m, out))
        return;
    if (m->kind == MSG_LAYOUT)
        save_cluster(n, out);
    bool taken = m->kind == MSG_JOIN && name_taken(n, m->join.name, from);
    if (!chain_message(&n->chain, from, m, taken, n->now_ms, out))
        swim_message(&n->swim, from, m, n->now_ms, out);
}

static void on_request(struct node *n, const struct request *r, struct out *out)
{
    if (r->kind < OP_MEMBERS) {
        if (n->ready) {
            coord_request(&n->coord, r, out);
            return;
        }
        out_add(out, ACT_REPLY)->reply = (struct result){.token = r->token, .kind = r->kind, .error = ERR_LOADING};
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
    return (struct replica_now){.epoch = n->epoch, .position = reach_announced(&n->reach), .doubts = n->repair.doubts};
}

static void on_stored(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->stored.token);
    int error = ev->stored.error;
    bool refused =
        error == ERR_SUPERSEDED || error == ERR_TOO_OLD || error == ERR_LACKS_VALUE; /* by what is held: no fault of the disk */
    if (error && !refused && power_of_two(++n->store_errors))                        /* a full disk says so to every put */
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0, slice_str(error_sentence(error)));
    switch (TOKEN_OWNER(ev->stored.token)) {
    case TOKEN_COORD:
        coord_stored(&n->coord, number, error, &ev->stored.held, ev->stored.reach_ms, out);
        break;
    case TOKEN_FLUSH:
        coord_flushed(&n->coord, number, error, &ev->stored.held, out);
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
    case TOKEN_NODE: /* nothing waits for the others; a failed one is written again when the members' addresses are */
        if (number == TOKEN_BOOTS)
            reach_stored(&n->reach, error);
        if (number == TOKEN_CLOCK && !error)
            coord_ceiling(&n->coord, n->clock_asked_ms);
        if (number == TOKEN_CLOCK)
            n->clock_asked_ms = 0;
        n->members_dirty |= error && error != ERR_SUPERSEDED;
        n->cluster_saved &= !error || number != TOKEN_CLUSTER;
        n->whole_unsaved |= error && number == TOKEN_WHOLE;
        break;
    }
}

static void on_read(struct node *n, const struct event *ev, struct out *out)
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

static void on_counted(struct node *n, const struct event *ev, struct out *out)
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

static void on_hinted(struct node *n, const struct event *ev, struct out *out)
{
    if (hint_kept(&n->hint, ev, out))
        halt(n, ERR_NO_MEMORY, SLICE("out of memory while a hint was kept for a member; restart this node"), out);
}

static void on_told(struct node *n, const struct event *ev, struct out *out)
{
    struct replica_now now = answering(n);
    uint64_t number = TOKEN_NUMBER(ev->told.token);
    if (TOKEN_OWNER(ev->told.token) == TOKEN_REPAIR)
        repair_told(&n->repair, number, ev->told.error, ev->told.told, ev->told.floors, ev->told.upto, out);
    else if (TOKEN_OWNER(ev->told.token) == TOKEN_ERASE)
        erase_told(&n->erase, number, ev->told.error, ev->told.told, ev->told.upto, ev->told.dead, out);
    else
        replica_told(&n->replica, &now, number, ev, out);
}

static void dispatch(struct node *n, const struct event *ev, struct out *out)
{
    switch (ev->kind) {
    case EV_TIMER:
        on_timer(n, out);
        break;
    case EV_PACKET:
        on_packet(n, ev, out);
        break;
    case EV_LINK_UP:
        on_link_up(n, ev, out);
        break;
    case EV_LINK_DOWN:
        on_link_down(n, ev, out);
        break;
    case EV_MESSAGE:
        on_message(n, ev, out);
        break;
    case EV_REQUEST:
        on_request(n, ev->request, out);
        break;
    case EV_STORED:
        on_stored(n, ev, out);
        break;
    case EV_READ:
        on_read(n, ev, out);
        break;
    case EV_COUNTED:
        on_counted(n, ev, out);
        break;
    case EV_HINTED:
        on_hinted(n, ev, out);
        break;
    case EV_HINTS:
        hint_found(&n->hint, ev, out);
        break;
    case EV_TOLD:
        on_told(n, ev, out);
        break;
    case EV_DAMAGED:
        n->doubt_why =
            SLICE("the store may lack records: these vnodes are not read here until they are fetched from other owners");
        repair_doubt(&n->repair, ev->damaged);
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

void node_step(struct node *n, const struct event *ev, struct out *out)
{
    CHECK(ev->now_ms >= n->now_ms);
    if (n->stopped)
        return;
    n->now_ms = ev->now_ms;
    n->wall_ms = ev->wall_ms;
    reach_position(&n->reach, ev->position);
    coord_time(&n->coord, ev->now_ms, ev->wall_ms);
    hint_time(&n->hint, ev->now_ms, ev->wall_ms);
    tell_time(n, out);
    repair_time(&n->repair, ev->now_ms, ev->wall_ms, n->coord.fenced);
    erase_time(&n->erase, ev->now_ms, n->coord.believed_ms, n->coord.fenced || n->repair.recovering_n > 0);
    if (!n->started)
        start(n, out);
    dispatch(n, ev, out);
    note_writes(n, out);
    tell_position(n, out);
    carry(n, out);
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
