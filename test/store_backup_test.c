/* Backups: of one moment, complete or not there, merged by version, and refused when a single byte
 * is wrong. */
#include "store_fault.h"

#include <dirent.h>

#include "base/hlc.h"
#include "store/archive/backup.h"
#include "store/archive/check.h"
#include "store/archive/merged.h"
#include "store/archive/restore.h"

enum { KEYS = 120, MEMBER = 0x11 };

static const struct cluster_id OURS = {{1, 2, 3}}, OTHERS = {{9}};

/* ---- Making one ---- */

/* A path beside the data directory. */
static const char *beside(const struct fixture *f, const char *name)
{
    static char path[8][160];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", f->root, name);
    return p;
}

static struct store_result begin_for(struct fixture *f, const char *path, struct cluster_id cluster)
{
    struct backup_ask ask = {.path = slice_str(path),
                             .cluster = cluster,
                             .member = MEMBER,
                             .taken_ms = 1000,
                             .complete = true};
    store_backup(f->store, 7, &ask);
    struct store_result out = fixture_reap(f);
    assert_int_equal(out.kind, STORE_BACKUP_BEGUN);
    assert_int_equal(out.token, 7);
    return out;
}

static int begin(struct fixture *f, const char *path)
{
    return begin_for(f, path, OURS).error;
}

/* The answer about the backup under way, or the last one. */
static const struct backup_info *status(struct fixture *f)
{
    store_backup(f->store, 8, &(struct backup_ask){.status = true});
    struct store_result out = fixture_reap(f);
    assert_int_equal(out.kind, STORE_BACKUP_TOLD);
    assert_int_equal(out.token, 8);
    assert_int_equal(out.error, 0);
    return out.backup;
}

/* Until it has ended: how. */
static const struct backup_info *await(struct fixture *f)
{
    struct store_result out;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    while (!f->backups_ended) {
        assert_false(fixture_poll(f, &out));
        if (!f->backups_ended && sem_timedwait(&f->woken, &end) != 0 && errno == ETIMEDOUT)
            fail_msg("no backup within %d s", WAIT_S);
    }
    f->backups_ended--;
    const struct backup_info *info = status(f);
    assert_false(info->running);
    return info;
}

static void make(struct fixture *f, const char *path)
{
    assert_int_equal(begin(f, path), 0);
    const struct backup_info *info = await(f);
    if (info->error)
        fail_msg("%s", (const char *)info->why.p);
    assert_int_equal(info->files_done, info->files);
    assert_int_equal(info->bytes_done, info->bytes);
}

