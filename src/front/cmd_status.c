/* cmd_status.c: STATUS: the verdict in words, the code that `covey status` exits with, and the
 * figures behind both in two groups: the cluster as this node sees it, and this node. What each
 * row means: rows.c. */
#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "front/cmd.h"

enum { SENTENCE = 2048, PHRASE = 128 };

/* Why the verdict is no better, in the order of enum reason: the words for one member, and for
 * several. */
static const struct {
    const char *one, *many;
} why_words[REASONS] = {
    [REASON_DOWN] = {"%s does not answer", "%s do not answer"},
    [REASON_CUT] = {"no connection to %s", "no connection to %s"},
    [REASON_FAILS] = {"the disk of %s fails", "the disks of %s fail"},
    [REASON_FULL] = {"the disk of %s is full", "the disks of %s are full"},
    [REASON_MUTE] = {"%s leaves writes unanswered", "%s leave writes unanswered"},
    [REASON_RECOVERS] = {"%s lost records and fetches them from the other owners",
                         "%s lost records and fetch them from the other owners"},
    [REASON_OWES] = {"%s keeps writes for a member that is alive (see HINTS)",
                     "%s keep writes for a member that is alive (see HINTS)"},
    [REASON_FEW] = {"more members are needed", "more members are needed"},
    [REASON_CLOCK] =
        {"this node refuses writes: its wall clock is over 500 ms ahead of the others'",
         "this node refuses writes: its wall clock is over 500 ms ahead of the others'"},
    [REASON_FORMING] = {"a new layout is being agreed", "a new layout is being agreed"},
    [REASON_BEHIND] = {"%s has not adopted the layout yet", "%s have not adopted the layout yet"},
};

/* Which members: "this node", "b", "b and 2 more". */
static void subject_text(char out[PHRASE], const struct status_reason *r)
{
    int name_n = r->name.n < NODE_NAME_MAX ? (int)r->name.n : NODE_NAME_MAX;
    int n = r->self ? snprintf(out, PHRASE, "this node")
                    : snprintf(out, PHRASE, "%.*s", name_n, (const char *)r->name.p);
    if (r->n > 1)
        snprintf(out + n, PHRASE - (size_t)n, " and %u more", r->n - 1u);
}

/* Appends all reasons, the worst first, each after a semicolon. */
static void why_text(struct buf *out, const struct status_info *i)
{
    for (unsigned k = 0; k < REASONS; k++) {
        char subject[PHRASE], words[2 * PHRASE];
        if (i->reason[k].n == 0)
            continue;
        subject_text(subject, &i->reason[k]);
        snprintf(words, sizeof words, i->reason[k].n == 1 ? why_words[k].one : why_words[k].many,
                 subject);
        (void)buf_printf(out, "; %s", words);
    }
}

/* Appends which keys are unavailable. */
static void unavailable_text(struct buf *out, const struct status_info *i)
{
    const char *at_most = i->recoverers ? "at most " : "";
    if (i->unreadable == i->unwritable)
        (void)buf_printf(out, "keys of %u of %u vnodes can be neither read nor written now",
                         i->unwritable, i->vnodes);
    else if (i->unreadable == 0)
        (void)buf_printf(out, "keys of %u of %u vnodes cannot be written now", i->unwritable,
                         i->vnodes);
    else if (i->unwritable == 0)
        (void)buf_printf(out, "keys of %s%u of %u vnodes cannot be read now", at_most,
                         i->unreadable, i->vnodes);
    else
        (void)buf_printf(out,
                         "keys of %u of %u vnodes cannot be written now, of %s%u cannot be read",
                         i->unwritable, i->vnodes, at_most, i->unreadable);
}

static void may_die_text(struct buf *out, unsigned n, const char *more)
{
    if (n)
        (void)buf_printf(out, ", any %u %snode%s may die", n, more, n == 1 ? "" : "s");
    else
        (void)buf_printf(out, ", no %snode may die", more);
}

/* Whether some member does less than it should. */
static bool lacking(const struct status_info *i)
{
    for (unsigned k = 0; k < REASON_FEW; k++)
        if (i->reason[k].n)
            return true;
    return false;
}

/* Appends which members look for which member at this node's address, and what to do. */
static void claim_text(struct buf *out, const struct status_info *i)
{
    char cluster[ADDR_TEXT], member[ADDR_TEXT];

    (void)buf_printf(
        out,
        "members of cluster %s look for their member %s at this node's address: stop this node, "
        "and start it at another --port if a cluster of its own is meant; a member whose disk is "
        "lost cannot be replaced yet, and the others go on without it",
        cluster_id_text(i->claimed_by, cluster), node_id_text(i->claimed_for, member));
}

/* Appends why no client is answered, and what to do. */
static void loading_text(struct buf *out, const struct status_info *i)
{
    if (!cluster_id_none(i->claimed_by) && i->members == 1) {
        (void)buf_slice(out, SLICE("this node is alone and answers no client: "));
        claim_text(out, i);
    } else if (i->members > 1) {
        (void)buf_printf(out,
                         "this node has met %u of the %u other members and needs %u; if the others "
                         "were started at new addresses (MEMBERS shows the last known), start this "
                         "node again with --seed HOST:PORT of one of them",
                         i->met, i->members - 1, i->w - 1);
    } else {
        (void)buf_slice(out, SLICE("this node has not found its peers yet, or they have not taken "
                                   "it in; its log says why"));
    }
}

