/* core_coord_play.h: the test plays what a coordinator talks to: the client that asks, the peers, the own store. */
#ifndef COVEY_TEST_CORE_COORD_PLAY_H
#define COVEY_TEST_CORE_COORD_PLAY_H

#include "core_coord.h"

static inline void ask(struct fixture *f, enum op_kind kind, const char *key, const char *value)
{
    begin(f, 0);
    struct request r = {.token = 77, .kind = kind, .key = slice_str(key), .value = slice_str(value)};
    coord_request(&f->coord, &r, &f->out);
    coord_check(&f->coord);
}

static uint32_t reach_ms = 10000; /* how far back the owners remember */

static inline void answer_put(struct fixture *f, uint64_t from, uint64_t op, int error, struct version held)
{
    begin(f, 1);
    struct message m = {.kind = MSG_PUT_ACK};
    m.put_ack = (struct msg_put_ack){.op = op, .epoch = 1, .error = (uint32_t)error, .held = held, .reach_ms = reach_ms};
    assert_true(coord_message(&f->coord, from, &m, &f->out));
    coord_check(&f->coord);
}

static inline void answer_get(struct fixture *f, uint64_t from, uint64_t op, struct version v, const char *value, bool with_value)
{
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    uint8_t kind = v.stamp == 0 ? RECORD_NONE : v.deleted ? RECORD_TOMBSTONE : RECORD_VALUE;
    m.got = (struct msg_got){.op = op, .epoch = 1, .size = (uint32_t)strlen(value), .record = {.kind = kind, .version = v}};
    if (with_value)
        m.got.record.value = slice_str(value);
    assert_true(coord_message(&f->coord, from, &m, &f->out));
    coord_check(&f->coord);
}

static inline void answer_own_read(struct fixture *f, uint64_t token, struct version v, const char *value)
{
    begin(f, 0);
    struct record r = {.kind = v.stamp ? RECORD_VALUE : RECORD_NONE, .version = v, .value = slice_str(value)};
    coord_read(&f->coord, TOKEN_NUMBER(token), 0, &r, (uint32_t)r.value.n, &f->out);
    coord_check(&f->coord);
}

#endif
