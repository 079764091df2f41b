/* core_swim_test.c: SWIM, first one swim alone, message by message; then the stories that users of
 * other systems met, in a small world. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "core/swim/swim.h"
#include "core/swim/swim_belief.h"
#include "core/swim/swim_gossip.h"
#include "core/swim/swim_table.h"

enum { SELF = 1, PEER = 2, OTHER = 3, THIRD = 4, FOURTH = 5 };

struct lone {
    struct swim swim;
    struct out out;
    uint64_t now_ms;
};

static struct addr addr_of(uint64_t id)
{
    return (struct addr){.family = 4, .port = 7400, .ip = {10, 0, 0, (uint8_t)id}};
}

static const struct moment NOBODY; /* what packets say of the node does not matter here */

static struct lone *lone_new(bool durable)
{
    struct lone *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->now_ms = 1000;
    struct swim_options o = {
        .self = SELF, .addr = addr_of(SELF), .name = SLICE("self"), .seed = 7, .now = &NOBODY};
    assert_int_equal(swim_init(&t->swim, &o, t->now_ms), 0);
    swim_start(&t->swim, &t->out);
    if (durable)
        swim_protocol.stored(&t->swim, &(struct moment){.ms = t->now_ms}, 1,
                             &(struct event){.kind = EV_STORED}, &t->out);
    out_clear(&t->out);
    return t;
}

static void lone_free(struct lone *t)
{
    swim_protocol.check(&t->swim, NULL);
    swim_protocol.close(&t->swim);
    free(t);
}

/* Hears one message in a datagram from `from`. */
static void take(struct lone *t, uint64_t from, struct message m)
{
    struct packet_header h = {.from = from};
    struct packet p;
    packet_begin(&p, &h);
    assert_true(packet_add(&p, &m));
    out_clear(&t->out);
    swim_packet(&t->swim, &h, addr_of(from),
                slice_of(p.bytes + PACKET_HEADER, (size_t)p.n - PACKET_HEADER), t->now_ms, &t->out);
    swim_protocol.check(&t->swim, NULL);
}

static struct message alive(uint64_t id, uint64_t incarnation)
{
    return (struct message){
        .kind = MSG_ALIVE,
        .alive = {.member = id, .incarnation = incarnation, .addr = addr_of(id)}};
}

static struct message suspect(uint64_t id, uint64_t incarnation, uint64_t accuser)
{
    return (struct message){
        .kind = MSG_SUSPECT,
        .suspect = {.member = id, .incarnation = incarnation, .accuser = accuser}};
}

static struct message dead(uint64_t id, uint64_t incarnation, uint64_t accuser)
{
    return (struct message){.kind = MSG_DEAD,
                            .dead = {.member = id, .incarnation = incarnation, .accuser = accuser}};
}

static struct message ping(uint64_t target)
{
    return (struct message){.kind = MSG_PING, .ping = {.seq = 99, .target = target}};
}

static void expect(struct lone *t, uint64_t id, enum member_state state, uint64_t incarnation)
{
    struct swim_view v;
    assert_true(swim_find(&t->swim, id, &v));
    assert_int_equal(v.state, state);
    assert_int_equal(v.incarnation, incarnation);
}

/* Finds a message of that kind among the packets that the last call sent; the decoded one in
 * *found. */
static bool sent(const struct lone *t, enum message_kind kind, struct message *found)
{
    for (unsigned i = 0; i < t->out.packet_n; i++) {
        struct packet_header h;
        struct slice rest;
        assert_int_equal(
            packet_open(slice_of(t->out.packet[i].bytes, t->out.packet[i].n), &h, &rest), 0);
        while (packet_next(&rest, found) > 0)
            if (found->kind == kind)
                return true;
    }
    return false;
}

static unsigned actions(const struct lone *t, enum action_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < t->out.n; i++)
        n += t->out.action[i].kind == kind;
    return n;
}

static void tick_until(struct lone *t, uint64_t end_ms)
{
    while (swim_protocol.deadline_ms(&t->swim, NULL) <= end_ms) {
        uint64_t due_ms = swim_protocol.deadline_ms(&t->swim, NULL);
        t->now_ms = due_ms > t->now_ms ? due_ms : t->now_ms;
        out_clear(&t->out);
        swim_protocol.tick(&t->swim, &(struct moment){.ms = t->now_ms}, &t->out);
        swim_protocol.check(&t->swim, NULL);
    }
    t->now_ms = end_ms;
}

