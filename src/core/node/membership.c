/* membership.c: the other members as a node meets them: streams and their hellos, packets, and
 * whether enough were met for clients to be answered. And it carries what SWIM, the chain and the
 * streams bring to all protocols. */
#include "core/node/node_inner.h"

#include "base/bits.h"
#include "base/check.h"

enum { STATE_CLUSTER = 1, STATE_MEMBERS = 2 };

struct member *node_peer(const struct node *n, uint64_t id)
{
    struct member *m = cast_find(&n->member.cast, id);
    return m && m->peer ? m : NULL;
}

/* Member i of the layout, which is always in the cast. */
static struct member *peer_at(const struct node *n, unsigned i)
{
    struct member *m = cast_find(&n->member.cast, n->now.layout->member[i].id);
    CHECK(m);
    return m;
}

static unsigned peer_count(const struct node *n)
{
    return n->now.layout ? n->now.layout->member_n : 0;
}

/* ---- Meeting ---- */

/* Sends a living member a probe whose answer is not used: it makes the world open a stream. */
static void greet(struct member *m, struct out *out)
{
    m->greeted = true;
    out_send(out, m->id, m->addr, MSG_PROBE)->probe.seq = 0;
}

/* Counts the living members that were met, this one among them, until there are enough; and those
 * that may live and were not met. (Members recalled from the disk are suspects until they answer.)
 * Greets some of the latter. */
static void count_met(struct node *n, unsigned enough, unsigned *met, unsigned *missing,
                      struct out *out)
{
    unsigned greetings = 0;
    *met = *missing = 0;
    for (unsigned i = 0; i < peer_count(n) && *met < enough; i++) {
        struct member *m = peer_at(n, i);
        if (!member_present(m))
            continue;
        bool here = m->met || m->self, alive = m->state == MEMBER_ALIVE;
        *met += here && alive;
        *missing += !here;
        if (!here && alive && !m->greeted && greetings++ < NODE_CHANGES)
            greet(m, out);
    }
}

/* A node is ready when it is part of a layout, and W-1 other members of it live and were met: with
 * fewer nothing can be answered. A node that comes back waits for the others too, for a while: any
 * of them may be the one that remembers more of its log than it has. */
static void judge_ready(struct node *n, struct out *out)
{
    struct membership *s = &n->member;
    const struct layout *l = n->now.layout;
    unsigned met, missing;
    bool first_boot = log_end_first_boot(&n->shard.log_end);
    if (node_ready(n) || !node_peer(n, s->self))
        return;
    CHECK(l);
    count_met(n, first_boot ? l->w : l->member_n, &met, &missing, out);
    if (met < l->w) {
        s->meet_by_ms = UINT64_MAX;
        return;
    }
    if (s->meet_by_ms == UINT64_MAX)
        s->meet_by_ms = n->now.ms + NODE_MEET_MS;
    if (missing && !first_boot && n->now.ms < s->meet_by_ms)
        return;
    s->meet_by_ms = UINT64_MAX;
    node_enter(n, NODE_READY);
    out_trace(out, TRACE_NODE_READY, s->self, l->epoch, l->member_n, slice_of(NULL, 0));
}

enum twin_verdict node_knock(struct node *n, uint64_t id, uint64_t boot, struct addr addr)
{
    struct member *m = node_peer(n, id);
    if (!m)
        return TWIN_LET_IN;
    bool moved = m->addr.family != 0 && !addr_eq(m->addr, addr);
    enum twin_verdict verdict = twin_knock(&m->twin, boot, moved, n->now.ms);
    n->member.knocked |= verdict == TWIN_WAIT;
    return verdict;
}

/* Asks the members that another process claims to be whether they live. */
static void ask_first(struct node *n, struct out *out)
{
    unsigned asked = 0;
    if (!n->member.knocked)
        return;
    n->member.knocked = false;
    for (unsigned i = 0; i < peer_count(n); i++) {
        struct member *m = peer_at(n, i);
        if (asked == NODE_CHANGES)
            n->member.knocked = true;
        else if (twin_ask(&m->twin) && m->addr.family != 0 && ++asked)
            out_send(out, m->id, m->addr, MSG_PROBE)->probe.seq = m->twin.knock;
    }
}

