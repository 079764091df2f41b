/* Order, concurrency and bounds of a session; what single commands reply is in
 * front_command_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "test/front_toy.h"

struct fixture {
    struct front front;
    struct session session;
    struct toy toy;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    front_init(&f->front);
    f->front.ready = true;
    session_init(&f->session, &f->front, 77, SLICE("127.0.0.1:50000"), 1000);
    toy_init(&f->toy, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    session_close(&f->session);
    toy_close(&f->toy);
    free(f);
    return 0;
}

static void assert_out(struct fixture *f, struct slice want)
{
    struct slice got = buf_view(&f->session.out);
    if (!slice_eq(got, want))
        print_error("got:\n%.*s\nwanted:\n%.*s\n", (int)got.n, (const char *)got.p, (int)want.n,
                    (const char *)want.p);
    assert_true(slice_eq(got, want));
    buf_consume(&f->session.out, f->session.out.n);
}

static void feed(struct fixture *f, const char *text)
{
    assert_int_equal(session_feed(&f->session, slice_str(text)), 0);
}

static void expect(struct fixture *f, const char *asked, const char *want)
{
    feed(f, asked);
    toy_run(&f->toy, &f->session);
    assert_out(f, slice_str(want));
}

/* Takes all that the session asks for now, and says how much that was. */
static uint32_t take_all(struct fixture *f)
{
    struct request r;
    uint32_t n = 0;
    for (; session_next(&f->session, 5000, 0, &r); n++)
        toy_take(&f->toy, &r);
    session_check(&f->session);
    return n;
}

/* ---- Order ---- */

static void test_replies_in_order(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET a 1\r\nSET b 2\r\nPING\r\nSET c 3\r\nECHO x\r\n");
    assert_int_equal(take_all(f), 3);
    toy_answer(&f->toy, &f->session, 2); /* c */
    assert_out(f, SLICE(""));
    toy_answer(&f->toy, &f->session, 0); /* a: and nothing of what is behind b */
    assert_out(f, SLICE("+OK\r\n"));
    toy_answer(&f->toy, &f->session, 0); /* b */
    assert_out(f, SLICE("+OK\r\n+PONG\r\n+OK\r\n$1\r\nx\r\n"));
}

static void test_same_key_waits(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET k 1\r\nGET k\r\nSET k 2\r\nGET other\r\n");
    assert_int_equal(take_all(f), 1);
    toy_answer(&f->toy, &f->session, 0);
    assert_int_equal(take_all(f), 1);
    toy_answer(&f->toy, &f->session, 0);
    assert_int_equal(take_all(f), 2); /* SET k and, of another key, GET */
    toy_answer(&f->toy, &f->session, 1);
    toy_answer(&f->toy, &f->session, 0);
    assert_out(f, SLICE("+OK\r\n$1\r\n1\r\n+OK\r\n$-1\r\n"));
}

static void test_dbsize_waits_and_is_waited_for(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET k 1\r\nDBSIZE\r\nSET l 1\r\nDBSIZE\r\n");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take_all(f), 1);
        toy_answer(&f->toy, &f->session, 0);
    }
    assert_out(f, SLICE("+OK\r\n:1\r\n+OK\r\n:2\r\n"));
}

static void test_backup_waits_and_is_waited_for(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET k 1\r\nBACKUP /x\r\nBACKUP status\r\nSET l 1\r\n");
    const enum op_kind kind[] = {OP_PUT, OP_BACKUP, OP_BACKUP_STATUS, OP_PUT};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take_all(f), 1);
        assert_int_equal(f->toy.asked[0].request.kind, kind[i]);
        toy_answer(&f->toy, &f->session, 0);
    }
}

static void test_one_command_may_name_a_key_twice(void **state)
{
    struct fixture *f = *state;
    expect(f, "MSET k 1 k 2 l 3\r\nMGET k k l\r\nEXISTS k k none\r\nDEL k k l\r\n",
           "+OK\r\n*3\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n3\r\n:2\r\n:2\r\n");
}

