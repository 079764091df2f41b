/* restore.c: a data directory made of backups. The values go through an ordinary log, as puts with
 * their versions. The directory grows under "PATH.restoring", and is renamed when it is durable.
 * One that a crash left behind is emptied by the next restore. */
#include "store/archive/restore.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/hlc.h"
#include "store/log/dir.h"
#include "store/log/log.h"
#include "wire/bytes.h"

enum {
    PATH_BYTES = 1024,
    GROUP_BYTES = 8 * 1024 * 1024, /* committed at once */
};

struct restoring {
    struct merged *m;
    struct store *store;
    size_t waiting; /* bytes put and not yet committed */
    uint64_t keys;
    char path[PATH_BYTES], partial[PATH_BYTES];
    char why[1024];
};

static int fail(struct restoring *r, int error, const char *what)
{
    snprintf(r->m->why, sizeof r->m->why, "cannot restore to %s: %s", r->path, what);
    return error;
}

/* ---- The directory ---- */

/* Shows each name in a directory to `each`, until that returns another result than 0. Returns that
 * result; else 0, or -1 when the directory cannot be opened. */
static int walk(const char *path, int (*each)(int dir, const char *name))
{
    int result = 0;
    DIR *d = opendir(path);
    if (!d)
        return -1;
    for (struct dirent *e = readdir(d); e && !result; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            result = each(dirfd(d), e->d_name);
    closedir(d);
    return result;
}

static int is_there(int dir, const char *name)
{
    (void)dir, (void)name;
    return 1;
}

static int remove_file(int dir, const char *name)
{
    bool lock = strcmp(name, "lock") == 0; /* this process has it */
    return lock || unlinkat(dir, name, 0) == 0 ? 0 : 1;
}

/* Whether the directory may be made; empties what an earlier restore left. */
static int check_target(struct restoring *r)
{
    struct dir left;
    int found = walk(r->path, is_there);
    if (found > 0)
        return fail(r, ERR_REFUSED,
                    "it is not empty, and a used data directory is never restored over; name "
                    "another with --data");
    if (found < 0 && errno != ENOENT)
        return fail(r, ERR_REFUSED, strerror(errno));
    if (walk(r->partial, is_there) <= 0)
        return 0;
    int error = dir_open(&left, r->partial, r->why, sizeof r->why);
    if (error)
        return fail(r, error, r->why);
    if (walk(r->partial, remove_file) != 0)
        error = fail(r, ERR_REFUSED,
                     "what an earlier restore left beside it, with .restoring behind the name, "
                     "cannot be removed");
    dir_close(&left);
    return error;
}

/* A slash at the end goes: else the passing name would be that of a file in the directory. */
static int set_paths(struct restoring *r, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    snprintf(r->path, sizeof r->path, "%.*s", (int)n, path);
    int wrote = snprintf(r->partial, sizeof r->partial, "%s.restoring", r->path);
    return n > 0 && wrote < PATH_BYTES
               ? 0
               : fail(r, ERR_REFUSED, "the name is empty, or longer than 1,000 bytes");
}

/* Gives the directory its name, durably. */
static int give_name(struct restoring *r)
{
    bool done = rename(r->partial, r->path) == 0 && dir_sync_parent(r->path) == 0;
    return done ? 0 : fail(r, ERR_IO, strerror(errno));
}

/* ---- The records ---- */

/* Waits until what was put is durable. */
static int settle(struct restoring *r)
{
    struct store_result done;
    store_commit(r->store);
    int error = log_drain(r->store);
    while (store_reap(r->store, &done))
        error = done.error && !error ? done.error : error;
    r->waiting = 0;
    if (error == ERR_NO_SPACE)
        return fail(
            r, error,
            "the disk is full: free some space, or name a directory on another disk with --data");
    return error ? fail(r, error, error_sentence(error)) : 0;
}

static int put(void *arg, const struct record *record)
{
    struct restoring *r = arg;
    store_put(r->store, ++r->keys, record);
    r->waiting += RECORD_HEADER + record->key.n + record->value.n;
    return r->waiting < GROUP_BYTES ? 0 : settle(r);
}

static void put_state(struct restoring *r, struct slice name, struct slice value)
{
    struct record record = {.kind = RECORD_STATE,
                            .version = {.stamp = 1, .digest = hash_bytes(value)},
                            .key = name,
                            .value = value};
    store_put(r->store, 0, &record);
}

/* The clock's ceiling is in wall ms: no stamp lies above it (core/coord/coord_stamp.c). */
static int put_states(struct restoring *r)
{
    uint8_t clock[8], restored[RESTORED_BYTES] = {RESTORED_FORMAT};
    put_u64(clock, hlc_wall_ms(r->m->greatest) + 1);
    memcpy(restored + 1, r->m->about.cluster.b, 16);
    put_state(r, SLICE("clock"), slice_of(clock, sizeof clock));
    put_state(r, RESTORED_NAME, slice_of(restored, sizeof restored));
    return settle(r);
}

int restore_allowed(struct merged *m, const char *path)
{
    struct restoring r = {.m = m};
    int error = set_paths(&r, path);
    return error ? error : check_target(&r);
}

int restore_directory(struct merged *m, const char *path, uint64_t *keys)
{
    struct restoring r = {.m = m};
    struct log_options o = {.dir = r.partial};
    int error = set_paths(&r, path);
    if (!error)
        error = check_target(&r);
    if (error)
        return error;
    error = log_open(&o, &r.store, r.why, sizeof r.why);
    if (error)
        return fail(&r, error, r.why);
    error = merged_each(m, put, &r);
    if (!error)
        error = put_states(&r);
    store_close(r.store);
    *keys = r.keys;
    return error ? error : give_name(&r);
}
