#include "front/failure.h"

#include "base/error.h"

enum { TALLY = 256 }; /* bytes of the text about the owners: six phrases of 30 */

static bool is_write(enum op_kind kind)
{
    return kind == OP_PUT || kind == OP_DEL || kind == OP_EXPIRE || kind == OP_FLUSH;
}

/* Half a sentence: what it means for the client that the operation was refused before any owner
 * could have stored it. */
static const char *refused_text(enum op_kind kind, bool one_of_many)
{
    if (!is_write(kind))
        return "nothing was read";
    return one_of_many ? "this key was not changed, the command's other keys may be"
                       : "nothing was stored";
}

/* Appends how many owners did not do as they were asked, and why. */
static void tally_row(struct buf *out, unsigned n, const char *one, const char *many)
{
    if (n == 1)
        (void)buf_printf(out, "%s%s", out->n ? ", " : " (", one);
    else if (n > 1)
        (void)buf_printf(out, "%s%u %s", out->n ? ", " : " (", n, many);
}

/* Why owners did not do as they were asked: " (1 does not answer, 1 cannot use its disk)"; ""
 * when all did. */
static const char *tally_text(char text[TALLY], const struct owner_tally *t)
{
    struct buf out = {.p = (uint8_t *)text, .cap = TALLY - 1, .max = TALLY - 1};
    unsigned named =
        (unsigned)t->answered + t->full + t->failed + t->recovering + t->refused + t->away;
    tally_row(&out, t->away, "1 cannot be reached", "cannot be reached");
    tally_row(&out, t->failed, "1 cannot use its disk", "cannot use their disks");
    tally_row(&out, t->full, "1 has a full disk", "have full disks");
    tally_row(&out, t->recovering, "1 is recovering", "are recovering");
    tally_row(&out, t->refused, "1 refused", "refused");
    tally_row(&out, t->n > named ? t->n - named : 0, "1 did not answer", "did not answer");
    if (out.n)
        (void)buf_printf(&out, ")");
    text[out.n] = 0;
    return text;
}

static void no_quorum(struct reply *r, const struct result *result, const char *refused)
{
    char owners[TALLY];
    const struct owner_tally *t = &result->tally;
    unsigned reachable = t->n ? (unsigned)t->n - t->away : result->answered;
    if (t->n && reachable >= result->needed)
        reply_error(r, "NOQUORUM %u of %u needed owners answered%s; %s; try again (see STATUS)",
                    t->answered, result->needed, tally_text(owners, t), refused);
    else
        reply_error(r,
                    "NOQUORUM %u of %u needed owners are reachable; %s; try again when more "
                    "members are up (see STATUS)",
                    reachable, result->needed, refused);
}

static void unknown_outcome(struct reply *r, const struct result *result)
{
    char owners[TALLY];
    tally_text(owners, &result->tally);
    if (is_write(result->kind) && result->cause == ERR_NO_SPACE)
        reply_error(r, "UNKNOWN too few owners have room on their disk; one of them may have "
                       "stored the write all the same; free some, then write it again");
    else if (is_write(result->kind))
        reply_error(r,
                    "UNKNOWN %u of %u needed owners answered in time%s; the write may or may not "
                    "have been stored; read it back or write it again",
                    result->answered, result->needed, owners);
    else
        reply_error(r,
                    "UNKNOWN %u of %u needed owners answered in time%s; nothing was read and "
                    "nothing changed; ask again",
                    result->answered, result->needed, owners);
}

static void no_backup(struct reply *r, const struct result *result)
{
    const struct backup_info *b = &result->backup;
    if (result->error == ERR_BUSY)
        reply_error(r, "BUSY a backup to %.*s is under way: wait for it (BACKUP STATUS)",
                    (int)b->path.n, (const char *)b->path.p);
    else
        reply_error(r, "ERR %.*s", (int)b->why.n, (const char *)b->why.p);
}