static void test_precedence(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 5));
    expect(t, PEER, MEMBER_ALIVE, 5);
    take(t, OTHER, suspect(PEER, 4, OTHER));
    expect(t, PEER, MEMBER_ALIVE, 5); /* refuted before it came */
    take(t, OTHER, suspect(PEER, 5, OTHER));
    expect(t, PEER, MEMBER_SUSPECT, 5);
    take(t, PEER, alive(PEER, 5));
    expect(t, PEER, MEMBER_SUSPECT, 5); /* an equal incarnation refutes nothing */
    take(t, PEER, alive(PEER, 6));
    expect(t, PEER, MEMBER_ALIVE, 6);
    take(t, OTHER, suspect(PEER, 8, OTHER));
    take(t, OTHER, dead(PEER, 7, OTHER));
    expect(t, PEER, MEMBER_SUSPECT, 8);
    take(t, OTHER, dead(PEER, 8, OTHER));
    expect(t, PEER, MEMBER_DEAD, 8);
    take(t, OTHER, suspect(PEER, 8, OTHER));
    expect(t, PEER, MEMBER_DEAD, 8);
    take(t, PEER, dead(PEER, 8, PEER));
    expect(t, PEER, MEMBER_LEFT, 8); /* its own word is final */
    take(t, OTHER, alive(PEER, 9));
    expect(t, PEER, MEMBER_ALIVE, 9);
    lone_free(t);
}

static void test_resurrection(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    take(t, OTHER, dead(PEER, 1, OTHER));
    take(t, OTHER, dead(PEER, 10, OTHER)); /* dead already, but the incarnation counts */
    take(t, OTHER, alive(PEER, 2));
    expect(t, PEER, MEMBER_DEAD, 10);
    take(t, OTHER, alive(PEER, 10));
    expect(t, PEER, MEMBER_DEAD, 10);
    take(t, OTHER, alive(PEER, 11));
    expect(t, PEER, MEMBER_ALIVE, 11);
    lone_free(t);
}

static void test_nothing_leaves_before_it_is_durable(void **state)
{
    (void)state;
    struct lone *t = lone_new(false);
    struct msg_hello hello = {.node = PEER, .addr = addr_of(PEER)};
    swim_link_up(&t->swim, &hello, t->now_ms, &t->out);
    take(t, PEER, ping(SELF));
    struct message sync = {.kind = MSG_SYNC_HASH, .sync_hash = {.hash = 1}},
                   probe = {.kind = MSG_PROBE, .probe = {.seq = 1}};
    assert_true(
        swim_protocol.message(&t->swim, &(struct moment){.ms = t->now_ms}, PEER, &sync, &t->out));
    assert_true(
        swim_protocol.message(&t->swim, &(struct moment){.ms = t->now_ms}, PEER, &probe, &t->out));
    assert_int_equal(actions(t, ACT_PACKET) + actions(t, ACT_SEND), 0);
    out_clear(&t->out);
    swim_protocol.tick(&t->swim, &(struct moment){.ms = t->now_ms + 10}, &t->out);
    assert_int_equal(actions(t, ACT_PACKET) + actions(t, ACT_SEND), 0);
    t->now_ms += 20;
    swim_protocol.stored(&t->swim, &(struct moment){.ms = t->now_ms}, 1,
                         &(struct event){.kind = EV_STORED}, &t->out);
    take(t, PEER, ping(SELF));
    struct message m;
    assert_true(sent(t, MSG_ACK, &m));
    assert_int_equal(m.ack.seq, 99);
    lone_free(t);
}

