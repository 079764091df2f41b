/* figures.c: see figures.h. */
#include "rt/figures.h"

#include <sys/statvfs.h>

#include "rt/world.h"

/* Bytes free on the file system, from its superblock in memory: the disk is not read. 0 when the
 * system does not answer. */
static uint64_t disk_free(const char *dir)
{
    struct statvfs fs;
    return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

void figures_reply(struct world *w, const struct result *r)
{
    struct log_stats stats;
    struct result full = *r;
    log_stats(w->store, &stats);
    full.status.world = (struct status_world){
        .keys = stats.records,
        .bytes = stats.disk_bytes,
        .disk_free = disk_free(w->settings.data_dir),
        .memory = w->front.memory_rss,
    };
    clients_reply(&w->clients, &full);
}
