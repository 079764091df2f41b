/* Values with an end: what the commands ask of the node, what they make of its answers, and Redis's
 * words when they are wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "front/session.h"

static const uint64_t WALL_MS = 1700000000000;

struct fixture {
    struct front front;
    struct session session;
};

static int set_up(void **state)
{
    static struct fixture f;
    front_init(&f.front);
    f.front.ready = true;
    session_init(&f.session, &f.front, 1, SLICE("test"), 1000);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    session_close(&((struct fixture *)*state)->session);
    return 0;
}

/* Says a command: true when it made a request. */
static bool say(struct fixture *f, const char *command, struct request *r)
{
    buf_consume(&f->session.out, f->session.out.n);
    assert_int_equal(session_feed(&f->session, slice_str(command)), 0);
    assert_int_equal(session_feed(&f->session, SLICE("\r\n")), 0);
    return session_next(&f->session, 1000, WALL_MS, r);
}

static void expect_out(struct fixture *f, const char *command, const char *want)
{
    struct slice got = buf_view(&f->session.out);
    if (!slice_eq(got, slice_str(want)))
        fail_msg("%s: got %.*s, wanted %s", command, (int)got.n, (const char *)got.p, want);
}

static void answer(struct fixture *f, const struct request *r, struct result result)
{
    result.token = r->token;
    result.kind = r->kind;
    session_result(&f->session, &result, 1001);
}

