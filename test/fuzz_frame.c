/* Any bytes as a peer stream, arriving in pieces of a size that the first byte says: the reader
 * gives whole messages, holds no more than its bounds, and gives the same whatever the pieces. */
#include <stdlib.h>

#include "base/check.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    unsigned messages;
    int end;
};

static void check_bounds(const struct frame_reader *r)
{
    CHECK(r->in.n <= r->in.max && r->plain.n <= FRAME_CHUNK);
    for (unsigned i = 0; i < FRAME_CHANNELS; i++)
        CHECK(r->large[i].n <= MESSAGE_MAX);
}

static struct outcome read_all(struct slice in, size_t step)
{
    struct frame_reader r;
    struct outcome o = {0, 0};
    frame_reader_init(&r);
    for (size_t at = 0; at < in.n && o.end == 0;) {
        struct message m;
        uint8_t *space;
        size_t room, n = in.n - at < step ? in.n - at : step;
        CHECK(frame_space(&r, n, &space, &room) == 0 && room >= n);
        memcpy(space, in.p + at, n);
        frame_received(&r, n);
        at += n;
        while ((o.end = frame_next(&r, &m)) == 1) {
            o.messages++;
            CHECK(m.kind && message_size(&m) <= MESSAGE_MAX);
        }
        check_bounds(&r);
    }
    frame_reader_close(&r);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > FRAME_IN)
        return 0;
    struct slice in = slice_of(data + 1, size - 1);
    struct outcome pieces = read_all(in, 1 + (size_t)data[0] * 16), whole = read_all(in, in.n);
    CHECK(pieces.messages == whole.messages && pieces.end == whole.end);
    return 0;
}
