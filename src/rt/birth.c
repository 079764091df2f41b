/* birth.c: see birth.h.
 *
 * Format of the record, little-endian: u8 format (2) | u64 id | u8 founder | cluster id 16 | u64
 * generation's id | secret 16 | u8 name bytes | name. */
#include "rt/birth.h"

#include <sodium.h>
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "rt/state.h"
#include "store/archive/restore.h"
#include "store/log/dir.h"
#include "wire/bytes.h"

enum { FORMAT = 2, FIXED = 51, RECORD_N = FIXED + NODE_NAME_MAX };

static struct slice encode(const struct birth *b, uint8_t out[RECORD_N])
{
    out[0] = FORMAT;
    put_u64(out + 1, b->id);
    out[9] = !cluster_id_none(b->cluster);
    memcpy(out + 10, b->cluster.b, 16);
    put_u64(out + 26, b->generation_id);
    memcpy(out + 34, b->secret.b, 16);
    out[50] = b->name_n;
    memcpy(out + FIXED, b->name, b->name_n);
    return slice_of(out, (size_t)FIXED + b->name_n);
}

static int decode(struct slice in, struct birth *b)
{
    if (in.n < FIXED || in.p[0] != FORMAT || in.p[50] > NODE_NAME_MAX ||
        in.n != (size_t)FIXED + in.p[50])
        return ERR_CORRUPT;
    b->id = get_u64(in.p + 1);
    memcpy(b->cluster.b, in.p + 10, 16);
    b->generation_id = get_u64(in.p + 26);
    memcpy(b->secret.b, in.p + 34, 16);
    b->name_n = in.p[50];
    memcpy(b->name, in.p + FIXED, b->name_n);
    return b->id == 0 || b->name_n == 0 ? ERR_CORRUPT : 0;
}

/* ---- A directory that was never a member's ---- */

static int unasked(const struct settings *s, char *why, size_t why_n)
{
    snprintf(why, why_n,
             "the data directory \"%.200s\" was never a member's, and this start does not say what "
             "it shall be: give --seed HOST:PORT of a member to join its cluster, or --new, once, "
             "to found one",
             s->data_dir);
    return ERR_REFUSED;
}

int birth_allowed(const struct settings *s, char *why, size_t why_n)
{
    char names[DIR_NAMES];
    switch (dir_look(s->data_dir, names)) {
    case DIR_NOTHING:
        return s->found || s->seed_n > 0 ? 0 : unasked(s, why, why_n);
    case DIR_BACKUP:
        snprintf(
            why, why_n,
            "the data directory \"%.200s\" is a backup, which no node may write in: make a "
            "directory of it with covey restore %.100s --data DIR, or name another with --data",
            s->data_dir, s->data_dir);
        return ERR_REFUSED;
    case DIR_REMAINS:
        snprintf(why, why_n,
                 "the data directory \"%.120s\" was a member's and its log (seg-*.log) is gone; "
                 "what is left of it: %s. Put the log back if you have it; if not, that member is "
                 "lost: remove the directory, or name another with --data, to start a new node",
                 s->data_dir, names);
        return ERR_REFUSED;
    case DIR_FOREIGN:
        snprintf(why, why_n,
                 "the data directory \"%.120s\" has files that are not covey's: %s. A new node "
                 "wants an empty directory: move them away, or name another with --data",
                 s->data_dir, names);
        return ERR_REFUSED;
    case DIR_LOG:
    case DIR_UNKNOWN:
        break; /* what is in the log, or why it cannot be read, turns out when it is opened */
    }
    return 0;
}

/* A cluster lets in no node that holds records, so a restored directory can only found, and founds
 * without --new. Any other does as the settings say. */
static int settle_cluster(struct birth *b, const struct settings *s, struct store *store, char *why,
                          size_t why_n)
{
    bool restored = state_known(store, RESTORED_NAME);
    b->found = s->found || restored;
    if (restored && s->seed_n > 0) {
        snprintf(why, why_n,
                 "the data directory \"%.200s\" was restored from backups, so it can only found a "
                 "new cluster: leave --seed out; to bring backups into a running cluster use covey "
                 "restore BACKUP... --into HOST:PORT",
                 s->data_dir);
        return ERR_REFUSED;
    }
    return b->found || s->seed_n > 0 ? 0 : unasked(s, why, why_n);
}

