/* rt_power_test.c: a loss of power is recognised, and is not taken for a kill or a clean stop. */
#include "store_fixture.h"

#include "rt/power.h"

static bool start(struct fixture *f, enum durability durability, const char *machine)
{
    bool lost;
    f->options.durability = durability;
    fixture_open(f);
    assert_int_equal(power_on(f->store, durability, slice_str(machine), &lost), 0);
    assert_int_equal(store_damaged(f->store, 0), lost);
    return lost;
}

static void only_power_lost_under_interval_is_a_doubt(void **state)
{
    struct fixture *f = *state;
    uint8_t all[SLOTS / 8];
    memset(all, 0xff, sizeof all);
    assert_false(start(f, DURABILITY_INTERVAL, "boot 1")); /* the first of all */
    fixture_close(f);
    assert_false(start(f, DURABILITY_INTERVAL, "boot 1")); /* after a kill */
    power_off(f->store);
    assert_int_equal(log_drain(f->store), 0);
    fixture_close(f);
    assert_false(start(f, DURABILITY_FSYNC, "boot 2")); /* after a clean stop */
    fixture_close(f);
    assert_false(start(f, DURABILITY_INTERVAL, "boot 3")); /* all was synced */
    fixture_close(f);
    assert_true(start(f, DURABILITY_FSYNC, "boot 4"));
    fixture_close(f);
    fixture_open(f);
    assert_true(store_damaged(f->store, 0)); /* till it is healed */
    struct store_result out;
    assert_true(store_reap(f->store, &out));
    assert_int_equal(out.kind, STORE_DAMAGED);
    store_healed(f->store, slice_of(all, sizeof all));
    assert_int_equal(fixture_put(f, value_record(KEY_OF("k"), SLICE("v"), 1)).error, 0);
    fixture_close(f);
    assert_false(start(f, DURABILITY_INTERVAL, "")); /* a machine that does not say */
    fixture_close(f);
    assert_true(start(f, DURABILITY_INTERVAL, ""));
}

static void this_machine_has_a_name_for_its_boot(void **state)
{
    char once[BOOT_ID_MAX], again[BOOT_ID_MAX];
    (void)state;
    size_t n = power_boot_id(once);
    assert_true(n > 0);
    assert_int_equal(power_boot_id(again), n);
    assert_memory_equal(once, again, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_power_lost_under_interval_is_a_doubt, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(this_machine_has_a_name_for_its_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