static void test_failed_store_is_tried_again(void **state)
{
    (void)state;
    struct lone *t = lone_new(false);
    assert_int_equal(swim_protocol.deadline_ms(&t->swim, NULL), t->now_ms + SWIM_PERSIST_RETRY_MS);
    t->now_ms += SWIM_PERSIST_RETRY_MS;
    swim_protocol.tick(&t->swim, &(struct moment){.ms = t->now_ms}, &t->out);
    assert_int_equal(t->out.n, 1);
    assert_int_equal(t->out.action[0].kind, ACT_STORE_PUT);
    assert_int_equal(t->out.action[0].put.record.version.stamp, 2); /* a new serial */
    assert_int_equal(t->out.action[0].put.record.value.p[0], 1);    /* the same incarnation */
    swim_protocol.stored(&t->swim, &(struct moment){.ms = t->now_ms}, 1,
                         &(struct event){.kind = EV_STORED}, &t->out);
    assert_false(t->swim.ready); /* the first try may not have been durable */
    swim_protocol.stored(&t->swim, &(struct moment){.ms = t->now_ms}, 2,
                         &(struct event){.kind = EV_STORED}, &t->out);
    assert_true(t->swim.ready);
    lone_free(t);
}

static void test_refutation_is_stored_first(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    take(t, PEER, suspect(SELF, 7, OTHER));
    assert_int_equal(actions(t, ACT_STORE_PUT), 1);
    expect(t, SELF, MEMBER_ALIVE, 1); /* until the disk has it */
    take(t, PEER, suspect(SELF, 7, THIRD));
    assert_int_equal(actions(t, ACT_STORE_PUT), 0); /* one answer for both */
    out_clear(&t->out);
    swim_protocol.stored(&t->swim, &(struct moment){.ms = t->now_ms}, 2,
                         &(struct event){.kind = EV_STORED}, &t->out);
    expect(t, SELF, MEMBER_ALIVE, 8);
    struct message m;
    assert_true(
        sent(t, MSG_ALIVE, &m)); /* it goes straight back to where the accusation came from */
    assert_int_equal(m.alive.incarnation, 8);
    assert_true(addr_eq(t->out.action[0].packet.to, addr_of(PEER)) ||
                addr_eq(t->out.action[1].packet.to, addr_of(PEER)));
    lone_free(t);
}

static void test_hearsay_is_verified(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    struct swim_view v;
    while (swim_changed(&t->swim, &v)) {}
    take(t, PEER, alive(OTHER, 3)); /* by PEER's word */
    assert_true(swim_find(&t->swim, OTHER, &v));
    assert_false(v.verified);
    assert_false(swim_changed(&t->swim, &v));
    assert_int_equal(swim_count(&t->swim), 2);
    out_clear(&t->out);
    /* it is introduced to at once */
    swim_protocol.tick(&t->swim, &(struct moment){.ms = t->now_ms}, &t->out);
    struct message m;
    bool met = false;
    for (unsigned i = 0; i < t->out.n; i++)
        met |= t->out.action[i].kind == ACT_PACKET &&
               addr_eq(t->out.action[i].packet.to, addr_of(OTHER));
    assert_true(met && sent(t, MSG_PING, &m));
    take(t, OTHER, (struct message){.kind = MSG_ACK, .ack = {.seq = 1}});
    assert_true(swim_changed(&t->swim, &v));
    assert_int_equal(v.id, OTHER);
    assert_int_equal(v.state, MEMBER_ALIVE);
    take(t, PEER,
         alive(THIRD, 3)); /* it never answers, and is dropped: nothing is gossiped of it */
    tick_until(t, t->now_ms + 60 * 1000);
    assert_false(swim_find(&t->swim, THIRD, &v));
    while (swim_changed(&t->swim, &v))
        assert_int_not_equal(v.id, THIRD);
    lone_free(t);
}

static void test_ping_for_another_is_not_answered(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, ping(OTHER));
    assert_int_equal(actions(t, ACT_PACKET), 0);
    lone_free(t);
}

static void test_ping_from_the_dead_is_answered_with_the_accusation(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 4));
    take(t, OTHER, dead(PEER, 4, OTHER));
    take(t, PEER, ping(SELF));
    struct message m;
    assert_true(sent(t, MSG_ACK, &m));
    assert_true(sent(t, MSG_DEAD, &m));
    assert_int_equal(m.dead.member, PEER);
    assert_int_equal(m.dead.incarnation, 4);
    lone_free(t);
}

