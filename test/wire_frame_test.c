/* Frames: whatever is put comes out once, small messages in their order, large ones whole, however
 * the stream cuts the bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "wire/bytes.h"
#include "wire/frame.h"
#include "wire_random.h"

enum { PENDING_MAX = 4 * 1024 * 1024 };

static uint8_t *noise; /* MESSAGE_MAX bytes that lz4 cannot shrink */
static uint8_t *runs;  /* as many that it can */

static int setup(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    noise = malloc(MESSAGE_MAX);
    runs = calloc(1, MESSAGE_MAX);
    if (!noise || !runs)
        return -1;
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        noise[i] = (uint8_t)(rng_next(&rng) >> 56);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(noise);
    free(runs);
    return 0;
}

/* A PUT that carries its number and n bytes of value. */
static struct message numbered(uint64_t op, const uint8_t *bytes, size_t n)
{
    return (struct message){
        .kind = MSG_PUT,
        .put = {.op = op,
                .record = {.kind = RECORD_VALUE, .key = KEY_OF("k"), .value = slice_of(bytes, n)}}};
}

/* Moves at most n bytes of what the writer has to the reader. */
static size_t move(struct frame_writer *w, struct frame_reader *r, size_t n)
{
    struct slice bytes;
    uint8_t *space;
    size_t room;
    assert_int_equal(frame_output(w, &bytes), 0);
    if (bytes.n < n)
        n = bytes.n;
    if (!n)
        return 0;
    assert_int_equal(frame_space(r, n, &space, &room), 0);
    assert_true(room >= n);
    memcpy(space, bytes.p, n);
    frame_received(r, n);
    frame_sent(w, n);
    return n;
}

static void test_one_message_is_one_frame(void **state)
{
    (void)state;
    static const uint8_t want[] = {5 + 13, 0, 0, 0, 0, 0, 0, 0, 0, MSG_PROBE, 8,
                                   0,      0, 0, 9, 0, 0, 0, 0, 0, 0,         0};
    struct frame_writer w;
    struct message m = {.kind = MSG_PROBE, .probe.seq = 9};
    struct slice bytes;
    frame_writer_init(&w, PENDING_MAX);
    assert_false(frame_pending(&w));
    assert_int_equal(frame_output(&w, &bytes), 0);
    assert_int_equal(bytes.n, 0);
    assert_int_equal(frame_put(&w, &m), 0);
    assert_true(frame_pending(&w));
    assert_int_equal(frame_output(&w, &bytes), 0);
    assert_true(slice_eq(bytes, slice_of(want, sizeof want)));
    frame_sent(&w, bytes.n - 1);
    assert_true(frame_pending(&w));
    assert_int_equal(frame_output(&w, &bytes), 0);
    assert_int_equal(bytes.n, 1);
    frame_sent(&w, 1);
    assert_false(frame_pending(&w));
    frame_writer_close(&w);
}

static void test_an_output_stays_put_while_more_gathers(void **state)
{
    (void)state;
    struct frame_writer w;
    struct slice first, again;
    struct message m = numbered(0, noise, 500);
    frame_writer_init(&w, PENDING_MAX);
    assert_int_equal(frame_put(&w, &m), 0);
    assert_int_equal(frame_output(&w, &first), 0);
    uint8_t *copy = malloc(first.n);
    memcpy(copy, first.p, first.n);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(frame_put(&w, &m), 0);
    assert_memory_equal(copy, first.p, first.n);
    assert_int_equal(frame_output(&w, &again), 0);
    assert_true(again.p == first.p && again.n == first.n);
    free(copy);
    frame_writer_close(&w);
}

/* The bytes of a turn with count messages of n bytes. */
static size_t output_bytes(const uint8_t *value, size_t n, unsigned count)
{
    struct frame_writer w;
    struct slice bytes;
    struct message m = numbered(1, value, n);
    frame_writer_init(&w, PENDING_MAX);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(frame_put(&w, &m), 0);
    assert_int_equal(frame_output(&w, &bytes), 0);
    size_t got = bytes.n;
    frame_writer_close(&w);
    return got;
}

