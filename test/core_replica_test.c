/* The replica and the slab under it: acks leave only with EV_STORED, refusals name their reason,
 * a node that is recovering has no greatest stamp, handles die with their use. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/replica/replica.h"
#include "core/ring/ring.h"

static const struct version V = {.stamp = 5, .node = 9, .digest = 1};

static struct message put_of(uint64_t op, uint64_t epoch)
{
    struct message m = {.kind = MSG_PUT};
    m.put = (struct msg_put){
        .op = op,
        .epoch = epoch,
        .record = {.kind = RECORD_VALUE, .version = V, .key = KEY_OF("k"), .value = SLICE("v")}};
    return m;
}

enum { PEER = 42 };

/* A node of a layout of epoch 3, which is sound. */
static struct moment here(void)
{
    static struct cast nobody;
    static uint8_t all_lost[16];
    static struct layout layout = {.epoch = 3, .vnodes = 16};
    memset(all_lost, 1, sizeof all_lost);
    return (struct moment){
        .epoch = 3, .layout = &layout, .cast = &nobody, .own.recovering = all_lost};
}

static void test_ack_only_after_stored(void **state)
{
    (void)state;
    static struct out out;
    struct replica r;
    struct moment now = here();
    now.own.position.end = 99;
    assert_int_equal(replica_init(&r, 4), 0);
    struct message m = put_of(7, 3);
    out_clear(&out);
    replica_message(&r, &now, PEER, &m, &out);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.action[0].kind, ACT_STORE_PUT);
    assert_int_equal(r.puts, 1);
    uint64_t token = out.action[0].put.token;
    assert_int_equal(TOKEN_OWNER(token), TOKEN_REPLICA);
    struct version held = {.stamp = 6};
    out_clear(&out);
    struct event stored = {.kind = EV_STORED,
                           .stored = {.token = token, .error = ERR_SUPERSEDED, .held = held}};
    replica_protocol.stored(&r, &now, TOKEN_NUMBER(token), &stored, &out);
    const struct message *ack = &out.action[0].send.message;
    assert_int_equal(out.action[0].send.to, 42);
    assert_int_equal(ack->put_ack.op, 7);
    assert_int_equal((int)ack->put_ack.error, ERR_SUPERSEDED);
    assert_int_equal(ack->put_ack.held.stamp, 6);
    assert_int_equal(ack->put_ack.position.end, 99);
    assert_int_equal(r.puts, 0);
    replica_protocol.check(&r, NULL);
    replica_protocol.close(&r);
}

static int refusal(struct replica *r, const struct moment *now, const struct message *m)
{
    static struct out out;
    out_clear(&out);
    replica_message(r, now, PEER, m, &out);
    assert_int_equal(out.n, 1);
    if (out.action[0].kind != ACT_SEND)
        return 0;
    const struct message *a = &out.action[0].send.message;
    return (int)(a->kind == MSG_PUT_ACK ? a->put_ack.error
                 : a->kind == MSG_GOT   ? a->got.error
                                        : a->counted.error);
}

static void test_refusals(void **state)
{
    (void)state;
    struct replica r;
    assert_int_equal(replica_init(&r, 2), 0);
    struct message m = put_of(1, 3),
                   get = {.kind = MSG_GET, .get = {.op = 2, .epoch = 3, .key = KEY_OF("k")}};
    struct moment now = here(), none = here(), fenced = here();
    none.layout = NULL;
    fenced.fenced = true;
    assert_int_equal(refusal(&r, &none, &m), ERR_LOADING);
    assert_int_equal(refusal(&r, &fenced, &m), ERR_FORMING);
    assert_int_equal(refusal(&r, &fenced, &get), 0); /* reads go on behind a fence */
    m.put.epoch = 2;
    assert_int_equal(refusal(&r, &now, &m), ERR_STALE_EPOCH);
    m.put.epoch = 4;
    assert_int_equal(refusal(&r, &now, &m), ERR_STALE_EPOCH);
    m.put.epoch = 3;
    m.put.record.kind = RECORD_ROW;
    assert_int_equal(refusal(&r, &now, &m), ERR_REFUSED);
    m.put.record.kind = RECORD_TOMBSTONE;
    assert_int_equal(refusal(&r, &now, &m), 0);
    assert_int_equal(refusal(&r, &now, &m), ERR_BUSY); /* two requests are under way */
    struct message count = {.kind = MSG_COUNT, .count = {.op = 3, .epoch = 3}};
    assert_int_equal(refusal(&r, &now, &count), ERR_BUSY);
    replica_protocol.check(&r, NULL);
    replica_protocol.close(&r);
}

