/* Any bytes as a run of peer messages: what decodes is encoded again to something that decodes the
 * same. */
#include <stdlib.h>

#include "base/check.h"
#include "wire_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct message *m)
{
    struct buf b;
    struct message back;
    buf_init(&b, MESSAGE_MAX);
    CHECK(message_append(&b, m) == 0);
    CHECK(message_decode(buf_view(&b), &back) == (int)b.n);
    CHECK(equal_message(m, &back));
    buf_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct message m;
    int n;
    while ((n = message_decode(in, &m)) > 0) {
        CHECK((size_t)n <= in.n);
        if (m.kind)
            check_again(&m);
        in = slice_of(in.p + n, in.n - (size_t)n);
    }
    return 0;
}
