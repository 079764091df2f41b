/* The printer of traces, and the actions that protocols append. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "core/event.h"
#include "core/trace.h"

static void assert_prints(struct trace t, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(trace_print(&b, &t), 0);
    assert_int_equal(buf_append(&b, "", 1), 0);
    assert_string_equal((const char *)b.p, want);
    buf_close(&b);
}

static void test_a_line_per_trace(void **state)
{
    (void)state;
    assert_prints((struct trace){TRACE_MEMBER_DEAD, 0xc1, 4, 0xa1, SLICE("c")},
                  "event=member.dead level=warn member=00000000000000c1 incarnation=4 "
                  "by=00000000000000a1 name=c");
    assert_prints((struct trace){TRACE_NODE_READY, 1, 2, 3, SLICE("not a field of this one")},
                  "event=node.ready level=info id=0000000000000001 epoch=2 members=3");
    assert_prints((struct trace){TRACE_LAYOUT_PROPOSED, 0, UINT64_MAX, 0, SLICE("")},
                  "event=layout.proposed level=info epoch=18446744073709551615 ballot=0");
}

static void test_errors_print_by_name(void **state)
{
    (void)state;
    assert_prints((struct trace){TRACE_JOIN_REFUSED, 9, (uint64_t)ERR_NAME_TAKEN, 0,
                                 SLICE("the name is taken")},
                  "event=join.refused level=warn member=0000000000000009 error=NAME_TAKEN "
                  "why=\"the name is taken\"");
    assert_prints((struct trace){TRACE_STORE_ERROR, 0, 12345, 0, SLICE("x")},
                  "event=store.error level=error error=UNKNOWN why=x");
}

static void test_text_is_quoted_when_it_must_be(void **state)
{
    (void)state;
#define LINK "event=link.up level=debug peer=0000000000000001 epoch=0 addr="
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("[::1]:7400")}, LINK "[::1]:7400");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("")}, LINK "\"\"");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("a=b")}, LINK "\"a=b\"");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("say \"hi\"")},
                  LINK "\"say \\\"hi\\\"\"");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("c:\\d")}, LINK "\"c:\\\\d\"");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("\x1b[2J\r\n\t\0\x7f")},
                  LINK "\"\\x1b[2J\\r\\n\\t\\x00\\x7f\"");
    assert_prints((struct trace){TRACE_LINK_UP, 1, 0, 0, SLICE("caf\xc3\xa9")}, LINK "caf\xc3\xa9");
#undef LINK
}

static void test_a_line_is_whole_or_absent(void **state)
{
    (void)state;
    struct trace t = {TRACE_MEMBER_DEAD, 0xc1, 4, 0xa1, SLICE("needs \"quotes\"")};
    for (size_t max = 0;; max++) {
        struct buf b;
        buf_init(&b, max + 4);
        assert_int_equal(buf_append(&b, "kept", 4), 0);
        int error = trace_print(&b, &t);
        size_t n = b.n;
        buf_close(&b);
        if (!error)
            break;
        assert_int_equal(error, ERR_TOO_BIG);
        assert_int_equal(n, 4);
        assert_true(max < 1000);
    }
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(trace_level(TRACE_LINK_UP), TRACE_DEBUG);
    assert_int_equal(trace_level(TRACE_MEMBER_ALIVE), TRACE_INFO);
    assert_int_equal(trace_level(TRACE_MEMBER_DEAD), TRACE_WARN);
    assert_int_equal(trace_level(TRACE_STORE_ERROR), TRACE_ERROR);
}

static void test_actions_come_out_clean(void **state)
{
    (void)state;
    static struct out o;
    memset(&o, 0xee, sizeof o); /* as the last step left it */
    out_clear(&o);
    struct action *a = out_add(&o, ACT_REPLY);
    assert_int_equal(a->kind, ACT_REPLY);
    assert_int_equal(a->reply.error, 0);
    assert_int_equal(out_room(&o), OUT_MAX - 1);

    struct addr addr = {.family = 4, .port = 7400};
    struct message *m = out_send(&o, 7, addr, MSG_COUNT);
    assert_int_equal(m->kind, MSG_COUNT);
    assert_int_equal(m->count.op, 0);
    assert_int_equal(o.action[1].kind, ACT_SEND);
    assert_int_equal(o.action[1].send.to, 7);
    assert_true(addr_eq(o.action[1].send.addr, addr));

    out_trace(&o, TRACE_NODE_READY, 1, 2, 3, SLICE("text"));
    assert_int_equal(o.action[2].kind, ACT_TRACE);
    assert_int_equal(o.action[2].trace.kind, TRACE_NODE_READY);
    assert_int_equal(o.action[2].trace.b, 3);
}

static void test_state_records(void **state)
{
    (void)state;
    static struct out o;
    out_clear(&o);
    out_state(&o, TOKEN(TOKEN_SWIM, 5), SLICE("incarnation"), 12, SLICE("12345678"));
    assert_int_equal(o.n, 1);
    const struct action *a = &o.action[0];
    assert_int_equal(a->kind, ACT_STORE_PUT);
    assert_int_equal(TOKEN_OWNER(a->put.token), TOKEN_SWIM);
    assert_int_equal(TOKEN_NUMBER(a->put.token), 5);
    assert_int_equal(a->put.record.kind, RECORD_STATE);
    assert_int_equal(a->put.record.version.stamp, 12);
    assert_true(a->put.record.version.digest == hash_bytes(SLICE("12345678")));
    assert_true(slice_eq(a->put.record.key, SLICE("incarnation")));
    assert_true(slice_eq(a->put.record.value, SLICE("12345678")));
}

static void test_packets_are_bounded(void **state)
{
    (void)state;
    static struct out o;
    out_clear(&o);
    struct packet_header h = {.from = 1, .epoch = 3};
    struct addr addr = {.family = 4, .port = 7400};
    for (int i = 0; i < OUT_PACKETS; i++) {
        struct packet *p = out_packet(&o, addr, &h);
        assert_ptr_equal(p, o.action[i].packet.packet);
        assert_int_equal(p->n, PACKET_HEADER);
        assert_int_equal(o.action[i].kind, ACT_PACKET);
        assert_true(addr_eq(o.action[i].packet.to, addr));
    }
    assert_null(out_packet(&o, addr, &h));
    assert_int_equal(o.n, OUT_PACKETS); /* refused without an action */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_per_trace),
        cmocka_unit_test(test_errors_print_by_name),
        cmocka_unit_test(test_text_is_quoted_when_it_must_be),
        cmocka_unit_test(test_a_line_is_whole_or_absent),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_actions_come_out_clean),
        cmocka_unit_test(test_state_records),
        cmocka_unit_test(test_packets_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
