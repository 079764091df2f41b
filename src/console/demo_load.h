/* demo_load.h: the demo's data set and the pipelined client that writes and reads all of it. */
#ifndef COVEY_CONSOLE_DEMO_LOAD_H
#define COVEY_CONSOLE_DEMO_LOAD_H

#include "console/client.h"

/* The Unicode character table: key "U+0041", value the rest of its line ("LATIN CAPITAL LETTER
 * A;Lu;0;L;;;;;N;;;;0061;"). */
#define DEMO_DATA         "/usr/share/unicode/UnicodeData.txt"
#define DEMO_DATA_PACKAGE "unicode-data"

enum {
    LOAD_DEPTH = 64,        /* commands under way: a client that pipelines, not one that floods */
    RECORDS_MIN = 30 * 1000 /* fewer is not the file that we mean */
};

struct records {
    char *text; /* the file, which the values point into */
    struct slice *key;
    struct slice *value;
    char *keys; /* which the keys point into */
    uint32_t n;
};

/* Reads the data set. 0, or an errno (ENODATA: too few records). */
int records_open(struct records *r, const char *path);
void records_close(struct records *r);

/* One pass over all records, and what came of it. */
struct load {
    bool write; /* else read and compare */
    /* of the values: each rewriting makes the expected values differ from the last ones */
    unsigned generation;
    /* Called now and then with the count so far; false ends the pass. */
    bool (*progress)(void *arg, uint32_t done);
    void *arg;

    uint32_t ok, errors, wrong; /* error replies; absent or other values */
    uint64_t us;                /* it took */
    /* the first error reply, or the sentence of a connection that ended */
    char first_error[256];
    bool stopped; /* by progress */
};

/* Runs the pass over an open connection. A connection that ends makes all that is left an error. */
void load_run(struct load *l, struct client *c, const struct records *r);

#endif
