/* Flags, the configuration file, and the sentences that bad ones get. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "rt/options.h"

static char why[COVEY_WHY_MAX];

/* Parses a NULL-terminated list of words. */
static int parse(struct options *o, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    why[0] = 0;
    return options_parse(o, argc, argv, why, sizeof why);
}

#define PARSE(o, ...) parse(o, (char *[]){__VA_ARGS__, NULL})

static void assert_says(const char *words)
{
    if (!strstr(why, words))
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void test_every_flag(void **state)
{
    (void)state;
    struct options o;
    struct covey_options e;
    assert_int_equal(PARSE(&o, "--name", "a", "--data", "/d", "--port", "7410", "--seed",
                           "127.0.0.1:7400", "--seed=[::1]:7420", "--new", "--bind", "::1",
                           "--client-bind", "127.0.0.1", "--advertise", "[::1]:7410", "--zone", "z",
                           "--weight", "200", "--replicas", "5", "--durability", "interval",
                           "--profile", "wan", "--value-max", "1m", "--max-clients", "5",
                           "--ops-max", "7", "--hint-age", "90m", "--erase-age", "864000",
                           "--log-level", "warn", "--console"),
                     0);
    options_embed(&o, &e);
    assert_string_equal(e.name, "a");
    assert_string_equal(e.data_dir, "/d");
    assert_int_equal(e.port, 7410);
    assert_int_equal(e.seed_n, 2);
    assert_string_equal(e.seeds[1], "[::1]:7420");
    assert_true(e.found);
    assert_string_equal(e.bind, "::1");
    assert_string_equal(e.client_bind, "127.0.0.1");
    assert_string_equal(e.advertise, "[::1]:7410");
    assert_string_equal(e.zone, "z");
    assert_int_equal(e.weight, 200);
    assert_int_equal(e.replicas, 5);
    assert_int_equal(e.durability, COVEY_INTERVAL);
    assert_int_equal(e.profile, COVEY_WAN);
    assert_int_equal(e.value_max_bytes, 1024 * 1024);
    assert_int_equal(e.clients_max, 5);
    assert_int_equal(e.ops_max, 7);
    assert_int_equal(e.hint_age_ms, 90 * 60 * 1000);
    assert_int_equal(e.erase_age_ms, 864000000); /* as gc_grace_seconds says it */
    assert_int_equal(e.log_level, COVEY_LOG_WARN);
    assert_true(o.console);
    options_close(&o);
}

static void test_nothing_given_is_all_defaults(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, (char *[]){NULL}), 0);
    assert_null(o.name);
    assert_int_equal(o.port, 0);
    assert_int_equal(o.log_level, COVEY_LOG_INFO);
    assert_int_equal(o.seed_n, 0);
    options_close(&o);
}

