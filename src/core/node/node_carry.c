/* node_carry.c: what one protocol tells the others, and the disk, at the end of every step: see the wires in node.c. */
#include "core/node/node_inner.h"

#include "base/check.h"
#include "wire/bytes.h"

#include <stdlib.h>

/* This node cannot go on: from here on it does nothing more. */
void node_halt(struct node *n, int error, struct slice why, struct out *out)
{
    n->stopped = true;
    out_trace(out, TRACE_NODE_REFUSED, 0, (uint64_t)error, 0, why);
    struct action *a = out_add(out, ACT_STOP);
    a->stop.error = error;
    a->stop.why = why;
}

void node_header_update(struct node *n)
{
    const struct layout *l = chain_layout(&n->chain);
    struct packet_header h = {
        .cluster = n->cluster,
        .from = n->self,
        .boot = n->boot,
        .epoch = l ? l->epoch : 0,
        .layout_hash = l ? layout_hash(l) : 0,
        .wall_ms = n->wall_ms,
        .mono_ms = n->now_ms,
        .position = reach_announced(&n->reach),
        .recovering = (uint16_t)n->repair.recovering_n,
        .ills = node_ills(n),
    };
    swim_set_header(&n->swim, &h);
}

/* Asked for before the first layout is put into the store, so that whatever a torn write leaves of the two, a layout does not
 * stand there without the cluster that it belongs to: such a node would believe the first stranger. */
void node_save_cluster(struct node *n, struct out *out)
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
        peer[m].redial_ms = UINT64_MAX;
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
        node_halt(n, ERR_NO_MEMORY, SLICE("out of memory while a new layout came into force; restart this node"), out);
        return;
    }
    n->epoch = l->epoch;
    coord_lost(&n->coord, n->repair.recovering);
    for (unsigned m = 0; m < l->member_n; m++) {
        uint64_t id = l->member[m].id;
        struct swim_view v;
        swim_pin(&n->swim, id, true);
        node_note_news(n, &n->peer[m]);
        if (!swim_find(&n->swim, id, &v))
            continue;
        coord_peer(&n->coord, id, v.addr, v.state);
        hint_peer(&n->hint, id, v.addr, v.state == MEMBER_ALIVE);
        repair_peer(&n->repair, id, v.addr, v.state == MEMBER_ALIVE);
        erase_peer(&n->erase, id, v.addr, v.state == MEMBER_ALIVE);
    }
    judge_disk(n, l);
    node_header_update(n);
    n->members_dirty = true;
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
        n->members_dirty |= node_peer_find(n, v.id) != NULL;
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
void node_tell_time(struct node *n, struct out *out)
{
    coord_time(&n->coord, n->now_ms, n->wall_ms);
    wall_time(&n->wall, n->now_ms, n->wall_ms);
    swim_set_clocks(&n->swim, n->now_ms, n->wall_ms);
    swim_set_store(&n->swim, reach_announced(&n->reach), (uint16_t)n->repair.recovering_n, node_ills(n));
    uint64_t ahead_ms = wall_ahead_ms(&n->wall);
    bool ahead = ahead_ms > CLOCK_SKEW_MAX_MS || n->wall_ms == WALL_MS_MAX; /* there no stamp would leave room above */
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
    put_u64(n->clock_bytes, ms);
    out_state(out, TOKEN(TOKEN_NODE, TOKEN_CLOCK), SLICE("clock"), ++n->clock_serial,
              slice_of(n->clock_bytes, sizeof n->clock_bytes));
}

static void carry_claim(struct node *n, struct out *out)
{
    if (!n->claim.news)
        return;
    n->claim.news = false;
    out_trace(out, TRACE_NODE_CLAIMED, n->claim.member, 0, 0, slice_str(cluster_id_text(n->claim.cluster, n->said_claim)));
}

static void carry_refusal(struct node *n, struct out *out)
{
    struct slice why;
    int error = chain_refused(&n->chain, &why);
    if (error)
        node_halt(n, error, why, out);
}

static void save_members(struct node *n, struct out *out)
{
    if (!n->members_dirty || n->now_ms < n->members_saved_ms + MEMBERS_SAVE_MS)
        return;
    n->members_dirty = false;
    n->members_saved_ms = n->now_ms;
    if (n->whole_unsaved)
        save_whole(n, out);
    node_save_cluster(n, out); /* in case it failed */
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

void node_carry(struct node *n, struct out *out)
{
    carry_layout(n, out);
    if (n->stopped)
        return;
    carry_members(n, out);
    carry_news(n, out);
    node_judge_ready(n, out);
    node_ask_first(n, out);
    node_redial(n, out);
    carry_names(n);
    carry_fence(n);
    carry_clock(n, out);
    carry_claim(n, out);
    carry_refusal(n, out);
    save_members(n, out);
    carry_recovering(n, out);
    save_reach(n, out);
}