void failure_loading(struct reply *r, bool claimed)
{
    if (claimed)
        reply_error(r, "LOADING this node is alone, and members of another cluster look for one of "
                       "theirs at its address: it answers nobody (STATUS says what to do)");
    else
        reply_error(r, "LOADING covey is still looking for its peers, try again (STATUS and "
                       "MEMBERS say more)");
}

/* A coordinator stamps a write only when its clock's ceiling is on its own disk: this node's
 * disk failed. */
static void unstamped(struct reply *r, const struct result *result, const char *refused)
{
    if (result->error == ERR_NO_SPACE)
        reply_error(r,
                    "NOSPACE the disk of this node is full to the last byte, so it stamps no "
                    "writes; %s; free some, or write through another node",
                    refused);
    else
        reply_error(r,
                    "IOERR the disk of this node fails, so it stamps no writes; %s; look at its "
                    "log, and write through another node",
                    refused);
}

void failure_of_result(struct reply *r, const struct result *result, bool one_of_many)
{
    const char *refused = refused_text(result->kind, one_of_many);
    char owners[TALLY];

    if (result->kind == OP_BACKUP && result->error != ERR_LOADING) {
        no_backup(r, result);
        return;
    }
    if (result->unstamped && (result->error == ERR_IO || result->error == ERR_NO_SPACE)) {
        unstamped(r, result, refused);
        return;
    }
    switch (result->error) {
    case ERR_NO_QUORUM:
        no_quorum(r, result, refused);
        return;
    case ERR_UNKNOWN_OUTCOME:
        unknown_outcome(r, result);
        return;
    case ERR_BUSY:
        reply_error(r, "BUSY this node has too much under way; %s; try again, or ask another node",
                    refused);
        return;
    case ERR_LOADING:
        reply_error(r, "LOADING covey is still looking for its peers; %s; try again", refused);
        return;
    case ERR_OTHER_CLUSTER:
        failure_loading(r, true);
        return;
    case ERR_FORMING:
        reply_error(r, "FORMING the members are agreeing on a new layout; %s; try again", refused);
        return;
    case ERR_CLOCK:
        reply_error(r,
                    "CLOCK this node's wall clock is over %d ms ahead of its peers' clocks; %s; "
                    "set the clock (NTP), or write through another node",
                    CLOCK_SKEW_MAX_MS, refused);
        return;
    case ERR_IO:
        reply_error(r,
                    "IOERR too few owners could use their disk%s; %s; look at the owners' logs "
                    "(WHERE names them)",
                    tally_text(owners, &result->tally),
                    is_write(result->kind) ? "the write may or may not have been stored" : refused);
        return;
    case ERR_NO_SPACE:
        reply_error(r, "NOSPACE too few owners have room on their disk; the write may or may not "
                       "have been stored; free some, then write it again");
        return;
    case ERR_CORRUPT:
        reply_error(r,
                    "CORRUPT the record failed its checksum at an owner; %s; look at the owners' "
                    "logs (WHERE names them)",
                    refused);
        return;
    case ERR_REFUSED:
        if (result->kind == OP_REPAIR) {
            reply_error(r, "ERR this node is no owner of that vnode, or there is none of that "
                           "number (see RING VNODES)");
            return;
        }
        /* fall through */
    default:
        reply_error(r, "ERR %s; %s", error_sentence(result->error), refused);
    }
}

void failure_here(struct reply *r, int error)
{
    r->error = 0;
    if (error == ERR_TOO_BIG)
        reply_error(r, "BUSY the reply does not fit: replies of this connection that wait to be "
                       "read are limited to 64 MiB; read them, or ask for less at once");
    else
        reply_error(r, "ERR out of memory for the reply; what the command changed is changed");
}

void failure_value_too_big(struct reply *r, size_t bytes, size_t value_max)
{
    reply_error(r,
                "ERR value is %zu bytes, the limit is %zu; start the nodes with a larger "
                "--value-max to store it",
                bytes, value_max);
}
