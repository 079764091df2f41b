/* frame.c: a stream of frames.
 *
 * A turn of the loop puts hundreds of small messages for one peer; they should cost one write and
 * as little copying as can be. So room for a frame's header is left at the end of `next` and
 * messages are encoded behind it, in place; the header is filled in when the frame is full or the
 * turn ends. The stream then gets the buffer itself, and the other one gathers.
 *
 * A message over FRAME_CHUNK would hold up all that come after it (a probe's ack behind an 8 MiB
 * value looks like a death), so it is cut in chunks, at most FRAME_CHANNELS such messages at once,
 * and what is small goes first at each output.
 *
 * lz4 is for what is large: batches of 100-byte values were measured to shrink by a third at ten
 * times the cost of encoding them.
 *
 * Invariants: bytes handed to the stream do not move or change until they are sent; one channel's
 * chunks keep their order; a reader holds one partial frame, and MESSAGE_MAX bytes for each
 * channel, at most. */
#include "wire/frame.h"

#include <lz4.h>

#include "base/check.h"
#include "base/error.h"
#include "wire/bytes.h"

enum {
    /* bytes of the length field, which it does not count */
    FRAME_LENGTH = 4,
    FRAME_AFTER = FRAME_HEADER - FRAME_LENGTH, /* header bytes that it does count */
    /* frames that go untried at most after ones that did not shrink: 4 MiB of a value at most */
    FRAME_LZ4_BACKOFF_MAX = 64,
    /* a buffer that grew beyond is given back when it is empty */
    FRAME_BUF_KEPT = 1024 * 1024,
};

/* ---- Writer ---- */

void frame_writer_init(struct frame_writer *w, size_t pending_max)
{
    *w = (struct frame_writer){.pending_max = pending_max};
    /* What may gather: pending_max or one message, then chunks up to FRAME_OUT, and the last of
     * each may pass the mark. */
    size_t most = pending_max + FRAME_OUT + 2 * (FRAME_MAX + FRAME_HEADER);
    buf_init(&w->next, most);
    buf_init(&w->out, most);
    for (unsigned i = 0; i < FRAME_CHANNELS; i++)
        buf_init(&w->large[i], MESSAGE_MAX);
}

void frame_writer_close(struct frame_writer *w)
{
    buf_close(&w->next);
    buf_close(&w->out);
    for (unsigned i = 0; i < FRAME_CHANNELS; i++)
        buf_close(&w->large[i]);
}

/* Compresses the bytes of so many messages into room bytes at `to`: its size there, or 0 when lz4
 * is not worth it. Values are often compressed or random already, and trying costs as much as
 * succeeding: after each failure twice as many frames go untried.
 */
static size_t frame_compress(struct frame_writer *w, uint8_t *to, size_t room, struct slice from,
                             uint32_t messages)
{
    if (from.n < (size_t)FRAME_LZ4_MIN * messages)
        return 0;
    if (w->lz4_rest) {
        w->lz4_rest--;
        return 0;
    }
    size_t most = from.n - from.n / 8;
    CHECK(most <= room);
    int n = LZ4_compress_default((const char *)from.p, (char *)to, (int)from.n, (int)most);
    if (n > 0) {
        w->lz4_backoff = 0;
        return (size_t)n;
    }
    w->lz4_backoff = w->lz4_backoff ? w->lz4_backoff * 2 : 1;
    if (w->lz4_backoff > FRAME_LZ4_BACKOFF_MAX)
        w->lz4_backoff = FRAME_LZ4_BACKOFF_MAX;
    w->lz4_rest = w->lz4_backoff;
    return 0;
}

static void frame_header_put(uint8_t *p, size_t payload, unsigned flags, unsigned channel)
{
    p = put_u32(p, (uint32_t)(FRAME_AFTER + payload));
    p = put_u8(p, (uint8_t)flags);
    put_u32(p, channel);
}

/* Ends the open frame, if there is one. */
static void frame_end(struct frame_writer *w)
{
    if (w->open_at == w->next.n)
        return;
    uint8_t *frame = w->next.p + w->open_at;
    uint8_t *payload = frame + FRAME_HEADER;
    struct slice plain = slice_of(payload, w->next.n - w->open_at - FRAME_HEADER);
    uint8_t packed[FRAME_CHUNK];
    size_t packed_n = frame_compress(w, packed, sizeof packed, plain, w->open_messages);
    if (packed_n) {
        put_bytes(put_u32(payload, (uint32_t)plain.n), packed, packed_n);
        w->next.n = w->open_at + FRAME_HEADER + 4 + packed_n;
        frame_header_put(frame, 4 + packed_n, FRAME_LZ4, 0);
    } else {
        frame_header_put(frame, plain.n, 0, 0);
    }
    w->open_at = w->next.n;
    w->open_messages = 0;
}