static void note_news(struct node *n, struct member *m)
{
    n->member.news += !m->news;
    m->news = true;
}

/* Notes that a peer is at that epoch. Of one that is ahead we note no more than that: anybody can
 * send a number in a datagram, and what it is worth shows when the peer is asked for the layout. */
static void note_epoch(struct node *n, uint64_t id, uint64_t epoch, struct out *out)
{
    struct member *m = node_peer(n, id);
    uint64_t ours = n->now.epoch, noted = epoch > ours ? ours + 1 : epoch;
    if (m && noted > m->epoch) {
        bool late = m->epoch < ours && noted >= ours;
        m->epoch = noted;
        if (late)
            note_news(n, m);
    }
    if (epoch > ours)
        chain_seen(&n->member.chain, &n->now, id, epoch, out);
}

/* ---- Claims ----
 *
 * Two clusters that meet stay two. A mistyped seed is no reason for more. But a node that looks for
 * a certain member at our address has the address from that member: it lived here, and this node is
 * here instead. A hello names the member that its sender expected, unless it was sent to a seed; a
 * ping names the member that it is for. Members that the other cluster believes dead are not
 * dialled any more, and pinged for ever (swim_meet.c).
 *
 * The claim lasts until the node is started again: that the member was not looked for lately does
 * not mean that it will not be. */

static void claim(struct membership *s, struct cluster_id cluster, uint64_t member)
{
    bool claimed = !cluster_id_none(s->claim.cluster);
    if (member == 0 || cluster_id_none(cluster) || cluster_id_none(s->cluster) || claimed)
        return;
    s->claim = (struct node_claim){.cluster = cluster, .member = member, .news = true};
}

void node_on_stranger(struct node *n, const struct event *ev)
{
    claim(&n->member, ev->link.hello->cluster, ev->link.hello->sought);
}

/* A packet of another cluster. */
static void strange_packet(struct membership *s, const struct packet_header *h,
                           struct slice messages)
{
    struct message m;
    while (packet_next(&messages, &m) > 0)
        if (m.kind == MSG_PING && m.ping.target != s->self)
            claim(s, h->cluster, m.ping.target);
}

/* ---- Packets, messages and streams ---- */

/* Why a packet is dropped; 0: it is not. */
static int packet_objection(struct node *n, const struct event *ev, const struct packet_header *h,
                            struct slice messages)
{
    if (!cluster_id_eq(h->cluster, n->member.cluster)) {
        strange_packet(&n->member, h, messages);
        return ERR_OTHER_CLUSTER; /* so are a joiner's packets, which is of no cluster yet */
    }
    if (h->from == n->member.self)
        return ERR_SELF;
    return node_knock(n, h->from, h->boot, ev->packet.from) == TWIN_LET_IN ? 0 : ERR_TWIN;
}

/* What a packet's header says of its sender. */
static void take_header(struct node *n, const struct packet_header *h)
{
    struct member *m = node_peer(n, h->from);
    if (!m)
        return;
    m->recovering = h->recovering;
    m->ills = h->ills;
    if (m->marked == h->boot)
        log_end_note_packet(&n->shard.log_end, h->from, h->boot, h->position);
}

void node_on_packet(struct node *n, const struct event *ev, struct out *out)
{
    struct membership *s = &n->member;
    struct packet_header h = {0};
    struct slice messages;
    int e = packet_open(ev->packet.bytes, &h, &messages);
    e = e ? e : packet_objection(n, ev, &h, messages);
    if (e) {
        s->bad_packets++;
        out_trace(out, TRACE_PACKET_DROPPED, h.from, (uint64_t)e, ev->packet.bytes.n,
                  slice_str(addr_text(ev->packet.from, s->text_addr)));
        return;
    }
    if (h.wall_ms <= WALL_MS_MAX)
        wall_sample(&s->wall, h.from,
                    (struct wall_reading){.wall_ms = h.wall_ms, .mono_ms = h.mono_ms});
    swim_packet(&s->swim, &h, ev->packet.from, messages, n->now.ms, out);
    note_epoch(n, h.from, h.epoch, out);
    take_header(n, &h);
}

