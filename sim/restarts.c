/* restarts.c: see restarts.h. */
#include "sim/restarts.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/layout.h"

#include <inttypes.h>
#include <stdlib.h>

struct held_key {
    char key[KEY_TEXT];
    uint8_t key_n;
    struct index_item item;
};

struct restarts_held {
    struct held_key *key;
    uint32_t n, cap;
    uint64_t wall_ms; /* the node's clock then */
};

void restarts_init(struct restarts_check *r, struct world *w)
{
    *r = (struct restarts_check){.world = w};
    buf_init(&r->why, 4096);
    r->held = calloc(w->o.nodes, sizeof *r->held);
    CHECK(r->held);
}

void restarts_close(struct restarts_check *r)
{
    for (uint32_t i = 0; r->held && i < r->world->o.nodes; i++)
        free(r->held[i].key);
    free(r->held);
    buf_close(&r->why);
    *r = (struct restarts_check){0};
}

static void note(void *arg, struct slice key, const struct index_item *item)
{
    struct restarts_held *h = arg;
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->key = realloc(h->key, h->cap * sizeof *h->key);
        CHECK(h->key);
    }
    struct held_key *k = &h->key[h->n++];
    CHECK(key.n <= KEY_TEXT);
    k->item = *item;
    k->key_n = (uint8_t)key.n;
    memcpy(k->key, key.p, key.n);
}

void restarts_losing(struct restarts_check *r, uint32_t node)
{
    const struct index *ix = &mem_table(r->world->node[node].store)->index;
    r->held[node].n = 0;
    r->held[node].wall_ms = r->world->node[node].node.now.wall_ms;
    for (uint32_t arc = 0; arc < ix->arc_n; arc++)
        index_walk(ix, arc, note, &r->held[node]);
}

static bool over(const struct restarts_held *h, const struct index_item *item)
{
    return item->kind != RECORD_VALUE || expiry_passed(item->expiry_ms, h->wall_ms);
}

/* Whether a disk that was struck may have lost a key. */
static bool damaged(struct restarts_check *r, uint32_t node, struct slice key)
{
    const struct layout *l = atlas_layout(&r->world->atlas);
    return l && atlas_struck(&r->world->atlas, node, layout_vnode(l, slot_of_key(key)));
}

void restarts_started(struct restarts_check *r, uint32_t node)
{
    const struct restarts_held *h = &r->held[node];
    const struct sim_node *s = &r->world->node[node];
    for (uint32_t i = 0; i < h->n && r->why.n == 0; i++) {
        struct slice key = slice_of(h->key[i].key, h->key[i].key_n);
        const struct index_item *was = &h->key[i].item;
        /* a key that a flush covers may not be buried yet: the table answers with the flush */
        struct index_item is = table_look(mem_table(s->store), key);
        bool gone = is.kind != RECORD_VALUE && over(h, was);
        if (version_cmp(&is.version, &was->version) >= 0 || gone || damaged(r, node, key))
            continue;
        CHECK(!buf_printf(&r->why,
                          "n%" PRIu32 " held %.*s at stamp %" PRIu64
                          " when it lost power, and after its start at %" PRIu64
                          " us at stamp %" PRIu64,
                          node, (int)key_name(key).n, (const char *)key_name(key).p,
                          was->version.stamp, r->world->now_us, is.version.stamp));
    }
}