static void test_suspicion_times(void **state)
{
    (void)state;
    /* too few possible accusers: the minimum at once */
    assert_int_equal(swim_suspicion_ms(1000, 3, 0), 4000);
    assert_int_equal(swim_suspicion_ms(1000, 10, 0), 24000);
    assert_int_equal(swim_suspicion_ms(1000, 10, 2), 4000);
    assert_int_equal(swim_suspicion_ms(1000, 10, 9), 4000);
    /* 24 - 20 * ln 2 / ln 3 = 11.38 s */
    assert_in_range(swim_suspicion_ms(1000, 10, 1), 11300, 11450);
    assert_int_equal(swim_suspicion_ms(1000, 1000, 2), 12000);
    assert_in_range(swim_suspicion_ms(1000, 128, 2), 8300, 8500); /* log10 128 = 2.107 */
    for (uint32_t n = 1; n < MEMBERS_MAX; n++)
        for (unsigned c = 0; c < SWIM_CONFIRMATIONS; c++) {
            assert_true(swim_suspicion_ms(1000, n, c) >= swim_suspicion_ms(1000, n, c + 1));
            assert_true(n < 5 ||
                        swim_suspicion_ms(1000, n, c) <= swim_suspicion_ms(1000, n + 1, c));
        }
}

static void test_send_limit(void **state)
{
    (void)state;
    assert_int_equal(swim_send_limit(1), 4);
    assert_int_equal(swim_send_limit(9), 4);
    assert_int_equal(swim_send_limit(10), 8);
    assert_int_equal(swim_send_limit(99), 8);
    assert_int_equal(swim_send_limit(100), 12);
    assert_int_equal(swim_send_limit(MEMBERS_MAX), 16);
}

static void test_confirmations_shorten_a_suspicion(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    for (uint64_t id = PEER; id <= FOURTH; id++)
        take(t, id, alive(id, 1));
    take(t, OTHER, suspect(PEER, 1, OTHER));
    uint64_t longest_ms = t->swim.timer[0]->timer_ms - t->now_ms;
    take(t, THIRD, suspect(PEER, 1, OTHER)); /* the same accuser again: nothing new */
    assert_int_equal(t->swim.timer[0]->timer_ms - t->now_ms, longest_ms);
    take(t, THIRD, suspect(PEER, 1, THIRD));
    take(t, FOURTH, suspect(PEER, 1, FOURTH));
    assert_int_equal(longest_ms, 24000);
    assert_int_equal(t->swim.timer[0]->timer_ms - t->now_ms, 4000);
    take(t, FOURTH, ping(SELF));
    struct message m;
    assert_true(sent(t, MSG_SUSPECT, &m)); /* and all three accusations are passed on */
    lone_free(t);
}

/* A probe that was sent to the dead, and a target that is born again before it ends: its silence is
 * not the newborn's. */
static void test_a_probe_of_the_dead_does_not_accuse_the_newborn(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    while (t->swim.probe.phase == SWIM_REST)
        tick_until(t, t->now_ms + 10);
    assert_true(t->swim.probe.target == PEER);
    take(t, PEER, alive(PEER, 2));
    tick_until(t, t->swim.probe.end_ms + 1);
    expect(t, PEER, MEMBER_ALIVE, 2);
    lone_free(t);
}

static void test_stall_puts_suspicions_off(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    take(t, OTHER, suspect(PEER, 1, OTHER));
    t->now_ms += 60 * 1000; /* stopped for a minute */
    out_clear(&t->out);
    swim_protocol.tick(&t->swim, &(struct moment){.ms = t->now_ms}, &t->out);
    expect(t, PEER, MEMBER_SUSPECT, 1);
    assert_true(t->swim.health > 0);
    tick_until(t, t->now_ms + 30 * 1000);
    expect(t, PEER, MEMBER_DEAD, 1);
    lone_free(t);
}

static void test_address_moves_with_a_higher_incarnation(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    struct message moved = alive(PEER, 1);
    moved.alive.addr = addr_of(77);
    take(t, OTHER, moved);
    struct swim_view v;
    assert_true(swim_find(&t->swim, PEER, &v) && addr_eq(v.addr, addr_of(PEER)));
    moved.alive.incarnation = 2;
    take(t, OTHER, moved);
    assert_true(swim_find(&t->swim, PEER, &v) && addr_eq(v.addr, addr_of(77)));
    lone_free(t);
}

