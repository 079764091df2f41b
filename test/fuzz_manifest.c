/* Any text as a backup's manifest. The sum at its end is put right first, else only manifests that
 * were never touched would be read. What is taken must be spelled as it would be written. */
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/archive/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SUM_LINE = 4 + 16 + 1 };

static void write_again(const struct manifest *m, struct buf *out)
{
    struct slice files = m->files;
    struct manifest_file f;
    uint32_t n = 0;
    CHECK(manifest_begin(out, m) == 0);
    for (; manifest_next(&files, &f); n++)
        CHECK(manifest_add(out, &f) == 0);
    CHECK(n == m->file_n && files.n == 0);
    CHECK(manifest_end(out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text, again;
    struct manifest m;
    buf_init(&text, MANIFEST_MAX + SUM_LINE);
    buf_init(&again, MANIFEST_MAX);
    if (buf_append(&text, data, size > SUM_LINE ? size - SUM_LINE : 0) != 0 ||
        manifest_end(&text) != 0)
        return 0;
    int error = manifest_decode(buf_view(&text), &m);
    CHECK(error == 0 || error == ERR_CORRUPT || error == ERR_BAD_FORMAT);
    if (error == 0) {
        write_again(&m, &again);
        CHECK(slice_eq(buf_view(&text), buf_view(&again)));
    }
    CHECK(manifest_decode(slice_of(data, size), &m) <= 0);
    buf_close(&again);
    buf_close(&text);
    return 0;
}