static void draw(struct birth *b)
{
    while (b->id == 0)
        randombytes_buf(&b->id, sizeof b->id);
    if (b->found) {
        randombytes_buf(&b->cluster, sizeof b->cluster);
        randombytes_buf(&b->generation_id, sizeof b->generation_id);
        randombytes_buf(&b->secret, sizeof b->secret);
    }
}

/* ---- A used one ---- */

/* A used directory goes on as what it was. Settings that ask for something else are refused with a
 * sentence. A directory whose founding was cut short, before the first layout was durable, goes on
 * to found the same cluster. */
static int resume(struct birth *b, const struct settings *s, struct store *store, char *why,
                  size_t why_n)
{
    char id[ADDR_TEXT];
    bool has_layout = state_known(store, SLICE("layout")),
         lost = !has_layout && state_present(store, SLICE("layout"));
    bool founder = !cluster_id_none(b->cluster) && !lost;
    b->found = !has_layout && founder;
    node_id_text(b->id, id);
    if (s->found && !b->found)
        snprintf(why, why_n,
                 "--new: the data directory \"%.200s\" is that of node %s, and a used one never "
                 "founds a cluster; leave --new out, or name an empty directory with --data",
                 s->data_dir, id);
    else if (b->found && s->seed_n > 0)
        snprintf(why, why_n,
                 "the data directory \"%.200s\" belongs to node %s, which began to found a "
                 "cluster; leave --seed out to let it go on, or name an empty directory with "
                 "--data to join another",
                 s->data_dir, id);
    else if (lost && s->seed_n == 0)
        snprintf(why, why_n,
                 "the data directory \"%.200s\" belongs to node %s, whose record of its cluster's "
                 "layout was damaged; give --seed HOST:PORT of a member, which sends it",
                 s->data_dir, id);
    else if (!founder && !has_layout && s->seed_n == 0)
        snprintf(why, why_n,
                 "the data directory \"%.200s\" belongs to node %s, which has not joined its "
                 "cluster yet; give --seed HOST:PORT of a member, or name an empty directory with "
                 "--data and found a cluster with --new",
                 s->data_dir, id);
    else
        return 0;
    return ERR_REFUSED;
}

/* Takes the name of the settings, or keeps the directory's. True when it changed. */
static bool settle_name(struct birth *b, const struct settings *s)
{
    struct slice wanted = slice_str(s->name);
    if (b->name_n > 0 && (!s->name_given || slice_eq(wanted, slice_of(b->name, b->name_n))))
        return false;
    CHECK(wanted.n > 0 && wanted.n <= NODE_NAME_MAX);
    b->name_n = (uint8_t)wanted.n;
    memcpy(b->name, wanted.p, wanted.n);
    return true;
}

int birth_of(struct birth *b, const struct settings *s, struct store *store, char *why,
             size_t why_n)
{
    uint8_t bytes[RECORD_N];
    struct slice value;
    uint64_t serial;
    int error = 0;
    if (sodium_init() < 0) {
        snprintf(why, why_n, "libsodium found no source of random numbers; is /dev/urandom there?");
        return ERR_IO;
    }
    *b = (struct birth){0};
    if (store_state(store, SLICE("identity"), &value, &serial)) {
        if (decode(value, b)) {
            snprintf(why, why_n,
                     "the identity in \"%.200s\" is of a format that this release does not read: "
                     "start the release that wrote it, or name an empty directory with --data",
                     s->data_dir);
            return ERR_CORRUPT;
        }
        error = resume(b, s, store, why, why_n);
    } else {
        error = settle_cluster(b, s, store, why, why_n);
        draw(b);
    }
    if (error || !settle_name(b, s))
        return error;
    /* durable before anybody meets the node: after a crash it must be the same one */
    state_put(store, SLICE("identity"), encode(b, bytes));
    error = state_sync(store, 1);
    if (error)
        snprintf(why, why_n, "cannot write to \"%.200s\": %s", s->data_dir, error_sentence(error));
    return error;
}
