/* Gossip datagrams. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "wire/packet.h"
#include "wire_random.h"

static const struct packet_header header = {
    .cluster = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .from = 0x1122334455667788,
    .boot = 2,
    .epoch = 3,
    .layout_hash = 4,
    .wall_ms = 5,
    .mono_ms = 6,
    .position = {.shard = 9, .end = 7},
    .recovering = 8,
    .ills = ILL_FULL | ILL_OWES,
};

static void test_the_header_is_as_declared(void **state)
{
    (void)state;
    static const uint8_t want[PACKET_HEADER] = {
        /* magic, format, checksum */
        'C',
        'V',
        'Y',
        4,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        91,
        0, /* length */
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16, /* cluster */
        /* from, boot */
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
        0,
        /* epoch, hash */
        3,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        /* wall, monotonic clock */
        5,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        6,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        /* position, recovering, ills */
        9,
        0,
        7,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        8,
        0,
        5,
    };
    struct packet p;
    packet_begin(&p, &header);
    assert_int_equal(p.n, PACKET_HEADER);
    assert_memory_equal(p.bytes, want, sizeof want);

    struct packet_header back = {0};
    struct slice rest;
    packet_seal(&p);
    assert_memory_equal(p.bytes, want, 4);
    assert_memory_equal(p.bytes + 12, want + 12, sizeof want - 12);
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
    assert_int_equal(rest.n, 0);
    assert_memory_equal(&back, &header, sizeof header);
}

static void test_a_packet_fills_to_its_limit_and_comes_out_in_order(void **state)
{
    (void)state;
    struct packet p;
    struct message m = {.kind = MSG_SUSPECT, .suspect = {.incarnation = 9}};
    packet_begin(&p, &header);
    uint64_t put = 0;
    for (;; put++) {
        m.suspect.member = put;
        uint16_t before = p.n;
        if (!packet_add(&p, &m)) {
            assert_int_equal(p.n, before);
            break;
        }
    }
    assert_true(p.n <= PACKET_MAX && p.n + message_size(&m) > PACKET_MAX);

    struct packet_header back;
    struct slice rest;
    struct message got;
    packet_seal(&p);
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
    for (uint64_t i = 0; i < put; i++) {
        assert_int_equal(packet_next(&rest, &got), 1);
        assert_int_equal(got.kind, MSG_SUSPECT);
        assert_int_equal(got.suspect.member, i);
    }
    assert_int_equal(packet_next(&rest, &got), 0);
}

static void test_the_last_byte_is_used_and_no_more(void **state)
{
    (void)state;
    static const uint8_t zeros[PACKET_MAX];
    struct packet p;
    struct message m = {.kind = MSG_SYNC_TABLE};
    m.sync_table.members = slice_of(zeros, PACKET_MAX - PACKET_HEADER - message_size(&m) + 1);
    packet_begin(&p, &header);
    assert_false(packet_add(&p, &m));
    assert_int_equal(p.n, PACKET_HEADER);
    m.sync_table.members.n--;
    assert_true(packet_add(&p, &m));
    assert_int_equal(p.n, PACKET_MAX);
}

static void test_the_largest_alive_fits(void **state)
{
    (void)state;
    static const uint8_t zeros[META_MAX];
    struct packet p;
    struct message m = {
        .kind = MSG_ALIVE,
        .alive = {.name = slice_of(zeros, NODE_NAME_MAX), .meta = slice_of(zeros, META_MAX)}};
    packet_begin(&p, &header);
    assert_true(packet_add(&p, &m));
}

static void test_what_is_no_packet_is_refused(void **state)
{
    (void)state;
    struct packet p;
    struct packet_header back;
    struct slice rest;
    packet_begin(&p, &header);
    for (size_t n = 0; n < PACKET_HEADER_LEAST; n++) {
        uint8_t *copy = exact_copy(p.bytes, n);
        assert_int_equal(packet_open(slice_of(copy, n), &back, &rest), ERR_BAD_MESSAGE);
        exact_free(copy, n);
    }
    uint8_t large[PACKET_MAX + 1] = {0};
    memset(p.bytes + p.n, 0, PACKET_MAX - (size_t)p.n);
    p.n = PACKET_MAX;
    packet_seal(&p);
    memcpy(large, p.bytes, p.n);
    assert_int_equal(packet_open(slice_of(large, PACKET_MAX), &back, &rest), 0);
    assert_int_equal(packet_open(slice_of(large, PACKET_MAX + 1), &back, &rest), ERR_BAD_MESSAGE);
    for (int other = -1; other <= 1; other += 2) {
        p.bytes[3] = (uint8_t)(PACKET_FORMAT + other);
        assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), ERR_BAD_FORMAT);
    }
    p.bytes[0] = 'X';
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), ERR_BAD_MESSAGE);
}

