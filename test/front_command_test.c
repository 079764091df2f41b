/* What each command of data and of the connection replies, in RESP2 and RESP3, and how it
 * refuses. */
#include "front_one.h"

/* ---- Data ---- */

static void test_data(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET k", "$-1\r\n");
    expect(f, "SET k hello", "+OK\r\n");
    expect(f, "get k", "$5\r\nhello\r\n");
    expect(f, "STRLEN k", ":5\r\n");
    expect(f, "STRLEN none", ":0\r\n");
    expect(f, "TYPE k", "+string\r\n");
    expect(f, "TYPE none", "+none\r\n");
    expect(f, "EXISTS k k none", ":2\r\n");
    expect(f, "MSET a 1 b 2", "+OK\r\n");
    expect(f, "MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
    expect(f, "DBSIZE", ":3\r\n");
    expect(f, "DEL a none", ":1\r\n");
    expect(f, "UNLINK b k", ":2\r\n");
    expect(f, "DBSIZE", ":0\r\n");
    expect(f, "SET '' ''", "+OK\r\n");
    expect(f, "GET ''", "$0\r\n\r\n");
}

static void test_data_resp3(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "HELLO 3")->type, RESP_MAP);
    expect(f, "GET none", "_\r\n");
    expect(f, "MGET none", "*1\r\n_\r\n");
    expect(f, "SET k v", "+OK\r\n");
    expect(f, "GET k", "$1\r\nv\r\n");
    expect(f, "CLIENT GETNAME", "_\r\n");
    expect(f, "CONSISTENCY", "%2\r\n$4\r\nread\r\n$6\r\nquorum\r\n$5\r\nwrite\r\n$6\r\nquorum\r\n");
}

static void test_set_options_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    expect(f, "SET k v NX", "-ERR SET with NX is not built yet in this release of covey\r\n");
    expect(f, "SET k v EX 10 XX", "-ERR SET with XX is not built yet in this release of covey\r\n");
    expect(f, "SET k v nonsense", "-ERR syntax error\r\n");
    expect(f, "EXISTS k", ":0\r\n");
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    f->toy.error = ERR_NO_QUORUM;
    expect(f, "SET k v",
           "-NOQUORUM 1 of 2 needed owners are reachable; nothing was stored; try again when more "
           "members are up (see "
           "STATUS)\r\n");
    expect(f, "GET k",
           "-NOQUORUM 1 of 2 needed owners are reachable; nothing was read; try again when more "
           "members are up (see "
           "STATUS)\r\n");
    expect(f, "MSET k v l w",
           "-NOQUORUM 1 of 2 needed owners are reachable; this key was not changed, the command's "
           "other keys may be; "
           "try again when more members are up (see STATUS)\r\n");
    f->toy.error = ERR_UNKNOWN_OUTCOME;
    expect(f, "DEL k",
           "-UNKNOWN 1 of 2 needed owners answered in time; the write may or may not have been "
           "stored; read it back or "
           "write it again\r\n");
    expect(f, "GET k",
           "-UNKNOWN 1 of 2 needed owners answered in time; nothing was read and nothing changed; "
           "ask again\r\n");
    static const struct {
        int error;
        const char *code;
    } codes[] = {{ERR_BUSY, "-BUSY "},       {ERR_LOADING, "-LOADING "},
                 {ERR_FORMING, "-FORMING "}, {ERR_CLOCK, "-CLOCK "},
                 {ERR_IO, "-IOERR "},        {ERR_NO_SPACE, "-NOSPACE "},
                 {ERR_CORRUPT, "-CORRUPT "}, {ERR_NO_MEMORY, "-ERR out of memory"}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        f->toy.error = codes[i].error;
        struct slice got = ask(f, "SET k v");
        assert_true(got.n > strlen(codes[i].code) &&
                    !memcmp(got.p, codes[i].code, strlen(codes[i].code)));
    }
}