/* What one command after the other would have replied. */
struct model {
    int value[4]; /* of keys k0 .. k3; -1: absent */
    struct buf in, out;
};

static void model_value(struct model *m, int v)
{
    char text[16];
    if (v < 0) {
        buf_slice(&m->out, SLICE("$-1\r\n"));
        return;
    }
    snprintf(text, sizeof text, "%d", v);
    buf_printf(&m->out, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void model_step(struct model *m, struct rng *rng)
{
    int k = (int)rng_below(rng, 4), l = (int)rng_below(rng, 4), v = (int)rng_below(rng, 2000);
    switch (rng_below(rng, 7)) {
    case 0:
    case 1:
        buf_printf(&m->in, "SET k%d %d\r\n", k, v);
        m->value[k] = v;
        buf_slice(&m->out, SLICE("+OK\r\n"));
        break;
    case 2:
        buf_printf(&m->in, "GET k%d\r\n", k);
        model_value(m, m->value[k]);
        break;
    case 3:
        buf_printf(&m->in, "MGET k%d k%d\r\n", k, l);
        buf_slice(&m->out, SLICE("*2\r\n"));
        model_value(m, m->value[k]);
        model_value(m, m->value[l]);
        break;
    case 4:
        buf_printf(&m->in, "DEL k%d\r\n", k);
        buf_printf(&m->out, ":%d\r\n", m->value[k] >= 0);
        m->value[k] = -1;
        break;
    case 5:
        buf_printf(&m->in, "MSET k%d %d k%d %d\r\n", k, v, l, v + 1);
        m->value[k] = v;
        m->value[l] = v + 1;
        buf_slice(&m->out, SLICE("+OK\r\n"));
        break;
    default:
        buf_printf(&m->in, "PING p%d\r\n", v % 10);
        buf_printf(&m->out, "$2\r\np%d\r\n", v % 10);
    }
}

/* 200 pipelines of 60 commands on four keys, cut anywhere, answered in any order: as if run one by
 * one. */
static void test_random_pipelines_as_if_sequential(void **state)
{
    struct fixture *f = *state;
    struct model m = {.value = {-1, -1, -1, -1}};
    buf_init(&m.in, 1 << 20);
    buf_init(&m.out, 1 << 20);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 60; i++)
            model_step(&m, &f->toy.rng);
        for (size_t at = 0; at < m.in.n;) {
            size_t n = 1 + rng_below(&f->toy.rng, 200);
            n = n < m.in.n - at ? n : m.in.n - at;
            assert_int_equal(session_feed(&f->session, slice_of(m.in.p + at, n)), 0);
            at += n;
            take_all(f);
            while (f->toy.asked_n && rng_below(&f->toy.rng, 3))
                toy_answer(&f->toy, &f->session, (uint32_t)rng_below(&f->toy.rng, f->toy.asked_n));
        }
        toy_run(&f->toy, &f->session);
        assert_out(f, buf_view(&m.out));
        m.in.n = m.out.n = 0;
    }
    assert_true(f->toy.asked_most > 3);
    buf_close(&m.in);
    buf_close(&m.out);
}

static void test_cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\n\r\n\0x\n\r\n\r\nGET k\r\nMGET "
                               "k 'a b' \"\\x6b\"\r\n*0\r\n"
                               "*2\r\n$4\r\nECHO\r\n$0\r\n\r\nnosuch a b\r\nHELLO 3\r\nMGET "
                               "none\r\nRESET\r\nDEL k\r\nQUIT\r\n";
    struct slice all = slice_of(text, sizeof text - 1);
    struct buf want;
    buf_init(&want, 1 << 16);
    for (size_t cut = 0; cut < all.n; cut++) {
        struct session s;
        f->front.next_client_id = 1;
        session_init(&s, &f->front, 1, SLICE(""), 0);
        assert_int_equal(session_feed(&s, slice_of(all.p, cut)), 0);
        toy_run(&f->toy, &s);
        assert_int_equal(session_feed(&s, slice_of(all.p + cut, all.n - cut)), 0);
        toy_run(&f->toy, &s);
        assert_true(session_done(&s));
        if (cut == 0)
            assert_int_equal(buf_slice(&want, buf_view(&s.out)), 0);
        assert_true(slice_eq(buf_view(&s.out), buf_view(&want)));
        session_close(&s);
    }
    assert_true(want.n > 200);
    buf_close(&want);
}

