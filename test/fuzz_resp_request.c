/* Any bytes as a client's stream, arriving in pieces of a size that the first byte says; the second
 * is the limit of an argument. The commands are the same as those of the stream in one piece, and
 * no argument is over the limit. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/error.h"
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t hash; /* of all commands and refusals so far */
    int end;
};

static void take(struct outcome *o, const struct resp_request *r, size_t bulk_max, bool inlined)
{
    if (r->too_big) {
        CHECK(r->arg_n == 0);
        o->hash = hash_seeded(SLICE("too big"), o->hash + r->too_big);
    }
    for (uint32_t i = 0; i < r->arg_n; i++) {
        CHECK(inlined || r->arg[i].n <= bulk_max);
        o->hash = hash_seeded(r->arg[i], o->hash + 1);
    }
    o->hash += r->arg_n;
}

/* The first `there` bytes of in have come; from *at on they are not yet consumed. */
static void parse_there(struct resp_request *r, struct slice in, size_t there, size_t *at,
                        size_t bulk_max, struct outcome *o)
{
    while (o->end == 0 && *at < there) {
        size_t n = there - *at;
        uint8_t *copy = malloc(n); /* of its own size and at another place each time */
        memcpy(copy, in.p + *at, n);
        int got = resp_parse_request(r, slice_of(copy, n), bulk_max);
        CHECK(got != 0 && (got < 0 || (size_t)got <= n));
        if (got > 0) {
            take(o, r, bulk_max, copy[0] != '*');
            *at += (size_t)got;
        }
        free(copy);
        if (got == ERR_INCOMPLETE)
            return;
        if (got < 0)
            o->end = got;
    }
}

static struct outcome parse_all(struct slice in, size_t step, size_t bulk_max)
{
    struct outcome o = {0, 0};
    struct resp_request r;
    size_t at = 0;
    resp_request_init(&r);
    for (size_t there = step; o.end == 0; there += step) {
        parse_there(&r, in, there < in.n ? there : in.n, &at, bulk_max, &o);
        if (there >= in.n)
            break;
    }
    if (o.end)
        CHECK(o.end == ERR_BAD_MESSAGE && r.why);
    resp_request_close(&r);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    struct slice in = slice_of(data + 2, size - 2);
    struct outcome pieces = parse_all(in, 1 + (size_t)data[0], data[1]),
                   whole = parse_all(in, in.n, data[1]);
    CHECK(pieces.hash == whole.hash && pieces.end == whole.end);
    return 0;
}
