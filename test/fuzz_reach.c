/* Any bytes as what a node saved of its boots and of others' logs, and then as what a peer tells
 * it: what is taken keeps the invariants, and what is saved of it is taken again, and says the
 * same. */
#include "base/check.h"
#include "base/error.h"
#include "core/reach/reach.h"
#include "fuzz_piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SELF = 1 };

static void check_again(struct reach *r)
{
    static struct out out;
    struct reach again;
    struct reach_options o = {.self = SELF, .boot = r->boot + 1, .position = r->position};
    reach_position(r, r->position + 1000);
    r->unsaved = r->dirty = true;
    out_clear(&out);
    reach_save(r, REACH_SAVE_MS, true, &out);
    CHECK(out.n == 2);
    o.boots = out.action[0].put.record.value;
    o.reached = out.action[1].put.record.value;
    while (r->out > 0)
        reach_protocol.stored(r, NULL, TOKEN_NUMBER(out.action[0].put.token),
                              &(struct event){.kind = EV_STORED}, &out);
    reach_protocol.check(r, NULL);
    CHECK(reach_init(&again, &o) == 0);
    CHECK(slice_eq(reach_kept(&again), reach_kept(r)) && again.healing == r->healing &&
          again.settled_n == r->settled_n);
    CHECK(again.own_n >= 2 && again.own[again.own_n - 2].at == r->own[r->own_n - 1].at);
    reach_protocol.close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct reach r;
    struct reach_options o = {
        .self = SELF, .boot = 77, .boots = fuzz_piece(&in), .reached = fuzz_piece(&in)};
    o.position = 1000 * in.n;
    int error = reach_init(&r, &o);
    CHECK(error == 0 || error == ERR_BAD_MESSAGE);
    if (!error) {
        bool lost = reach_told(&r, in);
        CHECK(!lost || r.healing);
        /* what is saved may lie further up than a node ever gets */
        if (r.lift <= 2 * REACH_POSITION_MAX)
            check_again(&r);
    }
    reach_protocol.close(&r);
    return 0;
}
