/* check.h: looks through a data directory that no node uses, or a backup, and reports what is wrong
 * and where. Changes nothing in it. */
#ifndef COVEY_STORE_CHECK_H
#define COVEY_STORE_CHECK_H

enum check_result {
    CHECK_CLEAN = 0,
    CHECK_DAMAGED = 1,    /* something that was durable is damaged or missing */
    CHECK_UNREADABLE = 2, /* it is no data directory, is in use, or cannot be read */
};

/* Each finding is a line that goes to `say`; the last line is the verdict. */
enum check_result check_directory(const char *path, void (*say)(void *arg, const char *line),
                                  void *arg);

#endif
