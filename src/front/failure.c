#include "front/failure.h"

#include "base/error.h"

static bool is_write(enum op_kind kind)
{
    return kind == OP_PUT || kind == OP_DEL || kind == OP_EXPIRE || kind == OP_FLUSH;
}

/* Refused before any owner could have stored it: the half sentence that says what that means for the client. */
static const char *refused_text(enum op_kind kind, bool one_of_many)
{
    if (!is_write(kind))
        return "nothing was read";
    return one_of_many ? "this key was not changed, the command's other keys may be" : "nothing was stored";
}

static void no_quorum(struct reply *r, const struct result *result, const char *refused)
{
    reply_error(r, "NOQUORUM %u of %u needed owners are reachable; %s; try again when more members are up (see STATUS)",
                result->answered, result->needed, refused);
}

static void unknown_outcome(struct reply *r, const struct result *result)
{
    if (is_write(result->kind) && result->cause == ERR_NO_SPACE)
        reply_error(r, "UNKNOWN too few owners have room on their disk; one of them may have stored the write all the same; "
                       "free some, then write it again");
    else if (is_write(result->kind))
        reply_error(r,
                    "UNKNOWN %u of %u needed owners answered in time; the write may or may not have been stored; "
                    "read it back or write it again",
                    result->answered, result->needed);
    else
        reply_error(r, "UNKNOWN %u of %u needed owners answered in time; nothing was read and nothing changed; ask again",
                    result->answered, result->needed);
}

static void no_backup(struct reply *r, const struct result *result)
{
    const struct backup_info *b = &result->backup;
    if (result->error == ERR_BUSY)
        reply_error(r, "BUSY a backup to %.*s is under way: wait for it (BACKUP STATUS)", (int)b->path.n,
                    (const char *)b->path.p);
    else
        reply_error(r, "ERR %.*s", (int)b->why.n, (const char *)b->why.p);
}

void failure_loading(struct reply *r, bool claimed)
{
    if (claimed)
        reply_error(r, "LOADING this node is alone, and members of another cluster look for one of theirs at its address: "
                       "it answers nobody (STATUS says what to do)");
    else
        reply_error(r, "LOADING covey is still looking for its peers, try again (STATUS and MEMBERS say more)");
}

void failure_of_result(struct reply *r, const struct result *result, bool one_of_many)
{
    const char *refused = refused_text(result->kind, one_of_many);

    if (result->kind == OP_BACKUP && result->error != ERR_LOADING) {
        no_backup(r, result);
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
        reply_error(r, "BUSY this node has too much under way; %s; try again, or ask another node", refused);
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
                    "CLOCK this node's wall clock is over %d ms ahead of its peers' clocks; %s; set the clock (NTP), "
                    "or write through another node",
                    CLOCK_SKEW_MAX_MS, refused);
        return;
    case ERR_IO:
        reply_error(r, "IOERR too few owners could use their disk; %s; look at the owners' logs (WHERE names them)",
                    is_write(result->kind) ? "the write may or may not have been stored" : refused);
        return;
    case ERR_NO_SPACE:
        reply_error(r, "NOSPACE too few owners have room on their disk; the write may or may not have been stored; "
                       "free some, then write it again");
        return;
    case ERR_CORRUPT:
        reply_error(r, "CORRUPT the record failed its checksum at an owner; %s; look at the owners' logs (WHERE names them)",
                    refused);
        return;
    case ERR_REFUSED:
        if (result->kind == OP_REPAIR) {
            reply_error(r, "ERR this node is no owner of that vnode, or there is none of that number (see RING VNODES)");
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
        reply_error(r, "BUSY the reply does not fit: replies of this connection that wait to be read are limited to 64 MiB; "
                       "read them, or ask for less at once");
    else
        reply_error(r, "ERR out of memory for the reply; what the command changed is changed");
}

void failure_value_too_big(struct reply *r, size_t bytes, size_t value_max)
{
    reply_error(r, "ERR value is %zu bytes, the limit is %zu; start the nodes with a larger --value-max to store it", bytes,
                value_max);
}
