/* Any bytes as a piece of a file of hints. The checksums of the records in it are put right first,
 * else nothing behind the first would ever be reached. */
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/hints/hints_batch.h"
#include "wire/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_checksums_right(uint8_t *p, size_t size)
{
    for (size_t n; size >= RECORD_HEADER; p += n, size -= n) {
        n = get_u32(p + 8);
        if (n < RECORD_HEADER || n > size)
            return;
        put_u64(p, hash_bytes(slice_of(p + 8, n - 8)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { FIRST = 1000 };
    static struct hints_batch batch;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    put_checksums_right(copy, size);
    hints_batch_init(&batch);
    int error = hints_batch_fill(&batch, slice_of(copy, size), FIRST);
    CHECK(error == 0 || error == ERR_CORRUPT);
    CHECK(batch.n <= HINTS_BATCH && batch.used <= size && (!error || batch.n == 0));
    uint64_t location = FIRST;
    size_t values = 0;
    for (uint32_t i = 0; i < batch.n; i++) {
        const struct located_record *p = &batch.at[i];
        CHECK(p->location > location && p->location <= FIRST + batch.used &&
              hints_is_hint(&p->record));
        CHECK(i == 0 || values + p->record.value.n <= HINTS_BATCH_BYTES);
        location = p->location;
        values += p->record.value.n;
    }
    hints_batch_close(&batch);
    free(copy);
    return 0;
}
