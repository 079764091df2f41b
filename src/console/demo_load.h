/* demo_load.h: the demo's data set, and the pipelined client that writes and reads all of it. */
#ifndef COVEY_CONSOLE_DEMO_LOAD_H
#define COVEY_CONSOLE_DEMO_LOAD_H

#include "console/client.h"

/* The Unicode character table: key "U+0041", value the rest of its line ("LATIN CAPITAL LETTER
 * A;Lu;0;L;;;;;N;;;;0061;"). */
#define DEMO_DATA         "/usr/share/unicode/UnicodeData.txt"
#define DEMO_DATA_PACKAGE "unicode-data"

enum {
    LOAD_DEPTH = 64,        /* commands under way: a usual pipeline */
    RECORDS_MIN = 30 * 1000 /* a file with fewer is another one */
};

struct records {
    char *text; /* the file; the values point into it */
    struct slice *key;
    struct slice *value;
    char *keys; /* the keys point into it */
    uint32_t n;
};

/* Reads the data set. 0, or an errno (ENODATA: too few records). */
int records_open(struct records *r, const char *path);
void records_close(struct records *r);

/* One pass over all records, and its results. */
struct load {
    bool write; /* else it reads and compares */
    /* of the values: each rewrite makes them different */
    unsigned generation;
    /* Called now and then with the number of records done; false ends the pass. */
    bool (*progress)(void *arg, uint32_t done);
    void *arg;

    uint32_t ok;
    uint32_t errors; /* error replies */
    uint32_t wrong;  /* absent or wrong values */
    uint64_t us;     /* how long the pass took */
    /* the first error reply, or why the connection ended */
    char first_error[256];
    bool stopped; /* by progress */
};

/* Runs the pass over an open connection. When the connection ends, all that is left counts as
 * errors. */
void load_run(struct load *l, struct client *c, const struct records *r);

#endif
