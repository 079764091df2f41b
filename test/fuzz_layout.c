/* Any bytes as a layout: what is accepted keeps its byte form, and a copy of it has the same
 * hash. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct layout l, copy;
    struct buf b;
    layout_init(&l);
    layout_init(&copy);
    if (layout_decode(slice_of(data, size), &l))
        return 0;
    buf_init(&b, MESSAGE_MAX);
    CHECK(layout_encode(&b, &l) == 0);
    CHECK(slice_eq(buf_view(&b), slice_of(data, size)));
    CHECK(layout_copy(&copy, &l) == 0 && layout_hash(&copy) == layout_hash(&l));
    for (int i = 0; i < l.member_n; i++)
        CHECK(layout_find(&l, l.member[i].id) == i);
    buf_close(&b);
    layout_close(&l);
    layout_close(&copy);
    return 0;
}
