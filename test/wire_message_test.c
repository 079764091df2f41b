/* Peer messages: every kind and field there and back, bodies from later releases, hostile bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "wire/bytes.h"
#include "wire_random.h"

enum { ROUNDS = 100 };

static struct buf encoded(const struct message *m)
{
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    assert_int_equal(message_append(&b, m), 0);
    assert_int_equal(b.n, message_size(m));
    return b;
}

/* Decodes a copy that ends exactly where the bytes do. The slices of *out are not to be looked
 * at. */
static int decode_exact(const uint8_t *p, size_t n, struct message *out)
{
    uint8_t *copy = exact_copy(p, n);
    int got = message_decode(slice_of(copy, n), out);
    exact_free(copy, n);
    return got;
}

static void for_each_random(void (*body)(const struct message *m, struct buf *b))
{
    struct rng rng;
    rng_init(&rng, 1);
    for (unsigned k = 0; k < sizeof message_kinds; k++) {
        for (int i = 0; i < ROUNDS; i++) {
            struct message m = random_message(&rng, message_kinds[k]);
            struct buf b = encoded(&m);
            body(&m, &b);
            buf_close(&b);
        }
    }
}

static void check_round_trip(const struct message *m, struct buf *b)
{
    struct message back;
    assert_int_equal(message_decode(buf_view(b), &back), b->n);
    assert_true(equal_message(m, &back));
}

static void test_every_field_of_every_kind_survives(void **state)
{
    (void)state;
    for_each_random(check_round_trip);
}

static void check_truncated(const struct message *m, struct buf *b)
{
    (void)m;
    struct message back;
    for (size_t n = 0; n < b->n; n++)
        assert_int_equal(decode_exact(b->p, n, &back), ERR_INCOMPLETE);
}

static void test_a_truncated_message_is_incomplete(void **state)
{
    (void)state;
    for_each_random(check_truncated);
}

static void check_short_body(const struct message *m, struct buf *b)
{
    (void)m;
    struct message back;
    for (size_t n = MESSAGE_HEADER; n < b->n; n++) {
        put_u32(b->p + 1, (uint32_t)(n - MESSAGE_HEADER));
        assert_int_equal(decode_exact(b->p, n, &back), ERR_BAD_MESSAGE);
    }
}

static void test_a_body_shorter_than_its_fields_is_bad(void **state)
{
    (void)state;
    for_each_random(check_short_body);
}

static void check_later_fields(const struct message *m, struct buf *b)
{
    struct message back;
    assert_int_equal(buf_slice(b, SLICE("fields of a later release")), 0);
    put_u32(b->p + 1, (uint32_t)(b->n - MESSAGE_HEADER));
    assert_int_equal(message_decode(buf_view(b), &back), b->n);
    assert_true(equal_message(m, &back));
}

static void test_fields_of_a_later_release_are_skipped(void **state)
{
    (void)state;
    for_each_random(check_later_fields);
}

static void test_unknown_numbers_are_skipped(void **state)
{
    (void)state;
    for (int kind = 0; kind < 256; kind++) {
        if (memchr(message_kinds, kind, sizeof message_kinds))
            continue;
        uint8_t bytes[] = {(uint8_t)kind, 3, 0, 0, 0, 'a', 'b', 'c', 'd'};
        struct message m;
        assert_int_equal(message_decode(slice_of(bytes, sizeof bytes), &m), 8);
        assert_int_equal(m.kind, 0);
        assert_string_equal(message_name((uint8_t)kind), "?");
    }
}

static void check_slice_inside(struct slice s, const uint8_t *p, size_t n)
{
    assert_true(s.n <= n && s.p >= p && s.p + s.n <= p + n);
}

/* Whatever is changed in a message: it decodes to slices inside the input, and to bytes that decode
 * the same; or it is refused.
 */
static void check_mutated(const struct message *m, struct buf *b)
{
    (void)m;
    static struct rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 20; i++) {
        b->p[rng_below(&rng, b->n)] = (uint8_t)rng_next(&rng);
        uint8_t *copy = exact_copy(b->p, b->n);
        struct message got;
        int n = message_decode(slice_of(copy, b->n), &got);
        assert_true(n == ERR_BAD_MESSAGE || n == ERR_INCOMPLETE || (n > 0 && (size_t)n <= b->n));
        if (n > 0 && got.kind == MSG_PUT) {
            check_slice_inside(got.put.record.key, copy, b->n);
            check_slice_inside(got.put.record.value, copy, b->n);
        }
        if (n > 0 && got.kind) {
            struct buf again = encoded(&got);
            check_round_trip(&got, &again);
            buf_close(&again);
        }
        exact_free(copy, b->n);
    }
}

