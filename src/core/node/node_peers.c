/* node_peers.c: the other members as a node meets them: streams and their hellos, packets, and whether so many were met that
 * clients can be answered. */
#include "core/node/node_inner.h"

#include "base/check.h"

struct node_peer *node_peer_find(const struct node *n, uint64_t id)
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

/* Counts the living members that were met, this one among them, and those who may live and were not, until there are enough.
 * (Members recalled from the disk are suspects until they answer.) Greets some who were not. */
static void count_met(struct node *n, unsigned enough, unsigned *met, unsigned *missing, struct out *out)
{
    unsigned greetings = 0;
    struct swim_view v;
    *met = *missing = 0;
    for (unsigned m = 0; m < n->peer_n && *met < enough; m++) {
        struct node_peer *p = &n->peer[m];
        if (!swim_find(&n->swim, p->id, &v) || (v.state != MEMBER_ALIVE && v.state != MEMBER_SUSPECT))
            continue;
        bool here = p->met || p->id == n->self, alive = v.state == MEMBER_ALIVE;
        *met += here && alive;
        *missing += !here;
        if (!here && alive && !p->greeted && greetings++ < NODE_CHANGES)
            greet(p, v.addr, out);
    }
}

/* Part of a layout, and W-1 other members of it live and were met: fewer cannot answer for anything. One that was here before
 * waits for the others too, for a while: any of them may be the one that remembers more of its log than it holds. */
void node_judge_ready(struct node *n, struct out *out)
{
    const struct layout *l = chain_layout(&n->chain);
    if (n->ready || !l || !node_peer_find(n, n->self))
        return;
    unsigned met, missing;
    count_met(n, reach_first_boot(&n->reach) ? l->w : n->peer_n, &met, &missing, out);
    if (met < l->w) {
        n->meet_by_ms = UINT64_MAX;
        return;
    }
    if (n->meet_by_ms == UINT64_MAX)
        n->meet_by_ms = n->now_ms + NODE_MEET_MS;
    if (missing && !reach_first_boot(&n->reach) && n->now_ms < n->meet_by_ms)
        return;
    n->meet_by_ms = UINT64_MAX;
    n->ready = true;
    out_trace(out, TRACE_NODE_READY, n->self, l->epoch, l->member_n, slice_of(NULL, 0));
}

enum twin_verdict node_knock(struct node *n, uint64_t id, uint64_t boot, struct addr addr)
{
    struct node_peer *p = node_peer_find(n, id);
    struct swim_view v;
    if (!p)
        return TWIN_LET_IN;
    bool moved = swim_find(&n->swim, id, &v) && v.addr.family != 0 && !addr_eq(v.addr, addr);
    enum twin_verdict verdict = twin_knock(&p->twin, boot, moved, n->now_ms);
    n->knocked |= verdict == TWIN_WAIT;
    return verdict;
}

/* Asks those whose place another process wants. */
void node_ask_first(struct node *n, struct out *out)
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

void node_note_news(struct node *n, struct node_peer *p)
{
    n->news += !p->news;
    p->news = true;
}

/* A peer spoke to us, at that epoch. Of one that is ahead we note no more than that: anybody can say a number in a datagram,
 * and what it is worth shows when the peer is asked for the layout. */
void node_heard(struct node *n, uint64_t id, uint64_t epoch, struct out *out)
{
    struct node_peer *p = node_peer_find(n, id);
    uint64_t noted = epoch > n->epoch ? n->epoch + 1 : epoch;
    if (p && noted > p->epoch) {
        bool late = p->epoch < n->epoch && noted >= n->epoch;
        p->epoch = noted;
        if (late)
            node_note_news(n, p);
    }
    if (epoch > n->epoch)
        chain_seen(&n->chain, id, epoch, n->now_ms, out);
}