static void test_a_lost_disk_is_told(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 100));
    struct packet_header h = {.from = PEER};
    struct packet p;
    packet_begin(&p, &h);
    struct message first = ping(SELF), second = alive(PEER, 1);
    assert_true(packet_add(&p, &first) && packet_add(&p, &second));
    out_clear(&t->out);
    swim_packet(&t->swim, &h, addr_of(PEER),
                slice_of(p.bytes + PACKET_HEADER, (size_t)p.n - PACKET_HEADER), t->now_ms, &t->out);
    struct message m;
    bool told = false;
    struct slice rest = slice_of(t->out.packet[0].bytes + PACKET_HEADER,
                                 (size_t)t->out.packet[0].n - PACKET_HEADER);
    while (packet_next(&rest, &m) > 0)
        told |= m.kind == MSG_ALIVE && m.alive.member == PEER && m.alive.incarnation == 100;
    assert_true(told);
    lone_free(t);
}

static void test_each_and_count(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    take(t, OTHER, alive(OTHER, 1));
    take(t, OTHER, dead(PEER, 1, OTHER));
    take(t, OTHER, alive(THIRD, 1));  /* hearsay: not shown */
    swim_pin(&t->swim, FOURTH, true); /* in the layout, never met: shown as a suspect */
    swim_protocol.check(&t->swim, NULL);
    struct swim_view v;
    uint32_t n = 0;
    unsigned states[4] = {0};
    for (uint32_t cursor = 0; swim_each(&t->swim, &cursor, &v); n++)
        states[v.state]++;
    assert_int_equal(n, 4);
    assert_int_equal(swim_count(&t->swim), 4);
    assert_int_equal(states[MEMBER_ALIVE], 2);
    assert_int_equal(states[MEMBER_DEAD], 1);
    assert_int_equal(states[MEMBER_SUSPECT], 1);
    lone_free(t);
}

/* ---- Numbers that cannot be true ---- */

/* A table of one entry, on PEER's stream. */
static void take_table(struct lone *t, uint8_t member_state, struct message entry)
{
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    assert_int_equal(buf_append(&b, &member_state, 1), 0);
    assert_int_equal(message_append(&b, &entry), 0);
    struct message table = {.kind = MSG_SYNC_TABLE, .sync_table = {.members = buf_view(&b)}};
    out_clear(&t->out);
    assert_true(
        swim_protocol.message(&t->swim, &(struct moment){.ms = t->now_ms}, PEER, &table, &t->out));
    swim_protocol.check(&t->swim, NULL);
    buf_close(&b);
}

/* Whether the last call asked that member for its table. */
static bool asked(const struct lone *t, uint64_t id)
{
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->out.action[i].kind == ACT_SEND && t->out.action[i].send.to == id &&
            t->out.action[i].send.message.kind == MSG_SYNC_HASH)
            return true;
    return false;
}

static void test_a_datagram_with_a_number_that_cannot_be_true_is_passed_over(void **state)
{
    (void)state;
    static const uint64_t too_far[] = {5 + INCARNATION_NEAR + 1, INCARNATION_FAR, INCARNATION_MAX,
                                       UINT64_MAX - 1, UINT64_MAX};
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 5));
    take(t, OTHER, alive(OTHER, 1));
    for (size_t i = 0; i < sizeof too_far / sizeof *too_far; i++) {
        take(t, OTHER, dead(PEER, too_far[i], OTHER));
        assert_int_equal(asked(t, PEER), i == 0); /* once within a period */
        take(t, OTHER, suspect(PEER, too_far[i], OTHER));
        take(t, OTHER, dead(PEER, too_far[i], PEER)); /* it left */
        take(t, OTHER, alive(PEER, too_far[i]));
        take(t, PEER, alive(PEER, too_far[i])); /* anybody can send a datagram in its name */
        expect(t, PEER, MEMBER_ALIVE, 5);
        struct swim_view v;
        take(t, OTHER, alive(THIRD, too_far[i])); /* of it nothing is known */
        assert_false(swim_find(&t->swim, THIRD, &v));
    }
    assert_int_equal(t->swim.counters.unbelieved, 6 * sizeof too_far / sizeof *too_far);
    take(t, OTHER, dead(PEER, 5 + INCARNATION_NEAR, OTHER));
    expect(t, PEER, MEMBER_DEAD, 5 + INCARNATION_NEAR);
    take(t, PEER, alive(PEER, 6 + INCARNATION_NEAR)); /* its answer */
    expect(t, PEER, MEMBER_ALIVE, 6 + INCARNATION_NEAR);
    lone_free(t);
}

