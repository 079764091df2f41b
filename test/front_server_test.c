/* What a server says of itself: INFO, CONFIG, COMMAND; and the table of commands that all of it
 * comes from. */
#include "front_one.h"

#include "front/glob.h"

/* ---- The server ---- */

static void test_info(void **state)
{
    struct fixture *f = *state;
    static const char *const fields[] = {"# Server\r\n",
                                         "redis_version:7.0.15\r\n",
                                         "redis_mode:standalone\r\n",
                                         "process_id:0\r\n",
                                         "run_id:0123456789012345678901234567890123456789\r\n",
                                         "tcp_port:7400\r\n",
                                         "uptime_in_seconds:4\r\n",
                                         "connected_clients:1\r\n",
                                         "used_memory_rss:0\r\n",
                                         "total_connections_received:1\r\n",
                                         "total_commands_processed:1\r\n",
                                         "role:master\r\n",
                                         "cluster_enabled:0\r\n",
                                         "# Covey\r\n",
                                         "covey_version:0.1.0\r\n",
                                         "node_id:00000000000000a1\r\n",
                                         "node_name:a\r\n"};
    struct slice all = parse(f, "INFO")->text;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!contains(all, fields[i]))
            fail_msg("INFO lacks %s", fields[i]);
    }
    struct slice some = parse(f, "INFO replication COVEY")->text;
    assert_true(
        contains(some, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Covey\r\n"));
    assert_false(contains(some, "# Server"));
    assert_int_equal(parse(f, "INFO nosuch")->text.n, 0);
}

static void test_config(void **state)
{
    struct fixture *f = *state;
    expect(f, "CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    expect(f, "CONFIG GET APPENDONLY port",
           "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$4\r\nport\r\n$4\r\n7400\r\n");
    expect(f, "CONFIG GET nosuch", "*0\r\n");
    expect(f, "CONFIG GET proto-max-bulk-len maxmemory",
           "*4\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$18\r\nproto-max-bulk-len\r\n$7\r\n8388608\r\n");
    assert_int_equal(parse(f, "CONFIG GET *")->count, 28);
    expect(f, "CONFIG SET a b",
           "-ERR unknown subcommand 'SET': this command of Redis is not built in covey yet; "
           "nothing was done. Try CONFIG HELP.\r\n");
}

static void test_glob(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"*", "", true},
        {"*", "any", true},
        {"a*c", "abbc", true},
        {"a*c", "abbd", false},
        {"A?c", "abC", true},
        {"a?", "a", false},
        {"[a-c]x", "bx", true},
        {"[^a-c]x", "bx", false},
        {"[c-a]x", "bx", true},
        {"[^a-c]x", "dx", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"*a*b*", "xxaxxbx", true},
        {"*a*b", "xxaxxbx", false},
        {"[", "a", false},
        {"", "", true},
        {"", "a", false},
        {"[\\]]", "]", true},
        {"a**", "a", true},
        {"[abc", "b", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (glob_match(slice_str(cases[i].pattern), slice_str(cases[i].text)) != cases[i].match)
            fail_msg("%s against %s", cases[i].pattern, cases[i].text);
    }
    /* Twenty stars against 4 KB that almost match: a recursive matcher would not come back. */
    char text[4096], pattern[64] = "";
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 20; i++)
        strcat(pattern, "*a");
    strcat(pattern, "*b");
    assert_false(glob_match(slice_str(pattern), slice_of(text, sizeof text)));
}

static void test_keyset_against_a_plain_list(void **state)
{
    struct keyset k = {0};
    uint64_t list[64];
    uint32_t n = 0;
    struct rng rng;
    (void)state;
    rng_init(&rng, 3);
    assert_int_equal(keyset_reserve(&k, 16), 0);
    for (int i = 0; i < 20000; i++) {
        if (i == 10000)
            assert_int_equal(keyset_reserve(&k, 64), 0);
        /* many that share a place */
        uint64_t hash = (1 + rng_below(&rng, 40)) | rng_below(&rng, 2) << 40;
        uint32_t at = 0;
        while (at < n && list[at] != hash)
            at++;
        assert_int_equal(keyset_has(&k, hash), at < n);
        if (at < n) {
            keyset_remove(&k, hash);
            list[at] = list[--n];
        } else if (n < (i < 10000 ? 15u : 60u)) {
            keyset_add(&k, hash);
            list[n++] = hash;
        }
        assert_int_equal(k.n, n);
    }
    keyset_close(&k);
}

