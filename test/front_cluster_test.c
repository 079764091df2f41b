/* front_cluster_test.c: what a client reads about the cluster: MEMBERS, RING, REPAIR, BACKUP,
 * WHERE, HINTS. */
#include "front_one.h"

static void members_fields(struct fixture *f)
{
    assert_int_equal(parse(f, "MEMBERS")->count, 3);
    assert_text(field(f, 1, "id"), "00000000000000a1");
    assert_text(field(f, 1, "name"), "a");
    assert_text(field(f, 1, "addr"), "127.0.0.1:7400");
    assert_text(field(f, 1, "state"), "alive");
    assert_int_equal(field(f, 1, "self")->integer, 1);
    assert_int_equal(field(f, 1, "since_ms")->integer, 1500);
    assert_int_equal(field(f, 1, "places")->integer, 4);
    uint32_t b = resp_after(&f->reply, 1), c = resp_after(&f->reply, b);
    assert_text(field(f, b, "state"), "joining");
    assert_text(field(f, c, "state"), "dead");
    assert_text(field(f, c, "zone"), "z");
    assert_int_equal(field(f, c, "incarnation")->integer, 3);
    assert_int_equal(field(f, c, "firsts")->integer, 2);
    assert_int_equal(field(f, c, "weight")->integer, 100);
}

static void test_members(void **state)
{
    struct fixture *f = *state;
    members_fields(f);
    ask(f, "HELLO 3");
    members_fields(f);
    assert_int_equal(f->reply.v[1].type, RESP_MAP);
    assert_int_equal(field(f, 1, "self")->type, RESP_BOOLEAN);
}

static void test_ring(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "RING");
    assert_int_equal(field(f, 0, "epoch")->integer, 7);
    assert_int_equal(field(f, 0, "vnodes")->integer, 4);
    assert_int_equal(field(f, 0, "w")->integer, 2);
    assert_int_equal(field(f, 0, "members")->count, 2); /* b is not in the layout */
    assert_text(field(f, (uint32_t)(field(f, 0, "members") - f->reply.v) + 1, "share"), "50.00%");
    expect(f, "RING nonsense", "-ERR syntax error, it is RING [VNODES]\r\n");
}

static void assert_arc(struct fixture *f, uint32_t row, const int64_t want[4])
{
    static const char *const names[] = {"vnode", "last_vnode", "first_slot", "last_slot"};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(field(f, row, names[i])->integer, want[i]);
    assert_int_equal(field(f, row, "owners")->count, 2);
    assert_text(field(f, row, "owners") + 1, "a");
    assert_text(field(f, row, "owners") + 2, "c");
}

/* Neighbouring vnodes with the same owners, whichever is first, are one row; a vnode that was not
 * compared yet ends it. */
static void test_vnodes(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "RING vnodes");
    assert_int_equal(f->reply.v[0].count, 3);
    uint32_t second = resp_after(&f->reply, 1), third = resp_after(&f->reply, second);
    assert_arc(f, 1, (const int64_t[]){0, 0, 0, 4095});
    assert_int_equal(field(f, 1, "synced_ms")->integer, 1500);
    assert_arc(f, second, (const int64_t[]){1, 1, 4096, 8191});
    assert_int_equal(field(f, second, "synced_ms")->type, RESP_NULL);
    assert_arc(f, third, (const int64_t[]){2, 3, 8192, 16383});
    assert_int_equal(field(f, third, "synced_ms")->integer, 7);
}

static void test_repair(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "REPAIR");
    assert_int_equal(field(f, 0, "comparisons")->integer, REPAIR_ALL);
    assert_int_equal(field(f, 0, "running")->type, RESP_BOOLEAN);
    assert_int_equal(field(f, 0, "received")->integer, 7);
    parse(f, "REPAIR status");
    assert_int_equal(field(f, 0, "comparisons")->integer, REPAIR_NONE);
    parse(f, "REPAIR 17");
    assert_int_equal(field(f, 0, "comparisons")->integer, 17);
    expect(f, "REPAIR -1",
           "-ERR no vnode '-1': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR 16384",
           "-ERR no vnode '16384': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR x",
           "-ERR no vnode 'x': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR 1 2",
           "-ERR syntax error, it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    f->toy.error = ERR_REFUSED;
    expect(f, "REPAIR 17",
           "-ERR this node is no owner of that vnode, or there is none of that number (see RING "
           "VNODES)\r\n");
}

static void test_backup(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "BACKUP /var/backups/monday");
    assert_text(field(f, 0, "state"), "running");
    assert_text(field(f, 0, "path"), "/var/backups/monday");
    assert_int_equal(field(f, 0, "files")->integer, 3);
    assert_int_equal(field(f, 0, "bytes")->integer, 70);
    parse(f, "BACKUP status"); /* asks for nothing to be made */
    assert_text(field(f, 0, "path"), "");
    expect(f, "BACKUP", "-ERR wrong number of arguments for 'backup' command\r\n");
    f->toy.error = ERR_LOADING;
    expect(f, "BACKUP /x",
           "-LOADING covey is still looking for its peers; nothing was read; try again\r\n");
}

static void test_where(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "WHERE foo");
    assert_int_equal(field(f, 0, "slot")->integer, 12182);
    uint32_t a = (uint32_t)(field(f, 0, "owners") - f->reply.v) + 1, c = resp_after(&f->reply, a);
    assert_text(field(f, a, "name"), "a");
    assert_text(field(f, a, "holds"), "value");
    assert_text(field(f, a, "stamp"), "1700000000000.3");
    assert_text(field(f, a, "writer"), "00000000000000c1");
    assert_text(field(f, a, "digest"), "000000000000000d");
    assert_text(field(f, c, "state"), "dead");
    assert_text(field(f, c, "holds"), "no answer");
    assert_text(field(f, c, "stamp"), "");
}

static void test_hints(void **state)
{
    struct fixture *f = *state;
    parse(f, "HINTS");
    assert_int_equal(f->reply.v[0].type, RESP_ARRAY);
    assert_int_equal(f->reply.v[0].count, 1);
    assert_text(field(f, 1, "id"), "00000000000000c1");
    assert_text(field(f, 1, "name"), "c");
    assert_text(field(f, 1, "state"), "dead");
    assert_int_equal(field(f, 1, "waiting")->integer, 12);
    assert_int_equal(field(f, 1, "bytes")->integer, 3456);
    assert_int_equal(field(f, 1, "kept")->integer, 20);
    assert_int_equal(field(f, 1, "replayed")->integer, 7);
    assert_int_equal(field(f, 1, "dropped")->integer, 1);
    assert_text(field(f, 1, "keeper"), "a"); /* whose they are: the other nodes keep their own */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_members), TEST(test_ring),  TEST(test_vnodes), TEST(test_repair),
        TEST(test_backup),  TEST(test_where), TEST(test_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