/* What every message shows: a stream is up, so hellos were exchanged. Some carry the end of the
 * peer's log too. */
static void note_message(struct node *n, uint64_t from, const struct message *m)
{
    struct log_end *ends = &n->shard.log_end;
    struct member *p = node_peer(n, from);
    if (!p)
        return;
    p->met = true;
    if (m->kind == MSG_PROBE_ACK)
        twin_answered(&p->twin, m->probe_ack.seq);
    else if (m->kind == MSG_PUT_ACK)
        log_end_note(ends, from, p->marked, m->put_ack.position);
    else if (m->kind == MSG_FLUSHED)
        log_end_note(ends, from, p->marked, m->flushed.position);
    else if (m->kind == MSG_PUT)
        log_end_note(ends, from, p->marked, m->put.position);
}

static void save_cluster(struct membership *s, struct out *out);

void node_on_message(struct node *n, const struct event *ev, struct out *out)
{
    uint64_t from = ev->message.from;
    const struct message *m = ev->message.message;
    if (message_epoch(m) > n->now.epoch)
        note_epoch(n, from, message_epoch(m), out);
    note_message(n, from, m);
    if (m->kind == MSG_LAYOUT)
        save_cluster(&n->member, out);
    switch (message_role(m->kind)) {
    case ROLE_REQUEST:
        shard_demand(&n->shard, &n->now, from, m, out);
        break;
    case ROLE_ANSWER:
        protocols_answer(n, from, m, out);
        break;
    case ROLE_OTHER:
        protocols_message(n, from, m, out);
        break;
    }
}

/* A peer that is gone is tried again and again. The log says once that it was lost, and when it is
 * back how often it was tried. */
static void trace_down(struct node *n, const struct event *ev, struct out *out)
{
    struct member *m = node_peer(n, ev->link.peer);
    bool first = m ? m->failures++ == 0 : n->member.unreached != ev->link.peer;
    if (!m)
        n->member.unreached = ev->link.peer;
    if (first)
        out_trace(out, TRACE_LINK_DOWN, ev->link.peer, (uint64_t)ev->link.error, 0, ev->link.why);
}

static void trace_back(struct node *n, uint64_t peer, struct out *out)
{
    struct member *m = node_peer(n, peer);
    if (m && m->failures > 1)
        out_trace(out, TRACE_LINK_BACK, peer, m->failures, 0, slice_of(NULL, 0));
    if (m)
        m->failures = 0;
    else if (n->member.unreached == peer)
        n->member.unreached = 0;
}

/* A stream to the sender of that hello is up. Where it lives is known from the hello alone, unless
 * it is a member of the layout. */
static void link_member(struct node *n, const struct msg_hello *h)
{
    struct member *m = cast_make(&n->member.cast, h->node);
    if (!m)
        return;
    if (m->addr.family == 0)
        m->addr = h->addr;
    m->met = true;
    m->marked = h->boot;
    protocols_member(n, m, cast_link(m, h->boot, n->now.ms));
}

static void ask_to_join(struct node *n, const struct msg_hello *h, struct out *out)
{
    const struct membership *s = &n->member;
    struct msg_join join = {.weight = s->weight,
                            .zone = slice_of(s->zone, s->zone_n),
                            .name = slice_of(s->name, s->name_n),
                            .addr = s->addr,
                            .disk = s->disk};
    chain_join(&n->member.chain, &n->now, h->node, h->addr, &join, out);
}

