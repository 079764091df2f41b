/* loss.c: who this node is, and of what cluster, must be known for certain.
 *
 * The log puts all of the node's own state to each segment anew (store/log/log_states.c), so a
 * damaged or missing file takes none of it along, or only what was put to the last segments: then
 * older records count. What that means for each of them:
 *
 *     identity    never changes but for the name. Where there is none, the node cannot know who it is, and another id would be
 *                 another node: it does not start.
 *     cluster     never changes. Without it a node would believe the first stranger; so its layout goes too.
 *     layout      an old one may be that of a cluster of one, under which this node alone would answer for every key. So where
 *                 its newest record is known to be damaged, an empty one is put above it: the node is one that has not joined
 *                 (birth.c), and asks a member, which tells it the layout that it is in. The votes belong to a layout, and go
 *                 with it.
 *     the others  may go back (loss.h).
 *
 * What is not seen: the layout's record among bytes that cannot be read at all, with an older one
 * still there. That can only be in a log of one segment, for members are let in while nobody holds
 * records, and each later segment has the layout anew. */
#include "rt/loss.h"

#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log/log.h"

static bool holds(struct store *store, struct slice name, uint64_t *serial)
{
    struct slice value;
    *serial = 0;
    return store_state(store, name, &value, serial) && value.n > 0;
}

static void put_empty(struct store *store, struct slice name)
{
    uint64_t serial;
    holds(store, name, &serial);
    struct record r = {.kind = RECORD_STATE, .version = {.stamp = serial + 1}, .key = name};
    r.version.digest = hash_bytes(r.value);
    store_put(store, 0, &r);
}

/* The votes first: what a torn write leaves of the two is a layout without votes, which is as good
 * as none, for all slots are in doubt. */
static int forget_layout(struct store *store)
{
    struct store_result done;
    put_empty(store, SLICE("chain"));
    put_empty(store, SLICE("layout"));
    store_commit(store);
    int error = log_drain(store);
    for (int i = 0; i < 2; i++) {
        CHECK(store_reap(store, &done) && done.kind == STORE_PUT_DONE);
        error = error ? error : done.error;
    }
    return error;
}

static int refuse_stranger(const char *data_dir, char *why, size_t why_n)
{
    snprintf(why, why_n,
             "who this node is stood in a log file of \"%.200s\" that is damaged or missing (covey "
             "check %.200s names it): copy that file there from a backup of this node, or restore "
             "backups of the cluster into a new one with covey restore BACKUP... --data DIR",
             data_dir, data_dir);
    return ERR_CORRUPT;
}

int loss_look(struct store *store, const char *data_dir, char *why, size_t why_n)
{
    uint64_t serial;
    if (!holds(store, SLICE("identity"), &serial))
        return store_damaged(store, 0) ? refuse_stranger(data_dir, why, why_n) : 0;
    bool layout = holds(store, SLICE("layout"), &serial),
         cluster = holds(store, SLICE("cluster"), &serial);
    if (!layout || (cluster && !log_state_lost(store, SLICE("layout"))))
        return 0;
    int error = forget_layout(store);
    if (error)
        snprintf(why, why_n, "cannot write to \"%.200s\": %s", data_dir, error_sentence(error));
    return error;
}
