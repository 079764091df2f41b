/* hints_log_state.h: the state of hints on disk. hints_log.c changes it; hints_log_open.c finds it
 * again at a start. */
#ifndef COVEY_STORE_HINTS_LOG_STATE_H
#define COVEY_STORE_HINTS_LOG_STATE_H

#include "store/hints/hints_batch.h"
#include "store/hints/hints_helper.h"
#include "store/hints/hints_log.h"

/* Whether a batch of a target is asked for, and on its way.
 *
 *     phase      comes next
 *     REST       ASKED: hints_read
 *     ASKED      FETCHING: the helper reads the next piece of the log
 *                REST: the answer is given: a batch, an error, or that nothing is kept
 *     FETCHING   ASKED: the piece is read; if it makes no answer, the next one is fetched */
enum hints_reading { HINTS_REST, HINTS_ASKED, HINTS_FETCHING };

struct hints_target {
    uint64_t id;
    struct hints_file **file; /* in the order of their numbers; the head is in the first */
    uint32_t file_n;
    uint32_t number;           /* the number of the last file that was ever made */
    uint64_t head;             /* the location up to which all is dropped */
    uint64_t waiting;          /* durable hints that are not dropped */
    uint64_t bytes;            /* of all files */
    struct buf gather;         /* hints and marks that no append has yet */
    uint32_t gather_n;         /* hints in it */
    uint64_t gather_newest_ms; /* the wall time of their newest stamp */
    bool appending;            /* the helper has an append */
    uint32_t out_n, out_bytes; /* hints and bytes in that append */
    uint8_t reading;           /* enum hints_reading */
};

struct hints_log {
    struct hints head;
    struct hints_log_options options;
    struct hints_helper helper;
    int dir;
    struct hints_target *target;
    uint32_t target_n;
    uint64_t bytes;            /* of all files of all targets */
    struct hints_result *news; /* results that wait to be reaped, but for batches */
    uint32_t news_n, news_at, news_cap;
    struct hints_batch batch;  /* the batch that was reaped last */
    struct hints_job *fetched; /* the job that holds the bytes of that batch */
};

/* The state of a target, made when it is new. NULL when memory is out. */
struct hints_target *hints_target_make(struct hints_log *l, uint64_t id);

/* A new last file of the target. Its first append makes it on the disk. NULL when memory is
 * out. */
struct hints_file *hints_file_new(struct hints_target *t, uint32_t number);

/* Whether all of a file is before the head. */
bool hints_passed(const struct hints_target *t, const struct hints_file *f);

/* Removes the files before the head; all files when no hint is left or under way. */
void hints_trim(struct hints_log *l, struct hints_target *t);

/* Queues a result: n hints have become durable; 0: something else has changed. */
void hints_add_kept(struct hints_log *l, const struct hints_target *t, uint32_t n);

struct hints_opening {
    struct hints_log *l;
    char *why; /* gets a sentence when the opening fails */
    size_t why_n;
};

/* Opens the directory, looks through all files and starts the helper. Errors as hints_log_open.
 * What it has opened by then is closed with the hints. */
int hints_open_all(const struct hints_opening *o);

#endif