static void test_consistency(void **state)
{
    struct fixture *f = *state;
    struct request r;
    expect(f, "CONSISTENCY", "*4\r\n$4\r\nread\r\n$6\r\nquorum\r\n$5\r\nwrite\r\n$6\r\nquorum\r\n");
    expect(f, "CONSISTENCY read one WRITE all", "+OK\r\n");
    expect(f, "CONSISTENCY", "*4\r\n$4\r\nread\r\n$3\r\none\r\n$5\r\nwrite\r\n$3\r\nall\r\n");
    session_feed(&f->session, SLICE("SET k v\r\nGET l\r\n"));
    assert_true(session_next(&f->session, 0, 0, &r));
    assert_int_equal(r.level, LEVEL_ALL);
    toy_take(&f->toy, &r);
    assert_true(session_next(&f->session, 0, 0, &r));
    assert_int_equal(r.level, LEVEL_ONE);
    toy_take(&f->toy, &r);
    toy_run(&f->toy, &f->session);
    expect(f, "CONSISTENCY WRITE ONE",
           "-ERR a write at one owner could be lost with it: CONSISTENCY WRITE takes QUORUM or "
           "ALL\r\n");
    expect(f, "CONSISTENCY READ",
           "-ERR syntax error, it is CONSISTENCY [READ ONE|QUORUM|ALL] [WRITE QUORUM|ALL]\r\n");
    expect(f, "RESET", "+RESET\r\n");
    expect(f, "CONSISTENCY", "*4\r\n$4\r\nread\r\n$6\r\nquorum\r\n$5\r\nwrite\r\n$6\r\nquorum\r\n");
}

/* ---- The connection ---- */

