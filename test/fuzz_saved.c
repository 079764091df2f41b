/* Any bytes as the state that a node finds on its disk (the records' names are those of struct
 * node_options): either it is refused, or a node wakes with it whose invariants hold, through its
 * first steps too. */
#include "base/check.h"
#include "base/error.h"
#include "core/node/node.h"
#include "fuzz_piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SELF = 1, START_MS = 1000, STEPS = 20 };

/* Any number will do as its serial. */
static struct node_saved piece(struct slice *in)
{
    struct slice got = fuzz_piece(in);
    return (struct node_saved){got, got.n};
}

static struct node_options options_of(struct slice in)
{
    struct node_options o = {
        .id = SELF, .boot = 77, .seed = 5, .name = SLICE("a"), .position = 5000};
    o.layout = piece(&in);
    o.chain = piece(&in);
    o.members = piece(&in);
    o.cluster_saved = piece(&in);
    o.incarnation = piece(&in);
    o.clock = piece(&in);
    o.healed = piece(&in);
    o.boots = piece(&in);
    o.ends = piece(&in);
    return o;
}

/* Time goes by, and nobody answers: neither a peer nor the disk. */
static void wake(struct node *n)
{
    static struct out out;
    uint64_t now_ms = START_MS;
    for (unsigned i = 0; i < STEPS; i++) {
        struct event ev = {
            .kind = EV_TIMER, .now_ms = now_ms, .wall_ms = 1000000 + now_ms, .position = 5000};
        out_clear(&out);
        node_step(n, &ev, &out);
        node_check(n);
        uint64_t due_ms = node_deadline_ms(n);
        if (due_ms == UINT64_MAX)
            return;
        now_ms = due_ms > now_ms ? due_ms : now_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node n;
    struct node_options o = options_of(slice_of(data, size));
    int error = node_init(&n, &o, START_MS);
    CHECK(error == 0 || error == ERR_BAD_MESSAGE || error == ERR_TOO_BIG);
    if (!error) {
        wake(&n);
        node_close(&n);
    }
    return 0;
}
