#include "glue/glue.h"

void glue_step(struct node *n, struct store *s, struct event *ev, struct out *out)
{
    ev->position = store_position(s);
    ev->refuses = store_refuses(s);
    out_clear(out);
    node_step(n, ev, out);
}

void glue_adopt(const struct node *n, struct store *s)
{
    const struct layout *l = chain_layout(&n->member.chain);
    if (!l)
        return;
    store_set_vnodes(s, l->vnodes);
    store_set_secret(s, &l->secret);
}

/* ---- Actions ---- */

static bool carry_hints(struct hints *h, const struct action *a)
{
    switch (a->kind) {
    case ACT_HINT_PUT:
        hints_put(h, a->hint.target, &a->hint.record);
        return true;
    case ACT_HINT_READ:
        hints_read(h, a->hint_read);
        return true;
    case ACT_HINT_DROP:
        hints_drop(h, a->hint_drop.target, a->hint_drop.up_to, a->hint_drop.n);
        return true;
    case ACT_HINT_EXPIRE:
        hints_expire(h, a->hint_expire_ms);
        return true;
    default:
        return false;
    }
}

bool glue_carry(const struct node *n, struct store *s, struct hints *h, const struct action *a)
{
    switch (a->kind) {
    case ACT_STORE_PUT:
        store_bring(s, a->put.token, &a->put.record, a->put.origin);
        return true;
    case ACT_STORE_GET:
        store_get(s, a->get.token, a->get.key, a->get.wants);
        return true;
    case ACT_STORE_COUNT:
        store_count(s, a->count.token, a->count.wall_ms);
        return true;
    case ACT_STORE_TREE:
        store_tree(s, a->tree.token, a->tree.vnodes, a->tree.leaves);
        return true;
    case ACT_STORE_LIST:
        store_list(s, a->list.token, a->list.vnode, a->list.ranges);
        return true;
    case ACT_STORE_ERASABLE:
        store_erasable(s, a->erasable.token, a->erasable.vnodes, a->erasable.wall_ms,
                       a->erasable.from);
        return true;
    case ACT_STORE_HELD:
        store_held(s, a->held.token, a->held.entries);
        return true;
    case ACT_STORE_GREATEST:
        store_greatest(s, a->greatest.token);
        return true;
    case ACT_STORE_BACKUP:
        store_backup(s, a->backup.token, &a->backup.ask);
        return true;
    case ACT_STORE_DOUBT:
        store_doubt(s, a->slots);
        return true;
    case ACT_STORE_HEAL:
        store_healed(s, a->slots);
        return true;
    case ACT_TRACE:
        if (a->trace.kind == TRACE_LAYOUT_ADOPTED)
            glue_adopt(n, s);
        return false;
    default:
        return carry_hints(h, a);
    }
}

/* ---- Results ---- */

static enum event_kind event_of(enum store_result_kind kind)
{
    switch (kind) {
    case STORE_PUT_DONE:
        return EV_STORED;
    case STORE_GET_DONE:
        return EV_READ;
    case STORE_COUNT_DONE:
        return EV_COUNTED;
    case STORE_BACKUP_BEGUN:
    case STORE_BACKUP_TOLD:
    case STORE_BACKUP_ENDED:
        return EV_BACKUP;
    case STORE_DAMAGED:
        return EV_DAMAGED;
    case STORE_TREE_DONE:
    case STORE_LIST_DONE:
    case STORE_ERASABLE_DONE:
    case STORE_HELD_DONE:
    case STORE_GREATEST_DONE:
        break;
    }
    return EV_ANSWERED;
}

bool glue_reap(struct store *s, struct hints *h, struct event *ev)
{
    if (store_reap(s, &ev->stored))
        ev->kind = event_of(ev->stored.kind);
    else if (hints_reap(h, &ev->hints))
        ev->kind = ev->hints.kind == HINTS_READ ? EV_HINTS : EV_HINTED;
    else
        return false;
    return true;
}