/* ---- Many keys ---- */

enum { MANY = 10000 };

static void many_keys(struct buf *b, const char *command, bool values)
{
    buf_printf(b, "*%d\r\n$%zu\r\n%s\r\n", values ? 2 * MANY + 1 : MANY + 1, strlen(command),
               command);
    for (int i = 0; i < MANY; i++) {
        buf_printf(b, "$6\r\nk%05d\r\n", i % 3000);
        if (values)
            buf_printf(b, "$5\r\n%05d\r\n", i % 3000);
    }
}

static void test_ten_thousand_keys(void **state)
{
    struct fixture *f = *state;
    struct buf in, want;
    buf_init(&in, 1 << 22);
    buf_init(&want, 1 << 22);
    many_keys(&in, "MSET", true);
    many_keys(&in, "MGET", false);
    many_keys(&in, "EXISTS", false);
    buf_slice(&in, SLICE("PING\r\n"));
    for (size_t at = 0; at < in.n; at += 65536) {
        /* as a socket brings it: the input moves while MSET is being asked */
        size_t n = in.n - at < 65536 ? in.n - at : 65536;
        assert_int_equal(session_feed(&f->session, slice_of(in.p + at, n)), 0);
        take_all(f);
    }
    assert_true(session_full(&f->session));
    toy_run(&f->toy, &f->session);
    assert_int_equal(f->toy.asked_ever, 3 * MANY);
    assert_int_equal(f->toy.asked_most, SESSION_OPS_MAX);
    buf_printf(&want, "+OK\r\n*%d\r\n", MANY);
    for (int i = 0; i < MANY; i++)
        buf_printf(&want, "$5\r\n%05d\r\n", i % 3000);
    buf_printf(&want, ":%d\r\n+PONG\r\n", MANY);
    assert_out(f, buf_view(&want));
    assert_false(session_full(&f->session));
    buf_close(&in);
    buf_close(&want);
}

static void test_many_keys_fail_as_one(void **state)
{
    struct fixture *f = *state;
    expect(f, "MSET a 1 b 2 c 3\r\n", "+OK\r\n");
    feed(f, "MGET a b c\r\nMSET d 1 e 2\r\nDEL f g\r\n");
    assert_int_equal(take_all(f), 7);
    toy_answer(&f->toy, &f->session, 0);
    f->toy.error = ERR_NO_QUORUM;
    toy_answer(&f->toy, &f->session, 1); /* b; the last one, g, takes its place */
    f->toy.error = 0;
    while (f->toy.asked_n) {
        f->toy.error = f->toy.asked_n == 2 ? ERR_BUSY : 0;
        toy_answer(&f->toy, &f->session, f->toy.asked_n - 1);
    }
    struct slice out = buf_view(&f->session.out);
    assert_int_equal(out.p[0], '-');
    assert_non_null(memmem(out.p, out.n, "-NOQUORUM 1 of 2", 16));
    assert_null(memmem(out.p, out.n, "*3", 2));
    buf_consume(&f->session.out, out.n);
    /* nothing of the failure is left behind */
    expect(f, "MGET a c\r\n", "*2\r\n$1\r\n1\r\n$1\r\n3\r\n");
}

/* ---- Bounds ---- */

static void test_operations_are_bounded(void **state)
{
    struct fixture *f = *state;
    char line[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof line, "SET key%d v\r\n", i);
        feed(f, line);
    }
    assert_int_equal(take_all(f), SESSION_OPS_MAX);
    toy_answer(&f->toy, &f->session, 5);
    assert_int_equal(take_all(f), 0); /* done, but the first one still has its entry in the ring */
    toy_answer(&f->toy, &f->session, 0);
    assert_int_equal(take_all(f), 1);
    toy_run(&f->toy, &f->session);
    assert_int_equal(f->session.out.n, 3000 * 5);
}