static int put_small(struct frame_writer *w, const struct message *m, size_t size)
{
    if (w->next.n - w->open_at + size > FRAME_HEADER + FRAME_CHUNK)
        frame_end(w);
    size_t header = w->open_at == w->next.n ? FRAME_HEADER : 0;
    int error = buf_reserve(&w->next, header + size);
    if (error)
        return error;
    message_encode(m, w->next.p + w->next.n + header);
    w->next.n += header + size;
    w->open_messages++;
    return 0;
}

static int put_large(struct frame_writer *w, const struct message *m, size_t size)
{
    unsigned i = 0;
    while (i < FRAME_CHANNELS && w->large[i].n)
        i++;
    if (i == FRAME_CHANNELS)
        return ERR_BUSY;
    int error = message_append(&w->large[i], m);
    if (error)
        return error;
    w->large_at[i] = 0;
    w->large_waiting += size;
    return 0;
}

int frame_put(struct frame_writer *w, const struct message *m)
{
    size_t size = message_size(m);
    size_t waiting = w->next.n + w->large_waiting;
    if (size > MESSAGE_MAX)
        return ERR_TOO_BIG;
    if (waiting && waiting + FRAME_HEADER + size > w->pending_max)
        return ERR_BUSY;
    return size > FRAME_CHUNK ? put_large(w, m, size) : put_small(w, m, size);
}

bool frame_pending(const struct frame_writer *w)
{
    return w->sent < w->out.n || w->next.n || w->large_waiting;
}

/* Appends the next chunk of channel i. */
static int frame_chunk(struct frame_writer *w, unsigned i)
{
    struct buf *large = &w->large[i];
    size_t left = large->n - w->large_at[i];
    struct slice plain =
        slice_of(large->p + w->large_at[i], left < FRAME_CHUNK ? left : FRAME_CHUNK);
    int error = buf_reserve(&w->next, FRAME_HEADER + 4 + plain.n);
    if (error)
        return error;
    uint8_t *frame = w->next.p + w->next.n;
    uint8_t *payload = frame + FRAME_HEADER;
    unsigned flags = FRAME_PART | (plain.n == left ? FRAME_LAST : 0);
    size_t n = frame_compress(w, payload + 4, plain.n, plain, 1);
    if (n) {
        put_u32(payload, (uint32_t)plain.n);
        n += 4;
        flags |= FRAME_LZ4;
    } else {
        n = plain.n;
        put_bytes(payload, plain.p, n);
    }
    frame_header_put(frame, n, flags, i);
    w->next.n += FRAME_HEADER + n;
    w->open_at = w->next.n;
    w->large_at[i] += plain.n;
    w->large_waiting -= plain.n;
    if (plain.n == left)
        buf_close(large);
    return 0;
}

static int frame_chunks(struct frame_writer *w)
{
    int error = 0;
    while (!error && w->large_waiting && w->next.n < FRAME_OUT) {
        unsigned i = w->turn++ % FRAME_CHANNELS;
        if (w->large[i].n)
            error = frame_chunk(w, i);
    }
    return error;
}

static void buf_empty(struct buf *b)
{
    if (b->cap > FRAME_BUF_KEPT)
        buf_close(b);
    b->n = 0;
}

int frame_output(struct frame_writer *w, struct slice *bytes)
{
    int error = 0;
    if (w->sent == w->out.n) {
        frame_end(w);
        error = frame_chunks(w);
        struct buf empty = w->out;
        w->out = w->next;
        w->next = empty;
        buf_empty(&w->next);
        w->open_at = 0;
        w->sent = 0;
    }
    *bytes = slice_of(w->out.p + w->sent, w->out.n - w->sent);
    return bytes->n ? 0 : error; /* what there is can be sent; memory may be back then */
}

void frame_sent(struct frame_writer *w, size_t n)
{
    CHECK(n <= w->out.n - w->sent);
    w->sent += n;
}

/* ---- Reader ---- */

void frame_reader_init(struct frame_reader *r)
{
    *r = (struct frame_reader){0};
    buf_init(&r->in, FRAME_IN + FRAME_LENGTH + FRAME_MAX);
    buf_init(&r->plain, FRAME_CHUNK);
    for (unsigned i = 0; i < FRAME_CHANNELS; i++)
        buf_init(&r->large[i], MESSAGE_MAX);
}

void frame_reader_close(struct frame_reader *r)
{
    buf_close(&r->in);
    buf_close(&r->plain);
    for (unsigned i = 0; i < FRAME_CHANNELS; i++)
        buf_close(&r->large[i]);
}