static void test_large_payloads_are_compressed_where_it_pays(void **state)
{
    (void)state;
    struct message m = numbered(1, runs, 100);
    size_t plain = message_size(&m);
    /* many, but each below the threshold */
    assert_int_equal(output_bytes(runs, 100, 100), FRAME_HEADER + 100 * plain);
    assert_true(output_bytes(runs, FRAME_LZ4_MIN, 10) < 10 * FRAME_LZ4_MIN / 4);
    assert_true(output_bytes(runs, FRAME_CHUNK, 1) < FRAME_CHUNK / 4);
    m = numbered(1, noise, FRAME_CHUNK);
    assert_int_equal(output_bytes(noise, FRAME_CHUNK, 1), 2 * FRAME_HEADER + message_size(&m));
}

static void test_compression_is_tried_again_after_it_failed(void **state)
{
    (void)state;
    struct frame_writer w;
    struct slice bytes;
    struct message bad = numbered(1, noise, 2000), good = numbered(2, runs, 2000);
    frame_writer_init(&w, PENDING_MAX);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(frame_put(&w, &bad), 0);
        assert_int_equal(frame_output(&w, &bytes), 0);
        assert_int_equal(bytes.n, FRAME_HEADER + message_size(&bad));
        frame_sent(&w, bytes.n);
    }
    int untried = 0;
    for (; untried <= 64; untried++) {
        assert_int_equal(frame_put(&w, &good), 0);
        assert_int_equal(frame_output(&w, &bytes), 0);
        frame_sent(&w, bytes.n);
        if (bytes.n < 500)
            break;
    }
    assert_true(untried <= 64);
    frame_writer_close(&w);
}

static void test_small_messages_pass_a_large_one(void **state)
{
    (void)state;
    struct frame_writer w;
    struct frame_reader r;
    struct message large = numbered(1, noise, 8 * 1024 * 1024), small = numbered(0, noise, 10), got;
    frame_writer_init(&w, PENDING_MAX);
    frame_reader_init(&r);
    assert_int_equal(frame_put(&w, &large), 0); /* over pending_max, but nothing else waits */
    assert_int_equal(frame_put(&w, &small), ERR_BUSY);
    uint64_t before = 0;
    while (move(&w, &r, SIZE_MAX)) {
        int n;
        while ((n = frame_next(&r, &got)) == 1) {
            if (got.put.op == 1)
                break;
            assert_int_equal(got.put.op, 100 + before);
            before++;
        }
        if (n == 1)
            break;
        assert_int_equal(n, 0);
        small.put.op = 100 + before;
        int error = frame_put(&w, &small);
        assert_true(error == 0 || error == ERR_BUSY);
        if (error)
            small.put.op--;
    }
    assert_int_equal(got.put.op, 1);
    assert_true(equal_message(&got, &large));
    assert_true(before >= 10); /* it took many outputs, and each carried what had come since */
    assert_int_equal(frame_next(&r, &got), 0);
    assert_null(r.large[0].p); /* its memory is given back */
    frame_writer_close(&w);
    frame_reader_close(&r);
}

static void test_full_says_busy(void **state)
{
    (void)state;
    struct frame_writer w;
    struct message small, large = numbered(1, noise, 100 * 1024);
    frame_writer_init(&w, PENDING_MAX);
    for (int i = 0; i < FRAME_CHANNELS; i++)
        assert_int_equal(frame_put(&w, &large), 0);
    assert_int_equal(frame_put(&w, &large), ERR_BUSY);
    size_t waiting = FRAME_CHANNELS * message_size(&large);
    int error = 0;
    for (uint64_t i = 0; !error; i++) {
        /* different bytes each time: repeated ones would shrink */
        small = numbered(i, noise + i * 1000, 1000);
        error = frame_put(&w, &small);
        waiting += error ? 0 : message_size(&small);
    }
    assert_int_equal(error, ERR_BUSY);
    assert_true(waiting <= PENDING_MAX);
    assert_true(waiting + PENDING_MAX / 100 > PENDING_MAX);
    frame_writer_close(&w);
}