static void test_unknown_messages_are_skipped_and_cut_ones_are_bad(void **state)
{
    (void)state;
    static const uint8_t unknown[] = {200, 2, 0, 0, 0, 'x', 'y'};
    struct packet p;
    struct message m = {.kind = MSG_ACK, .ack.seq = 5}, got;
    packet_begin(&p, &header);
    memcpy(p.bytes + p.n, unknown, sizeof unknown);
    p.n = (uint16_t)(p.n + sizeof unknown);
    assert_true(packet_add(&p, &m));
    assert_true(packet_add(&p, &m));
    for (size_t cut = 1; cut < message_size(&m); cut++) {
        struct packet_header back;
        struct slice rest;
        struct packet shorter = p;
        shorter.n = (uint16_t)(p.n - cut);
        packet_seal(&shorter);
        assert_int_equal(packet_open(slice_of(shorter.bytes, shorter.n), &back, &rest), 0);
        assert_int_equal(packet_next(&rest, &got), 1);
        assert_int_equal(got.kind, MSG_ACK);
        assert_int_equal(got.ack.seq, 5);
        assert_int_equal(packet_next(&rest, &got), ERR_BAD_MESSAGE);
    }
}

/* A header of n bytes, ours cut or with more behind it, and a message. */
static struct packet with_header(size_t n)
{
    struct packet p, ours;
    struct message m = {.kind = MSG_ACK, .ack.seq = 5};
    packet_begin(&p, &header);
    memset(p.bytes + p.n, 0xff, PACKET_MAX - (size_t)p.n);
    p.bytes[12] = (uint8_t)n;
    p.n = (uint16_t)n;
    packet_begin(&ours, &header);
    assert_true(packet_add(&ours, &m));
    memcpy(p.bytes + n, ours.bytes + PACKET_HEADER, ours.n - PACKET_HEADER);
    p.n = (uint16_t)(n + ours.n - PACKET_HEADER);
    packet_seal(&p);
    return p;
}

static void opens_with(size_t n, const struct packet_header *want)
{
    struct packet p = with_header(n);
    struct packet_header back = {0};
    struct slice rest;
    struct message got;
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
    assert_memory_equal(&back, want, sizeof back);
    assert_int_equal(packet_next(&rest, &got), 1);
    assert_int_equal(got.ack.seq, 5);
    assert_int_equal(packet_next(&rest, &got), 0);
}

static void test_a_header_with_fields_of_a_later_release_is_read(void **state)
{
    (void)state;
    for (size_t n = PACKET_HEADER; n < PACKET_HEADER + 40; n++)
        opens_with(n, &header);
}

static void test_a_header_without_the_last_fields_is_read(void **state)
{
    (void)state;
    struct packet_header want;
    memcpy(&want, &header, sizeof want);
    want.ills = 0;
    opens_with(PACKET_HEADER - 1, &want);
    want.recovering = 0;
    opens_with(PACKET_HEADER - 3, &want);
    want.position = (struct log_position){0};
    opens_with(PACKET_HEADER_LEAST, &want);
    struct packet p = with_header(PACKET_HEADER_LEAST - 1);
    struct slice rest;
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &want, &rest), ERR_BAD_MESSAGE);
}

static void test_a_header_longer_than_its_datagram_is_refused(void **state)
{
    (void)state;
    struct packet p = with_header(PACKET_HEADER);
    struct packet_header back;
    struct slice rest;
    p.bytes[12] = (uint8_t)(p.n + 1);
    packet_seal(&p);
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), ERR_BAD_MESSAGE);
    p.bytes[12] = (uint8_t)p.n;
    packet_seal(&p);
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
    assert_int_equal(rest.n, 0);
}

/* The incarnation of a member that was turned into 2^62 more by one flipped bit was believed by
 * all. */
static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct packet p;
    struct packet_header back;
    struct slice rest;
    struct message m = {.kind = MSG_DEAD, .dead = {.member = 2, .incarnation = 3, .accuser = 4}};
    packet_begin(&p, &header);
    assert_true(packet_add(&p, &m));
    packet_seal(&p);
    assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
    for (size_t bit = 0; bit < 8u * p.n; bit++) {
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), 0);
        if (bit / 8 >= 4)
            assert_int_equal(packet_open(slice_of(p.bytes, p.n), &back, &rest), ERR_CORRUPT);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(packet_open(slice_of(p.bytes, p.n - 1u), &back, &rest), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_header_is_as_declared),
        cmocka_unit_test(test_a_packet_fills_to_its_limit_and_comes_out_in_order),
        cmocka_unit_test(test_the_last_byte_is_used_and_no_more),
        cmocka_unit_test(test_the_largest_alive_fits),
        cmocka_unit_test(test_what_is_no_packet_is_refused),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_unknown_messages_are_skipped_and_cut_ones_are_bad),
        cmocka_unit_test(test_a_header_with_fields_of_a_later_release_is_read),
        cmocka_unit_test(test_a_header_without_the_last_fields_is_read),
        cmocka_unit_test(test_a_header_longer_than_its_datagram_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