void node_on_link_up(struct node *n, const struct event *ev, struct out *out)
{
    struct membership *s = &n->member;
    const struct msg_hello *h = ev->link.hello;
    out_trace(out, TRACE_LINK_UP, h->node, h->epoch, 0,
              slice_str(addr_text(h->addr, s->text_addr)));
    trace_back(n, h->node, out);
    if (cluster_id_none(s->cluster) && !cluster_id_none(h->cluster)) {
        s->cluster = h->cluster;
        node_header(n);
    }
    link_member(n, h);
    shard_hello(&n->shard, &n->now, h, out);
    if (cluster_id_none(h->cluster) && cluster_id_none(s->cluster))
        return; /* two nodes that look for a cluster are of no use to each other */
    swim_link_up(&s->swim, h, n->now.ms, out);
    note_epoch(n, h->node, h->epoch, out);
    if (!chain_layout(&s->chain) && h->epoch > 0)
        ask_to_join(n, h, out);
    if (h->epoch > 0)
        s->seed_at_ms = UINT64_MAX; /* a member was met: from here on gossip finds the rest */
}

static void unlink_member(struct node *n, struct member *m)
{
    m->greeted = false;
    m->redial_ms = n->now.ms + MEMBER_HOLD_MS;
    n->member.redial_ms = m->redial_ms < n->member.redial_ms ? m->redial_ms : n->member.redial_ms;
    twin_gone(&m->twin);
    protocols_member(n, m, cast_link(m, 0, n->now.ms));
}

void node_on_link_down(struct node *n, const struct event *ev, struct out *out)
{
    struct membership *s = &n->member;
    if (ev->link.seed >= 0) { /* logged at tries 1, 2, 4, ... of each round: a log is not a clock */
        if (power_of_two((s->seed_tries + s->seed_n - 1) / s->seed_n))
            out_trace(out, TRACE_NODE_SEED_WAIT, 0, s->seed_tries, 0,
                      ev->link.why.n ? ev->link.why : slice_str(error_sentence(ev->link.error)));
    } else {
        trace_down(n, ev, out);
    }
    struct member *m = cast_find(&s->cast, ev->link.peer);
    if (m)
        unlink_member(n, m);
    if (ev->link.error == ERR_TWIN) {
        node_halt(n, ERR_TWIN, ev->link.why, out);
        return;
    }
    if (s->seed_n && !chain_layout(&s->chain) && s->seed_at_ms == UINT64_MAX)
        /* the member that we asked to join may be gone */
        s->seed_at_ms = n->now.ms + SEED_RETRY_MS;
}

/* Opens streams again that broke or were refused. No protocol may need one for long, and until it
 * is tried nobody knows whether the member can be reached. */
static void redial(struct node *n, struct out *out)
{
    struct membership *s = &n->member;
    unsigned greetings = 0;
    if (n->now.ms < s->redial_ms)
        return;
    s->redial_ms = UINT64_MAX;
    for (unsigned i = 0; i < peer_count(n); i++) {
        struct member *m = peer_at(n, i);
        if (m->redial_ms <= n->now.ms && greetings < NODE_CHANGES) {
            m->redial_ms = UINT64_MAX;
            if (member_cut(m) && member_present(m) && ++greetings)
                greet(m, out);
        }
        s->redial_ms = m->redial_ms < s->redial_ms ? m->redial_ms : s->redial_ms;
    }
}

/* Tries the next seed until a member was met: for ever, once a second. */
static void try_seed(struct node *n, struct out *out)
{
    struct membership *s = &n->member;
    if (!s->seed_n || n->now.ms < s->seed_at_ms)
        return;
    out_add(out, ACT_SEED)->seed = (int)s->seed_next;
    s->seed_next = (s->seed_next + 1) % s->seed_n;
    s->seed_tries++;
    s->seed_at_ms = n->now.ms + SEED_RETRY_MS;
}

/* ---- What the chain and SWIM bring ---- */

/* Brings all members of a layout into the cast, and has SWIM probe them for ever. False when memory
 * is out. */