static void test_a_message_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct frame_writer w;
    struct message m = {.kind = MSG_LAYOUT,
                        .layout.layout = slice_of(noise, MESSAGE_MAX - MESSAGE_HEADER - 3)};
    frame_writer_init(&w, PENDING_MAX);
    assert_int_equal(frame_put(&w, &m), ERR_TOO_BIG);
    m.layout.layout.n--;
    assert_int_equal(frame_put(&w, &m), 0);
    frame_writer_close(&w);
}

/* ---- Any mixture of sizes, cut anywhere ---- */

enum { MIXED = 400 };

struct mixture {
    struct rng rng;
    struct frame_writer w;
    struct frame_reader r;
    struct message sent[MIXED];
    bool got[MIXED];
    uint64_t small_after; /* the number after the last small one received */
};

static void mixture_put(struct mixture *x, uint64_t op)
{
    static const size_t sizes[] = {10, 1000, 30000, FRAME_CHUNK - 200, FRAME_CHUNK, 300000};
    size_t most = sizes[rng_below(&x->rng, sizeof sizes / sizeof *sizes)];
    const uint8_t *bytes = rng_below(&x->rng, 2) ? noise : runs;
    x->sent[op] = numbered(op, bytes + rng_below(&x->rng, 1000), rng_below(&x->rng, most));
}

static void mixture_receive(struct mixture *x)
{
    struct message m;
    int n;
    while ((n = frame_next(&x->r, &m)) == 1) {
        assert_int_equal(m.kind, MSG_PUT);
        uint64_t op = m.put.op;
        assert_true(op < MIXED && !x->got[op]);
        assert_true(equal_message(&x->sent[op], &m));
        x->got[op] = true;
        if (message_size(&m) > FRAME_CHUNK)
            continue;
        assert_true(op >= x->small_after);
        x->small_after = op + 1;
    }
    assert_int_equal(n, 0);
}

static void run_mixture(uint64_t seed)
{
    static struct mixture x;
    x = (struct mixture){.small_after = 0};
    rng_init(&x.rng, seed);
    frame_writer_init(&x.w, PENDING_MAX);
    frame_reader_init(&x.r);
    uint64_t put = 0;
    bool chosen = false;
    while (put < MIXED || frame_pending(&x.w)) {
        if (put < MIXED && rng_below(&x.rng, 2)) {
            if (!chosen)
                mixture_put(&x, put);
            int error = frame_put(&x.w, &x.sent[put]);
            assert_true(error == 0 || error == ERR_BUSY);
            chosen = error == ERR_BUSY;
            put += !chosen;
        }
        move(&x.w, &x.r, rng_below(&x.rng, rng_below(&x.rng, 2) ? 20 : 100000));
        mixture_receive(&x);
    }
    for (unsigned i = 0; i < MIXED; i++)
        assert_true(x.got[i]);
    frame_writer_close(&x.w);
    frame_reader_close(&x.r);
}

static void test_any_mixture_arrives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run_mixture(seed);
}

/* ---- Hostile streams ---- */

static int read_stream(const uint8_t *p, size_t n)
{
    struct frame_reader r;
    struct message m;
    uint8_t *space;
    size_t room;
    int got;
    frame_reader_init(&r);
    assert_int_equal(frame_space(&r, n, &space, &room), 0);
    memcpy(space, p, n);
    frame_received(&r, n);
    while ((got = frame_next(&r, &m)) == 1)
        assert_true(m.kind != 0);
    frame_reader_close(&r);
    return got;
}

static int read_frame(unsigned flags, uint32_t channel, struct slice payload)
{
    static uint8_t frame[FRAME_MAX + 4096];
    uint8_t *p = put_u32(frame, (uint32_t)(FRAME_HEADER - 4 + payload.n));
    p = put_u8(p, (uint8_t)flags);
    p = put_u32(p, channel);
    p = put_bytes(p, payload.p, payload.n);
    return read_stream(frame, (size_t)(p - frame));
}

