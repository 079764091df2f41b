/* front_one.h: one session over a toy node: commands in, replies looked at. */
#ifndef COVEY_TEST_FRONT_ONE_H
#define COVEY_TEST_FRONT_ONE_H

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
    struct resp_reply reply;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    front_init(&f->front);
    f->front.ready = true;
    f->front.version = SLICE("0.1.0");
    f->front.name = SLICE("a");
    f->front.node = 0xa1;
    f->front.port = 7400;
    f->front.durability = SLICE("fsync");
    f->front.data_dir = SLICE("/var/lib/covey");
    f->front.run_id = SLICE("0123456789012345678901234567890123456789");
    f->front.started_ms = 1000;
    session_init(&f->session, &f->front, 77, SLICE("127.0.0.1:50000"), 1000);
    toy_init(&f->toy, 1);
    resp_reply_init(&f->reply);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    session_close(&f->session);
    toy_close(&f->toy);
    resp_reply_close(&f->reply);
    free(f);
    return 0;
}

/* Runs inline commands; the replies are in session.out. */
static inline struct slice ask(struct fixture *f, const char *asked)
{
    buf_consume(&f->session.out, f->session.out.n);
    assert_int_equal(session_feed(&f->session, slice_str(asked)), 0);
    assert_int_equal(session_feed(&f->session, SLICE("\r\n")), 0);
    toy_run(&f->toy, &f->session);
    return buf_view(&f->session.out);
}

static inline void expect(struct fixture *f, const char *asked, const char *want)
{
    struct slice got = ask(f, asked);
    if (!slice_eq(got, slice_str(want)))
        print_error("%s got:\n%.*s\nwanted:\n%s\n", asked, (int)got.n, (const char *)got.p, want);
    assert_true(slice_eq(got, slice_str(want)));
}

static inline bool contains(struct slice text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* Parses the one reply that there must be. */
static inline const struct resp_value *parse(struct fixture *f, const char *asked)
{
    struct slice got = ask(f, asked);
    assert_int_equal(resp_parse_reply(&f->reply, got), (int)got.n);
    return f->reply.v;
}

/* The value of a map's field, in RESP3 or flattened. */
static inline const struct resp_value *field(struct fixture *f, uint32_t map, const char *name)
{
    uint32_t at = map + 1;
    for (uint32_t i = 0; i + 1 < f->reply.v[map].count; i += 2) {
        if (slice_eq(f->reply.v[at].text, slice_str(name)))
            return &f->reply.v[at + 1];
        at = resp_after(&f->reply, at + 1);
    }
    fail_msg("no field %s", name);
    return NULL;
}

static inline void assert_text(const struct resp_value *v, const char *want)
{
    if (!slice_eq(v->text, slice_str(want)))
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)v->text.n, (const char *)v->text.p, want);
    assert_true(slice_eq(v->text, slice_str(want)));
}

#endif