static bool cast_layout(struct node *n, const struct layout *l)
{
    /* first, so that none of them makes room for another */
    for (unsigned i = 0; i < n->member.cast.n; i++)
        n->member.cast.member[i].peer = layout_find(l, n->member.cast.member[i].id) >= 0;
    for (unsigned i = 0; i < l->member_n; i++) {
        struct member *m = cast_make(&n->member.cast, l->member[i].id);
        struct swim_view v;
        if (!m)
            return false;
        m->peer = true;
        swim_pin(&n->member.swim, m->id, true);
        if (swim_find(&n->member.swim, m->id, &v)) /* with a layout all look at the members anew */
            (void)cast_believe(m, v.addr, v.state, v.name);
        if (!m->twin.boot)
            m->twin.boot = log_end_boot_of(&n->shard.log_end, m->id);
    }
    return true;
}

/* Carries a layout that the chain has put in force to the other protocols. What is known of lost
 * records is per vnode of the layout before, until repair has marked its vnodes anew. */
static void carry_layout(struct node *n, struct out *out)
{
    const struct layout *l = chain_layout(&n->member.chain);
    if (!l || l->epoch == n->now.epoch)
        return;
    CHECK(l->epoch > n->now.epoch);
    n->now.own.recovering_n = 0;
    n->now.own.recovering = NULL;
    n->now.layout = l;
    n->now.epoch = l->epoch;
    n->member.layout_hash = layout_hash(l);
    if (!cast_layout(n, l) || protocols_layout(n)) {
        node_halt(n, ERR_NO_MEMORY,
                  SLICE("out of memory while a new layout came into force; restart this node"),
                  out);
        return;
    }
    for (unsigned i = 0; i < l->member_n; i++)
        note_news(n, peer_at(n, i));
    shard_judge_disk(&n->shard, &n->now, n->member.disk);
    n->now.own = shard_own(&n->shard);
    node_header(n);
    n->member.members_dirty = true;
}

/* Reports to subscribers the members that did not change, but were let into the layout, or have
 * adopted it. */
static void carry_news(struct node *n, struct out *out)
{
    unsigned sent = 0;
    for (unsigned i = 0; n->member.news > 0 && i < peer_count(n) && sent < NODE_CHANGES; i++) {
        struct member *m = peer_at(n, i);
        struct swim_view v;
        if (!m->news)
            continue;
        m->news = false;
        n->member.news--;
        /* one that is not verified will come by swim_changed */
        if (swim_find(&n->member.swim, m->id, &v) && v.verified) {
            node_describe(n, &v, &out_add(out, ACT_MEMBER)->member);
            sent++;
        }
    }
    n->member.more |= n->member.news > 0;
}

static void carry_members(struct node *n, struct out *out)
{
    struct swim_view v;
    n->member.more = false;
    for (unsigned k = 0; k < NODE_CHANGES; k++) {
        if (!swim_changed(&n->member.swim, &v))
            return;
        struct member *m = cast_make(&n->member.cast, v.id);
        if (m)
            protocols_member(n, m, cast_believe(m, v.addr, v.state, v.name));
        node_describe(n, &v, &out_add(out, ACT_MEMBER)->member);
        n->member.members_dirty |= node_peer(n, v.id) != NULL;
    }
    n->member.more = true;
}

static void carry_claim(struct membership *s, struct out *out)
{
    if (!s->claim.news)
        return;
    s->claim.news = false;
    out_trace(out, TRACE_NODE_CLAIMED, s->claim.member, 0, 0,
              slice_str(cluster_id_text(s->claim.cluster, s->text_claim)));
}

static void carry_refusal(struct node *n, struct out *out)
{
    struct slice why;
    int error = chain_refused(&n->member.chain, &why);
    if (error)
        node_halt(n, error, why, out);
}

/* ---- Own states ---- */

/* Submitted before the first layout is. So whatever a torn write leaves of the two, there is no
 * layout on disk without the cluster that it belongs to: such a node would believe the first
 * stranger. */
static void save_cluster(struct membership *s, struct out *out)
{
    if (s->cluster_saved || cluster_id_none(s->cluster))
        return;
    s->cluster_saved = true;
    out_state(out, TOKEN(TOKEN_MEMBER, STATE_CLUSTER), SLICE("cluster"), ++s->cluster_serial,
              slice_of(s->cluster.b, sizeof s->cluster.b));
}

