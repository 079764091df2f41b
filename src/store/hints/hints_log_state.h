/* hints_log_state.h: the bookkeeping of hints on disk, which hints_log.c keeps and hints_log_open.c
 * finds again at a start. */
#ifndef COVEY_STORE_HINTS_LOG_STATE_H
#define COVEY_STORE_HINTS_LOG_STATE_H

#include "store/hints/hints_batch.h"
#include "store/hints/hints_helper.h"
#include "store/hints/hints_log.h"

struct hints_target {
    uint64_t id;
    struct hints_file **file; /* in the order of their numbers; the first holds the head */
    uint32_t file_n, number;  /* of the last file ever made */
    uint64_t head;            /* place up to which all is dropped */
    uint64_t waiting, bytes;  /* durable hints not dropped; bytes of the files */
    struct buf gather;
    uint32_t gather_n; /* hints in it; what else there is are marks */
    uint64_t gather_newest_ms;
    uint32_t out_n, out_bytes; /* of the append that is out */
    bool appending, asked, fetching;
};

struct hints_log {
    struct hints head;
    struct hints_log_options options;
    struct hints_helper helper;
    int dir;
    struct hints_target *target;
    uint32_t target_n;
    uint64_t bytes; /* of all files */
    struct hints_result *news;
    uint32_t news_n, news_at, news_cap;
    struct hints_job *fetched; /* holds what `batch` points into */
    struct hints_batch batch;
};

/* What is known of a target, made when it is new. NULL when memory is out. */
struct hints_target *hints_target_make(struct hints_log *l, uint64_t id);

/* A new last file of the target, to be made on disk by its first append. NULL when memory is
 * out. */
struct hints_file *hints_file_new(struct hints_target *t, uint32_t number);

/* Whether all of a file is dropped. */
bool hints_passed(const struct hints_target *t, const struct hints_file *f);

/* Removes the files before the head; all of them when nothing is left or under way. */
void hints_trim(struct hints_log *l, struct hints_target *t);

/* News: n hints became durable (0: something else changed). */
void hints_tell_kept(struct hints_log *l, const struct hints_target *t, uint32_t n);

struct hints_opening {
    struct hints_log *l;
    char *why; /* a sentence, when it fails */
    size_t why_n;
};

/* Opens the directory, looks through all files and starts the helper. Errors as hints_log_open;
 * what was opened is closed with the hints. */
int hints_open_all(const struct hints_opening *o);

#endif
