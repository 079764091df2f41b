/* What stands in a directory, seen before anything is made in it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/log/dir.h"

static char path[] = "/tmp/covey-dir-XXXXXX";
static char names[DIR_NAMES];

static int remove_one(const char *name, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)type, (void)f;
    return remove(name);
}

static int setup(void **state)
{
    (void)state;
    strcpy(path + sizeof path - 7, "XXXXXX");
    return mkdtemp(path) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make(const char *name)
{
    char file[256];
    snprintf(file, sizeof file, "%s/%s", path, name);
    int fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void an_empty_one_holds_nothing(void **state)
{
    (void)state;
    char gone[64], file[64];
    snprintf(gone, sizeof gone, "%s/none", path);
    snprintf(file, sizeof file, "%s/lock/inside", path);
    assert_int_equal(dir_look(gone, names), DIR_NOTHING);
    assert_int_equal(dir_look(path, names), DIR_NOTHING);
    make("lock"); /* of a start that was cut short */
    make("seg-00000001.new");
    make("lost+found");
    assert_int_equal(dir_look(path, names), DIR_NOTHING);
    assert_int_equal(dir_look(file, names), DIR_UNKNOWN);
}

static void any_file_of_the_log_makes_it_a_log(void **state)
{
    (void)state;
    make("core");
    make("reserve");
    make("seg-00000007.log");
    assert_int_equal(dir_look(path, names), DIR_LOG);
    make("MANIFEST");
    assert_int_equal(dir_look(path, names), DIR_BACKUP);
}

/* Each thing that a node makes beside its log says by itself that there was one. */
static void remains_are_known_one_by_one(void **state)
{
    static const char *const made[] = {
        "reserve", "hints", "snapshot", "snapshot.new", "seg-00000002.new", "damaged-00000001.log"};
    char file[256];
    (void)state;
    make("lock");
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        make(made[i]);
        if (dir_look(path, names) != DIR_REMAINS || strcmp(names, made[i]) != 0)
            fail_msg("%s is \"%s\"", made[i], names);
        snprintf(file, sizeof file, "%s/%s", path, made[i]);
        assert_int_equal(unlink(file), 0);
    }
}

static void what_no_node_makes_is_foreign(void **state)
{
    char name[64];
    (void)state;
    make("letters");
    assert_int_equal(dir_look(path, names), DIR_FOREIGN);
    assert_string_equal(names, "letters");
    for (unsigned i = 0; i < 40; i++) {
        /* a segment's number has eight digits: what is left of one, at best */
        snprintf(name, sizeof name, "seg-%u", i);
        make(name);
    }
    assert_int_equal(dir_look(path, names), DIR_REMAINS);
    assert_string_equal(names + strlen(names) - 5, ", ...");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one_holds_nothing),
        TEST(any_file_of_the_log_makes_it_a_log),
        TEST(remains_are_known_one_by_one),
        TEST(what_no_node_makes_is_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
