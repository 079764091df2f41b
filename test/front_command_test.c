/* What each command replies, in RESP2 and RESP3, and how it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "front/glob.h"
#include "test/front_toy.h"

struct fixture {
    struct front front;
    struct session session;
    struct toy toy;
    struct resp_reply reply;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    front_init(&f->front);
    f->front.ready = true;
    f->front.version = SLICE("0.1.0");
    f->front.name = SLICE("a");
    f->front.node = 0xa1;
    f->front.port = 7400;
    f->front.durability = SLICE("fsync");
    f->front.data_dir = SLICE("/var/lib/covey");
    f->front.run_id = SLICE("0123456789012345678901234567890123456789");
    f->front.started_ms = 1000;
    session_init(&f->session, &f->front, 77, SLICE("127.0.0.1:50000"), 1000);
    toy_init(&f->toy, 1);
    resp_reply_init(&f->reply);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    session_close(&f->session);
    toy_close(&f->toy);
    resp_reply_close(&f->reply);
    free(f);
    return 0;
}

/* Runs inline commands; the replies are in session.out. */
static struct slice ask(struct fixture *f, const char *asked)
{
    buf_consume(&f->session.out, f->session.out.n);
    assert_int_equal(session_feed(&f->session, slice_str(asked)), 0);
    assert_int_equal(session_feed(&f->session, SLICE("\r\n")), 0);
    toy_run(&f->toy, &f->session);
    return buf_view(&f->session.out);
}

static void expect(struct fixture *f, const char *asked, const char *want)
{
    struct slice got = ask(f, asked);
    if (!slice_eq(got, slice_str(want)))
        print_error("%s got:\n%.*s\nwanted:\n%s\n", asked, (int)got.n, (const char *)got.p, want);
    assert_true(slice_eq(got, slice_str(want)));
}

