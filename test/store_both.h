/* store_both.h: a test that runs over both stores: the memory store, and the log in a directory of
 * its own. */
#ifndef COVEY_TEST_STORE_BOTH_H
#define COVEY_TEST_STORE_BOTH_H

#include "store_fixture.h"

#include "store/mem/mem.h"

struct both {
    struct fixture *log; /* its `store` is the one under test, whichever it is */
    struct mem_disk disk;
    bool mem;
};

static inline int setup_mem(void **state)
{
    struct both *b = test_calloc(1, sizeof *b);
    b->mem = true;
    fixture_setup((void **)&b->log);
    b->log->store = mem_open(&(struct mem_options){.disk = &b->disk});
    *state = b;
    return b->log->store ? 0 : -1;
}

static inline int setup_log(void **state)
{
    struct both *b = test_calloc(1, sizeof *b);
    fixture_setup((void **)&b->log);
    fixture_open(b->log);
    *state = b;
    return 0;
}

static inline int teardown(void **state)
{
    struct both *b = *state;
    fixture_teardown((void **)&b->log);
    mem_disk_close(&b->disk);
    test_free(b);
    return 0;
}

static inline struct store_result reap(struct both *b)
{
    if (b->mem)
        mem_sync(b->log->store);
    return fixture_reap(b->log);
}

static inline struct store_result put(struct both *b, struct record r)
{
    store_put(b->log->store, r.version.stamp, &r);
    store_commit(b->log->store);
    return reap(b);
}

/* Closes the store and opens it again on what the device holds. */
static inline void reopen(struct both *b)
{
    fixture_close(b->log);
    if (b->mem)
        b->log->store = mem_open(&(struct mem_options){.disk = &b->disk});
    else
        fixture_open(b->log);
}

#endif