/* The answer to a question for the greatest stamp, from a store that knows 8. */
static struct msg_greatest greatest(struct moment now, uint32_t doubts_then)
{
    static struct out out;
    struct replica r;
    struct message m = {.kind = MSG_GREATEST_GET, .greatest_get = {.op = 7, .epoch = 3}};
    assert_int_equal(replica_init(&r, 1), 0);
    out_clear(&out);
    replica_message(&r, &now, PEER, &m, &out);
    if (out.action[0].kind != ACT_SEND) {
        assert_int_equal(out.action[0].kind, ACT_STORE_GREATEST);
        struct event ev = {.kind = EV_ANSWERED,
                           .answered = {.token = out.action[0].greatest.token, .greatest = 8}};
        out_clear(&out);
        now.own.doubts = doubts_then;
        replica_protocol.stored(&r, &now, TOKEN_NUMBER(ev.answered.token), &ev, &out);
    }
    assert_int_equal(out.n, 1);
    assert_int_equal(out.action[0].send.to, 42);
    assert_int_equal(out.action[0].send.message.kind, MSG_GREATEST);
    assert_int_equal(out.action[0].send.message.greatest.op, 7);
    replica_protocol.close(&r);
    return out.action[0].send.message.greatest;
}

static void test_who_may_lack_records_has_no_greatest_stamp(void **state)
{
    (void)state;
    struct moment recovering = here(), fenced = here(), other = here();
    recovering.own.recovering_n = 16;
    fenced.fenced = true;
    other.epoch = 4;
    assert_int_equal(greatest(here(), 0).error, 0);
    assert_int_equal(greatest(here(), 0).stamp, 8);
    assert_int_equal(greatest(fenced, 0).stamp, 8); /* nothing is stored */
    assert_int_equal((int)greatest(recovering, 0).error, ERR_RECOVERING);
    /* damage was found while the store looked */
    assert_int_equal((int)greatest(here(), 1).error, ERR_RECOVERING);
    assert_int_equal((int)greatest(other, 0).error, ERR_STALE_EPOCH);
}

static void test_slab_handles_die_with_their_use(void **state)
{
    (void)state;
    struct slab s;
    slab_init(&s, sizeof(uint64_t), 100);
    uint64_t handle[100];
    void *cell;
    for (unsigned i = 0; i < 100; i++) {
        handle[i] = slab_take(&s, &cell);
        assert_true(handle[i] != 0);
        memcpy(cell, &handle[i], sizeof handle[i]);
    }
    assert_int_equal(slab_take(&s, &cell), 0);
    for (unsigned i = 0; i < 100; i++)
        /* through growth */
        assert_memory_equal(slab_get(&s, handle[i]), &handle[i], sizeof handle[i]);
    slab_free(&s, handle[40]);
    assert_null(slab_get(&s, handle[40]));
    uint64_t again = slab_take(&s, &cell);
    assert_true(again != handle[40]);
    assert_null(slab_get(&s, handle[40]));
    assert_ptr_equal(slab_get(&s, again), cell);
    assert_null(slab_get(&s, 0));
    assert_null(slab_get(&s, UINT64_MAX >> 8));
    slab_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ack_only_after_stored),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_who_may_lack_records_has_no_greatest_stamp),
        cmocka_unit_test(test_slab_handles_die_with_their_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
