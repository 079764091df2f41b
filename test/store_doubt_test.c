/* Doubt: what cannot be read any more is forgotten in slices, wherever the index names it from, and
 * the owner hears of it at the end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/hash.h"
#include "store/log/doubt.h"

enum { KEYS = 5000, EACH = 100, BUCKETS = 64 }; /* keys stand in segment 1, one every EACH bytes */

struct world {
    struct table table;
    struct doubt doubt;
    struct group group;
    struct store_result told;
};

static struct slice key_of(char out[16], unsigned i)
{
    out[0] = 0;
    return slice_of(out, 1 + (size_t)snprintf(out + 1, 15, "key-%u", i));
}

static void replay(struct world *w, struct record r, uint32_t offset)
{
    struct record_view v = {
        .record = r, .value_size = (uint32_t)r.value.n, .slot = record_slot(&r), .size = EACH};
    assert_int_equal(table_replay(&w->table, &v, 1, offset), 0);
}

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct damage none = {0};
    char key[16];
    assert_int_equal(table_init(&w->table, 1), 0);
    assert_int_equal(tally_room(&w->table.tallies, 1), 0);
    group_init(&w->group);
    doubt_open(&w->doubt, &none, &w->table);
    for (unsigned i = 0; i < KEYS; i++)
        replay(w,
               (struct record){.kind = RECORD_VALUE,
                               .version = {.stamp = 1 + i, .node = 7},
                               .key = key_of(key, i)},
               EACH * i);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    doubt_close(&w->doubt);
    group_close(&w->group);
    table_close(&w->table);
    test_free(w);
    return 0;
}

/* Records [from, to) cannot be read, and their slots are not known. */
static void lose(struct world *w, unsigned from, unsigned to)
{
    struct lost l = {.any = true, .segment = 1, .from = EACH * from, .to = EACH * to};
    assert_true(doubt_found(&w->doubt, &l));
}

/* The doubt is put, and is durable. */
static void save(struct world *w)
{
    doubt_put(&w->doubt, &w->table, &w->group);
    assert_true(w->doubt.serial > 0);
    replay(w,
           (struct record){
               .kind = RECORD_STATE, .version = {.stamp = w->doubt.serial}, .key = DAMAGE_NAME},
           0);
    doubt_look(&w->doubt, &w->table, true);
}

static unsigned present(struct world *w, unsigned from, unsigned to)
{
    unsigned n = 0;
    char key[16];
    for (unsigned i = from; i < to; i++)
        n += table_holds(&w->table, key_of(key, i), &(struct version){.stamp = 1 + i, .node = 7});
    return n;
}

/* Walks to the end; how many slices it took. */
static unsigned walk(struct world *w)
{
    unsigned slices = 0;
    for (; doubt_forgetting(&w->doubt); slices++) {
        assert_false(doubt_result(&w->doubt, &w->told)); /* a tree may still have it */
        doubt_step(&w->doubt, &w->table, BUCKETS);
    }
    index_check(&w->table.index);
    return slices;
}

static void what_may_be_anywhere_is_forgotten_in_slices(void **state)
{
    struct world *w = *state;
    lose(w, 100, 120);
    lose(w, 4000, 4010);
    assert_int_equal(present(w, 0, KEYS), KEYS);
    save(w);
    assert_true(walk(w) > 10);
    assert_int_equal(present(w, 0, KEYS), KEYS - 30);
    assert_int_equal(present(w, 100, 120) + present(w, 4000, 4010), 0);
    assert_true(doubt_result(&w->doubt, &w->told));
    assert_false(doubt_names(&w->doubt, 1));
}

/* It waits for a walk of its own: this one may have passed it. */
static void what_is_found_meanwhile_is_forgotten_after_that(void **state)
{
    struct world *w = *state;
    lose(w, 100, 120);
    save(w);
    for (unsigned i = 0; i < 5; i++)
        doubt_step(&w->doubt, &w->table, BUCKETS);
    lose(w, 300, 310);
    save(w);
    walk(w);
    assert_int_equal(present(w, 0, KEYS), KEYS - 20);
    assert_true(doubt_names(&w->doubt, 1));
    assert_true(doubt_result(&w->doubt, &w->told));
    doubt_look(&w->doubt, &w->table, true);
    walk(w);
    assert_int_equal(present(w, 0, KEYS), KEYS - 30);
    assert_true(doubt_result(&w->doubt, &w->told));
    assert_false(doubt_names(&w->doubt, 1));
}

static void a_ring_that_is_cut_anew_is_walked_anew(void **state)
{
    struct world *w = *state;
    lose(w, 0, KEYS);
    save(w);
    for (unsigned i = 0; i < 5; i++)
        doubt_step(&w->doubt, &w->table, BUCKETS);
    assert_int_equal(table_cut(&w->table, 4), 0);
    walk(w);
    assert_int_equal(present(w, 0, KEYS), 0);
}

/* Erases a key that is held, as its owners do. */
static void erase(struct world *w, unsigned i)
{
    char key[16];
    struct store_result out;
    struct record r = {
        .kind = RECORD_FLOOR, .version = {.stamp = 1 + i, .node = 7}, .key = key_of(key, i)};
    table_put(&w->table, &w->group, i, &r, (struct put_origin){0});
    table_settle(&w->table, &w->group);
    table_publish(&w->table, &w->group, 1, 0);
    group_reset(&w->group);
    while (table_answer(&w->table, &out))
        assert_int_equal(out.error, 0);
}

/* Erasing packs an arc, and what the walk has passed and what not are no longer told apart by their
 * buckets. */
static void an_arc_that_is_packed_is_walked_anew(void **state)
{
    struct world *w = *state;
    assert_int_equal(table_cut(&w->table, 1), 0);
    lose(w, 0, KEYS / 5);
    save(w);
    for (unsigned i = 0; i < 5; i++)
        doubt_step(&w->doubt, &w->table, BUCKETS);
    for (unsigned i = KEYS / 5; i < KEYS; i++)
        erase(w, i);
    walk(w);
    assert_int_equal(present(w, 0, KEYS), 0);
}

/* A slot stays in doubt until the node has a report of it: it cannot have been fetched before. */
static void what_is_being_forgotten_cannot_be_healed(void **state)
{
    struct world *w = *state;
    uint8_t all[SLOTS / 8];
    memset(all, 0xff, sizeof all);
    lose(w, 100, 120);
    save(w);
    doubt_clear(&w->doubt, slice_of(all, sizeof all));
    assert_true(damage_any(&w->doubt.all));
    walk(w);
    doubt_clear(&w->doubt, slice_of(all, sizeof all));
    assert_true(damage_any(&w->doubt.all));
    assert_true(doubt_result(&w->doubt, &w->told));
    doubt_clear(&w->doubt, slice_of(all, sizeof all));
    assert_false(damage_any(&w->doubt.all));
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(what_may_be_anywhere_is_forgotten_in_slices),
        WITH_WORLD(what_is_found_meanwhile_is_forgotten_after_that),
        WITH_WORLD(a_ring_that_is_cut_anew_is_walked_anew),
        WITH_WORLD(an_arc_that_is_packed_is_walked_anew),
        WITH_WORLD(what_is_being_forgotten_cannot_be_healed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