static void test_a_number_of_ours_that_cannot_be_true_is_not_outbid(void **state)
{
    (void)state;
    static const uint64_t too_far[] = {1 + INCARNATION_NEAR + 1, INCARNATION_MAX - 1,
                                       UINT64_MAX - 1, UINT64_MAX};
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    for (size_t i = 0; i < sizeof too_far / sizeof *too_far; i++) {
        take(t, PEER, dead(SELF, too_far[i], OTHER));
        assert_int_equal(asked(t, PEER), i == 0); /* what it holds of us */
        take(t, PEER, suspect(SELF, too_far[i], OTHER));
        take(t, PEER, alive(SELF, too_far[i]));
        take(t, PEER, dead(SELF, too_far[i], SELF));
        assert_int_equal(actions(t, ACT_STORE_PUT), 0);
    }
    assert_int_equal(t->swim.raise_to, 1);
    take(t, PEER, dead(SELF, 1 + INCARNATION_NEAR, OTHER));
    assert_int_equal(t->swim.raise_to, 2 + INCARNATION_NEAR);
    lone_free(t);
}

/* A member's incarnation grew, while we were away, by more than is believed in a datagram: its own
 * table, on a stream, is believed. */
static void test_a_stream_is_believed_further(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 5));
    take(t, OTHER, alive(OTHER, 1));
    take(t, PEER, alive(PEER, 1u << 30));
    assert_true(asked(t, PEER));
    take_table(t, MEMBER_ALIVE, alive(PEER, 1u << 30));
    expect(t, PEER, MEMBER_ALIVE, 1u << 30);
    /* by a step that is longer than any history, and no more */
    take_table(t, MEMBER_ALIVE, alive(PEER, UINT64_MAX));
    expect(t, PEER, MEMBER_ALIVE, (1u << 30) + INCARNATION_FAR);
    take_table(t, MEMBER_SUSPECT, alive(OTHER, UINT64_MAX));
    assert_true(swim_member(&t->swim, OTHER)->incarnation <= 1 + 2 * INCARNATION_FAR);
    /* our disk is an old copy, and peers know better */
    take_table(t, MEMBER_DEAD, alive(SELF, 1u << 30));
    assert_int_equal(t->swim.raise_to, (1u << 30) + 1);
    take_table(t, MEMBER_DEAD, alive(SELF, UINT64_MAX));
    assert_int_equal(t->swim.raise_to, 1 + INCARNATION_FAR + 1);
    lone_free(t);
}

/* ---- Hostile input ---- */

static void take_bytes(struct lone *t, const uint8_t *p, size_t n)
{
    struct packet_header h = {.from = PEER};
    out_clear(&t->out);
    swim_packet(&t->swim, &h, addr_of(PEER), slice_of(p, n), t->now_ms, &t->out);
    assert_true(t->out.n <= SWIM_OUT_MAX && t->out.packet_n <= SWIM_PACKETS_MAX);
    swim_protocol.check(&t->swim, NULL);
}

static void test_hostile_packets(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    struct packet_header h = {.from = PEER};
    struct rng rng;
    rng_init(&rng, 42);
    for (unsigned round = 0; round < 20000; round++) {
        /* valid packets with a few bytes changed, cut anywhere */
        struct packet p;
        packet_begin(&p, &h);
        struct message honest[] = {
            ping(SELF),
            alive(PEER, round),
            suspect(OTHER, 1, PEER),
            dead(THIRD, 1, PEER),
            {.kind = MSG_PING_REQ,
             .ping_req = {
                 .seq = 1, .target = OTHER, .addr = addr_of(OTHER), .timeout_ms = UINT32_MAX}}};
        for (unsigned i = 0; i < sizeof honest / sizeof *honest; i++)
            packet_add(&p, &honest[i]);
        for (unsigned i = (unsigned)rng_below(&rng, 4); i; i--)
            p.bytes[PACKET_HEADER + rng_below(&rng, p.n - PACKET_HEADER)] = (uint8_t)rng_next(&rng);
        take_bytes(t, p.bytes + PACKET_HEADER, rng_below(&rng, (uint64_t)p.n - PACKET_HEADER + 1));
    }
    assert_true(t->swim.counters.dropped > 1000);
    /* lengths that lie, members without an address, the largest incarnation */
    static const uint8_t liar[] = {MSG_ALIVE, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3};
    take_bytes(t, liar, sizeof liar);
    struct message nowhere = alive(FOURTH, 1);
    nowhere.alive.addr = (struct addr){0};
    struct swim_view v;
    take(t, PEER, nowhere);
    assert_false(swim_find(&t->swim, FOURTH, &v));
    take(t, PEER, suspect(SELF, UINT64_MAX, PEER));
    take(t, PEER, alive(0, 1));
    assert_false(swim_find(&t->swim, 0, &v));
    expect(t, SELF, MEMBER_ALIVE, 1);
    lone_free(t);
}