static void test_connection(void **state)
{
    struct fixture *f = *state;
    expect(f, "PING", "+PONG\r\n");
    expect(f, "PING hi", "$2\r\nhi\r\n");
    expect(f, "PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    expect(f, "ECHO hi", "$2\r\nhi\r\n");
    expect(f, "SELECT 0", "+OK\r\n");
    expect(f, "SELECT 1", "-ERR DB index is out of range\r\n");
    expect(f, "SELECT x", "-ERR value is not an integer or out of range\r\n");
    expect(f, "AUTH secret",
           "-ERR AUTH <password> called without any password configured for the default user. Are "
           "you sure your "
           "configuration is correct?\r\n");
    expect(f, "AUTH default x", "+OK\r\n");
    expect(f, "AUTH bob x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(f, "AUTH a b c", "-ERR syntax error\r\n");
    expect(f, "TIME", "*2\r\n$10\r\n1700000000\r\n$6\r\n123000\r\n");
}

static void test_hello(void **state)
{
    struct fixture *f = *state;
    expect(f, "HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    expect(f, "HELLO x", "-ERR Protocol version is not an integer or out of range\r\n");
    expect(f, "HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
    expect(f, "HELLO 3 AUTH bob x",
           "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(f, "HELLO 3 SETNAME 'a b'",
           "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    assert_int_equal(f->session.proto, 2);
    assert_int_equal(parse(f, "HELLO")->type, RESP_ARRAY);
    assert_int_equal(parse(f, "HELLO 3 AUTH default x SETNAME me")->type, RESP_MAP);
    assert_text(field(f, 0, "server"), "redis");
    assert_text(field(f, 0, "version"), "7.0.15");
    assert_text(field(f, 0, "role"), "master");
    assert_text(field(f, 0, "mode"), "standalone");
    assert_int_equal(field(f, 0, "proto")->integer, 3);
    assert_int_equal(field(f, 0, "id")->integer, (int64_t)f->session.id);
    expect(f, "CLIENT GETNAME", "$2\r\nme\r\n");
    expect(f, "RESET", "+RESET\r\n");
    expect(f, "GET none", "$-1\r\n");
    expect(f, "CLIENT GETNAME", "$-1\r\n");
}

static void test_client(void **state)
{
    struct fixture *f = *state;
    expect(f, "CLIENT ID", ":1\r\n");
    expect(f, "CLIENT SETNAME worker", "+OK\r\n");
    expect(f, "CLIENT SETNAME 'a b'",
           "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    expect(f, "CLIENT SETINFO LIB-NAME redis-py", "+OK\r\n");
    expect(f, "CLIENT SETINFO lib-ver 5.0", "+OK\r\n");
    expect(f, "CLIENT SETINFO other 5.0", "-ERR Unrecognized option 'other'\r\n");
    expect(f, "CLIENT NO-EVICT on", "+OK\r\n");
    expect(f, "CLIENT NO-TOUCH maybe", "-ERR syntax error\r\n");
    struct session other;
    session_init(&other, &f->front, 5, SLICE("[::1]:9"), 3000);
    assert_text(
        parse(f, "CLIENT INFO"),
        "id=1 addr=127.0.0.1:50000 name=worker age=4 idle=0 flags=N db=0 sub=0 qbuf=13 obl=0 ops=0 "
        "cmd=client|info user=default resp=2 lib-name=redis-py lib-ver=5.0\n");
    struct slice list = parse(f, "CLIENT LIST")->text;
    assert_true(contains(list, "cmd=client|list"));
    assert_true(contains(list, "\nid=2 addr=[::1]:9 name= age=2 "));
    session_close(&other);
    assert_true(contains(ask(f, "CLIENT HELP"), "+setname connection-name\r\n"));
    expect(f, "CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
    expect(f, "CLIENT", "-ERR wrong number of arguments for 'client' command\r\n");
    expect(f, "CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n");
}

static void test_unknown_and_arity(void **state)
{
    struct fixture *f = *state;
    expect(f, "FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n");
    expect(f, "foo a 'b c'",
           "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' \r\n");
    expect(f, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "GET a b", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    char line[600] = "foo ";
    memset(line + 4, 'x', 500);
    struct slice got = ask(f, line);
    assert_true(got.n < 256 && contains(got, "xxx' \r\n")); /* cut as Redis cuts it */
}

/* ---- Commands of Redis that are not built ---- */

static void test_the_absent_commands_are_sorted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < command_absent_n; i++) {
        const char *text = command_absent[i], *bar = strchr(text, '|');
        struct slice name = bar ? slice_of(text, (size_t)(bar - text)) : slice_str(text);
        struct slice sub = bar ? slice_str(bar + 1) : (struct slice){0};
        const struct command *found = command_find(name, sub);
        assert_true(command_is_absent(name, sub));
        assert_true(bar ? found && command_is_parent(found) : !found);
        assert_true(i == 0 || strcmp(command_absent[i - 1], text) < 0);
    }
    assert_true(command_is_absent(SLICE("HsEt"), (struct slice){0}));
    assert_true(command_is_absent(SLICE("CONFIG"), SLICE("Set")));
    const struct slice none[] = {SLICE(""),        SLICE("hse"), SLICE("hsett"), SLICE("hset\0"),
                                 SLICE("hset\0x"), SLICE("\0"),  SLICE("zz"),    SLICE("0")};
    for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(command_is_absent(none[i], (struct slice){0}));
    assert_false(command_is_absent(SLICE("config"), SLICE("set\0")));
}

static void test_what_is_not_built_is_said_to_be(void **state)
{
    struct fixture *f = *state;
    unsigned not_built = 0;
    char line[64], want[160];
    for (unsigned i = 0; i < command_absent_n; i++) {
        const char *name = command_absent[i];
        bool answered = strchr(name, '|') || !strcmp(name, "multi") || !strcmp(name, "exec") ||
                        !strcmp(name, "discard");
        if (answered)
            continue;
        snprintf(line, sizeof line, "%s k v", name);
        snprintf(want, sizeof want,
                 "-ERR unknown command '%s': this command of Redis is not built in covey yet; "
                 "nothing was done\r\n",
                 name);
        expect(f, line, want);
        not_built++;
    }
    assert_true(not_built > 100);
    expect(f, "CONFIG SET a b",
           "-ERR unknown subcommand 'SET': this command of Redis is not built in covey yet; "
           "nothing was done. Try CONFIG HELP.\r\n");
    expect(f, "CONFIG NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.\r\n");
}

/* ---- Transactions, which are refused ---- */

#define NO_MULTI                                                                                 \
    "-ERR unknown command 'MULTI': transactions of Redis are not built in covey yet; all up to " \
    "EXEC or DISCARD is refused "                                                                \
    "too\r\n"
#define REFUSED   "-ERR refused, as MULTI was: nothing up to EXEC or DISCARD is carried out\r\n"
#define EXECABORT "-EXECABORT Transaction discarded because of previous errors.\r\n"

static void test_nothing_of_a_refused_transaction_is_carried_out(void **state)
{
    struct fixture *f = *state;
    expect(f, "MULTI\r\nSET a 0\r\nSET b 100\r\nEXEC", NO_MULTI REFUSED REFUSED EXECABORT);
    expect(f, "EXISTS a b", ":0\r\n");
    expect(
        f,
        "SET a 1\r\nmulti\r\nDEL a\r\nFLUSHALL\r\nnosuch\r\nGET a\r\nHSET h f v\r\nexec\r\nGET a",
        "+OK\r\n" NO_MULTI REFUSED REFUSED REFUSED REFUSED REFUSED EXECABORT "$1\r\n1\r\n");
    assert_int_equal(f->toy.asked_ever, 4); /* EXISTS of two keys, SET, GET */
}

static void test_what_ends_a_refused_transaction(void **state)
{
    struct fixture *f = *state;
    expect(f, "EXEC", "-ERR EXEC without MULTI\r\n");
    expect(f, "DISCARD", "-ERR DISCARD without MULTI\r\n");
    expect(f, "MULTI\r\nSET a 1\r\nDISCARD\r\nEXISTS a", NO_MULTI REFUSED "+OK\r\n:0\r\n");
    expect(f, "MULTI\r\nSET a 1\r\nRESET\r\nEXISTS a\r\nEXEC",
           NO_MULTI REFUSED "+RESET\r\n:0\r\n-ERR EXEC without MULTI\r\n");
    expect(f, "MULTI x\r\nEXISTS a",
           "-ERR wrong number of arguments for 'multi' command\r\n:0\r\n");
    expect(f, "MULTI\r\nMULTI\r\nWATCH k\r\nEXEC now\r\nDISCARD it\r\nSET a 1\r\nEXEC\r\nEXISTS a",
           NO_MULTI REFUSED REFUSED
           "-ERR wrong number of arguments for 'exec' command\r\n"
           "-ERR wrong number of arguments for 'discard' command\r\n" REFUSED EXECABORT ":0\r\n");
    expect(f, "MULTI\r\nQUIT", NO_MULTI "+OK\r\n");
    assert_true(session_done(&f->session));
}

static void test_a_refused_transaction_behind_commands_under_way(void **state)
{
    struct fixture *f = *state;
    struct request r;
    session_feed(&f->session, SLICE("SET k v\r\nMULTI\r\nSET k w\r\nEXEC\r\nGET k\r\n"));
    assert_true(session_next(&f->session, 0, 0, &r));
    toy_take(&f->toy, &r);
    /* GET k waits for SET k; what is between is answered, in its turn */
    assert_false(session_next(&f->session, 0, 0, &r));
    toy_run(&f->toy, &f->session);
    assert_true(slice_eq(buf_view(&f->session.out),
                         SLICE("+OK\r\n" NO_MULTI REFUSED EXECABORT "$1\r\nv\r\n")));
}

/* ---- Loading, subscribed ---- */

static void test_loading(void **state)
{
    struct fixture *f = *state;
    f->front.ready = false;
    static const char loading[] = "-LOADING covey is still looking for its peers, try again "
                                  "(STATUS and MEMBERS say more)\r\n";
    expect(f, "PING", loading);
    expect(f, "GET k", loading);
    expect(f, "MSET k v", loading);
    expect(f, "WHERE k", loading);
    expect(f, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "ECHO x", "$1\r\nx\r\n");
    expect(f, "SELECT 0", "+OK\r\n");
    expect(f, "SUBSCRIBE __covey__:members",
           "*3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
    expect(f, "RESET", "+RESET\r\n");
    f->toy.status.verdict = VERDICT_LOADING;
    parse(f, "STATUS");
    assert_int_equal(field(f, 0, "code")->integer, 2);
    assert_true(contains(field(f, 0, "verdict")->text, "loading: "));
    assert_int_equal(parse(f, "MEMBERS")->count, 3);
    parse(f, "RING");
    assert_int_equal(field(f, 0, "epoch")->integer, 0);
    assert_int_equal(field(f, 0, "members")->count, 0);
    expect(f, "RING VNODES", "*0\r\n");
    assert_true(contains(ask(f, "INFO"), "loading:1\r\n"));
    assert_int_equal(parse(f, "HELLO 3")->type, RESP_MAP);
    assert_int_equal(f->toy.asked_ever, 4);
}

static const struct member_info dead_c = {.id = 0xc1,
                                          .name = {(const uint8_t *)"c d", 3},
                                          .addr = {4, 7420, {127, 0, 0, 1}},
                                          .state = MEMBER_DEAD,
                                          .incarnation = 3};

static void test_subscribe_resp2(void **state)
{
    struct fixture *f = *state;
    expect(f, "SUBSCRIBE news",
           "-ERR there is no channel 'news'; the one there is is __covey__:members\r\n");
    expect(f, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    session_member(&f->session, &dead_c);
    expect(f, "SUBSCRIBE __covey__:members",
           "*3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
    buf_consume(&f->session.out, f->session.out.n);
    session_member(&f->session, &dead_c);
    assert_int_equal(resp_parse_reply(&f->reply, buf_view(&f->session.out)), (int)f->session.out.n);
    assert_text(&f->reply.v[1], "message");
    assert_text(&f->reply.v[2], "__covey__:members");
    assert_text(
        &f->reply.v[3],
        "event=member.dead name=\"c d\" addr=127.0.0.1:7420 member=00000000000000c1 incarnation=3");
    expect(f, "GET k",
           "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
           "are allowed in this context\r\n");
    expect(f, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    expect(f, "PING x", "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    expect(f, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$17\r\n__covey__:members\r\n:0\r\n");
    expect(f, "GET k", "$-1\r\n");
    session_member(&f->session, &dead_c);
    expect(f, "SUBSCRIBE __covey__:members\r\nRESET\r\nPING",
           "*3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n+RESET\r\n+PONG\r\n");
}

static void test_subscribe_resp3(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    expect(f, "SUBSCRIBE __covey__:members",
           ">3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
    expect(f, "GET k", "_\r\n"); /* RESP3 clients can tell a push from a reply, so all is allowed */
    expect(f, "PING", "+PONG\r\n");
    buf_consume(&f->session.out, f->session.out.n);
    struct member_info joining = {.id = 0xd1, .name = SLICE("d")};
    session_member(&f->session, &joining);
    assert_int_equal(resp_parse_reply(&f->reply, buf_view(&f->session.out)), (int)f->session.out.n);
    assert_int_equal(f->reply.v[0].type, RESP_PUSH);
    assert_text(&f->reply.v[3],
                "event=member.joining name=d addr=none member=00000000000000d1 incarnation=0");
}

/* A subscriber that never reads is cut, not fed without bound; half a message is never sent. */
static void test_subscriber_that_never_reads_is_cut(void **state)
{
    struct fixture *f = *state;
    ask(f, "SUBSCRIBE __covey__:members");
    buf_consume(&f->session.out, f->session.out.n);
    session_member(&f->session, &dead_c);
    size_t one = f->session.out.n, sent = 1;
    for (; !session_done(&f->session); sent++)
        session_member(&f->session, &dead_c);
    assert_int_equal(sent - 1, SESSION_OUT_MAX / one);
    assert_int_equal(f->session.out.n, (sent - 1) * one);
    assert_true(session_full(&f->session));
    session_feed(&f->session, SLICE("PING\r\n"));
    toy_run(&f->toy, &f->session);
    assert_int_equal(f->session.out.n, (sent - 1) * one);
}

/* A message must not overtake the reply that says that there will be messages. */
static void test_subscribe_waits_for_earlier_commands(void **state)
{
    struct fixture *f = *state;
    struct request r;
    session_feed(&f->session, SLICE("GET k\r\nSUBSCRIBE __covey__:members\r\n"));
    assert_true(session_next(&f->session, 0, 0, &r));
    toy_take(&f->toy, &r);
    assert_false(session_next(&f->session, 0, 0, &r));
    session_member(&f->session, &dead_c);
    assert_int_equal(f->session.out.n, 0);
    toy_run(&f->toy, &f->session);
    assert_true(f->session.subscribed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_data),
        TEST(test_data_resp3),
        TEST(test_set_options_are_refused_by_name),
        TEST(test_failures),
        TEST(test_consistency),
        TEST(test_connection),
        TEST(test_hello),
        TEST(test_client),
        TEST(test_unknown_and_arity),
        cmocka_unit_test(test_the_absent_commands_are_sorted),
        TEST(test_what_is_not_built_is_said_to_be),
        TEST(test_nothing_of_a_refused_transaction_is_carried_out),
        TEST(test_what_ends_a_refused_transaction),
        TEST(test_a_refused_transaction_behind_commands_under_way),
        TEST(test_loading),
        TEST(test_subscribe_resp2),
        TEST(test_subscribe_resp3),
        TEST(test_subscriber_that_never_reads_is_cut),
        TEST(test_subscribe_waits_for_earlier_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
