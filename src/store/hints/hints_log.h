/* hints_log.h: hints on disk, in DIR/hints; hints_file.h describes the files. The data directory's
 * lock (store/log/log.h) covers them: open the log first. */
#ifndef COVEY_STORE_HINTS_LOG_H
#define COVEY_STORE_HINTS_LOG_H

#include "store/hints.h"
#include "store/log_io.h"

struct hints_log_options {
    const char *dir;           /* the data directory; exists */
    uint64_t target_bytes_max; /* 0: HINTS_TARGET_BYTES_DEFAULT */
    uint64_t bytes_max;        /* of all targets; 0: HINTS_BYTES_DEFAULT */
    /* called on the helper thread when results may be waiting; must not wait. NULL: the owner
     * polls */
    void (*wake)(void *arg);
    void *wake_arg;
    void (*report)(void *arg, const char *sentence); /* what an operator should know; may be NULL */
    void *report_arg;
    const struct log_io *io; /* NULL: the real system calls; must outlive the hints */
};

/* Opens what is kept, looking through all of it. 0, or ERR_IO, ERR_NO_SPACE, ERR_BAD_FORMAT,
 * ERR_NO_MEMORY; then `why` (size why_n) holds a sentence. */
int hints_log_open(const struct hints_log_options *options, struct hints **out, char *why,
                   size_t why_n);

/* Blocks until everything submitted is durable, at a clean stop. */
void hints_log_drain(struct hints *h);

#endif
