/* store.c: what a store answers from its table, whatever the device. */
#include "store/table/table.h"

void store_get(struct store *s, uint64_t token, struct slice key, enum get_wants wants)
{
    table_get(s->table, token, key, wants);
}

void store_count(struct store *s, uint64_t token, uint64_t wall_ms)
{
    table_count(s->table, token, wall_ms);
}

void store_tree(struct store *s, uint64_t token, struct slice vnodes, bool leaves)
{
    table_tree(s->table, token, vnodes, leaves);
}

void store_list(struct store *s, uint64_t token, uint16_t vnode, struct slice ranges)
{
    table_list(s->table, token, vnode, ranges);
}

void store_erasable(struct store *s, uint64_t token, struct slice vnodes, uint64_t wall_ms,
                    uint64_t from)
{
    table_erasable(s->table, token, vnodes, wall_ms, from);
}

void store_held(struct store *s, uint64_t token, struct slice entries)
{
    table_held(s->table, token, entries);
}

void store_greatest(struct store *s, uint64_t token)
{
    table_greatest(s->table, token);
}

bool store_state(struct store *s, struct slice name, struct slice *value, uint64_t *serial)
{
    return table_state(s->table, name, value, serial);
}

uint64_t store_records(const struct store *s)
{
    return table_records(s->table);
}

void store_set_secret(struct store *s, const struct layout_secret *secret)
{
    struct merkle_key key = merkle_key_of(secret);
    forest_set_key(&s->table->forest, &key);
}

bool store_trees_hold(const struct store *s)
{
    return forest_holds(&s->table->forest, &s->table->index);
}
