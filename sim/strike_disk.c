/* strike_disk.c: what faults do to disks, as far as the atlas allows it. */
#include "sim/world_inner.h"

#include "base/check.h"

#include <stdlib.h>

void strike_wipe(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    bool lost = s->up && atlas_strike(&w->atlas, i, NULL);
    if (lost && w->watch.striking)
        w->watch.striking(w->watch.arg, i);
    world_crash_node(w, i);
    if (!lost)
        return;
    mem_disk_close(&s->disk);
    mem_disk_init(&s->disk);
    hints_disk_close(&s->hints_disk);
    s->forgot = true;
    s->disks++;
    strike_forget(w, i); /* a new disk cannot become an older state of the lost one */
    atlas_noticed(&w->atlas, i, NULL);
}

/* The vnodes that damage puts in doubt; NULL: all. */
static const uint8_t *vnodes_of(const struct world *w, const struct damage_finding *f,
                                uint8_t set[VNODES_MAX])
{
    const struct layout *l = atlas_layout(&w->atlas);
    if (!l || f->size == 0 || f->state)
        return NULL;
    memset(set, 0, VNODES_MAX);
    set[layout_vnode(l, f->slot)] = true;
    return set;
}

/* A bit of a record rots. Where the atlas refuses the record that was drawn, the disk stays as it
 * is. */
static void rot_record(struct world *w, uint32_t i, uint64_t seed)
{
    static uint8_t set[VNODES_MAX];
    struct sim_node *s = &w->node[i];
    struct mem_disk before;
    struct damage_finding found;
    mem_disk_copy(&before, &s->disk);
    bool damaged = mem_damage(&s->disk, seed, &found);
    if (damaged && !atlas_strike(&w->atlas, i, vnodes_of(w, &found, set)))
        memcpy(s->disk.synced.p, before.synced.p, before.synced.n);
    else if (damaged && found.size == 0)
        /* what is written behind it may yet show where it ends; then its own vnode alone is in
         * doubt */
        atlas_silent(&w->atlas, i);
    mem_disk_close(&before);
}

void strike_rot(struct world *w, uint32_t i, uint64_t seed)
{
    life_stop_looking(w, i);
    if (w->watch.striking)
        w->watch.striking(w->watch.arg, i);
    rot_record(w, i, seed);
    hints_disk_rot(&w->node[i].hints_disk, seed);
}

/* ---- Rolled back ---- */

/* A copy of a disk. */
struct disk_copy {
    struct mem_disk disk;
    struct hints_disk hints;
};

void strike_forget(struct world *w, uint32_t i)
{
    struct disk_copy *k = w->node[i].copy;
    if (!k)
        return;
    mem_disk_close(&k->disk);
    hints_disk_close(&k->hints);
    free(k);
    w->node[i].copy = NULL;
}

void strike_remember(struct world *w, uint32_t i)
{
    const struct sim_node *s = &w->node[i];
    strike_forget(w, i);
    if (!atlas_layout(&w->atlas))
        /* a node that has joined since must not return to a disk of before: its vote counted */
        return;
    struct disk_copy *k = malloc(sizeof *k);
    CHECK(k);
    mem_disk_copy(&k->disk, &s->disk);
    hints_disk_copy(&k->hints, &s->hints_disk);
    w->node[i].copy = k;
}

bool strike_announced(const struct world *w, uint32_t i, uint64_t position)
{
    for (uint32_t k = 0; k < w->o.nodes; k++) {
        const struct log_end *r = &w->node[k].node.shard.log_end;
        for (unsigned m = 0; k != i && w->node[k].up && m < r->mark_n; m++)
            if (r->mark[m].id == w->node[i].id && r->mark[m].position > position + w->node[i].lift)
                return true;
    }
    return false;
}

/* Replaces the disk by its copy; power is off. */
static void put_back(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    life_stop_looking(w, i);
    mem_disk_close(&s->disk);
    hints_disk_close(&s->hints_disk);
    struct mem_faults faults = s->disk.faults;
    s->disk = s->copy->disk;
    s->disk.faults = faults;
    s->hints_disk = s->copy->hints;
    s->forgot = true;
    free(s->copy);
    s->copy = NULL;
    atlas_silent(&w->atlas, i);
}

void strike_roll_back(struct world *w, uint32_t i)
{
    struct sim_node *s = &w->node[i];
    bool older = s->copy && strike_announced(w, i, mem_disk_position(&s->copy->disk));
    if (older && w->watch.striking)
        w->watch.striking(w->watch.arg, i);
    older = older && atlas_strike(&w->atlas, i, NULL);
    world_crash_node(w, i);
    if (older)
        put_back(w, i);
    strike_forget(w, i);
    life_begin(w, i);
}
