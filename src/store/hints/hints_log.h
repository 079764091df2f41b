/* hints_log.h: hints on disk, in DIR/hints. hints_file.h describes the files. The lock of the data
 * directory (store/log/log.h) protects them too, so the log is opened first. */
#ifndef COVEY_STORE_HINTS_LOG_H
#define COVEY_STORE_HINTS_LOG_H

#include "store/hints.h"
#include "store/log_io.h"

struct hints_log_options {
    const char *dir;           /* the data directory; exists */
    uint64_t target_bytes_max; /* bytes of one target; 0: HINTS_TARGET_BYTES_DEFAULT */
    uint64_t bytes_max;        /* bytes of all targets; 0: HINTS_BYTES_DEFAULT */
    /* Called on the helper thread when results may be waiting. It must not block. NULL: the owner
     * polls. */
    void (*wake)(void *arg);
    void *wake_arg;
    void (*report)(void *arg, const char *sentence); /* for the operator; may be NULL */
    void *report_arg;
    const struct log_io *io; /* NULL: the real system calls; outlives the hints */
};

/* Opens the hints in a directory, and looks through all of them. 0; or ERR_IO, ERR_NO_SPACE,
 * ERR_BAD_FORMAT or ERR_NO_MEMORY: then `why` (size why_n) has a sentence. */
int hints_log_open(const struct hints_log_options *options, struct hints **out, char *why,
                   size_t why_n);

/* Blocks until all that was submitted is durable; for a clean stop. */
void hints_log_drain(struct hints *h);

#endif