/* How many entries a directory has. */
static unsigned entries(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

/* ---- What they hold ---- */

static struct {
    unsigned n;
    unsigned number[KEYS]; /* of each key's value; 0: none */
    uint64_t expiry_ms[KEYS];
} found;

static int find(void *arg, const struct record *r)
{
    char key[64] = "";
    (void)arg;
    struct slice name = key_name(r->key);
    assert_true(name.n < sizeof key);
    memcpy(key, name.p, name.n);
    unsigned i = (unsigned)atoi(key + 4);
    assert_true(i < KEYS && found.number[i] == 0);
    memcpy(key, r->value.p, r->value.n);
    key[r->value.n] = 0;
    found.number[i] = (unsigned)atoi(key + 6);
    found.expiry_ms[i] = r->expiry_ms;
    found.n++;
    return 0;
}

static struct merged merged;

/* Reads some backups (up to a NULL) into `found`; the error. */
static int read_all(const char *const *path)
{
    char *list[4];
    unsigned n = 0;
    for (; path[n]; n++)
        list[n] = (char *)(uintptr_t)path[n];
    memset(&found, 0, sizeof found);
    memset(&merged, 0, sizeof merged);
    int error = merged_open(&merged, list, n);
    if (!error)
        error = merged_each(&merged, find, NULL);
    merged_close(&merged);
    return error;
}

#define READ(...) read_all((const char *const[]){__VA_ARGS__, NULL})

static void put(struct fixture *f, unsigned i, unsigned number)
{
    char key[32], value[32];
    struct store_result out = fixture_put(
        f, value_record(numbered(key, "key", i), numbered_text(value, "value", number), number));
    assert_int_equal(out.error, 0);
}

/* ---- The manifest ---- */

static void the_manifest_has_one_spelling(void **state)
{
    struct buf text;
    struct manifest m = {.cluster = OURS,
                         .member = MEMBER,
                         .taken_ms = 77,
                         .complete = true,
                         .keys = 5,
                         .file_n = 2},
                    again;
    struct manifest_file f = {1, 64, 0xabcdef}, g = {9, UINT32_MAX, UINT64_MAX}, got;
    (void)state;
    buf_init(&text, MANIFEST_MAX);
    assert_int_equal(manifest_begin(&text, &m) | manifest_add(&text, &f) | manifest_add(&text, &g) |
                         manifest_end(&text),
                     0);
    assert_int_equal(manifest_decode(buf_view(&text), &again), 0);
    assert_true(cluster_id_eq(again.cluster, OURS) && again.member == MEMBER &&
                again.taken_ms == 77 && again.complete);
    assert_true(again.keys == 5 && again.file_n == 2);
    assert_true(manifest_next(&again.files, &got) && got.number == 1 && got.size == 64 &&
                got.sum == 0xabcdef);
    assert_true(manifest_next(&again.files, &got) && got.number == 9 && got.size == UINT32_MAX &&
                got.sum == UINT64_MAX);
    assert_false(manifest_next(&again.files, &got));
    for (size_t i = 0; i < text.n; i++) {
        assert_int_not_equal(manifest_decode(slice_of(text.p, i), &again), 0);
        text.p[i] ^= 1;
        int error = manifest_decode(buf_view(&text), &again);
        /* the format's own digit */
        assert_int_equal(error, i == 13 ? ERR_BAD_FORMAT : ERR_CORRUPT);
        text.p[i] ^= 1;
    }
    buf_close(&text);
}

/* ---- One moment ---- */

/* Overwrites go on while it is taken, and compaction removes the files that it is taken of: it has
 * what was there when it began, of every key, and nothing that came later. */
static void check_one_moment(struct fixture *f)
{
    unsigned want[KEYS] = {0}, number = 0;
    f->options.segment_bytes = 3000;
    fixture_open(f);
    for (unsigned i = 0; i < 4 * KEYS; i++)
        put(f, i * 7 % KEYS, want[i * 7 % KEYS] = ++number);
    assert_int_equal(begin(f, beside(f, "monday")), 0);
    assert_int_equal(begin(f, beside(f, "tuesday")), ERR_BUSY);
    for (unsigned i = 0; i < 8 * KEYS; i++)
        put(f, i % KEYS, ++number);
    assert_int_equal(await(f)->error, 0);
    fixture_until_rested(f);
    /* what was pinned is gone */
    assert_int_equal(access(fixture_path(f, "seg-00000001.log"), F_OK), -1);
    assert_int_equal(READ(beside(f, "monday")), 0);
    assert_int_equal(found.n, KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(found.number[i], want[i]);
    assert_int_equal(entries(f->root), 2);
}

static void it_is_of_one_moment(void **state)
{
    check_one_moment(*state);
}

/* What is visible counts, not what is synced: the copy is synced itself. */
static void in_interval_mode_too(void **state)
{
    struct fixture *f = *state;
    f->options.durability = DURABILITY_INTERVAL;
    check_one_moment(f);
}

/* Files that have ended are linked, not copied, as long as they are there. */
static void what_has_ended_is_linked(void **state)
{
    struct fixture *f = *state;
    struct stat ours, theirs;
    f->options.segment_bytes = 3000;
    fixture_open(f);
    for (unsigned i = 0; i < KEYS; i++)
        put(f, i, i + 1);
    make(f, beside(f, "monday"));
    assert_int_equal(stat(fixture_path(f, "seg-00000001.log"), &ours), 0);
    assert_int_equal(stat(beside(f, "monday/seg-00000001.log"), &theirs), 0);
    assert_int_equal(ours.st_ino, theirs.st_ino);
    /* a restart cuts tails and goes on writing: none of it may reach the backup */
    fixture_close(f);
    fixture_open(f);
    put(f, 0, 1000);
    assert_int_equal(READ(beside(f, "monday")), 0);
    assert_int_equal(found.n, KEYS);
    assert_int_equal(found.number[0], 1);
    make(f, beside(f, "tuesday"));
    assert_int_equal(READ(beside(f, "tuesday")), 0);
    assert_int_equal(found.number[0], 1000);
}

/* Where there can be no links, on another file system, all is copied. */
static void elsewhere_all_is_copied(void **state)
{
    struct fixture *f = *state;
    struct stat here, there;
    char root[] = "/dev/shm/covey-backup-XXXXXX", path[64];
    if (!mkdtemp(root)) {
        print_message("skipped: nothing can be made in /dev/shm\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/monday", root);
    f->options.segment_bytes = 3000;
    fixture_open(f);
    for (unsigned i = 0; i < KEYS; i++)
        put(f, i, i + 1);
    make(f, path);
    assert_int_equal(READ(path), 0);
    assert_int_equal(stat(root, &there) | stat(f->root, &here), 0);
    nftw(root, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    /* else this was no test: damage another place */
    assert_int_not_equal(here.st_dev, there.st_dev);
    assert_int_equal(found.n, KEYS);
}

/* ---- Whole or not there ---- */

static void bad_paths_are_refused(void **state)
{
    struct fixture *f = *state;
    char own[160], long_name[300] = "/tmp/", long_path[BACKUP_PATH_MAX + 100] = "/tmp/";
    memset(long_name + 5, 'x', 290);
    for (unsigned i = 5; i < sizeof long_path - 1; i++)
        long_path[i] = i % 100 ? 'x' : '/';
    fixture_open(f);
    put(f, 1, 1);
    const char *const now[] = {"", "monday", "/", "/tmp/..", "/tmp/.", long_name, long_path};
    for (unsigned i = 0; i < sizeof now / sizeof now[0]; i++) {
        struct store_result out = begin_for(f, now[i], OURS);
        assert_int_equal(out.error, ERR_REFUSED);
        assert_non_null(strstr((const char *)out.backup->why.p, "name one like"));
    }
    snprintf(own, sizeof own, "%s/inside", f->dir);
    const char *const later[] = {f->dir, own, beside(f, "no/such/parent")};
    for (unsigned i = 0; i < sizeof later / sizeof later[0]; i++) {
        assert_int_equal(begin(f, later[i]), 0);
        const struct backup_info *info = await(f);
        assert_int_equal(info->error, ERR_REFUSED);
        assert_non_null(strstr((const char *)info->why.p, later[i]));
    }
    assert_int_equal(entries(f->root), 1);
    make(f, beside(f, "monday/")); /* a slash at the end is no harm */
    assert_int_equal(READ(beside(f, "monday")), 0);
}

/* A refusal is for its asker alone: later answers are of the last backup that began. */
static void a_refusal_is_for_its_asker(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    put(f, 1, 1);
    assert_int_equal(begin(f, "nowhere"), ERR_REFUSED);
    assert_int_equal(status(f)->taken_ms, 0); /* there was none */
    assert_int_equal(status(f)->why.n, 0);
    make(f, beside(f, "monday"));
    assert_int_equal(begin(f, "nowhere"), ERR_REFUSED);
    const struct backup_info *info = status(f);
    assert_int_equal(info->error, 0);
    assert_int_equal(info->why.n, 0);
    assert_int_equal(info->taken_ms, 1000);
    assert_true(slice_eq(info->path, slice_str(beside(f, "monday"))));
    assert_int_equal(begin(f, beside(f, "monday")), 0); /* only the disk says that there is one */
    assert_non_null(strstr((const char *)await(f)->why.p, "exists already"));
    assert_int_equal(begin(f, "nowhere"), ERR_REFUSED);
    assert_int_equal(status(f)->error, ERR_REFUSED);
    assert_non_null(strstr((const char *)status(f)->why.p, "exists already"));
}

/* Each question has its own answer, in order, also of those that wait together. */
static void answers_come_in_order(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    put(f, 1, 1);
    const char *const path[] = {"first", "second", beside(f, "monday"), "fourth"};
    for (unsigned i = 0; i < 4; i++)
        store_backup(
            f->store, i,
            &(struct backup_ask){.path = slice_str(path[i]), .member = MEMBER, .taken_ms = 1000});
    for (unsigned i = 0; i < 4; i++) {
        struct store_result out = fixture_reap(f);
        assert_int_equal(out.token, i);
        assert_int_equal(out.error, i < 2 ? ERR_REFUSED : i == 2 ? 0 : ERR_BUSY);
        if (out.error == ERR_REFUSED)
            assert_non_null(strstr((const char *)out.backup->why.p, path[i]));
    }
    assert_int_equal(await(f)->error, 0);
}

/* Each write, sync and rename of it fails once: the sentence says so, nothing is left, and the next
 * one is complete. */
static void a_failure_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    f->options.segment_bytes = 3000;
    open_faulty(f);
    for (unsigned i = 0; i < KEYS; i++)
        put(f, i, i + 1);
    unsigned failures = 0;
    for (int n = 1;; n++) {
        fault.number = n % 2 ? ENOSPC : EIO;
        fault.call_fails = n;
        assert_int_equal(begin(f, beside(f, "monday")), 0);
        const struct backup_info *info = await(f);
        fault.call_fails = 0;
        if (info->error == 0)
            break;
        failures++;
        assert_int_equal(info->error, n % 2 ? ERR_NO_SPACE : ERR_IO);
        assert_non_null(
            strstr((const char *)info->why.p, n % 2 ? "no room" : "Input/output error"));
        assert_int_equal(entries(f->root), 1);
    }
    /* the tail: write, sync; manifest: write, sync; directory; rename; parent */
    assert_true(failures >= 6);
    assert_int_equal(READ(beside(f, "monday")), 0);
    assert_int_equal(found.n, KEYS);
}

static void a_backup_that_was_cut_short_is_cleared(void **state)
{
    struct fixture *f = *state;
    char left[160];
    fixture_open(f);
    put(f, 1, 1);
    snprintf(left, sizeof left, "%s/sunday.partial-%016x", f->root, MEMBER);
    assert_int_equal(mkdir(left, 0700), 0);
    strcat(left, "/seg-00000001.log");
    close(open(left, O_CREAT | O_WRONLY, 0600));
    make(f, beside(f, "monday"));
    assert_int_equal(entries(f->root), 2);
    assert_int_equal(begin(f, beside(f, "tuesday")), 0);
    fixture_close(f); /* whether it was complete by then or not */
    unsigned n = access(beside(f, "tuesday/" MANIFEST_NAME), F_OK) == 0 ? 3 : 2;
    assert_int_equal(entries(f->root), n);
}

/* ---- Merging ---- */

/* The second member's log, in the same fixture; the first one's backup is made and closed. */
static void second_member(struct fixture *f, const char *first)
{
    make(f, first);
    fixture_close(f);
    nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    fixture_open(f);
}

static void the_greatest_version_counts(void **state)
{
    struct fixture *f = *state;
    struct record r;
    fixture_open(f);
    put(f, 1, 10);
    put(f, 2, 21);
    put(f, 3, 30);
    put(f, 4, 40);
    put(f, 5, 50);
    fixture_put(f, tombstone_record(KEY_OF("key-2"), 20));
    second_member(f, beside(f, "a"));
    put(f, 1, 11);
    put(f, 2, 20);
    fixture_put(f, tombstone_record(KEY_OF("key-3"), 31));
    put(f, 4, 40);
    r = (struct record){.kind = RECORD_VALUE,
                        .version = version_at(40, 7, SLICE("value-40")),
                        .expiry_ms = 99,
                        .key = KEY_OF("key-4"),
                        .value = SLICE("value-40")};
    r.version.expiry_stamp = 41;
    store_put(f->store, 1, &r);
    store_commit(f->store);
    assert_int_equal(fixture_reap(f).error, 0);
    make(f, beside(f, "b"));
    for (unsigned turn = 0; turn < 2; turn++) { /* in whatever order */
        assert_int_equal(READ(beside(f, turn ? "b" : "a"), beside(f, turn ? "a" : "b")), 0);
        assert_int_equal(found.n, 4);
        assert_int_equal(found.number[1], 11);
        assert_int_equal(found.number[2], 21);
        assert_int_equal(found.number[3], 0);
        assert_true(found.number[4] == 40 && found.expiry_ms[4] == 99);
        assert_int_equal(found.number[5], 50);
        assert_int_equal(merged.greatest, 50);
    }
}

static void what_was_flushed_stays_away(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    put(f, 1, 10);
    put(f, 2, 20);
    second_member(f, beside(f, "a"));
    struct record flush = {.kind = RECORD_FLUSH,
                           .version = {.stamp = 15, .deleted = 1},
                           .value = FLUSH_EVERYTHING_BYTES};
    store_put(f->store, 1, &flush);
    store_commit(f->store);
    assert_int_equal(fixture_reap(f).error, 0);
    make(f, beside(f, "b"));
    assert_int_equal(READ(beside(f, "a"), beside(f, "b")), 0);
    assert_true(found.n == 1 && found.number[2] == 20);
}

/* ---- What is wrong is named ---- */

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x04;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static char last_line[4096];

static void keep_line(void *arg, const char *line)
{
    (void)arg;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void every_flipped_bit_is_found(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    static const char *const name[] = {"monday/seg-00000001.log", "monday/" MANIFEST_NAME};
    fixture_open(f);
    for (unsigned i = 0; i < 20; i++)
        put(f, i, i + 1);
    make(f, beside(f, "monday"));
    fixture_close(f);
    assert_int_equal(check_directory(beside(f, "monday"), keep_line, NULL), CHECK_CLEAN);
    for (unsigned k = 0; k < 2; k++) {
        char path[160];
        snprintf(path, sizeof path, "%s", beside(f, name[k]));
        assert_int_equal(stat(path, &st), 0);
        for (off_t at = 0; at < st.st_size; at += 5) {
            flip(path, at);
            assert_int_not_equal(READ(beside(f, "monday")), 0);
            assert_non_null(strstr(merged.why, k && at > 12 ? MANIFEST_NAME
                                               : k          ? "monday"
                                                            : "seg-00000001.log"));
            flip(path, at);
        }
        flip(path, 30);
        assert_int_equal(check_directory(beside(f, "monday"), keep_line, NULL), CHECK_DAMAGED);
        flip(path, 30);
    }
    assert_int_equal(truncate(beside(f, name[0]), st.st_size), 0);
    assert_int_equal(READ(beside(f, "monday")), ERR_CORRUPT);
    assert_int_equal(unlink(beside(f, name[0])), 0);
    assert_int_equal(READ(beside(f, "monday")), ERR_CORRUPT);
    assert_non_null(strstr(merged.why, "seg-00000001.log"));
    assert_int_equal(READ(f->dir), ERR_IO);
    assert_non_null(strstr(merged.why, "is no backup"));
}

/* Of a manifest of the former format nothing else is believed. */
static void the_former_format_is_refused(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    put(f, 1, 1);
    make(f, beside(f, "monday"));
    int fd = open(beside(f, "monday/" MANIFEST_NAME), O_RDWR);
    assert_int_equal(pwrite(fd, "1", 1, 13), 1);
    close(fd);
    assert_int_equal(READ(beside(f, "monday")), ERR_BAD_FORMAT);
    assert_non_null(strstr(merged.why, "monday/MANIFEST has format version 1; this release knows "
                                       "version 2: use the one that made it"));
    assert_int_equal(check_directory(beside(f, "monday"), keep_line, NULL), CHECK_UNREADABLE);
    assert_non_null(strstr(last_line, "has format version 1"));
}

static void other_clusters_are_refused(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    put(f, 1, 1);
    make(f, beside(f, "ours"));
    assert_int_equal(begin_for(f, beside(f, "theirs"), OTHERS).error, 0);
    assert_int_equal(await(f)->error, 0);
    assert_int_equal(READ(beside(f, "ours"), beside(f, "theirs")), ERR_OTHER_CLUSTER);
    assert_non_null(strstr(merged.why, "theirs"));
    assert_int_equal(READ(beside(f, "ours"), beside(f, "ours")), 0);
    assert_int_equal(found.n, 1);
}

/* ---- A new data directory ---- */

static int restore(const struct fixture *f, const char *backup, const char *path, uint64_t *keys)
{
    char *list[] = {(char *)(uintptr_t)beside(f, backup)};
    memset(&merged, 0, sizeof merged);
    int error = merged_open(&merged, list, 1);
    if (!error)
        error = restore_directory(&merged, path, keys);
    merged_close(&merged);
    return error;
}

static void a_restored_directory_has_values_only(void **state)
{
    struct fixture *f = *state;
    struct slice value;
    uint64_t keys, serial;
    uint64_t late = UINT64_C(1700000000000) << 16;
    fixture_open(f);
    for (unsigned i = 0; i < KEYS; i++)
        put(f, i, i + 1);
    fixture_put(f, tombstone_record(KEY_OF("key-3"), late));
    fixture_put(f, state_record(SLICE("identity"), SLICE("whoever"), 9));
    make(f, beside(f, "monday"));
    fixture_close(f);
    assert_int_equal(restore(f, "monday", f->dir, &keys), ERR_REFUSED);
    assert_non_null(strstr(merged.why, "not empty"));
    assert_int_equal(mkdir(beside(f, "new.restoring"), 0700), 0); /* what a crash left */
    close(open(beside(f, "new.restoring/seg-00000009.log"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(restore(f, "monday", beside(f, "new/"), &keys), 0);
    assert_int_equal(keys, KEYS - 1);
    assert_int_equal(entries(f->root), 3);
    snprintf(f->dir, sizeof f->dir, "%s", beside(f, "new"));
    fixture_open(f);
    assert_int_equal(store_records(f->store), KEYS - 1);
    fixture_expect(f, KEY_OF("key-4"), SLICE("value-5"));
    assert_int_equal(fixture_get(f, KEY_OF("key-4"), GET_DIGEST).record.version.stamp, 5);
    assert_int_equal(fixture_get(f, KEY_OF("key-3"), GET_DIGEST).record.kind, RECORD_NONE);
    assert_false(store_state(f->store, SLICE("identity"), &value, &serial));
    assert_true(store_state(f->store, RESTORED_NAME, &value, &serial) && value.n == RESTORED_BYTES);
    assert_true(store_state(f->store, SLICE("clock"), &value, &serial) && value.n == 8);
    uint64_t ceiling_ms = 0;
    for (unsigned i = 8; i-- > 0;)
        ceiling_ms = ceiling_ms << 8 | value.p[i];
    assert_true(ceiling_ms > hlc_wall_ms(late));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_has_one_spelling),
        TEST(it_is_of_one_moment),
        TEST(in_interval_mode_too),
        TEST(what_has_ended_is_linked),
        TEST(elsewhere_all_is_copied),
        TEST(bad_paths_are_refused),
        TEST(a_refusal_is_for_its_asker),
        TEST(answers_come_in_order),
        TEST(a_failure_leaves_nothing),
        TEST(a_backup_that_was_cut_short_is_cleared),
        TEST(the_greatest_version_counts),
        TEST(what_was_flushed_stays_away),
        TEST(every_flipped_bit_is_found),
        TEST(the_former_format_is_refused),
        TEST(other_clusters_are_refused),
        TEST(a_restored_directory_has_values_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
