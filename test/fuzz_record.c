/* Any bytes as a record on disk. A checksum that fits is put in first, else nothing behind it would
 * ever be reached. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "wire/bytes.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const struct record_view *v)
{
    struct buf scratch;
    struct slice value;
    buf_init(&scratch, RECORD_VALUE_MAX);
    if (record_value(v, &scratch, &value) == 0)
        CHECK(value.n == v->value_size);
    buf_close(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < RECORD_HEADER || size > RECORD_MAX)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    size_t n = get_u32(copy + 8);
    if (n >= RECORD_HEADER && n <= size)
        put_u64(copy, hash_bytes(slice_of(copy + 8, n - 8)));
    struct record_view v;
    int got = record_decode(slice_of(copy, size), &v);
    if (got > 0) {
        CHECK((size_t)got == n && v.record.key.n + v.record.value.n + RECORD_HEADER == n);
        check_value(&v);
    }
    free(copy);
    return 0;
}
