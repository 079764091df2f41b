/* Any bytes as replies of a node: the list of elements is a tree, and every text lies inside the
 * input. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tree(const struct resp_reply *r, struct slice in)
{
    CHECK(r->n > 0 && resp_after(r, 0) == r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct resp_value *v = &r->v[i];
        CHECK(resp_after(r, i) <= r->n);
        CHECK(!v->text.n || (v->text.p >= in.p && v->text.p + v->text.n <= in.p + in.n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size < 4096 ? size : 4096); /* the check is quadratic */
    struct resp_reply r;
    int n;
    resp_reply_init(&r);
    while (in.n && (n = resp_parse_reply(&r, in)) > 0) {
        CHECK((size_t)n <= in.n);
        check_tree(&r, in);
        in = slice_of(in.p + n, in.n - (size_t)n);
    }
    resp_reply_close(&r);
    return 0;
}