/* A pipeline behind one key: the session says that it is full, and the input is not moved once per
 * command. */
static void test_backlog_is_bounded(void **state)
{
    struct fixture *f = *state;
    size_t fed = 0;
    while (!session_full(&f->session)) {
        feed(f, "SET one v\r\n");
        take_all(f);
        fed++;
        assert_true(fed * 11 < 2 * SESSION_BACKLOG_MAX);
    }
    toy_run(&f->toy, &f->session);
    assert_false(session_full(&f->session));
    assert_int_equal(f->session.out.n, fed * 5);
}

static void put_big(struct fixture *f, const char *key, size_t n)
{
    struct buf b;
    buf_init(&b, 2 * VALUE_MAX);
    buf_printf(&b, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, n);
    assert_int_equal(buf_reserve(&b, n + 2), 0);
    memset(b.p + b.n, 'v', n);
    memcpy(b.p + b.n + n, "\r\n", 2);
    b.n += n + 2;
    for (size_t at = 0; at < b.n; at += 100000) {
        assert_int_equal(
            session_feed(&f->session, slice_of(b.p + at, b.n - at < 100000 ? b.n - at : 100000)),
            0);
        toy_run(&f->toy, &f->session);
    }
    buf_close(&b);
}

static void test_largest_value(void **state)
{
    struct fixture *f = *state;
    put_big(f, "big", VALUE_MAX);
    assert_out(f, SLICE("+OK\r\n"));
    expect(f, "STRLEN big\r\n", ":8388608\r\n");
    feed(f, "GET big\r\nPING\r\n");
    toy_run(&f->toy, &f->session);
    assert_int_equal(f->session.out.n, 10 + VALUE_MAX + 2 + 7);
    buf_consume(&f->session.out, f->session.out.n);
    take_all(f);
    /* given back */
    assert_true(f->session.in.cap <= 1024 * 1024 && f->session.out.cap <= 1024 * 1024);
}

/* A client that pipelines large reads and takes none of the replies is stopped; one that takes them
 * gets them all. */
static void test_large_reads_are_bounded(void **state)
{
    struct fixture *f = *state;
    put_big(f, "big", VALUE_MAX);
    assert_out(f, SLICE("+OK\r\n"));
    for (int i = 0; i < 30; i++)
        feed(f, "GET big\r\n");
    toy_run(&f->toy, &f->session);
    assert_true(session_full(&f->session));
    assert_true(f->session.out.n <= SESSION_OUT_MAX);
    size_t total = 0;
    while (f->session.out.n) {
        total += f->session.out.n;
        buf_consume(&f->session.out, f->session.out.n);
        toy_run(&f->toy, &f->session);
    }
    assert_int_equal(total, 30 * (10 + VALUE_MAX + 2));
    assert_false(session_full(&f->session));
}

static void test_reply_that_fits_nowhere_is_an_error(void **state)
{
    struct fixture *f = *state;
    put_big(f, "big", VALUE_MAX);
    assert_out(f, SLICE("+OK\r\n"));
    feed(f, "MGET big big big big big big big big big\r\nPING\r\n");
    toy_run(&f->toy, &f->session);
    struct slice out = buf_view(&f->session.out);
    assert_true(out.n < 300 && !memcmp(out.p, "-BUSY the reply does not fit", 28));
    assert_false(session_done(&f->session));
    assert_memory_equal(out.p + out.n - 7, "+PONG\r\n", 7);
}

/* Small replies make the session bold; then each of a thousand keys turns out to be large, and the
 * oldest is late. */
