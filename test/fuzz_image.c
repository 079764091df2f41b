/* Any bytes as the image of an arc: what is taken in is an index that can be walked, looked up in,
 * and written to. */
#include "base/check.h"
#include "base/hash.h"
#include "store/index/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(void *arg, struct slice key, const struct index_item *item)
{
    const struct index *ix = arg;
    struct index_key k = index_key(ix, slot_of_key(key), key);
    struct index_spot spot;
    /* the image may have put the key into a chain that is not its own */
    (void)index_find(ix, &k, &spot);
    CHECK(item->kind != RECORD_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bool known[3] = {true, false, true};
    struct tally tally[3] = {{0}};
    struct index_image_segments segments = {known, tally, 3};
    struct index ix;
    struct buf again;
    CHECK(index_init(&ix, 1, 0) == 0);
    CHECK(nodes_number(&ix.nodes, 7) == 1);
    buf_init(&again, 1 << 24);
    if (index_image_read(&ix, 0, slice_of(data, size), &segments) == 0) {
        index_walk(&ix, 0, look_up, &ix);
        CHECK(index_image_bytes(&ix, 0) == 0 || index_image_write(&ix, 0, &again) == 0);
    }
    buf_close(&again);
    index_close(&ix);
    return 0;
}
