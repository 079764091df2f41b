/* What a node is asked to be: defaults, bounds, and why it listens on loopback only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/error.h"
#include "rt/settings.h"

static char why[COVEY_WHY_MAX];

static int settings(struct settings *s, struct covey_options o)
{
    why[0] = 0;
    return settings_from(s, &o, why, sizeof why);
}

static void assert_refused(struct covey_options o, const char *value, const char *remedy)
{
    struct settings s;
    assert_int_equal(settings(&s, o), ERR_REFUSED);
    if (!strstr(why, value) || !strstr(why, remedy))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", why, value, remedy);
}

static void test_zero_is_the_default(void **state)
{
    (void)state;
    struct settings s;
    char text[ADDR_TEXT];
    assert_int_equal(settings(&s, (struct covey_options){0}), 0);
    assert_string_equal(addr_text(s.bind, text), "127.0.0.1:7400");
    assert_true(addr_eq(s.bind, s.client_bind) && addr_eq(s.bind, s.advertise));
    assert_int_equal(s.weight, 100);
    assert_int_equal(s.replicas, 3);
    assert_int_equal(s.value_max_bytes, 8 * 1024 * 1024);
    assert_int_equal(s.clients_max, 10000);
    assert_int_equal(s.ops_max, 16384);
    assert_int_equal(s.durability, DURABILITY_FSYNC);
    assert_int_equal(s.profile, SWIM_LAN);
    assert_false(s.name_given);
    assert_non_null(strstr(s.name, "-7400"));
    assert_int_equal(strncmp(s.data_dir, "covey-", 6), 0);
    assert_string_equal(s.data_dir + 6, s.name);
}

static void test_directory_of_a_name(void **state)
{
    (void)state;
    struct settings s;
    assert_int_equal(settings(&s, (struct covey_options){.name = "a/../b"}), 0);
    assert_string_equal(s.data_dir, "covey-a_.._b");
    assert_true(s.name_given);
    assert_int_equal(settings(&s, (struct covey_options){.name = "a", .data_dir = "/d"}), 0);
    assert_string_equal(s.data_dir, "/d");
}

static void test_loopback_only(void **state)
{
    (void)state;
    struct settings s;
    assert_refused((struct covey_options){.bind = "0.0.0.0"}, "--bind 0.0.0.0", "127.0.0.1");
    assert_refused((struct covey_options){.bind = "::"}, "--bind ::", "::1");
    assert_refused((struct covey_options){.client_bind = "10.0.0.1"}, "--client-bind 10.0.0.1",
                   "password");
    assert_refused((struct covey_options){.advertise = "10.0.0.1:7400"},
                   "--advertise 10.0.0.1:7400", "cluster key");
    assert_refused((struct covey_options){.bind = "eth0"}, "--bind eth0", "numeric");
    assert_refused((struct covey_options){.advertise = "127.0.0.1"}, "--advertise 127.0.0.1",
                   "[::1]:7400");
    assert_int_equal(
        settings(&s,
                 (struct covey_options){.bind = "::1", .client_bind = "localhost", .port = 7410}),
        0);
    assert_int_equal(s.bind.family, 6);
    assert_int_equal(s.client_bind.family, 4);
    assert_int_equal(s.advertise.port, 7410);
}

static void test_bounds(void **state)
{
    (void)state;
    const char *seeds[COVEY_SEEDS_MAX + 1] = {"a:1"};
    char name[NODE_NAME_MAX + 2] = {0};
    struct settings s;
    memset(name, 'n', NODE_NAME_MAX + 1);
    assert_refused((struct covey_options){.name = name}, "--name nnn", "64 at most");
    assert_refused((struct covey_options){.port = 65534}, "--port 65534", "65533");
    assert_refused((struct covey_options){.weight = 1001}, "--weight 1001", "1000");
    assert_refused((struct covey_options){.replicas = 8}, "--replicas 8", "7");
    assert_refused((struct covey_options){.clients_max = 60001}, "--max-clients 60001", "60000");
    assert_refused((struct covey_options){.value_max_bytes = 10 << 20}, "--value-max 10485760",
                   "9437184");
    assert_refused((struct covey_options){.seeds = seeds, .seed_n = COVEY_SEEDS_MAX + 1},
                   "--seed: 17", "16");
    assert_refused((struct covey_options){.seeds = seeds, .seed_n = 1, .found = true}, "--seed a:1",
                   "leave one of the two out");
    seeds[0] = "nowhere";
    assert_refused((struct covey_options){.seeds = seeds, .seed_n = 1}, "--seed nowhere",
                   "HOST:PORT");
    name[NODE_NAME_MAX] = 0;
    assert_int_equal(settings(&s, (struct covey_options){.name = name}), 0);
}

static void test_ages_must_make_sense_together(void **state)
{
    (void)state;
    enum { S = 1000, H = 60 * 60 * S };
    struct settings s;
    assert_refused((struct covey_options){.hint_age_ms = 9 * S}, "--hint-age 9s", "10s at least");
    assert_refused((struct covey_options){.erase_age_ms = 2 * H},
                   "--erase-age 2h: less than the hint age, 3h", "give 3h at least");
    assert_refused((struct covey_options){.hint_age_ms = 90 * S, .erase_age_ms = 89 * S + 1},
                   "--erase-age 89001ms", "90s at least");
    assert_int_equal(settings(&s, (struct covey_options){0}), 0);
    assert_true(s.hint_age_ms == 3 * H && s.erase_age_ms == 3 * H);
    assert_int_equal(settings(&s, (struct covey_options){.hint_age_ms = 10 * S}), 0);
    assert_true(s.hint_age_ms == 10 * S && s.erase_age_ms == 3 * H);
    assert_int_equal(settings(&s, (struct covey_options){.hint_age_ms = 30 * H}), 0);
    assert_true(s.hint_age_ms == 30 * H && s.erase_age_ms == 30 * H);
    assert_int_equal(
        settings(&s, (struct covey_options){.hint_age_ms = 10 * S, .erase_age_ms = 10 * S}), 0);
    assert_true(s.hint_age_ms == 10 * S && s.erase_age_ms == 10 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_is_the_default),
        cmocka_unit_test(test_directory_of_a_name),
        cmocka_unit_test(test_loopback_only),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_ages_must_make_sense_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