/* ---- The table ---- */

static void test_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < command_n; i++) {
        const struct command *c = &command_table[i];
        const struct command *found = command_find(slice_str(c->parent ? c->parent : c->name),
                                                   slice_str(c->parent ? c->name : ""));
        assert_ptr_equal(found, c);
        assert_true(c->summary[0] && c->summary[strlen(c->summary) - 1] == '.');
        assert_true(c->run || command_is_parent(c));
        if (i && !c->parent && !c[-1].parent)
            assert_true(strcmp(c[-1].name, c->name) < 0);
    }
    assert_ptr_equal(command_find(SLICE("GeT"), SLICE("k")), command_find(SLICE("get"), SLICE("")));
    assert_ptr_equal(command_find(SLICE("CLIENT"), SLICE("nosuch")),
                     command_find(SLICE("client"), SLICE("")));
    assert_null(command_find(SLICE("ge"), SLICE("")));
    assert_null(command_find(SLICE("get\0x"), SLICE("")));
    assert_null(command_find(SLICE(""), SLICE("")));
}

static void test_command(void **state)
{
    struct fixture *f = *state;
    const struct resp_value *v = parse(f, "COMMAND COUNT");
    int64_t n = v->integer;
    for (unsigned i = 0; i < command_n; i++)
        n -= command_table[i].parent == NULL;
    assert_int_equal(n, 0);
    n = v->integer;
    assert_int_equal(parse(f, "COMMAND")->count, n);
    assert_int_equal(parse(f, "COMMAND LIST")->count, n);
    assert_int_equal(parse(f, "COMMAND INFO")->count, n);
    assert_int_equal(parse(f, "COMMAND INFO get nosuch client|id")->count, 3);
    assert_text(&f->reply.v[2], "get");
    assert_int_equal(f->reply.v[3].integer, 2);
    uint32_t second = resp_after(&f->reply, 1);
    assert_int_equal(f->reply.v[second].type, RESP_NULL);
    assert_text(&f->reply.v[second + 2], "client|id");
    expect(f, "COMMAND LIST FILTERBY PATTERN m?et", "*2\r\n$4\r\nmget\r\n$4\r\nmset\r\n");
    expect(f, "COMMAND LIST FILTERBY MODULE x", "-ERR syntax error\r\n");
    expect(f, "COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    expect(f, "COMMAND GETKEYS GET k", "*1\r\n$1\r\nk\r\n");
    expect(f, "COMMAND GETKEYS PING", "-ERR The command has no key arguments\r\n");
    expect(f, "COMMAND GETKEYS",
           "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
    expect(f, "COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command\r\n");
    expect(f, "COMMAND GETKEYS GET a b",
           "-ERR Invalid number of arguments specified for command\r\n");
    expect(f, "COMMAND GETKEYS nosuch a", "-ERR Invalid command specified\r\n");
    expect(f, "COMMAND NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP.\r\n");
    assert_true(parse(f, "COMMAND HELP")->count > 5);
}

static void test_command_docs(void **state)
{
    struct fixture *f = *state;
    int64_t n = parse(f, "COMMAND COUNT")->integer;
    assert_int_equal(parse(f, "COMMAND DOCS")->count, 2 * n);
    assert_true(f->session.out.n < 200 * 1024);
    ask(f, "HELLO 3");
    assert_int_equal(parse(f, "COMMAND DOCS")->count, 2 * n);
    assert_int_equal(f->reply.v[0].type, RESP_MAP);
    assert_int_equal(parse(f, "COMMAND DOCS mset nosuch info client|setinfo")->count, 6);
    assert_text(field(f, 2, "group"), "string");
    uint32_t args = (uint32_t)(field(f, 2, "arguments") - f->reply.v);
    assert_int_equal(f->reply.v[args].count, 1);
    assert_text(field(f, args + 1, "name"), "key_value");
    assert_int_equal(field(f, args + 1, "flags")->type, RESP_SET);
    assert_text(field(f, args + 1, "flags") + 1, "multiple");
    uint32_t info = resp_after(&f->reply, 2) + 1;
    args = (uint32_t)(field(f, info, "arguments") - f->reply.v);
    assert_text(field(f, args + 1, "name"), "section");
    assert_int_equal(field(f, args + 1, "flags")->count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_info),
        TEST(test_config),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_keyset_against_a_plain_list),
        cmocka_unit_test(test_table),
        TEST(test_command),
        TEST(test_command_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
