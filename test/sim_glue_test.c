/* What a world carries between a node, its store and those who ask: tried in the simulated one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sim/world.h"

enum { FORM_S = 30 };

static struct world w;

static void go_on(uint64_t seconds)
{
    struct sim_event ev;
    uint64_t until_us = w.now_us + seconds * 1000000;
    while (world_next(&w, until_us, &ev)) {}
}

/* A cluster of one, and a client that is connected to it. */
static int set_up(void **state)
{
    (void)state;
    world_init(&w, &(struct world_options){
                       .seed = 5, .nodes = 1, .clients = 1, .profile = SWIM_LOCAL, .check = true});
    world_start_node(&w, 0, 0);
    go_on(FORM_S);
    world_connect(&w, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

/* What the client was answered since. */
static void expect(const char *text)
{
    struct buf *out = &w.client[0].session.out;
    assert_int_equal(buf_append(out, "", 1), 0);
    assert_string_equal((const char *)out->p, text);
    buf_consume(out, out->n);
}

/* BACKUP is the store's to answer, and the simulator's has nothing to copy. */
static void a_store_without_files_refuses_backups(void **state)
{
    (void)state;
    world_say(&w, 0, SLICE("BACKUP /tmp/b\r\nBACKUP /tmp/c\r\nPING\r\n"));
    go_on(1);
    expect("-ERR this store is in memory alone, so it has no files to copy\r\n"
           "-ERR this store is in memory alone, so it has no files to copy\r\n+PONG\r\n");
    static const char none[] = "*16\r\n$5\r\nstate\r\n$4\r\nnone\r\n";
    world_say(&w, 0, SLICE("BACKUP status\r\n"));
    go_on(1);
    assert_memory_equal(w.client[0].session.out.p, none, sizeof none - 1);
}

/* A node that belongs to no cluster yet refuses by itself: a backup says whose it is. */
static void a_node_without_a_cluster_refuses_backups(void **state)
{
    (void)state;
    world_close(&w);
    world_init(&w, &(struct world_options){
                       .seed = 5, .nodes = 2, .clients = 1, .profile = SWIM_LOCAL, .check = true});
    world_start_node(&w, 1, 0); /* it looks for node 0, which founds */
    go_on(1);
    world_connect(&w, 0, 1);
    world_say(&w, 0, SLICE("BACKUP /tmp/b\r\n"));
    go_on(1);
    expect("-LOADING covey is still looking for its peers; nothing was read; try again\r\n");
}

/* A result goes to who asked, and not to a client whose handle and number are the same. */
static void a_result_goes_to_who_asked(void **state)
{
    (void)state;
    world_say(&w, 0, SLICE("SET k v\r\n"));
    go_on(1);
    expect("+OK\r\n");
    uint32_t number = w.client[0].session.tail;
    struct request nobodys = {.token = REQUEST_TOKEN(ASKER_NOBODY, 0, number),
                              .kind = OP_PUT,
                              .key = SLICE("other"),
                              .value = SLICE("v")};
    struct event ev = {.kind = EV_REQUEST, .request = &nobodys};
    world_say(&w, 0, SLICE("DEL k\r\n"));
    world_turn(&w, 0, &ev); /* one sync ends both, nobody's first */
    assert_int_equal(w.client[0].session.tail, number + 1);
    go_on(1);
    expect(":1\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_result_goes_to_who_asked),
        TEST(a_store_without_files_refuses_backups),
        TEST(a_node_without_a_cluster_refuses_backups),
    };
    return cmocka_run_group_tests_name("sim_glue", tests, NULL, NULL);
}
