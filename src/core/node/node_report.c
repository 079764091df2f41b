/* node_report.c: what a node reports about itself and the cluster: its hello, the members, the
 * verdict. */
#include "base/check.h"
#include "core/node/node_inner.h"

#include <stdlib.h>

/* ---- Hello ---- */

void node_hello(const struct node *n, struct msg_hello *h)
{
    *h = (struct msg_hello){
        .protocol_min = PROTOCOL_MIN,
        .protocol_max = PROTOCOL_MAX,
        .cluster = n->member.cluster,
        .node = n->member.self,
        .boot = n->now.boot,
        .addr = n->member.addr,
        .name = slice_of(n->member.name, n->member.name_n),
        .epoch = n->now.epoch,
        .log_end = n->now.own.position.end,
        .log_shard = n->now.own.position.shard,
        .marks = log_end_marks(&n->shard.log_end),
    };
}

/* Whether another process is that member already: 0, ERR_LOADING or ERR_TWIN. */
static int check_twin(struct node *n, const struct msg_hello *theirs, struct buf *why)
{
    char id[ADDR_TEXT], here[ADDR_TEXT], there[ADDR_TEXT];
    struct swim_view v;
    enum twin_verdict verdict = node_knock(n, theirs->node, theirs->boot, theirs->addr);
    if (verdict == TWIN_LET_IN || !swim_find(&n->member.swim, theirs->node, &v))
        return 0;
    (void)buf_printf(why, "node id %s, which you start at %s, ", node_id_text(theirs->node, id),
                     addr_text(theirs->addr, there));
    if (verdict == TWIN_WAIT) {
        (void)buf_printf(why,
                         "was at %s before; whether it is there still is being asked, come again",
                         addr_text(v.addr, here));
        return ERR_LOADING;
    }
    (void)buf_printf(why,
                     "is alive at %s: two processes have copies of one data directory; stop one of "
                     "the two and remove its "
                     "directory, and start an added machine with an empty --data directory",
                     addr_text(v.addr, here));
    return ERR_TWIN;
}

int node_check_hello(struct node *n, const struct msg_hello *theirs, struct buf *why)
{
    char ours_text[ADDR_TEXT], theirs_text[ADDR_TEXT];
    if (theirs->protocol_min > PROTOCOL_MAX || theirs->protocol_max < PROTOCOL_MIN) {
        (void)buf_printf(why,
                         "this node speaks peer protocol %d to %d, the other %u to %u; upgrade the "
                         "older of the two",
                         PROTOCOL_MIN, PROTOCOL_MAX, theirs->protocol_min, theirs->protocol_max);
        return ERR_BAD_VERSION;
    }
    if (theirs->node == 0) {
        (void)buf_printf(
            why, "the other side gives 0 as its node id, which no node has; is it a covey node?");
        return ERR_BAD_MESSAGE;
    }
    if (theirs->node == n->member.self) {
        (void)buf_printf(why,
                         "node id %s is this node's own: a seed that names the node itself, or a "
                         "copied data directory",
                         node_id_text(n->member.self, ours_text));
        return ERR_SELF;
    }
    if (!cluster_id_none(n->member.cluster) && !cluster_id_none(theirs->cluster) &&
        !cluster_id_eq(n->member.cluster, theirs->cluster)) {
        (void)buf_printf(why,
                         "this node belongs to cluster %s, the other to %s; check --seed, or start "
                         "with an empty --data directory",
                         cluster_id_text(n->member.cluster, ours_text),
                         cluster_id_text(theirs->cluster, theirs_text));
        return ERR_OTHER_CLUSTER;
    }
    return check_twin(n, theirs, why);
}

/* ---- Members ---- */

/* Whether member m of the layout is known to have adopted it. A member whose epoch is not known yet
 * counts as one that has, unless it only came with this epoch: in a large cluster it takes many
 * periods until everybody sent something, and the silence of an old member means nothing. */
static bool adopted(const struct node *n, const struct layout *l, unsigned m)
{
    const struct member *p = node_peer(n, l->member[m].id);
    if (l->member[m].id == n->member.self || !p)
        return p != NULL;
    return p->epoch ? p->epoch >= l->epoch : !layout_newcomer(l, (uint16_t)m);
}

void node_describe(const struct node *n, const struct swim_view *v, struct member_info *info)
{
    const struct layout *l = n->now.layout;
    int m = l ? layout_find(l, v->id) : -1;
    *info = (struct member_info){
        .id = v->id,
        .name = v->name,
        .addr = v->addr,
        .state = v->state,
        .incarnation = v->incarnation,
        .since_ms = n->now.ms > v->since_ms ? n->now.ms - v->since_ms : 0,
        .self = v->id == n->member.self,
        .in_layout = m >= 0,
        .adopted = m >= 0 && adopted(n, l, (unsigned)m),
    };
    if (m < 0)
        return;
    const struct member *p = node_peer(n, v->id);
    info->recovering = v->id == n->member.self ? n->shard.repair.recovering_n
                       : p                     ? p->recovering
                                               : 0;
    info->weight = l->member[m].weight;
    info->zone = slice_of(l->member[m].zone, l->member[m].zone_n);
}