static void test_mutated_messages_do_no_harm(void **state)
{
    (void)state;
    for_each_random(check_mutated);
}

static struct message put_of(struct record r)
{
    return (struct message){.kind = MSG_PUT, .put = {.op = 1, .epoch = 2, .record = r}};
}

static int decoded(struct message m)
{
    struct buf b = encoded(&m);
    struct message back;
    int n = message_decode(buf_view(&b), &back);
    buf_close(&b);
    return n;
}

static void test_records_that_are_none_are_bad(void **state)
{
    (void)state;
    static const uint8_t big[KEY_FULL_MAX + 1];
    struct record good = {.kind = RECORD_VALUE, .key = KEY_OF("k"), .value = SLICE("v")};
    assert_true(decoded(put_of(good)) > 0);

    struct record r = good;
    r.kind = RECORD_STATE + 1;
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    r = good;
    r.version.deleted = 1;
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    r.kind = RECORD_TOMBSTONE; /* with a value */
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    r.value.n = 0;
    assert_true(decoded(put_of(r)) > 0);
    r.version.deleted = 0;
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    r = good;
    r.kind = RECORD_STATE;
    r.version.deleted = 2;
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    r = good;
    r.key = slice_of(big, KEY_FULL_MAX);
    assert_true(decoded(put_of(r)) > 0);
    r.key = slice_of(big, KEY_FULL_MAX + 1);
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
}

static void test_what_has_no_space_is_no_key(void **state)
{
    (void)state;
    static const struct {
        struct slice key;
        bool good;
    } c[] = {{SLICE("\0k"), true},   {SLICE("\x0fk"), true},  {SLICE("\x80"), true},
             {SLICE("\xffk"), true}, {SLICE("\x10k"), false}, {SLICE("k"), false},
             {SLICE("\x7f"), false}, {SLICE(""), false}};
    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        struct record r = {.kind = RECORD_VALUE, .key = c[i].key};
        assert_int_equal(decoded(put_of(r)) > 0, c[i].good);
        assert_int_equal(decoded((struct message){.kind = MSG_GET, .get.key = c[i].key}) > 0,
                         c[i].good);
    }
}

static void test_stamps_that_leave_no_room_above_are_bad(void **state)
{
    (void)state;
    static const uint64_t stamp[] = {STAMP_MAX, STAMP_MAX + 1, UINT64_MAX};
    for (unsigned i = 0; i < 3; i++) {
        struct message m[] = {
            {.kind = MSG_PUT,
             .put.record = {.kind = RECORD_VALUE, .version.stamp = stamp[i], .key = KEY_OF("k")}},
            {.kind = MSG_GOT,
             .got.record = {.kind = RECORD_VALUE, .version.expiry_stamp = stamp[i]}},
            {.kind = MSG_PUT_ACK, .put_ack.held.stamp = stamp[i]},
            {.kind = MSG_GREATEST, .greatest.stamp = stamp[i]},
        };
        for (unsigned k = 0; k < sizeof m / sizeof *m; k++)
            assert_int_equal(decoded(m[k]) > 0, i == 0);
        struct record flush = {.kind = RECORD_FLUSH,
                               .version = {.stamp = stamp[i], .deleted = 1},
                               .value = FLUSH_EVERYTHING_BYTES};
        assert_int_equal(decoded((struct message){.kind = MSG_FLUSH, .flush.record = flush}),
                         ERR_BAD_MESSAGE);
    }
}

static void test_a_value_over_its_limit_is_bad(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, RECORD_VALUE_MAX + 1);
    struct record r = {
        .kind = RECORD_VALUE, .key = KEY_OF("k"), .value = slice_of(big, RECORD_VALUE_MAX)};
    assert_true(decoded(put_of(r)) > 0);
    r.value.n++;
    assert_int_equal(decoded(put_of(r)), ERR_BAD_MESSAGE);
    free(big);
}

static void test_addresses_that_are_none_are_bad(void **state)
{
    (void)state;
    struct message m = {.kind = MSG_PING_REQ,
                        .ping_req.addr = {.family = 4, .port = 7400, .ip = {127, 0, 0, 1}}};
    assert_true(decoded(m) > 0);
    m.ping_req.addr.ip[4] = 1; /* would be a second name for the same place */
    assert_int_equal(decoded(m), ERR_BAD_MESSAGE);
    m.ping_req.addr.family = 6;
    assert_true(decoded(m) > 0);
    m.ping_req.addr.family = 5;
    assert_int_equal(decoded(m), ERR_BAD_MESSAGE);
}