static void test_parked_replies_are_bounded(void **state)
{
    struct fixture *f = *state;
    char line[32];
    put_big(f, "big", VALUE_MAX);
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "GET small%d\r\n", i);
        feed(f, line);
        toy_run(&f->toy, &f->session);
    }
    buf_consume(&f->session.out, f->session.out.n);
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "GET small%d\r\n", i);
        feed(f, line);
    }
    assert_int_equal(take_all(f), 40);
    uint32_t big = toy_entry(&f->toy, SLICE("big"));
    for (uint32_t i = 39; i > 0; i--) {
        struct result r = {.token = f->toy.asked[i].request.token, .kind = OP_GET};
        r.record.kind = RECORD_VALUE;
        r.record.value = toy_slice(f->toy.entry[big].value);
        session_result(&f->session, &r, 0);
        session_check(&f->session);
        assert_true(f->session.parked_bytes <= SESSION_OUT_MAX + 40 * 4096);
        session_result(&f->session, &r, 0); /* and once more: dropped */
        session_check(&f->session);
    }
    f->toy.asked[0].request.kind = OP_GET;
    toy_answer(&f->toy, &f->session, 0);
    assert_false(session_done(&f->session));
    assert_true(f->session.out.n <= SESSION_OUT_MAX);
    assert_int_equal(f->session.head, f->session.tail);
}

static void test_stale_results_are_dropped(void **state)
{
    struct fixture *f = *state;
    feed(f, "GET a\r\nGET b\r\n");
    assert_int_equal(take_all(f), 2);
    struct result r = {.token = f->toy.asked[1].request.token, .kind = OP_GET};
    uint32_t number = REQUEST_NUMBER(r.token);
    r.token = REQUEST_TOKEN(ASKER_CLIENT, 77, number + 1);
    session_result(&f->session, &r, 0); /* not yet asked */
    r.token = REQUEST_TOKEN(ASKER_CLIENT, 77, number - 2);
    session_result(&f->session, &r, 0); /* before the first */
    assert_out(f, SLICE(""));
    r.token = f->toy.asked[0].request.token;
    session_result(&f->session, &r, 0);
    session_result(&f->session, &r, 0); /* twice */
    assert_out(f, SLICE("$-1\r\n"));
    r.token = f->toy.asked[1].request.token;
    session_result(&f->session, &r, 0);
    assert_out(f, SLICE("$-1\r\n"));
}

/* A token says who asks, with all bits of the handle; numbers come round in it, and results are
 * known all the same. */
static void test_tokens_name_the_asker(void **state)
{
    struct fixture *f = *state;
    f->session.handle = 0xffff0003;
    f->session.head = f->session.tail = 5 * (REQUEST_NUMBERS + 1) - 2;
    feed(f, "GET a\r\nSET b 1\r\nGET c\r\nGET d\r\n");
    assert_int_equal(take_all(f), 4);
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t token = f->toy.asked[i].request.token;
        assert_int_equal(REQUEST_ASKER(token), ASKER_CLIENT);
        assert_int_equal(REQUEST_HANDLE(token), 0xffff0003);
        assert_int_equal(REQUEST_NUMBER(token), (REQUEST_NUMBERS - 1 + i) & REQUEST_NUMBERS);
    }
    while (f->toy.asked_n > 0)
        toy_answer(&f->toy, &f->session, f->toy.asked_n / 2);
    assert_out(f, SLICE("$-1\r\n+OK\r\n$-1\r\n$-1\r\n"));
}

/* ---- What is not a command ---- */

static void test_oversized_key_and_value(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    f->front.value_max = 100000;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "*2\r\n$3\r\nGET\r\n$70000\r\n");
    for (int i = 0; i < 70000; i++)
        buf_append(&b, "k", 1);
    buf_printf(&b, "\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n");
    for (int i = 0; i < 200000; i++)
        buf_append(&b, "v", 1);
    buf_printf(&b, "\r\nPING\r\n");
    for (size_t at = 0; at < b.n; at += 1000) {
        assert_int_equal(
            session_feed(&f->session, slice_of(b.p + at, b.n - at < 1000 ? b.n - at : 1000)), 0);
        toy_run(&f->toy, &f->session);
    }
    buf_close(&b);
    assert_out(f, SLICE("-ERR key is 70000 bytes, the limit is 65536\r\n+PONG\r\n-ERR value is "
                        "200000 bytes, the limit is 100000; start "
                        "the nodes with a larger --value-max to store it\r\n+PONG\r\n"));
    assert_true(f->session.in.cap < 200000);
    f->front.value_max = 2; /* below the key's limit: the parser lets it through, SET does not */
    expect(f, "SET k 123\r\nMSET a 1 b 123\r\nSET k 12\r\n",
           "-ERR value is 3 bytes, the limit is 2; start the nodes with a larger --value-max to "
           "store it\r\n"
           "-ERR value is 3 bytes, the limit is 2; start the nodes with a larger --value-max to "
           "store it\r\n+OK\r\n");
    expect(f, "EXISTS a\r\n", ":0\r\n");
}

