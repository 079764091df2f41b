/* Any bytes as a listing, and as runs of flushes: what is taken off them encodes to the same bytes
 * again. */
#include "base/check.h"
#include "wire/flush.h"
#include "wire/merkle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_runs(struct slice all)
{
    struct slice rest = all;
    struct flush_run run;
    struct buf again;
    buf_init(&again, all.n + 1);
    (void)flush_run_at(all, (uint8_t)all.n, 0);
    while (flush_run_next(&rest, &run) == 1)
        CHECK(flush_run_append(&again, &run) == 0);
    CHECK(again.n <= all.n && (again.n == 0 || memcmp(again.p, all.p, again.n) == 0));
    buf_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct listing_entry e;
    struct buf again;
    buf_init(&again, size + 1);
    (void)ranges_have(rest, size);
    while (listing_next(&rest, &e) == 1)
        CHECK(listing_append(&again, &e) == 0);
    CHECK(again.n <= size && (again.n == 0 || memcmp(again.p, data, again.n) == 0));
    buf_close(&again);
    as_runs(slice_of(data, size));
    return 0;
}
