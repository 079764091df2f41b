/* core_coord_play.h: the test plays what a coordinator talks to: the client that asks, the peers,
 * the own store. */
#ifndef COVEY_TEST_CORE_COORD_PLAY_H
#define COVEY_TEST_CORE_COORD_PLAY_H

#include "core_coord.h"

static inline void ask(struct fixture *f, enum op_kind kind, const char *key, const char *value)
{
    begin(f, 0);
    struct request r = {
        .token = 77, .kind = kind, .key = slice_str(key), .value = slice_str(value)};
    coord_request(&f->coord, &f->now, &r, &f->out);
    check(f);
}

static bool forgetful;  /* an owner that refuses does not know whether it took the record before */
static bool recovering; /* an owner that answers is recovering */

static inline struct put_answer put_answer(int error, struct version held)
{
    bool refused = error == ERR_SUPERSEDED || error == ERR_TOO_OLD;
    return (struct put_answer){
        .error = error, .held = held, .never_took = refused && !forgetful, .unsound = recovering};
}

static inline void own_put(struct fixture *f, uint64_t op, int error, struct version held)
{
    begin(f, 1);
    struct put_answer a = put_answer(error, held);
    struct event ev = {.kind = EV_STORED,
                       .stored = {.error = error, .held = held, .never_took = a.never_took}};
    own_answered(f, op, &ev);
    check(f);
}

static inline void answer_put(struct fixture *f, uint64_t from, uint64_t op, int error,
                              struct version held)
{
    begin(f, 1);
    struct message m = {.kind = MSG_PUT_ACK};
    struct put_answer a = put_answer(error, held);
    m.put_ack = (struct msg_put_ack){.op = op,
                                     .epoch = 1,
                                     .error = (uint32_t)error,
                                     .held = held,
                                     .never_took = a.never_took,
                                     .unsound = a.unsound};
    answered(f, from, &m);
    check(f);
}

static inline void answer_get(struct fixture *f, uint64_t from, uint64_t op, struct version v,
                              const char *value, bool with_value)
{
    begin(f, 1);
    struct message m = {.kind = MSG_GOT};
    uint8_t kind = v.stamp == 0 ? RECORD_NONE : v.deleted ? RECORD_TOMBSTONE : RECORD_VALUE;
    m.got = (struct msg_got){.op = op,
                             .epoch = 1,
                             .size = (uint32_t)strlen(value),
                             .record = {.kind = kind, .version = v}};
    if (with_value)
        m.got.record.value = slice_str(value);
    answered(f, from, &m);
    check(f);
}

static inline void answer_own_read(struct fixture *f, uint64_t token, struct version v,
                                   const char *value)
{
    begin(f, 0);
    struct record r = {
        .kind = v.stamp ? RECORD_VALUE : RECORD_NONE, .version = v, .value = slice_str(value)};
    struct event ev = {.kind = EV_READ, .read = {.record = r, .size = (uint32_t)r.value.n}};
    own_answered(f, token, &ev);
    check(f);
}

/* Asks for a PUT; where owners are asked first, they answer that they hold nothing. Returns the PUT
 * that is sent to B. */
static inline const struct message *ask_put(struct fixture *f, struct request *r)
{
    begin(f, 0);
    r->token = 77;
    r->kind = OP_PUT;
    coord_request(&f->coord, &f->now, r, &f->out);
    const struct message *get = sent(f, B, MSG_GET) ? sent(f, B, MSG_GET) : sent(f, C, MSG_GET);
    if (get) {
        uint64_t op = get->get.op, from = sent(f, B, MSG_GET) ? B : C;
        answer_get(f, from, op, (struct version){0}, "", false);
        answer_own_read(f, op, (struct version){0}, "");
    }
    assert_non_null(sent(f, B, MSG_PUT));
    return sent(f, B, MSG_PUT);
}

#endif
