/* frame.h: how messages travel in a peer stream.
 *
 * A frame: u32 length of what follows | u8 flags | u32 channel | payload, little-endian. A payload is a run of whole
 * messages (message.h), or, for a message over FRAME_CHUNK bytes, one chunk of it: chunks of a channel follow each other in
 * order, frames of other channels may come between (a large value never holds up a small one), FRAME_LAST marks the end.
 * A payload of FRAME_LZ4_MIN bytes or more is lz4-compressed when that pays: then it begins with its u32 uncompressed length. */
#ifndef COVEY_WIRE_FRAME_H
#define COVEY_WIRE_FRAME_H

#include "base/buf.h"
#include "base/limits.h"
#include "wire/message.h"

enum {
    FRAME_HEADER = 9,
    FRAME_CHUNK = 64 * 1024,         /* payload bytes of one frame at most, uncompressed */
    FRAME_MAX = FRAME_CHUNK + 1024,  /* what follows the length field at most: the cap before anything is kept */
    FRAME_LZ4_MIN = 1024,            /* below this lz4 costs more than the bytes it saves */
    FRAME_CHANNELS = 8,              /* large messages under way at once in one direction of a stream */
};
enum frame_flags { FRAME_LZ4 = 1, FRAME_PART = 2, FRAME_LAST = 4 };

/* The sending half of a stream. Small messages gather in `small`; each large one waits as a channel. */
struct frame_writer {
    struct buf small;                  /* encoded messages not yet framed */
    struct buf large[FRAME_CHANNELS];  /* encoded large messages; n == 0: free */
    size_t large_at[FRAME_CHANNELS];   /* bytes of it already framed */
    uint32_t turn;                     /* round robin over the channels */
};

/* pending_max: bytes that may wait in each of the gathering buffers. */
void frame_writer_init(struct frame_writer *w, size_t pending_max);
void frame_writer_close(struct frame_writer *w);

/* Queues a message (copied). 0, ERR_BUSY (all channels taken, or pending_max reached), ERR_TOO_BIG (over MESSAGE_MAX), ERR_NO_MEMORY. */
int frame_put(struct frame_writer *w, const struct message *m);

/* True while anything waits to be framed. */
bool frame_pending(const struct frame_writer *w);

/* Moves what waits into frames appended to out: all small messages first, then one chunk of each channel, round robin, until nothing
 * waits or out holds out_max bytes. 0, ERR_TOO_BIG or ERR_NO_MEMORY from out. */
int frame_flush(struct frame_writer *w, struct buf *out, size_t out_max);

/* The receiving half. */
struct frame_reader {
    struct buf in;                       /* bytes received and not yet consumed */
    size_t at;                           /* consumed so far */
    struct buf plain;                    /* the current payload, decompressed */
    struct slice messages;               /* of the current payload, not yet given out */
    struct buf large[FRAME_CHANNELS];    /* channels under way, by channel number modulo FRAME_CHANNELS */
    size_t drop;                         /* channel + 1 whose buffer the last message lived in: emptied at the next call */
};

void frame_reader_init(struct frame_reader *r);
void frame_reader_close(struct frame_reader *r);

/* Room for at least `least` received bytes: fills *space and *n. The caller writes there, then calls frame_received. 0 or an error of buf_reserve. */
int frame_space(struct frame_reader *r, size_t least, uint8_t **space, size_t *n);
void frame_received(struct frame_reader *r, size_t n);

/* The next whole message: 1 (slices live until the next call on r), 0 (more bytes are needed), or ERR_BAD_MESSAGE, ERR_TOO_BIG,
 * ERR_NO_MEMORY: the stream is beyond repair, close it. */
int frame_next(struct frame_reader *r, struct message *out);

#endif