static void test_bad_flags_are_named_with_a_remedy(void **state)
{
    (void)state;
    static const struct {
        char *flag, *value;
        const char *says[2];
    } bad[] = {
        {"--prot", "7400", {"--prot", "did you mean --port?"}},
        {"--val", "7400", {"--val", "did you mean --value-max?"}},
        {"--xyzzy", "1", {"--xyzzy: no such option", "covey start --help"}},
        {"--port", "0", {"--port: \"0\"", "1 to 65533"}},
        {"--port", "65534", {"\"65534\"", "1 to 65533"}},
        {"--port", "74oo", {"\"74oo\"", "1 to 65533"}},
        {"--port", "-1", {"\"-1\"", "1 to 65533"}},
        {"--port", "99999999999999999999", {"99999999999999999999", "1 to 65533"}},
        {"--value-max", "10m", {"\"10m\"", "9437184"}},
        {"--value-max", "8q", {"\"8q\"", "powers of 1024"}},
        {"--hint-age", "0", {"--hint-age: \"0\"", "1s to 365d"}},
        {"--hint-age", "3x", {"\"3x\"", "s, m, h and d"}},
        {"--hint-age", "3hm", {"\"3hm\"", "s, m, h and d"}},
        {"--erase-age", "366d", {"\"366d\"", "1s to 365d"}},
        {"--erase-age", "9999999999d", {"9999999999d", "1s to 365d"}},
        {"--erase-age", "99999999999d", {"99999999999d", "1s to 365d"}},
        {"--erase-age", "-1", {"\"-1\"", "1s to 365d"}},
        {"--profile", "moon", {"\"moon\"", "lan|wan|local"}},
        {"--durability", "fsyn", {"\"fsyn\"", "fsync|interval"}},
        {"--seed", "7400", {"\"7400\"", "HOST:PORT"}},
        {"--name", "", {"--name", "1 to 64"}},
        {"--name", "a\nb", {"--name", "control byte"}},
        {"--weight", "1001", {"\"1001\"", "1 to 1000"}},
        {"start", NULL, {"\"start\"", "flags begin with --"}},
        {"--name", NULL, {"--name: a value is missing", "--name NAME"}},
        {"--config", "/no/such/file", {"/no/such/file", "No such file"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct options o;
        assert_int_equal(parse(&o, (char *[]){bad[i].flag, bad[i].value, NULL}), ERR_REFUSED);
        assert_says(bad[i].says[0]);
        assert_says(bad[i].says[1]);
        options_close(&o);
    }
}

static void test_too_many_seeds(void **state)
{
    (void)state;
    struct options o;
    char *argv[2 * COVEY_SEEDS_MAX + 3];
    unsigned n = 0;
    for (unsigned i = 0; i <= COVEY_SEEDS_MAX; i++) {
        argv[n++] = "--seed";
        argv[n++] = "localhost:7400";
    }
    argv[n] = NULL;
    assert_int_equal(parse(&o, argv), ERR_REFUSED);
    assert_says("16 at most");
    options_close(&o);
    argv[n - 2] = NULL;
    assert_int_equal(parse(&o, argv), 0);
    assert_int_equal(o.seed_n, COVEY_SEEDS_MAX);
    options_close(&o);
}

/* ---- The file ---- */

static char *write_config(const void *text, size_t n)
{
    static char path[] = "/tmp/covey-options-XXXXXX";
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
    return path;
}

static int parse_file(struct options *o, const char *text)
{
    char *path = write_config(text, strlen(text));
    int error = PARSE(o, "--config", path);
    unlink(path);
    return error;
}

static void test_file_has_the_same_names(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse_file(&o, "# a node\n\n  name   node one \r\nport 7410\nseed "
                                    "127.0.0.1:7400\nseed [::1]:7400\nconsole no\nzone z"),
                     0);
    assert_string_equal(o.name, "node one");
    assert_int_equal(o.port, 7410);
    assert_int_equal(o.seed_n, 2);
    assert_false(o.console);
    assert_string_equal(o.zone, "z");
    options_close(&o);
}

static void test_flags_win_over_the_file(void **state)
{
    (void)state;
    struct options o;
    const char text[] = "port 7410\nname x\nseed a:1\n";
    char *path = write_config(text, sizeof text - 1);
    assert_int_equal(PARSE(&o, "--port", "7500", "--seed", "b:2", "--config", path), 0);
    unlink(path);
    assert_int_equal(o.port, 7500);
    assert_string_equal(o.name, "x");
    assert_int_equal(o.seed_n, 2);
    options_close(&o);
}

static void test_bad_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says[2];
    } bad[] = {
        {"name a\n\nprot 1\n", {"line 3: prot", "did you mean port?"}},
        {"port\n", {"line 1: port", "value is missing"}},
        {"port x\n", {"line 1: port", "\"x\""}},
        {"console maybe\n", {"line 1: console", "neither yes nor no"}},
        {"new\n", {"line 1: new", "only on the command line, once"}},
        {"new no\n", {"line 1: new", "remove the line"}},
        {"config other\n", {"line 1: config", "only on the command line"}},
        {"help\n", {"line 1: help", "only on the command line"}},
        {"name = cfg\n", {"line 1: name", "`name cfg`"}},
        {"# mine\nport=7410\n", {"line 2: port", "`port 7410`"}},
        {"console =\n", {"line 1: console", "`console yes`"}},
        {"prot = 7410\n", {"line 1: prot", "did you mean port?"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct options o;
        assert_int_equal(parse_file(&o, bad[i].text), ERR_REFUSED);
        assert_says(bad[i].says[0]);
        assert_says(bad[i].says[1]);
        options_close(&o);
    }
}

static void test_file_that_is_no_text(void **state)
{
    (void)state;
    struct options o;
    char *big = calloc(1, OPTIONS_FILE_MAX + 1);
    memset(big, '\n', OPTIONS_FILE_MAX + 1);
    char *path = write_config(big, OPTIONS_FILE_MAX + 1);
    assert_int_equal(PARSE(&o, "--config", path), ERR_REFUSED);
    assert_says("65536 bytes");
    options_close(&o);
    unlink(path);
    path = write_config(big, OPTIONS_FILE_MAX);
    assert_int_equal(PARSE(&o, "--config", path), 0);
    options_close(&o);
    unlink(path);
    path = write_config("name a\0b", 8);
    assert_int_equal(PARSE(&o, "--config", path), ERR_REFUSED);
    assert_says("no text");
    options_close(&o);
    unlink(path);
    free(big);
}

static void test_help_shows_every_flag(void **state)
{
    (void)state;
    static const char *const flags[] = {
        "--name NAME",     "--data DIR",      "--port P",      "--seed HOST:PORT", "--new",
        "--bind ADDR",     "--advertise",     "--client-bind", "--zone ZONE",      "--weight W",
        "--replicas N",    "--durability",    "--profile",     "--value-max",      "--max-clients",
        "--ops-max N",     "--log-level",     "--config FILE", "--console",        "--help",
        "--hint-age TIME", "--erase-age TIME"};
    struct options o;
    struct buf text;
    assert_int_equal(PARSE(&o, "--help"), 0);
    assert_true(o.help);
    options_close(&o);
    assert_int_equal(PARSE(&o, "-h"), 0);
    assert_true(o.help);
    options_close(&o);
    buf_init(&text, 64 * 1024);
    assert_int_equal(options_help(&text, 80), 0);
    assert_int_equal(buf_append(&text, "", 1), 0);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        assert_non_null(strstr((const char *)text.p, flags[i]));
    buf_close(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_flag),
        cmocka_unit_test(test_nothing_given_is_all_defaults),
        cmocka_unit_test(test_bad_flags_are_named_with_a_remedy),
        cmocka_unit_test(test_too_many_seeds),
        cmocka_unit_test(test_file_has_the_same_names),
        cmocka_unit_test(test_flags_win_over_the_file),
        cmocka_unit_test(test_bad_lines_are_named),
        cmocka_unit_test(test_file_that_is_no_text),
        cmocka_unit_test(test_help_shows_every_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