static void verdict_text(struct buf *out, const struct status_info *i)
{
    static const char *const words[] = {
        [VERDICT_HEALTHY] = "healthy",   [VERDICT_CHANGING] = "changing",
        [VERDICT_DEGRADED] = "degraded", [VERDICT_UNAVAILABLE] = "unavailable",
        [VERDICT_LOADING] = "loading",
    };
    (void)buf_printf(out, "%s: ", words[i->verdict]);
    if (i->verdict == VERDICT_LOADING) {
        loading_text(out, i);
        return;
    }
    if (i->verdict == VERDICT_UNAVAILABLE) {
        unavailable_text(out, i);
    } else if (lacking(i)) {
        (void)buf_slice(out, SLICE("every key can be read and written"));
        may_die_text(out, i->may_die, "more ");
    } else {
        (void)buf_printf(out, "%u of %u replicas everywhere", i->n, i->n_wanted);
        may_die_text(out, i->may_die, "");
    }
    why_text(out, i);
}

/* What `covey status` exits with: 0 healthy; 1 every key can be read and written; 2 some cannot. */
static int verdict_code(enum verdict v)
{
    return v == VERDICT_HEALTHY ? 0 : v < VERDICT_UNAVAILABLE ? 1 : 2;
}

static void warning_text(struct buf *out, const struct status_info *i)
{
    if (i->verdict == VERDICT_LOADING)
        return;
    if (!cluster_id_none(i->claimed_by))
        claim_text(out, i);
    else if (i->members < 3)
        (void)buf_printf(out, "%s: the promise starts at three",
                         i->members == 2 ? "with 2 members no writer's death is survived"
                                         : "with 1 member its disk is the only copy");
}

static void reply_cluster(struct reply *r, const struct status_info *i)
{
    char id[ADDR_TEXT];

    reply_map(r, 15);
    reply_field_text(r, "id",
                     cluster_id_none(i->cluster) ? "none" : cluster_id_text(i->cluster, id));
    reply_field_integer(r, "members", i->members);
    reply_field_integer(r, "alive", i->alive);
    reply_field_integer(r, "recoverers", i->recoverers);
    reply_field_integer(r, "n_wanted", i->n_wanted);
    reply_field_integer(r, "n", i->n);
    reply_field_integer(r, "w", i->w);
    reply_field_integer(r, "r", i->r);
    reply_field_integer(r, "may_die", i->may_die);
    reply_field_integer(r, "vnodes", i->vnodes);
    reply_field_integer(r, "degraded", i->degraded);
    reply_field_integer(r, "unreadable", i->unreadable);
    reply_field_integer(r, "unwritable", i->unwritable);
    reply_field_integer(r, "epoch", (int64_t)i->epoch);
    reply_field_bool(r, "forming", i->forming);
}

static void reply_node(struct reply *r, const struct status_info *i)
{
    char id[ADDR_TEXT];

    reply_map(r, 13);
    reply_field_text(r, "id", node_id_text(i->node, id));
    reply_field_integer(r, "keys", (int64_t)i->world.keys);
    reply_field_integer(r, "bytes", (int64_t)i->world.bytes);
    reply_field_text(r, "disk",
                     i->refuses == 0              ? "ok"
                     : i->refuses == ERR_NO_SPACE ? "full"
                                                  : "fails");
    reply_field_integer(r, "disk_free", (int64_t)i->world.disk_free);
    reply_field_integer(r, "errors", (int64_t)i->errors);
    reply_field_integer(r, "memory", (int64_t)i->world.memory);
    reply_field_integer(r, "in_flight", (int64_t)i->in_flight);
    reply_field_integer(r, "hints", (int64_t)i->hints);
    reply_field_integer(r, "owed", (int64_t)i->owed);
    reply_field_integer(r, "recovering", i->recovering);
    reply_field_integer(r, "tombstones", (int64_t)i->tombstones);
    reply_field_integer(r, "erased", (int64_t)i->erased);
}

static void answer_status(struct reply *r, struct session_op *op, const struct result *result)
{
    const struct status_info *i = &result->status;
    uint8_t bytes[SENTENCE]; /* each reason takes 200 of it at most */
    struct buf text = {.p = bytes, .cap = sizeof bytes, .max = sizeof bytes};
    (void)op;

    verdict_text(&text, i);
    reply_map(r, 5);
    reply_field_bulk(r, "verdict", buf_view(&text));
    text.n = 0;
    warning_text(&text, i);
    reply_field_bulk(r, "warning", buf_view(&text));
    reply_field_integer(r, "code", verdict_code(i->verdict));
    reply_text(r, "cluster");
    reply_cluster(r, i);
    reply_text(r, "node");
    reply_node(r, i);
}

CMD_ASKS(cmd_status, OP_STATUS, FOLD_ONE, answer_status)