static void test_protocol_error_closes_after_earlier_replies(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET k 1\r\n*1\r\n$x\r\nPING\r\n");
    assert_int_equal(take_all(f), 1);
    assert_false(session_done(&f->session));
    assert_true(session_full(&f->session));
    toy_answer(&f->toy, &f->session, 0);
    assert_out(f, SLICE("+OK\r\n-ERR Protocol error: invalid bulk length\r\n"));
    assert_true(session_done(&f->session));
    assert_int_equal(f->front.rejected, 1);
    expect(f, "PING\r\n", ""); /* it takes no more input */
}

static void test_http_is_refused(void **state)
{
    struct fixture *f = *state;
    expect(f, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nSET k v\r\n",
           "-ERR this is covey's port for Redis clients, it does not speak HTTP; the connection is "
           "closed\r\n");
    assert_true(session_done(&f->session));
    struct session s;
    session_init(&s, &f->front, 2, SLICE(""), 0);
    assert_int_equal(session_feed(&s, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n")), 0);
    toy_run(&f->toy, &s);
    assert_true(session_done(&s));
    session_close(&s);
    assert_int_equal(f->toy.asked_ever, 0);
    assert_int_equal(f->front.rejected, 2);
}

static void test_quit_waits_for_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    feed(f, "SET k 1\r\nQUIT\r\nSET l 1\r\n");
    assert_int_equal(take_all(f), 1);
    assert_false(session_done(&f->session));
    toy_run(&f->toy, &f->session);
    assert_out(f, SLICE("+OK\r\n+OK\r\n"));
    assert_true(session_done(&f->session));
    assert_int_equal(f->toy.asked_ever, 1);
}

static void test_sessions_are_listed(void **state)
{
    struct fixture *f = *state;
    struct session s[3];
    for (uint32_t i = 0; i < 3; i++)
        session_init(&s[i], &f->front, i, SLICE("127.0.0.1:1"), 0);
    assert_int_equal(f->front.session_n, 4);
    session_close(&s[1]);
    session_close(&s[2]);
    session_close(&s[0]);
    assert_int_equal(f->front.session_n, 1);
    assert_ptr_equal(f->front.sessions, &f->session);
    assert_null(f->session.prev);
    assert_int_equal(f->front.connections, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_replies_in_order),
        TEST(test_same_key_waits),
        TEST(test_dbsize_waits_and_is_waited_for),
        TEST(test_backup_waits_and_is_waited_for),
        TEST(test_one_command_may_name_a_key_twice),
        TEST(test_random_pipelines_as_if_sequential),
        TEST(test_cut_at_every_byte),
        TEST(test_ten_thousand_keys),
        TEST(test_many_keys_fail_as_one),
        TEST(test_operations_are_bounded),
        TEST(test_backlog_is_bounded),
        TEST(test_largest_value),
        TEST(test_large_reads_are_bounded),
        TEST(test_reply_that_fits_nowhere_is_an_error),
        TEST(test_parked_replies_are_bounded),
        TEST(test_stale_results_are_dropped),
        TEST(test_tokens_name_the_asker),
        TEST(test_oversized_key_and_value),
        TEST(test_protocol_error_closes_after_earlier_replies),
        TEST(test_http_is_refused),
        TEST(test_quit_waits_for_what_is_under_way),
        TEST(test_sessions_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
