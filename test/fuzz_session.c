/* Any bytes into a session whose requests a toy node answers in any order: nothing breaks, and what
 * comes out is replies, whole. The first bytes of the input say how it is cut and in which order
 * and with which errors the answers come. */
#include "test/front_toy.h"

/* Consumes all whole replies; what is left at the end must be nothing. */
static void drain(struct session *s, struct resp_reply *reply)
{
    while (s->out.n) {
        int used = resp_parse_reply(reply, buf_view(&s->out));
        CHECK(used > 0);
        buf_consume(&s->out, (size_t)used);
    }
}

static void feed_and_answer(struct toy *t, struct session *s, struct slice bytes,
                            struct resp_reply *reply)
{
    struct request request;

    CHECK(session_feed(s, bytes) == 0);
    while (session_next(s, 5000, 0, &request))
        toy_take(t, &request);
    session_check(s);
    for (uint64_t n = rng_below(&t->rng, 4); n && t->asked_n; n--) {
        t->error = rng_below(&t->rng, 8) ? 0 : -(int)rng_below(&t->rng, 30);
        toy_answer(t, s, (uint32_t)rng_below(&t->rng, t->asked_n));
        t->error = 0;
    }
    if (rng_below(&t->rng, 8) == 0)
        session_member(s, &(struct member_info){.id = 1, .name = SLICE("n\"\n")});
    if (rng_below(&t->rng, 2))
        drain(s, reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct toy toy;
    struct front front;
    struct session session;
    struct resp_reply reply;

    if (size < 2)
        return 0;
    toy_init(&toy, data[0]);
    front_init(&front);
    front.ready = data[1] % 16 != 0;
    front.value_max = data[1] % 2 ? 1000 : VALUE_MAX; /* so that short inputs reach the limits */
    front.key_max = data[1] % 2 ? 100 : KEY_MAX;
    session_init(&session, &front, 1, SLICE("fuzz"), 0);
    resp_reply_init(&reply);
    for (size_t at = 2; at < size;) {
        size_t n = 1 + rng_below(&toy.rng, 512);
        n = n < size - at ? n : size - at;
        feed_and_answer(&toy, &session, slice_of(data + at, n), &reply);
        at += n;
    }
    for (;;) { /* a stalled session goes on once its replies are taken */
        uint64_t before = toy.asked_ever;
        toy_run(&toy, &session);
        drain(&session, &reply);
        if (toy.asked_ever == before)
            break;
    }
    CHECK(session.head == session.tail && session.parked_bytes == 0);
    resp_reply_close(&reply);
    session_close(&session);
    toy_close(&toy);
    return 0;
}