/* Writes the members' last addresses: a run of ALIVE messages. False when memory is out. */
static bool encode_members(struct node *n)
{
    struct buf *bytes = &n->member.members_bytes;
    bytes->n = 0;
    for (unsigned i = 0; i < peer_count(n); i++) {
        struct swim_view v;
        if (!swim_find(&n->member.swim, n->now.layout->member[i].id, &v) || v.addr.family == 0)
            continue;
        struct message alive = {.kind = MSG_ALIVE};
        alive.alive = (struct msg_alive){
            .member = v.id, .incarnation = v.incarnation, .addr = v.addr, .name = v.name};
        if (message_append(bytes, &alive))
            return false;
    }
    return true;
}

/* A disk that failed a put is tried by this once a second, which shows when it is well again. */
static void save_members(struct node *n, struct out *out)
{
    struct membership *s = &n->member;
    s->members_dirty |= (n->now.own.ills & ILL_FAILS) != 0;
    if (!s->members_dirty || n->now.ms < s->members_saved_ms + MEMBERS_SAVE_MS)
        return;
    s->members_saved_ms = n->now.ms;
    save_cluster(s, out); /* again, if that failed */
    s->members_dirty = !encode_members(n);
    if (!s->members_dirty)
        out_state(out, TOKEN(TOKEN_MEMBER, STATE_MEMBERS), SLICE("members"), ++s->members_serial,
                  buf_view(&s->members_bytes));
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct membership *s = p;
    (void)now;
    (void)out;
    s->members_dirty |= ev->stored.error && ev->stored.error != ERR_SUPERSEDED;
    s->cluster_saved &= !ev->stored.error || number != STATE_CLUSTER;
}

static uint64_t on_deadline_ms(const void *p, const struct moment *now)
{
    const struct membership *s = p;
    if (s->more)
        return now->ms;
    uint64_t at = s->seed_at_ms < s->meet_by_ms ? s->seed_at_ms : s->meet_by_ms;
    at = s->redial_ms < at ? s->redial_ms : at;
    if (s->members_dirty && s->members_saved_ms + MEMBERS_SAVE_MS < at)
        at = s->members_saved_ms + MEMBERS_SAVE_MS;
    return at;
}

static void on_check(const void *p, const struct moment *now)
{
    const struct membership *s = p;
    unsigned news = 0;
    (void)now;
    cast_check(&s->cast);
    for (unsigned i = 0; i < s->cast.n; i++)
        news += s->cast.member[i].news;
    CHECK(news == s->news);
    CHECK(!s->cluster_saved || !cluster_id_none(s->cluster));
}

static void on_close(void *p)
{
    struct membership *s = p;
    cast_close(&s->cast);
    layout_close(&s->first);
    buf_close(&s->members_bytes);
}

const struct protocol membership_protocol = {
    .stored = on_stored,
    .deadline_ms = on_deadline_ms,
    .check = on_check,
    .close = on_close,
};

/* ---- The step ---- */

void membership_start(struct node *n, struct out *out)
{
    struct membership *s = &n->member;
    CHECK(n->phase == NODE_WAKING);
    node_header(n);
    swim_start(&s->swim, out);
    if (s->found && !chain_layout(&s->chain)) {
        out_trace(out, TRACE_NODE_FOUNDED, s->self, 0, 0,
                  slice_str(cluster_id_text(s->cluster, s->text_cluster)));
        save_cluster(s, out);
        chain_found_take(&s->chain, &s->first, out);
    }
    s->found = false;
}

void membership_carry(struct node *n, struct out *out)
{
    carry_layout(n, out);
    if (n->phase == NODE_STOPPED)
        return;
    carry_members(n, out);
    carry_news(n, out);
    judge_ready(n, out);
    ask_first(n, out);
    redial(n, out);
    try_seed(n, out);
    carry_claim(&n->member, out);
    carry_refusal(n, out);
    save_members(n, out);
}