int frame_space(struct frame_reader *r, size_t least, uint8_t **space, size_t *n)
{
    CHECK(least <= FRAME_IN && r->messages.n == 0);
    buf_consume(&r->in, r->at);
    r->at = 0;
    int error = buf_reserve(&r->in, least);
    if (error)
        return error;
    *space = r->in.p + r->in.n;
    *n = r->in.cap - r->in.n;
    return 0;
}

void frame_received(struct frame_reader *r, size_t n)
{
    CHECK(n <= r->in.cap - r->in.n);
    r->in.n += n;
}

/* One frame as it stands in the input. */
struct frame {
    unsigned flags;
    uint32_t channel;
    struct slice payload;
};

/* 1, 0 when it is not all there, or an error. */
static int frame_take(struct frame_reader *r, struct frame *f)
{
    struct slice in = slice_of(r->in.p + r->at, r->in.n - r->at);
    if (in.n < FRAME_LENGTH)
        return 0;
    size_t n = get_u32(in.p);
    if (n > FRAME_MAX)
        return ERR_TOO_BIG;
    if (n <= FRAME_AFTER)
        return ERR_BAD_MESSAGE;
    if (in.n < FRAME_LENGTH + n)
        return 0;
    f->flags = in.p[FRAME_LENGTH];
    f->channel = get_u32(in.p + FRAME_LENGTH + 1);
    f->payload = slice_of(in.p + FRAME_HEADER, n - FRAME_AFTER);
    r->at += FRAME_LENGTH + n;
    bool known = !(f->flags & ~(unsigned)(FRAME_LZ4 | FRAME_PART | FRAME_LAST));
    bool whole_last = (f->flags & FRAME_LAST) && !(f->flags & FRAME_PART);
    return known && !whole_last && f->channel < FRAME_CHANNELS ? 1 : ERR_BAD_MESSAGE;
}

/* Appends the frame's payload, decompressed, to a buffer. */
static int frame_plain(const struct frame *f, struct buf *to)
{
    struct slice from = f->payload;
    if (!(f->flags & FRAME_LZ4))
        return from.n > FRAME_CHUNK ? ERR_BAD_MESSAGE : buf_slice(to, from);
    if (from.n <= 4)
        return ERR_BAD_MESSAGE;
    size_t n = get_u32(from.p);
    if (n == 0 || n > FRAME_CHUNK)
        return ERR_BAD_MESSAGE;
    int error = buf_reserve(to, n);
    if (error)
        return error;
    int got = LZ4_decompress_safe((const char *)from.p + 4, (char *)to->p + to->n, (int)from.n - 4,
                                  (int)n);
    if (got < 0 || (size_t)got != n)
        return ERR_BAD_MESSAGE;
    to->n += n;
    return 0;
}

/* A chunk: 1 when it was the last of its message and that is one we know, 0 to go on. */
static int frame_part(struct frame_reader *r, const struct frame *f, struct message *out)
{
    struct buf *large = &r->large[f->channel];
    int error = frame_plain(f, large);
    if (error)
        return error;
    if (!(f->flags & FRAME_LAST))
        return 0;
    r->drop = f->channel + 1;
    int n = message_decode(buf_view(large), out);
    if (n < 0 || (size_t)n != large->n)
        return ERR_BAD_MESSAGE;
    return out->kind ? 1 : 0;
}

/* A payload of whole messages becomes r->messages. */
static int frame_whole(struct frame_reader *r, const struct frame *f)
{
    if (!(f->flags & FRAME_LZ4)) {
        r->messages = f->payload;
        return f->payload.n > FRAME_CHUNK ? ERR_BAD_MESSAGE : 0;
    }
    r->plain.n = 0;
    int error = frame_plain(f, &r->plain);
    r->messages = buf_view(&r->plain);
    return error;
}

static void frame_drop(struct frame_reader *r)
{
    if (r->drop)
        buf_close(&r->large[r->drop - 1]);
    r->drop = 0;
}

int frame_next(struct frame_reader *r, struct message *out)
{
    for (;;) {
        frame_drop(r);
        while (r->messages.n) {
            int n = message_decode(r->messages, out);
            if (n < 0)
                return ERR_BAD_MESSAGE; /* an incomplete one too: frames hold whole messages */
            r->messages = slice_of(r->messages.p + n, r->messages.n - (size_t)n);
            if (out->kind)
                return 1;
        }
        struct frame f;
        int got = frame_take(r, &f);
        if (got <= 0)
            return got;
        got = f.flags & FRAME_PART ? frame_part(r, &f, out) : frame_whole(r, &f);
        if (got)
            return got;
    }
}