static int by_id(const void *a, const void *b)
{
    const struct member_info *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int info_reserve(struct node *n, uint32_t count)
{
    if (count <= n->info_cap)
        return 0;
    struct member_info *info = realloc(n->info, count * sizeof *info);
    if (!info)
        return ERR_NO_MEMORY;
    n->info = info;
    n->info_cap = count;
    return 0;
}

/* Counts the places of each member, and those of rank 0, in one walk over the layout. */
static void count_places(const struct layout *l, uint32_t *places, uint32_t *firsts)
{
    for (size_t i = 0; i < (size_t)l->vnodes * l->n; i++) {
        places[l->owner[i]]++;
        firsts[l->owner[i]] += i % l->n == 0;
    }
}

int node_members(struct node *n, const struct member_info **member, uint32_t *member_n)
{
    const struct layout *l = n->now.layout;
    uint32_t count = 0, tally[2 * LAYOUT_MEMBERS_MAX] = {0};
    if (info_reserve(n, swim_count(&n->member.swim)))
        return ERR_NO_MEMORY;
    if (l)
        count_places(l, tally, tally + LAYOUT_MEMBERS_MAX);
    struct swim_view v;
    for (uint32_t cursor = 0; count < n->info_cap && swim_each(&n->member.swim, &cursor, &v);
         count++) {
        struct member_info *info = &n->info[count];
        node_describe(n, &v, info);
        int m = l ? layout_find(l, v.id) : -1;
        if (m >= 0) {
            info->places = tally[m];
            info->firsts = tally[LAYOUT_MEMBERS_MAX + m];
        }
    }
    qsort(n->info, count, sizeof *n->info, by_id);
    *member = n->info;
    *member_n = count;
    return 0;
}

int node_hints(struct node *n, const struct hint_info **info, uint32_t *info_n)
{
    struct hint_info *found;
    if (hint_report(&n->shard.hint, &found, info_n))
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < *info_n; i++) {
        struct swim_view v;
        bool known = swim_find(&n->member.swim, found[i].target, &v);
        found[i].name = known ? v.name : SLICE("?");
        found[i].state = known ? v.state : MEMBER_LEFT;
    }
    *info = found;
    return 0;
}

int node_synced(struct node *n, const uint64_t **ago_ms)
{
    const struct layout *l = n->now.layout;
    uint64_t *synced = l ? realloc(n->synced, l->vnodes * sizeof *synced) : NULL;
    if (l && !synced)
        return ERR_NO_MEMORY;
    if (l)
        n->synced = synced;
    for (uint16_t v = 0; l && v < l->vnodes; v++) {
        uint64_t at = repair_synced_ms(&n->shard.repair, &n->now, v);
        synced[v] = at ? n->now.ms - at : UINT64_MAX;
    }
    *ago_ms = n->synced;
    return 0;
}

/* ---- The verdict ---- */

static uint16_t others_met(const struct node *n)
{
    unsigned met = 0;
    for (unsigned i = 0; n->now.layout && i < n->now.layout->member_n; i++) {
        const struct member *m = node_peer(n, n->now.layout->member[i].id);
        met += m->met && !m->self;
    }
    return (uint16_t)met;
}

/* Whether a member leaves writes unanswered. Hints are kept of what it missed: when they have all
 * been brought, it has answered each of them. */
static bool is_mute(const struct node *n, uint64_t id)
{
    return coord_mute(&n->shard.coord, id) &&
           (id == n->member.self || hint_waits(&n->shard.hint, id));
}

/* All that this node knows of a member of the layout. */
static void gather_facts(const struct node *n, uint64_t id, struct verdict_member *m)
{
    struct swim_view v;
    struct member_info info;
    const struct member *p = node_peer(n, id);
    *m = (struct verdict_member){.self = id == n->member.self, .facts = FACT_DOWN};
    if (!swim_find(&n->member.swim, id, &v))
        return;
    node_describe(n, &v, &info);
    uint8_t ills = m->self ? n->now.own.ills : p ? p->ills : 0;
    m->name = v.name;
    m->recovering = (uint16_t)info.recovering;
    m->facts =
        (uint8_t)((v.state != MEMBER_ALIVE ? FACT_DOWN : 0) | (p && member_cut(p) ? FACT_CUT : 0) |
                  (ills & ILL_FAILS ? FACT_FAILS : 0) | (ills & ILL_FULL ? FACT_FULL : 0) |
                  (is_mute(n, id) ? FACT_MUTE : 0) | (info.recovering ? FACT_RECOVERS : 0) |
                  (ills & ILL_OWES ? FACT_OWES : 0) | (info.adopted ? 0 : FACT_BEHIND));
}

