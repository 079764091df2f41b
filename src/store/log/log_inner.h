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
    struct group *gather; /* the group being filled */
    struct group *out;    /* the group that is with the committer; NULL: none */
    bool committing;      /* the gathering group may go as soon as no group is out */
    int failed;           /* error of every put until there is a fresh segment; 0: puts are taken */
    struct segments segments;
    struct reserve reserve;
    struct upkeep upkeep;
    struct backup backup;
    uint64_t slow_until_us; /* a write of the loop took long: until then the committer writes */
    uint64_t list_serial;   /* serial of the list of segments that is on its way; 0: none is */
    bool owes_states;       /* the active segment may lack some of the node's own records */
    uint64_t states_serial; /* serial of the end of those on their way there; 0: none are */
    struct buf record;      /* the value last read, as stored */
    struct buf value;       /* the same, uncompressed */
    struct committer committer;
    struct reader reader;
    struct dir dir;
    struct log_options options; /* without `dir`, which was the caller's */
    const struct log_io *io;
    uint64_t torn_bytes, replayed_bytes; /* see struct log_stats */
    struct doubt doubt;
    struct buf lost_states; /* states whose newest record is damaged, as replay.h leaves them */
    bool relist;            /* the list names segments that are missing */
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

/* Reports to the operator. */
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

/* Whether no group is out or waiting: then a record that was put and is not visible was not
 * written. */
static inline bool log_idle(const struct log *l)
{
    return !l->out && !l->committing;
}

/* Ends the active segment: puts go to `fresh` from now on, which becomes the log's. An ordinal is
 * free for it. */
void log_retire(struct log *l, struct segment *fresh);

/* ---- log_read.c ---- */

/* The next answer to a question, with its value read from the disk where it must be. False when
 * there is none now. */
bool log_read(struct log *l, struct store_result *out);

/* ---- log_states.c ---- */

/* The active segment is a fresh one: it owes the node's own records, which are put before long. */
void log_owe_states(struct log *l);

/* At an opening: finds out whether the active segment owes them. */
void log_look_at_states(struct log *l);

/* Adds all of the node's own records to the gathering group, where that is owed and no group is
 * out. True when it did, and the group is to be committed. */
bool log_renew_states(struct log *l);

/* Finds out whether the records that were on their way are durable, or were not written. */
void log_look_for_states(struct log *l);

/* ---- log_tend.c ---- */

/* Adds a state record of the log's own to the gathering group. Returns its serial; 0 when there is
 * no room for it. */
uint64_t log_gather_own(struct log *l, struct slice name, struct slice value);

/* Puts the list of the segments in use, so that the others may go. A failed sync calls this too:
 * then a fresh segment must be made, though nobody puts anything. */
void log_put_list(struct log *l);

/* Finds out whether the list that was on its way is durable, or was not written. */
void log_look_for_list(struct log *l);

/* A slice of what is to be done beside reads and writes. Wakes the owner when there is more. */
void log_keep_up(struct log *l);

/* ---- log_open.c ---- */

void log_close(struct store *s);

#endif