static void test_bad_frames_end_the_stream(void **state)
{
    (void)state;
    struct message m = {.kind = MSG_ACK, .ack.seq = 5};
    uint8_t bytes[32];
    message_encode(&m, bytes);
    struct slice good = slice_of(bytes, message_size(&m));
    assert_int_equal(read_frame(0, 0, good), 0);
    assert_int_equal(read_frame(FRAME_PART | FRAME_LAST, FRAME_CHANNELS - 1, good), 0);

    assert_int_equal(read_frame(8, 0, good), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(FRAME_LAST, 0, good), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(FRAME_PART, FRAME_CHANNELS, good), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(0, 0, slice_of(bytes, 0)), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(0, 0, slice_of(bytes, good.n - 1)), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(0, 0, slice_of(bytes, good.n + 1)), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(FRAME_PART | FRAME_LAST, 0, slice_of(bytes, good.n + 1)),
                     ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(0, 0, slice_of(runs, FRAME_CHUNK + 1)), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(FRAME_PART, 0, slice_of(runs, FRAME_CHUNK + 1)), ERR_BAD_MESSAGE);
    assert_int_equal(read_frame(0, 0, slice_of(runs, FRAME_MAX - FRAME_HEADER + 4 + 1)),
                     ERR_TOO_BIG);
}

static void test_bad_compression_ends_the_stream(void **state)
{
    (void)state;
    uint8_t packed[64];
    memset(packed, 0xff, sizeof packed);
    static const uint32_t announced[] = {0, 100, FRAME_CHUNK, FRAME_CHUNK + 1, UINT32_MAX};
    for (unsigned i = 0; i < sizeof announced / sizeof *announced; i++) {
        put_u32(packed, announced[i]);
        assert_int_equal(read_frame(FRAME_LZ4, 0, slice_of(packed, sizeof packed)),
                         ERR_BAD_MESSAGE);
        assert_int_equal(read_frame(FRAME_LZ4 | FRAME_PART, 0, slice_of(packed, sizeof packed)),
                         ERR_BAD_MESSAGE);
    }
    assert_int_equal(read_frame(FRAME_LZ4, 0, slice_of(packed, 4)), ERR_BAD_MESSAGE);
}

static void test_a_message_of_endless_chunks_is_cut(void **state)
{
    (void)state;
    struct frame_reader r;
    struct message m;
    frame_reader_init(&r);
    int got = 0;
    size_t sent = 0;
    while (got == 0 && sent <= 2 * (size_t)MESSAGE_MAX) {
        uint8_t *space;
        size_t room;
        assert_int_equal(frame_space(&r, FRAME_HEADER + FRAME_CHUNK, &space, &room), 0);
        uint8_t *p = put_u32(space, FRAME_HEADER - 4 + FRAME_CHUNK);
        p = put_u8(p, FRAME_PART);
        p = put_u32(p, 3);
        memset(p, 0, FRAME_CHUNK);
        frame_received(&r, FRAME_HEADER + FRAME_CHUNK);
        got = frame_next(&r, &m);
        sent += FRAME_CHUNK;
    }
    assert_int_equal(got, ERR_TOO_BIG);
    assert_int_equal(sent, MESSAGE_MAX + FRAME_CHUNK);
    frame_reader_close(&r);
}

static void test_unknown_messages_are_skipped(void **state)
{
    (void)state;
    static const uint8_t unknown[] = {200, 2, 0, 0, 0, 'x', 'y', 201, 0, 0, 0, 0};
    assert_int_equal(read_frame(0, 0, slice_of(unknown, sizeof unknown)), 0);
    assert_int_equal(read_frame(FRAME_PART | FRAME_LAST, 0, slice_of(unknown, 7)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_message_is_one_frame),
        cmocka_unit_test(test_an_output_stays_put_while_more_gathers),
        cmocka_unit_test(test_large_payloads_are_compressed_where_it_pays),
        cmocka_unit_test(test_compression_is_tried_again_after_it_failed),
        cmocka_unit_test(test_small_messages_pass_a_large_one),
        cmocka_unit_test(test_full_says_busy),
        cmocka_unit_test(test_a_message_over_the_limit_is_refused),
        cmocka_unit_test(test_any_mixture_arrives),
        cmocka_unit_test(test_bad_frames_end_the_stream),
        cmocka_unit_test(test_bad_compression_ends_the_stream),
        cmocka_unit_test(test_a_message_of_endless_chunks_is_cut),
        cmocka_unit_test(test_unknown_messages_are_skipped),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