void node_status(const struct node *n, struct status_info *s)
{
    struct verdict_member member[LAYOUT_MEMBERS_MAX];
    const struct layout *l = n->now.layout;
    *s = (struct status_info){
        .forming = chain_forming(&n->member.chain),
        .ahead = n->now.ahead,
        .cluster = n->member.cluster,
        .node = n->member.self,
        .met = others_met(n),
        .claimed_by = n->member.claim.cluster,
        .claimed_for = n->member.claim.member,
        .refuses = shard_refuses(&n->shard),
        .errors = n->shard.store_errors,
        .recovering = n->shard.repair.recovering_n,
        .in_flight = coord_in_flight(&n->shard.coord),
        .hints = hint_waiting(&n->shard.hint),
        .owed = hint_owed(&n->shard.hint),
        .tombstones = n->shard.erase.found,
        .erased = n->shard.erase.erased,
    };
    for (unsigned m = 0; l && m < l->member_n; m++)
        gather_facts(n, l->member[m].id, &member[m]);
    verdict_judge(l, member, node_serves(n), s);
}

/* ---- Requests ---- */

static void report_repair(struct node *n, const struct request *r, struct result *reply)
{
    reply->error = r->vnode == REPAIR_NONE ? 0
                   : !node_ready(n)        ? ERR_LOADING
                                           : repair_ask(&n->shard.repair, &n->now, r->vnode);
    reply->repair = n->shard.repair.info;
    reply->repair.running |= n->shard.repair.next_ms == 0;
}

static void report_members(struct node *n, const struct request *r, struct result *reply)
{
    reply->error = node_members(n, &reply->members.member, &reply->members.member_n);
    reply->members.layout = n->now.layout;
    if (r->kind == OP_RING && !reply->error)
        reply->error = node_synced(n, &reply->members.synced_ms);
}

static void ask_backup(const struct node *n, const struct request *r, struct out *out)
{
    if (r->kind == OP_BACKUP && cluster_id_none(n->member.cluster)) {
        out_add(out, ACT_REPLY)->reply =
            (struct result){.token = r->token, .kind = r->kind, .error = ERR_LOADING};
        return;
    }
    struct action *a = out_add(out, ACT_STORE_BACKUP);
    a->backup.token = r->token;
    a->backup.ask = (struct backup_ask){
        .status = r->kind == OP_BACKUP_STATUS,
        .path = r->value,
        .cluster = n->member.cluster,
        .member = n->member.self,
        .taken_ms = n->now.wall_ms,
        .complete = !n->shard.recovering,
    };
}

void node_on_backup(const struct node *n, const struct event *ev, struct out *out)
{
    const struct backup_info *info = ev->backup.backup;
    if (ev->backup.kind == STORE_BACKUP_ENDED) {
        out_trace(out, info->error ? TRACE_BACKUP_FAILED : TRACE_BACKUP_DONE, 0, info->taken_ms, 0,
                  info->error ? info->why : info->path);
        return;
    }
    bool begun = ev->backup.kind == STORE_BACKUP_BEGUN;
    if (begun && !ev->backup.error)
        out_trace(out, TRACE_BACKUP_BEGAN, 0, info->taken_ms, 0, info->path);
    out_add(out, ACT_REPLY)->reply = (struct result){
        .token = ev->backup.token,
        .kind = begun ? OP_BACKUP : OP_BACKUP_STATUS,
        .error = ev->backup.error,
        .wall_ms = n->now.wall_ms,
        .backup = *info,
    };
}

void node_report(struct node *n, const struct request *r, struct out *out)
{
    if (r->kind == OP_BACKUP || r->kind == OP_BACKUP_STATUS) {
        ask_backup(n, r, out);
        return;
    }
    struct result *reply = &out_add(out, ACT_REPLY)->reply;
    *reply = (struct result){.token = r->token, .kind = r->kind};
    switch (r->kind) {
    case OP_STATUS:
        node_status(n, &reply->status);
        break;
    case OP_HINTS:
        reply->error = node_hints(n, &reply->hints.target, &reply->hints.target_n);
        reply->hints.keeper = slice_of(n->member.name, n->member.name_n);
        break;
    case OP_REPAIR:
        report_repair(n, r, reply);
        break;
    default:
        report_members(n, r, reply);
        break;
    }
}

/* ---- Invariants ---- */

void node_check(const struct node *n)
{
    protocols_check(n);
    const struct layout *l = chain_layout(&n->member.chain);
    CHECK(!l || !cluster_id_none(n->member.cluster));
    if (n->phase == NODE_STOPPED)
        return;
    CHECK(n->now.layout == l && n->now.epoch == (l ? l->epoch : 0));
    CHECK(n->phase != NODE_READY || l);
    for (unsigned i = 0; l && i < l->member_n; i++)
        CHECK(node_peer(n, l->member[i].id));
}
