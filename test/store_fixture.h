/* store_fixture.h: what the tests of the stores share: a temporary directory, records made of
 * strings, and reaping that waits without sleeping. */
#ifndef COVEY_TEST_STORE_FIXTURE_H
#define COVEY_TEST_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "store/log/log.h"

enum { WAIT_S = 30 }; /* a result that takes longer than this is a failure, not a slow machine */

/* A log in a directory of its own. */
struct fixture {
    char root[64]; /* a directory that is removed at the end */
    char dir[96];  /* the data directory in it */
    struct log_options options;
    struct store *store;
    sem_t woken;
    unsigned backups_ended; /* backups that ended and were not waited for yet */
    char why[512];
    char report[1024]; /* the last sentence that the store reported */
    unsigned doubted;  /* how many slots the last STORE_DAMAGED puts in doubt */
};

static inline void fixture_wake(void *arg)
{
    sem_post(&((struct fixture *)arg)->woken);
}

static inline void fixture_report(void *arg, const char *sentence)
{
    struct fixture *f = arg;
    snprintf(f->report, sizeof f->report, "%s", sentence);
}

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/covey-store-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->dir, sizeof f->dir, "%s/data", f->root);
    f->options = (struct log_options){.dir = f->dir,
                                      .wake = fixture_wake,
                                      .wake_arg = f,
                                      .report = fixture_report,
                                      .report_arg = f};
    sem_init(&f->woken, 0, 0);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->store)
        store_close(f->store);
    nftw(f->root, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    sem_destroy(&f->woken);
    test_free(f);
    return 0;
}

static inline struct store *fixture_open(struct fixture *f)
{
    int error = log_open(&f->options, &f->store, f->why, sizeof f->why);
    if (error)
        fail_msg("log_open: %s: %s", error_name(error), f->why);
    return f->store;
}

static inline void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

/* The path of a file of the data directory. */
static inline const char *fixture_path(struct fixture *f, const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return path;
}

/* As store_reap; takes note of what answers nothing. */
static inline bool fixture_poll(struct fixture *f, struct store_result *out)
{
    while (store_reap(f->store, out)) {
        f->backups_ended += out->kind == STORE_BACKUP_ENDED;
        if (out->kind == STORE_BACKUP_ENDED)
            continue;
        if (out->kind != STORE_DAMAGED)
            return true;
        f->doubted = 0;
        for (size_t i = 0; i < out->bytes.n; i++)
            f->doubted += (unsigned)__builtin_popcount(out->bytes.p[i]);
    }
    return false;
}

/* Runs a shell command in the data directory; its exit code. */
static inline int fixture_shell(const struct fixture *f, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", f->dir, command);
    return system(line);
}

/* The next result; waits for the helpers. */
static inline struct store_result fixture_reap(struct fixture *f)
{
    struct store_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!fixture_poll(f, &out))
        if (sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("no result within %d s", WAIT_S);
    return out;
}

/* Waits until `enough` says so of the figures, which change as the helpers get on. */
static inline void fixture_until(struct fixture *f,
                                 bool (*enough)(const struct log_stats *stats, uint64_t n),
                                 uint64_t n)
{
    struct store_result out;
    struct log_stats stats;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    for (;;) {
        if (fixture_poll(f, &out))
            fail_msg("a result that nobody asked for");
        log_stats(f->store, &stats);
        if (enough(&stats, n))
            return;
        if (sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("%llu segments are gone after %d s, and the log %s",
                     (unsigned long long)stats.removed, WAIT_S,
                     stats.resting ? "rests" : "does not rest");
    }
}

static inline bool fixture_has_compacted(const struct log_stats *stats, uint64_t n)
{
    return stats->removed >= n;
}

/* Waits until n segments have been compacted since the opening and are gone. There may be more to
 * do. */
static inline void fixture_until_compacted(struct fixture *f, uint64_t n)
{
    fixture_until(f, fixture_has_compacted, n);
}

static inline bool fixture_rests(const struct log_stats *stats, uint64_t n)
{
    (void)n;
    return stats->resting;
}

/* Waits until there is nothing to do: however slow the helpers are, the same is left. */
static inline void fixture_until_rested(struct fixture *f)
{
    fixture_until(f, fixture_rests, 0);
}

static inline struct version version_at(uint64_t stamp, uint64_t node, struct slice value)
{
    return (struct version){.stamp = stamp, .node = node, .digest = hash_bytes(value)};
}

static inline struct record value_record(struct slice key, struct slice value, uint64_t stamp)
{
    return (struct record){
        .kind = RECORD_VALUE, .version = version_at(stamp, 7, value), .key = key, .value = value};
}

static inline struct record tombstone_record(struct slice key, uint64_t stamp)
{
    return (struct record){
        .kind = RECORD_TOMBSTONE, .version = {.stamp = stamp, .node = 7, .deleted = 1}, .key = key};
}

static inline struct record state_record(struct slice name, struct slice value, uint64_t serial)
{
    return (struct record){
        .kind = RECORD_STATE, .version = version_at(serial, 0, value), .key = name, .value = value};
}

/* Puts one record and waits for its result. */
static inline struct store_result fixture_put(struct fixture *f, struct record r)
{
    store_put(f->store, r.version.stamp, &r);
    store_commit(f->store);
    struct store_result out = fixture_reap(f);
    assert_int_equal(out.kind, STORE_PUT_DONE);
    assert_int_equal(out.token, r.version.stamp);
    return out;
}

static inline struct store_result fixture_get(struct fixture *f, struct slice key,
                                              enum get_wants wants)
{
    store_get(f->store, 99, key, wants);
    struct store_result out = fixture_reap(f);
    assert_int_equal(out.kind, STORE_GET_DONE);
    assert_int_equal(out.token, 99);
    return out;
}

/* Asserts that a key has this value. */
static inline void fixture_expect(struct fixture *f, struct slice key, struct slice value)
{
    struct store_result got = fixture_get(f, key, GET_VALUE);
    assert_int_equal(got.error, 0);
    assert_int_equal(got.record.kind, RECORD_VALUE);
    assert_true(slice_eq(got.record.key, key));
    assert_int_equal(got.size, value.n);
    assert_true(slice_eq(got.record.value, value));
}

/* "name-17" in a buffer of the caller's; as a key, or as a text like any. */
static inline struct slice numbered(char out[32], const char *name, unsigned number)
{
    out[0] = 0;
    return slice_of(out, 1 + (size_t)snprintf(out + 1, 31, "%s-%u", name, number));
}

static inline struct slice numbered_text(char out[32], const char *name, unsigned number)
{
    return slice_of(out, (size_t)snprintf(out, 32, "%s-%u", name, number));
}

#endif