/* ---- Claims ----
 *
 * Two clusters that hear of each other stay two. A seed that was mistyped proves nothing more. But a
 * node that looks for a certain member at our address has the address from that member: it lived
 * here, and this node stands in its place. A hello names the member that its sender expected, but for
 * a seed; a ping names the member that it is for. Members that are dead to the other cluster are
 * dialled by nobody, and pinged for ever (swim_meet.c).
 *
 * The claim is kept until the node is started again: that nobody looked for the member lately does
 * not mean that nobody will. */

static void claim(struct node *n, struct cluster_id cluster, uint64_t member)
{
    if (member == 0 || cluster_id_none(cluster) || cluster_id_none(n->cluster) || node_claimed(n))
        return;
    n->claim = (struct node_claim){.cluster = cluster, .member = member, .news = true};
}

void node_on_stranger(struct node *n, const struct event *ev)
{
    claim(n, ev->link.hello->cluster, ev->link.hello->sought);
}

/* A packet of another cluster. */
static void strange_packet(struct node *n, const struct packet_header *h, struct slice messages)
{
    struct message m;
    while (packet_next(&messages, &m) > 0)
        if (m.kind == MSG_PING && m.ping.target != n->self)
            claim(n, h->cluster, m.ping.target);
}

/* ---- Packets and streams ---- */

void node_on_packet(struct node *n, const struct event *ev, struct out *out)
{
    struct packet_header h = {0};
    struct slice messages;
    int e = packet_open(ev->packet.bytes, &h, &messages);
    if (!e && !cluster_id_eq(h.cluster, n->cluster)) {
        e = ERR_OTHER_CLUSTER; /* a joiner's packets are not for the cluster yet either */
        strange_packet(n, &h, messages);
    }
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
    if (h.wall_ms <= WALL_MS_MAX)
        wall_heard(&n->wall, h.from, (struct wall_reading){.wall_ms = h.wall_ms, .mono_ms = h.mono_ms});
    swim_packet(&n->swim, &h, ev->packet.from, messages, n->now_ms, out);
    node_heard(n, h.from, h.epoch, out);
    struct node_peer *p = node_peer_find(n, h.from);
    if (p) {
        p->recovering = h.recovering;
        coord_recovering(&n->coord, h.from, h.recovering > 0);
        p->ills = h.ills;
    }
    if (p && p->told == h.boot)
        reach_overheard(&n->reach, h.from, h.boot, h.position);
}

/* What a peer's hello says of logs: its own, and what it remembers of others', ours among them. */
static void compare_logs(struct node *n, const struct msg_hello *h, struct out *out)
{
    struct node_peer *p = node_peer_find(n, h->node);
    if (p) {
        p->met = true;
        p->told = h->boot;
    }
    reach_heard(&n->reach, h->node, h->boot, h->log_position);
    if (!reach_told(&n->reach, h->kept))
        return;
    n->doubt_why = SLICE("its log ends before where it was: the data directory is an old copy, or its disk lost what it had; all "
                         "records are compared with those of the other owners");
    n->forgot = true;
    repair_doubt_all(&n->repair);
    out_add(out, ACT_STORE_DOUBT)->slots = slice_of(n->repair.doubt, sizeof n->repair.doubt);
}

/* A peer that is gone is tried again and again: the log says once that it was lost, and how often it was tried when it is
 * back. */
static void tell_down(struct node *n, const struct event *ev, struct out *out)
{
    struct node_peer *p = node_peer_find(n, ev->link.peer);
    bool first = p ? p->failures++ == 0 : n->unreached != ev->link.peer;
    if (!p)
        n->unreached = ev->link.peer;
    if (first)
        out_trace(out, TRACE_LINK_DOWN, ev->link.peer, (uint64_t)ev->link.error, 0, ev->link.why);
}

static void tell_back(struct node *n, uint64_t peer, struct out *out)
{
    struct node_peer *p = node_peer_find(n, peer);
    if (p && p->failures > 1)
        out_trace(out, TRACE_LINK_BACK, peer, p->failures, 0, slice_of(NULL, 0));
    if (p)
        p->failures = 0;
    else if (n->unreached == peer)
        n->unreached = 0;
}

