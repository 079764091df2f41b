/* Any bytes as a node's saved records of its boots and of others' logs, and then as a peer's marks:
 * what is taken keeps the invariants, and what is saved of it can be read again and is the same. */
#include "base/check.h"
#include "base/error.h"
#include "core/log_end/log_end.h"
#include "fuzz_piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SELF = 1 };

static void check_again(struct log_end *r)
{
    static struct out out;
    struct log_end again;
    struct log_end_options o = {.self = SELF, .boot = r->boot + 1, .position = r->position};
    log_end_position(r, r->position + 1000);
    r->boots_dirty = r->marks_dirty = true;
    out_clear(&out);
    log_end_save(r, LOG_END_SAVE_MS, true, &out);
    CHECK(out.n == 2);
    o.boots = out.action[0].put.record.value;
    o.ends = out.action[1].put.record.value;
    while (r->boots_open > 0)
        log_end_protocol.stored(r, NULL, TOKEN_NUMBER(out.action[0].put.token),
                                &(struct event){.kind = EV_STORED}, &out);
    log_end_protocol.check(r, NULL);
    CHECK(log_end_init(&again, &o) == 0);
    CHECK(slice_eq(log_end_marks(&again), log_end_marks(r)) && again.healing == r->healing &&
          again.settled_n == r->settled_n);
    CHECK(again.own_n >= 2 && again.own[again.own_n - 2].at == r->own[r->own_n - 1].at);
    log_end_protocol.close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct log_end r;
    struct log_end_options o = {
        .self = SELF, .boot = 77, .boots = fuzz_piece(&in), .ends = fuzz_piece(&in)};
    o.position = 1000 * in.n;
    int error = log_end_init(&r, &o);
    CHECK(error == 0 || error == ERR_BAD_MESSAGE);
    if (!error) {
        bool lost = log_end_compare(&r, in);
        CHECK(!lost || r.healing);
        /* what is saved may lie further up than a node ever gets */
        if (r.lift <= 2 * LOG_END_POSITION_MAX)
            check_again(&r);
    }
    log_end_protocol.close(&r);
    return 0;
}