static void test_hostile_tables(void **state)
{
    (void)state;
    struct lone *t = lone_new(true);
    take(t, PEER, alive(PEER, 1));
    take(t, OTHER, alive(OTHER, 1));
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    for (unsigned i = 0; i < 3; i++) {
        struct message entry = alive(100 + i, 1);
        uint8_t member_state = (uint8_t)i;
        assert_int_equal(buf_append(&b, &member_state, 1), 0);
        assert_int_equal(message_append(&b, &entry), 0);
    }
    for (size_t n = 0; n <= b.n; n++) { /* cut at every byte */
        uint8_t *exact = malloc(n ? n : 1);
        assert_non_null(exact);
        memcpy(exact, b.p, n);
        struct message table = {.kind = MSG_SYNC_TABLE,
                                .sync_table = {.members = slice_of(exact, n)}};
        out_clear(&t->out);
        assert_true(swim_protocol.message(&t->swim, &(struct moment){.ms = t->now_ms}, PEER, &table,
                                          &t->out));
        swim_protocol.check(&t->swim, NULL);
        free(exact);
    }
    b.n = 0;
    for (unsigned i = 0; i < 3 * MEMBERS_MAX; i++) { /* more strangers than a cluster may have */
        struct message entry = alive(1000 + i, 1);
        uint8_t member_state = MEMBER_ALIVE;
        assert_int_equal(buf_append(&b, &member_state, 1), 0);
        assert_int_equal(message_append(&b, &entry), 0);
    }
    struct message table = {.kind = MSG_SYNC_TABLE, .sync_table = {.members = buf_view(&b)}};
    out_clear(&t->out);
    assert_true(
        swim_protocol.message(&t->swim, &(struct moment){.ms = t->now_ms}, PEER, &table, &t->out));
    assert_true(t->out.n <= SWIM_OUT_MAX);
    assert_true(t->swim.live.n + t->swim.gone.n < MEMBERS_MAX);
    expect(t, OTHER, MEMBER_ALIVE, 1); /* hearsay does not push out a member that answered */
    take(t, THIRD, alive(THIRD, 1));   /* and a stranger's own alive still gets it in */
    expect(t, THIRD, MEMBER_ALIVE, 1);
    buf_close(&b);
    lone_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_resurrection),
        cmocka_unit_test(test_nothing_leaves_before_it_is_durable),
        cmocka_unit_test(test_failed_store_is_tried_again),
        cmocka_unit_test(test_refutation_is_stored_first),
        cmocka_unit_test(test_hearsay_is_verified),
        cmocka_unit_test(test_ping_for_another_is_not_answered),
        cmocka_unit_test(test_ping_from_the_dead_is_answered_with_the_accusation),
        cmocka_unit_test(test_suspicion_times),
        cmocka_unit_test(test_send_limit),
        cmocka_unit_test(test_confirmations_shorten_a_suspicion),
        cmocka_unit_test(test_a_probe_of_the_dead_does_not_accuse_the_newborn),
        cmocka_unit_test(test_stall_puts_suspicions_off),
        cmocka_unit_test(test_address_moves_with_a_higher_incarnation),
        cmocka_unit_test(test_a_lost_disk_is_told),
        cmocka_unit_test(test_each_and_count),
        cmocka_unit_test(test_a_datagram_with_a_number_that_cannot_be_true_is_passed_over),
        cmocka_unit_test(test_a_number_of_ours_that_cannot_be_true_is_not_outbid),
        cmocka_unit_test(test_a_stream_is_believed_further),
        cmocka_unit_test(test_hostile_packets),
        cmocka_unit_test(test_hostile_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