static void test_announced_lengths_are_capped(void **state)
{
    (void)state;
    struct message m;
    uint8_t bytes[64] = {MSG_LAYOUT};
    put_u32(bytes + 1, MESSAGE_MAX - MESSAGE_HEADER + 1);
    assert_int_equal(message_decode(slice_of(bytes, sizeof bytes), &m), ERR_BAD_MESSAGE);
    put_u32(bytes + 1, MESSAGE_MAX - MESSAGE_HEADER);
    assert_int_equal(message_decode(slice_of(bytes, sizeof bytes), &m), ERR_INCOMPLETE);
    put_u32(bytes + 1, UINT32_MAX);
    assert_int_equal(message_decode(slice_of(bytes, sizeof bytes), &m), ERR_BAD_MESSAGE);
    put_u32(bytes + 1, 10);
    put_u32(bytes + 5, UINT32_MAX); /* the byte string inside */
    assert_int_equal(message_decode(slice_of(bytes, sizeof bytes), &m), ERR_BAD_MESSAGE);
}

static void test_the_bytes_are_as_declared(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        /* PUT, body */
        48,
        87,
        0,
        0,
        0,
        /* op, epoch */
        7,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        /* kind, stamp, node .. */
        1,
        0x88,
        0x77,
        0x66,
        0x55,
        0x44,
        0x33,
        0x22,
        0x11,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        /* .. digest, expiry stamp, marks */
        0,
        4,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        5,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        2,
        /* expiry */
        6,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        /* value, key with its space */
        1,
        0,
        0,
        0,
        'v',
        2,
        0,
        0,
        0,
        0,
        'k',
        /* ticket */
        9,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        /* position: shard, end */
        11,
        0,
        10,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    };
    struct message m = put_of((struct record){.kind = RECORD_VALUE,
                                              .version = {0x1122334455667788, 2, 4, 5, 0, 1},
                                              .expiry_ms = 6,
                                              .key = KEY_OF("k"),
                                              .value = SLICE("v")});
    m.put.op = 7;
    m.put.epoch = 3;
    m.put.ticket = 9;
    m.put.position = (struct log_position){.shard = 11, .end = 10};
    struct buf b = encoded(&m);
    assert_int_equal(b.n, sizeof want);
    assert_memory_equal(b.p, want, sizeof want);
    buf_close(&b);
}

/* Whoever speaks other versions is understood as far as that, whatever else it says. */
static void test_a_hello_of_other_versions_says_which(void **state)
{
    (void)state;
    static const uint16_t versions[][2] = {
        {1, 1}, {PROTOCOL_MAX + 1, PROTOCOL_MAX + 3}, {0, PROTOCOL_MIN - 1}};
    struct rng rng;
    rng_init(&rng, 8);
    for (unsigned i = 0; i < sizeof versions / sizeof *versions; i++) {
        uint8_t bytes[64];
        struct message m;
        for (unsigned k = 0; k < sizeof bytes; k++)
            random_u8(&rng, &bytes[k]);
        bytes[0] = MSG_HELLO;
        put_u16(put_u16(bytes + MESSAGE_HEADER, versions[i][0]), versions[i][1]);
        for (uint32_t n = 4; n < sizeof bytes - MESSAGE_HEADER; n++) {
            put_u32(bytes + 1, n);
            assert_int_equal(decode_exact(bytes, MESSAGE_HEADER + n, &m), MESSAGE_HEADER + n);
            struct message want = {
                .kind = MSG_HELLO,
                .hello = {.protocol_min = versions[i][0], .protocol_max = versions[i][1]}};
            assert_true(equal_message(&m, &want));
        }
        put_u32(bytes + 1, 3);
        assert_int_equal(decode_exact(bytes, MESSAGE_HEADER + 3, &m), ERR_BAD_MESSAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_every_kind_survives),
        cmocka_unit_test(test_a_truncated_message_is_incomplete),
        cmocka_unit_test(test_a_body_shorter_than_its_fields_is_bad),
        cmocka_unit_test(test_fields_of_a_later_release_are_skipped),
        cmocka_unit_test(test_unknown_numbers_are_skipped),
        cmocka_unit_test(test_mutated_messages_do_no_harm),
        cmocka_unit_test(test_records_that_are_none_are_bad),
        cmocka_unit_test(test_what_has_no_space_is_no_key),
        cmocka_unit_test(test_stamps_that_leave_no_room_above_are_bad),
        cmocka_unit_test(test_a_value_over_its_limit_is_bad),
        cmocka_unit_test(test_addresses_that_are_none_are_bad),
        cmocka_unit_test(test_announced_lengths_are_capped),
        cmocka_unit_test(test_the_bytes_are_as_declared),
        cmocka_unit_test(test_a_hello_of_other_versions_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