static void test_what_is_asked(void **state)
{
    static const struct {
        const char *command;
        struct request r;
    } cases[] = {
        {"SET k v", {.kind = OP_PUT}},
        {"set k v ex 10", {.kind = OP_PUT, .expiry_ms = 10000, .expiry_relative = true}},
        {"SET k v PX 10", {.kind = OP_PUT, .expiry_ms = 10, .expiry_relative = true}},
        {"SET k v EXAT 10", {.kind = OP_PUT, .expiry_ms = 10000}},
        {"SET k v PXAT 1700000000001", {.kind = OP_PUT, .expiry_ms = 1700000000001}},
        {"SET k v keepttl", {.kind = OP_PUT, .keep_expiry = true}},
        {"SETEX k 10 v", {.kind = OP_PUT, .expiry_ms = 10000, .expiry_relative = true}},
        {"PSETEX k 10 v", {.kind = OP_PUT, .expiry_ms = 10, .expiry_relative = true}},
        {"EXPIRE k 10", {.kind = OP_EXPIRE, .expiry_ms = 10000, .expiry_relative = true}},
        {"EXPIRE k 0", {.kind = OP_EXPIRE, .expiry_ms = 1}},
        {"EXPIRE k -5 lt", {.kind = OP_EXPIRE, .expiry_ms = 1, .when = EXPIRE_LT}},
        {"PEXPIRE k 10 NX",
         {.kind = OP_EXPIRE, .expiry_ms = 10, .expiry_relative = true, .when = EXPIRE_NX}},
        {"EXPIREAT k 10 XX GT",
         {.kind = OP_EXPIRE, .expiry_ms = 10000, .when = EXPIRE_XX | EXPIRE_GT}},
        {"PEXPIREAT k 10", {.kind = OP_EXPIRE, .expiry_ms = 10}},
        {"PERSIST k", {.kind = OP_EXPIRE}},
        {"TTL k", {.kind = OP_HEAD}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct request *want = &cases[i].r;
        struct request r;
        assert_true(say(f, cases[i].command, &r));
        if (r.kind != want->kind || r.expiry_ms != want->expiry_ms ||
            r.expiry_relative != want->expiry_relative || r.keep_expiry != want->keep_expiry ||
            r.when != want->when)
            fail_msg("%s asks for kind %d, end %llu%s%s, when %u", cases[i].command, (int)r.kind,
                     (unsigned long long)r.expiry_ms, r.expiry_relative ? " from now" : "",
                     r.keep_expiry ? ", kept" : "", r.when);
        assert_true(slice_eq(r.key, SLICE("k")));
        if (r.kind == OP_PUT)
            assert_true(slice_eq(r.value, SLICE("v")));
        answer(f, &r, (struct result){0});
        session_check(&f->session);
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *command, *error;
    } cases[] = {
        {"SET k v EX", "-ERR syntax error\r\n"},
        {"SET k v EX 10 PX 10", "-ERR syntax error\r\n"},
        {"SET k v EX 10 KEEPTTL", "-ERR syntax error\r\n"},
        {"SET k v KEEPTTL EX 10", "-ERR syntax error\r\n"},
        {"SET k v EX ten", "-ERR value is not an integer or out of range\r\n"},
        {"SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n"},
        {"SET k v PXAT -1", "-ERR invalid expire time in 'set' command\r\n"},
        {"SETEX k 0 v", "-ERR invalid expire time in 'setex' command\r\n"},
        {"PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command\r\n"},
        {"SETEX k v", "-ERR wrong number of arguments for 'setex' command\r\n"},
        {"EXPIRE k x", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
        {"EXPIRE k -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"},
        {"EXPIRE k 9223372036854775808", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k -9223372036854775809", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k 99999999999999999999", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k 010", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k -0", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k -", "-ERR value is not an integer or out of range\r\n"},
        {"EXPIRE k 999999999999999999", "-ERR invalid expire time in 'expire' command\r\n"},
        {"PEXPIREAT k 281474976710656", "-ERR invalid expire time in 'pexpireat' command\r\n"},
        {"EXPIRE k 10 NX XX",
         "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
        {"EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"},
        {"EXPIRE k 10 AB", "-ERR Unsupported option AB\r\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request r;
        assert_false(say(f, cases[i].command, &r));
        expect_out(f, cases[i].command, cases[i].error);
    }
}

static void test_what_is_answered(void **state)
{
    struct record timed = {.kind = RECORD_VALUE, .expiry_ms = WALL_MS + 10499},
                  endless = {.kind = RECORD_VALUE};
    const struct {
        const char *command;
        struct record record;
        const char *reply;
    } cases[] = {
        {"TTL k", timed, ":10\r\n"},
        {"PTTL k", timed, ":10499\r\n"},
        {"EXPIRETIME k", timed, ":1700000010\r\n"},
        {"TTL k", endless, ":-1\r\n"},
        {"PTTL k", endless, ":-1\r\n"},
        {"PEXPIRETIME k", endless, ":-1\r\n"},
        {"TTL k", (struct record){0}, ":-2\r\n"},
        {"PEXPIRETIME k", timed, ":1700000010499\r\n"},
    };
    struct fixture *f = *state;
    struct request r;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(say(f, cases[i].command, &r));
        answer(f, &r, (struct result){.record = cases[i].record, .wall_ms = WALL_MS});
        expect_out(f, cases[i].command, cases[i].reply);
    }
    assert_true(say(f, "PERSIST k", &r));
    answer(f, &r, (struct result){.existed = true});
    expect_out(f, "PERSIST k", ":1\r\n");
    assert_true(say(f, "EXPIRE k 1", &r));
    answer(f, &r, (struct result){.error = ERR_UNKNOWN_OUTCOME, .answered = 1, .needed = 2});
    expect_out(f, "EXPIRE k 1",
               "-UNKNOWN 1 of 2 needed owners answered in time; the write may or may not have been "
               "stored; read it back or write it "
               "again\r\n");
    assert_true(say(f, "EXPIRE k 1", &r));
    answer(f, &r, (struct result){.error = ERR_UNKNOWN_OUTCOME, .cause = ERR_NO_SPACE});
    expect_out(f, "EXPIRE k 1",
               "-UNKNOWN too few owners have room on their disk; one of them may have stored the "
               "write all the same; free some, "
               "then write it again\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_what_is_asked), TEST(test_what_is_refused),
                                       TEST(test_what_is_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