static bool contains(struct slice text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* Parses the one reply that there must be. */
static const struct resp_value *parse(struct fixture *f, const char *asked)
{
    struct slice got = ask(f, asked);
    assert_int_equal(resp_parse_reply(&f->reply, got), (int)got.n);
    return f->reply.v;
}

/* The value of a map's field, in RESP3 or flattened. */
static const struct resp_value *field(struct fixture *f, uint32_t map, const char *name)
{
    uint32_t at = map + 1;
    for (uint32_t i = 0; i + 1 < f->reply.v[map].count; i += 2) {
        if (slice_eq(f->reply.v[at].text, slice_str(name)))
            return &f->reply.v[at + 1];
        at = resp_after(&f->reply, at + 1);
    }
    fail_msg("no field %s", name);
    return NULL;
}

static void assert_text(const struct resp_value *v, const char *want)
{
    if (!slice_eq(v->text, slice_str(want)))
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)v->text.n, (const char *)v->text.p, want);
    assert_true(slice_eq(v->text, slice_str(want)));
}

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
           "-NOQUORUM 1 of 2 needed owners are reachable; nothing was stored; try again when more members are up (see "
           "STATUS)\r\n");
    expect(f, "GET k",
           "-NOQUORUM 1 of 2 needed owners are reachable; nothing was read; try again when more members are up (see "
           "STATUS)\r\n");
    expect(f, "MSET k v l w",
           "-NOQUORUM 1 of 2 needed owners are reachable; this key was not changed, the command's other keys may be; "
           "try again when more members are up (see STATUS)\r\n");
    f->toy.error = ERR_UNKNOWN_OUTCOME;
    expect(f, "DEL k",
           "-UNKNOWN 1 of 2 needed owners answered in time; the write may or may not have been stored; read it back or "
           "write it again\r\n");
    expect(f, "GET k", "-UNKNOWN 1 of 2 needed owners answered in time; nothing was read and nothing changed; ask again\r\n");
    static const struct {
        int error;
        const char *code;
    } codes[] = {
        {ERR_BUSY, "-BUSY "}, {ERR_LOADING, "-LOADING "},  {ERR_FORMING, "-FORMING "}, {ERR_CLOCK, "-CLOCK "},
        {ERR_IO, "-IOERR "},  {ERR_NO_SPACE, "-NOSPACE "}, {ERR_CORRUPT, "-CORRUPT "}, {ERR_NO_MEMORY, "-ERR out of memory"}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        f->toy.error = codes[i].error;
        struct slice got = ask(f, "SET k v");
        assert_true(got.n > strlen(codes[i].code) && !memcmp(got.p, codes[i].code, strlen(codes[i].code)));
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
           "-ERR a write at one owner could be lost with it: CONSISTENCY WRITE takes QUORUM or ALL\r\n");
    expect(f, "CONSISTENCY READ", "-ERR syntax error, it is CONSISTENCY [READ ONE|QUORUM|ALL] [WRITE QUORUM|ALL]\r\n");
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
           "-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
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
    expect(f, "HELLO 3 AUTH bob x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(f, "HELLO 3 SETNAME 'a b'", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
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
    expect(f, "CLIENT SETNAME 'a b'", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    expect(f, "CLIENT SETINFO LIB-NAME redis-py", "+OK\r\n");
    expect(f, "CLIENT SETINFO lib-ver 5.0", "+OK\r\n");
    expect(f, "CLIENT SETINFO other 5.0", "-ERR Unrecognized option 'other'\r\n");
    expect(f, "CLIENT NO-EVICT on", "+OK\r\n");
    expect(f, "CLIENT NO-TOUCH maybe", "-ERR syntax error\r\n");
    struct session other;
    session_init(&other, &f->front, 5, SLICE("[::1]:9"), 3000);
    assert_text(parse(f, "CLIENT INFO"),
                "id=1 addr=127.0.0.1:50000 name=worker age=4 idle=0 flags=N db=0 sub=0 qbuf=13 obl=0 ops=0 "
                "cmd=client|info user=default resp=2 lib-name=redis-py lib-ver=5.0\n");
    struct slice list = parse(f, "CLIENT LIST")->text;
    assert_true(contains(list, "cmd=client|list"));
    assert_true(contains(list, "\nid=2 addr=[::1]:9 name= age=2 "));
    session_close(&other);
    assert_true(contains(ask(f, "CLIENT HELP"), "+setname name\r\n"));
    expect(f, "CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
    expect(f, "CLIENT", "-ERR wrong number of arguments for 'client' command\r\n");
    expect(f, "CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n");
}

static void test_unknown_and_arity(void **state)
{
    struct fixture *f = *state;
    expect(f, "FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n");
    expect(f, "foo a 'b c'", "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' \r\n");
    expect(f, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "GET a b", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    char line[600] = "foo ";
    memset(line + 4, 'x', 500);
    struct slice got = ask(f, line);
    assert_true(got.n < 256 && contains(got, "xxx' \r\n")); /* cut as Redis cuts it */
}

/* ---- Loading, subscribed ---- */

static void test_loading(void **state)
{
    struct fixture *f = *state;
    f->front.ready = false;
    static const char loading[] = "-LOADING covey is still looking for its peers, try again (STATUS and MEMBERS say more)\r\n";
    expect(f, "PING", loading);
    expect(f, "GET k", loading);
    expect(f, "MSET k v", loading);
    expect(f, "WHERE k", loading);
    expect(f, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(f, "ECHO x", "$1\r\nx\r\n");
    expect(f, "SELECT 0", "+OK\r\n");
    expect(f, "SUBSCRIBE __covey__:members", "*3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
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

static const struct member_info dead_c = {
    .id = 0xc1, .name = {(const uint8_t *)"c d", 3}, .addr = {4, 7420, {127, 0, 0, 1}}, .state = MEMBER_DEAD, .incarnation = 3};

static void test_subscribe_resp2(void **state)
{
    struct fixture *f = *state;
    expect(f, "SUBSCRIBE news", "-ERR there is no channel 'news'; the one there is is __covey__:members\r\n");
    expect(f, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    session_member(&f->session, &dead_c);
    expect(f, "SUBSCRIBE __covey__:members", "*3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
    buf_consume(&f->session.out, f->session.out.n);
    session_member(&f->session, &dead_c);
    assert_int_equal(resp_parse_reply(&f->reply, buf_view(&f->session.out)), (int)f->session.out.n);
    assert_text(&f->reply.v[1], "message");
    assert_text(&f->reply.v[2], "__covey__:members");
    assert_text(&f->reply.v[3], "event=member.dead name=\"c d\" addr=127.0.0.1:7420 member=00000000000000c1 incarnation=3");
    expect(
        f, "GET k",
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n");
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
    expect(f, "SUBSCRIBE __covey__:members", ">3\r\n$9\r\nsubscribe\r\n$17\r\n__covey__:members\r\n:1\r\n");
    expect(f, "GET k", "_\r\n"); /* pushes are told apart from replies, so all is allowed */
    expect(f, "PING", "+PONG\r\n");
    buf_consume(&f->session.out, f->session.out.n);
    struct member_info joining = {.id = 0xd1, .name = SLICE("d")};
    session_member(&f->session, &joining);
    assert_int_equal(resp_parse_reply(&f->reply, buf_view(&f->session.out)), (int)f->session.out.n);
    assert_int_equal(f->reply.v[0].type, RESP_PUSH);
    assert_text(&f->reply.v[3], "event=member.joining name=d addr=none member=00000000000000d1 incarnation=0");
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

/* ---- The cluster ---- */

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
    parse(f, "RING vnodes");
    assert_int_equal(f->reply.v[0].count, 4);
    assert_int_equal(field(f, 1, "first_slot")->integer, 0);
    assert_int_equal(field(f, 1, "last_slot")->integer, 4095);
    assert_text(field(f, 1, "owners") + 1, "a");
    assert_text(field(f, 1, "owners") + 2, "c");
    assert_int_equal(field(f, 1, "synced_ms")->integer, 1500);
    assert_int_equal(field(f, (uint32_t)(field(f, 1, "synced_ms") - f->reply.v) + 1, "synced_ms")->type, RESP_NULL);
    expect(f, "RING nonsense", "-ERR syntax error, it is RING [VNODES]\r\n");
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
    expect(f, "REPAIR -1", "-ERR no vnode '-1': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR 16384", "-ERR no vnode '16384': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR x", "-ERR no vnode 'x': it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    expect(f, "REPAIR 1 2", "-ERR syntax error, it is REPAIR [vnode|STATUS], with a vnode from RING VNODES\r\n");
    f->toy.error = ERR_REFUSED;
    expect(f, "REPAIR 17", "-ERR this node is no owner of that vnode, or there is none of that number (see RING VNODES)\r\n");
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
    expect(f, "BACKUP /x", "-LOADING covey is still looking for its peers; nothing was read; try again\r\n");
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
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    parse(f, "STATUS");
    assert_text(field(f, 0, "verdict"), "healthy: 3 of 3 replicas everywhere, any 1 node may die");
    assert_text(field(f, 0, "warning"), "");
    assert_text(field(f, 0, "cluster"), "cc000000000000000000000000000000");
    assert_text(field(f, 0, "node"), "00000000000000a1");
    assert_int_equal(field(f, 0, "code")->integer, 0);
    static const char *const others[] = {"n",        "w",       "r",     "members", "alive",     "vnodes", "unavailable",
                                         "degraded", "may_die", "epoch", "forming", "in_flight", "hints"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(field(f, 0, others[i])->type, RESP_INTEGER);
}

static void assert_verdict(struct fixture *f, const char *verdict, int code, const char *warning)
{
    parse(f, "STATUS");
    assert_text(field(f, 0, "verdict"), verdict);
    assert_int_equal(field(f, 0, "code")->integer, code);
    assert_text(field(f, 0, "warning"), warning);
}

static void test_verdicts(void **state)
{
    struct fixture *f = *state;
    struct status_info *i = &f->toy.status;
    i->forming = true;
    assert_verdict(f, "changing: 3 of 3 replicas everywhere, any 1 node may die; a new layout is being agreed", 1, "");
    i->forming = false;
    i->verdict = VERDICT_DEGRADED;
    assert_verdict(f, "changing: 3 of 3 replicas everywhere, any 1 node may die; not every member has adopted the layout yet", 1,
                   "");
    i->degraded = 700;
    i->may_die = 0;
    assert_verdict(
        f, "degraded: 700 of 1024 vnodes have fewer than 3 live owners; every key can be read and written, no more node may die",
        1, "");
    i->unavailable = 300;
    assert_verdict(f, "degraded: 300 of 1024 vnodes have fewer than 2 live owners: their keys cannot be written or read now", 1,
                   "");
    *i = (struct status_info){.verdict = VERDICT_DEGRADED, .n_wanted = 3, .n = 2, .w = 2, .r = 1, .members = 2, .vnodes = 1024};
    assert_verdict(f, "degraded: 2 of 3 replicas everywhere, no node may die; more members are needed", 1,
                   "with 2 members no writer's death is survived: the promise starts at three");
    i->unavailable = 1024;
    assert_verdict(f, "degraded: 1024 of 1024 vnodes have fewer than 2 live owners: their keys cannot be written now", 1,
                   "with 2 members no writer's death is survived: the promise starts at three");
    *i = (struct status_info){.verdict = VERDICT_DEGRADED, .n_wanted = 3, .n = 1, .w = 1, .r = 1, .members = 1, .vnodes = 1024};
    assert_verdict(f, "degraded: 1 of 3 replicas everywhere, no node may die; more members are needed", 1,
                   "with 1 member its disk is the only copy: the promise starts at three");
    *i = (struct status_info){.verdict = VERDICT_LOADING};
    assert_verdict(f, "loading: this node has not found its peers yet, or they have not taken it in", 2, "");
}

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
    assert_true(contains(some, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Covey\r\n"));
    assert_false(contains(some, "# Server"));
    assert_int_equal(parse(f, "INFO nosuch")->text.n, 0);
}

static void test_config(void **state)
{
    struct fixture *f = *state;
    expect(f, "CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    expect(f, "CONFIG GET APPENDONLY port", "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$4\r\nport\r\n$4\r\n7400\r\n");
    expect(f, "CONFIG GET nosuch", "*0\r\n");
    expect(f, "CONFIG GET proto-max-bulk-len maxmemory",
           "*4\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$18\r\nproto-max-bulk-len\r\n$7\r\n8388608\r\n");
    assert_int_equal(parse(f, "CONFIG GET *")->count, 28);
    expect(f, "CONFIG SET a b", "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n");
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
        uint64_t hash = (1 + rng_below(&rng, 40)) | rng_below(&rng, 2) << 40; /* many that share a place */
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
        const struct command *found =
            command_find(slice_str(c->parent ? c->parent : c->name), slice_str(c->parent ? c->name : ""));
        assert_ptr_equal(found, c);
        assert_true(c->summary[0] && c->summary[strlen(c->summary) - 1] == '.');
        assert_true(c->run || command_is_parent(c));
        assert_true(c->arity != 0 && (c->first_key == 0) == (c->step == 0));
        if (i && !c->parent && !c[-1].parent)
            assert_true(strcmp(c[-1].name, c->name) < 0);
    }
    assert_ptr_equal(command_find(SLICE("GeT"), SLICE("k")), command_find(SLICE("get"), SLICE("")));
    assert_ptr_equal(command_find(SLICE("CLIENT"), SLICE("nosuch")), command_find(SLICE("client"), SLICE("")));
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
    expect(f, "COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
    expect(f, "COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command\r\n");
    expect(f, "COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command\r\n");
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
    assert_text(field(f, args + 1, "name"), "key value");
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
        TEST(test_data),
        TEST(test_data_resp3),
        TEST(test_set_options_are_refused_by_name),
        TEST(test_failures),
        TEST(test_consistency),
        TEST(test_connection),
        TEST(test_hello),
        TEST(test_client),
        TEST(test_unknown_and_arity),
        TEST(test_loading),
        TEST(test_subscribe_resp2),
        TEST(test_subscribe_resp3),
        TEST(test_subscriber_that_never_reads_is_cut),
        TEST(test_subscribe_waits_for_earlier_commands),
        TEST(test_members),
        TEST(test_ring),
        TEST(test_repair),
        TEST(test_backup),
        TEST(test_where),
        TEST(test_hints),
        TEST(test_status),
        TEST(test_verdicts),
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
