/* log_inner.h: what the files of the log share (log.c says which is which). Others use log.h. */
#ifndef COVEY_STORE_LOG_INNER_H
#define COVEY_STORE_LOG_INNER_H

#include "store/log/log.h"

#include "store/archive/backup.h"
#include "store/log/cache.h"
#include "store/log/commit.h"
#include "store/log/dir.h"
#include "store/log/doubt.h"
#include "store/log_io.h"
#include "store/log/reader.h"
#include "store/log/segments.h"
#include "store/table/table.h"
#include "store/log/upkeep.h"

struct log {
    struct store head;
    struct table table;
    struct cache cache; /* of values read */
    struct group group[2];
    struct group *gather; /* being filled */
    struct group *out;    /* with the committer; NULL: none */
    bool flushed;         /* the gathering group may go */
    int failed;           /* every put is refused with it until there is a fresh segment; 0: none */
    struct segments segments;
    struct reserve reserve;
    struct upkeep upkeep;
    struct backup backup;
    uint64_t slow_until_us; /* a write of the loop took long: until then the committer writes */
    uint64_t list_serial;   /* of the list of segments that is on its way; 0: none */
    /* the node's own records do not all stand in the active segment, or may not */
    bool owes_states;
    uint64_t states_serial;   /* of the end of those on their way there; 0: none are */
    struct buf record, value; /* the value last read: as stored, and uncompressed */
    struct committer committer;
    struct reader reader;
    struct dir dir;
    struct log_options options; /* dir is not kept */
    const struct log_io *io;
    uint64_t torn_bytes, replayed_bytes;
    struct doubt doubt;
    struct buf lost_states; /* as replay.h leaves them */
    bool relist;            /* segments are missing that the list names */
};

extern const struct store_vtable log_vtable; /* log.c */

static inline struct log *log_of(struct store *s)
{
    return (struct log *)s;
}

static inline struct segment *log_active(const struct log *l)
{
    return l->segments.active;
}

/* Tells the operator. */
static inline void log_report(const struct log *l, const char *sentence)
{
    if (l->options.report)
        l->options.report(l->options.report_arg, sentence);
}

/* ---- log_write.c ---- */

void log_put(struct store *s, uint64_t token, const struct record *r, struct put_origin origin);
void log_commit(struct store *s);

/* Takes back what the committer has finished, and sends the next group on its way. */
void log_collect(struct log *l);

/* Blocks until no group is out or waiting. */
void log_settle(struct log *l);

/* Ends the active segment: `fresh`, which becomes the log's, is written to from now on. There is a
 * slot for it. */
void log_retire(struct log *l, struct segment *fresh);

/* ---- log_read.c ---- */

/* The next answer to a question, read from the disk where it must be. False when there is none
 * now. */
bool log_read(struct log *l, struct store_result *out);

/* ---- log_states.c ---- */

/* The active segment is another one: it owes the node's own records, which are put before long. */
void log_owe_states(struct log *l);

/* At an opening: whether the active segment owes them. */
void log_look_at_states(struct log *l);

/* Adds all of the node's own records to the gathering group, where that is owed and no group is
 * out. True when that group is to be flushed. */
bool log_renew_states(struct log *l);

/* Whether those on their way have arrived, or are lost. */
void log_look_for_states(struct log *l);

/* ---- log_tend.c ---- */

/* Adds a state record of the log's own to the gathering group. Returns its serial; 0 when there is
 * no room for it. */
uint64_t log_gather_own(struct log *l, struct slice name, struct slice value);

/* Puts the list of the segments in use, so that the others may go; after a failed sync too, for
 * then a fresh segment must be made though nobody writes. */
void log_put_list(struct log *l);

/* Whether the list that is on its way has arrived, or is lost: the upkeep is told. */
void log_look_for_list(struct log *l);

/* A slice of what is to be done beside reads and writes; the owner is woken when there is more. */
void log_keep_up(struct log *l);

/* ---- log_open.c ---- */

void log_close(struct store *s);

#endif
