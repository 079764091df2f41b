/* Any bytes as a listing: what is taken off it encodes to the same bytes again. */
#include "base/check.h"
#include "wire/merkle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