void node_on_link_up(struct node *n, const struct event *ev, struct out *out)
{
    const struct msg_hello *h = ev->link.hello;
    out_trace(out, TRACE_LINK_UP, h->node, h->epoch, 0, slice_str(addr_text(h->addr, n->said_addr)));
    tell_back(n, h->node, out);
    if (cluster_id_none(n->cluster) && !cluster_id_none(h->cluster)) {
        n->cluster = h->cluster;
        node_header_update(n);
    }
    coord_link(&n->coord, h->node, h->boot);
    hint_link(&n->hint, h->node, true);
    compare_logs(n, h, out);
    if (cluster_id_none(h->cluster) && cluster_id_none(n->cluster))
        return; /* two who look for a cluster have nothing to tell each other */
    swim_link_up(&n->swim, h, n->now_ms, out);
    node_heard(n, h->node, h->epoch, out);
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

void node_on_link_down(struct node *n, const struct event *ev, struct out *out)
{
    if (ev->link.seed >= 0) { /* said at tries 1, 2, 4, ... of each round: a log is not a clock */
        if (power_of_two((n->seed_tries + n->seed_n - 1) / n->seed_n))
            out_trace(out, TRACE_NODE_SEED_WAIT, 0, n->seed_tries, 0,
                      ev->link.why.n ? ev->link.why : slice_str(error_sentence(ev->link.error)));
    } else {
        tell_down(n, ev, out);
    }
    struct node_peer *p = node_peer_find(n, ev->link.peer);
    if (p) {
        p->greeted = false;
        p->redial_ms = n->now_ms + PEER_HOLD_MS;
        n->redial_ms = p->redial_ms < n->redial_ms ? p->redial_ms : n->redial_ms;
        twin_gone(&p->twin);
    }
    if (ev->link.error == ERR_TWIN) {
        node_halt(n, ERR_TWIN, ev->link.why, out);
        return;
    }
    if (ev->link.peer) {
        coord_link(&n->coord, ev->link.peer, 0);
        hint_link(&n->hint, ev->link.peer, false);
    }
    if (n->seed_n && !chain_layout(&n->chain) && n->seed_at_ms == UINT64_MAX)
        n->seed_at_ms = n->now_ms + SEED_RETRY_MS; /* whom we had asked to let us in may be gone */
}

/* Nobody may need a stream for long, and until it is tried nobody knows whether the member can be reached. */
void node_redial(struct node *n, struct out *out)
{
    struct swim_view v;
    unsigned greetings = 0;
    if (n->now_ms < n->redial_ms)
        return;
    n->redial_ms = UINT64_MAX;
    for (unsigned m = 0; m < n->peer_n; m++) {
        struct node_peer *p = &n->peer[m];
        if (p->redial_ms <= n->now_ms && greetings < NODE_CHANGES) {
            p->redial_ms = UINT64_MAX;
            if (coord_cut(&n->coord, p->id) && swim_find(&n->swim, p->id, &v) && v.state <= MEMBER_SUSPECT && ++greetings)
                greet(p, v.addr, out);
        }
        n->redial_ms = p->redial_ms < n->redial_ms ? p->redial_ms : n->redial_ms;
    }
}

/* Whether another live member than `id` has the name. */
bool node_name_taken(const struct node *n, struct slice name, uint64_t id)
{
    struct swim_view v;
    for (uint32_t cursor = 0; swim_each(&n->swim, &cursor, &v);)
        if (v.id != id && v.state <= MEMBER_SUSPECT && slice_eq(v.name, name))
            return true;
    return false;
}

struct addr node_peer_addr(const struct node *n, uint64_t id)
{
    struct swim_view v;
    return swim_find(&n->swim, id, &v) ? v.addr : (struct addr){0};
}
