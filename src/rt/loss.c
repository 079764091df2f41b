/* loss.c: a node must know for certain which node it is, and of what cluster.
 *
 * The log puts all of the node's own state to each segment anew (store/log/log_states.c). So a
 * damaged or missing file takes none of it along, or only what was put to the last segments: then
 * older records count. What that means for each state:
 *
 *     state       when it is lost
 *     identity    never changes but for the name. Without it the node cannot know which node it is,
 *                 and another id would be another node: it does not start.
 *     cluster     never changes. Without it the node would believe the first stranger, so its
 *                 layout is dropped too.
 *     layout      an old layout may be that of a cluster of one, under which this node alone would
 *                 answer for every key. So where the newest record is known to be damaged, an
 *                 empty one is put above it. The node then counts as one that has not joined
 *                 (birth.c): it asks a member, which sends the layout that the node is in. The
 *                 votes belong to a layout, and are dropped with it.
 *     the others  may be older than they were, or gone, without harm. All slots are in doubt then:
 *                 the node casts no votes, and gets the rest from its peers.
 *
 * One loss is not noticed: the newest layout's record among bytes that cannot be read at all, with
 * an older one still there. That needs a log of one segment: members are let in while nobody holds
 * records, and each later segment has the layout anew. */
#include "rt/loss.h"

#include <stdio.h>

#include "base/error.h"
#include "rt/state.h"
#include "store/log/log.h"

/* The votes go first: a torn write then leaves a layout without votes, which is as good as none,
 * since all slots are in doubt. */
static int drop_layout(struct store *store)
{
    state_put(store, SLICE("chain"), (struct slice){0});
    state_put(store, SLICE("layout"), (struct slice){0});
    return state_sync(store, 2);
}

static int refuse_stranger(const char *data_dir, char *why, size_t why_n)
{
    snprintf(
        why, why_n,
        "the identity of this node was in a log file of \"%.200s\" that is damaged or missing "
        "(covey check %.200s names it): copy that file there from a backup of this node, or "
        "restore backups of the cluster into a new one with covey restore BACKUP... --data DIR",
        data_dir, data_dir);
    return ERR_CORRUPT;
}

int loss_look(struct store *store, const char *data_dir, char *why, size_t why_n)
{
    if (!state_known(store, SLICE("identity")))
        return store_damaged(store, 0) ? refuse_stranger(data_dir, why, why_n) : 0;
    bool layout = state_known(store, SLICE("layout")),
         cluster = state_known(store, SLICE("cluster"));
    if (!layout || (cluster && !log_state_lost(store, SLICE("layout"))))
        return 0;
    int error = drop_layout(store);
    if (error)
        snprintf(why, why_n, "cannot write to \"%.200s\": %s", data_dir, error_sentence(error));
    return error;
}
