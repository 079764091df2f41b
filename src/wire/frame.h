/* frame.h: how messages travel in a peer stream.
 *
 * A frame: u32 length of what follows | u8 flags | u32 channel | payload, little-endian. A payload
 * is a run of whole messages (message.h), or, for a message over FRAME_CHUNK bytes, one chunk of
 * it: chunks of a channel follow each other in order, frames of other channels may come between (a
 * large value never holds up a small one), FRAME_LAST marks the end. A payload whose messages have
 * FRAME_LZ4_MIN bytes or more on average is lz4-compressed when that saves an eighth: then it
 * begins with its u32 uncompressed length. */
#ifndef COVEY_WIRE_FRAME_H
#define COVEY_WIRE_FRAME_H

#include "base/buf.h"
#include "base/limits.h"
#include "wire/message.h"

enum {
    FRAME_HEADER = 9,
    FRAME_CHUNK = 64 * 1024, /* payload bytes of one frame at most, uncompressed */
    /* what follows the length field at most: the cap before anything is kept */
    FRAME_MAX = FRAME_CHUNK + 1024,
    /* smaller messages cost lz4 several times what all else does with them, and save little */
    FRAME_LZ4_MIN = 1024,
    /* large messages under way at once in one direction of a stream */
    FRAME_CHANNELS = 8,
    /* chunks are added to an output up to here: what a small message may have to wait behind */
    FRAME_OUT = 256 * 1024,
    /* received bytes that a reader holds at most besides one partial frame */
    FRAME_IN = 1024 * 1024,
};
enum frame_flags { FRAME_LZ4 = 1, FRAME_PART = 2, FRAME_LAST = 4 };

/* The sending half of a stream. A small message is encoded once, straight into its frame; each
 * large one waits as a channel. Two buffers take turns: the stream writes from `out`, which stays
 * put until it is all sent, while `next` gathers. */
struct frame_writer {
    struct buf next; /* whole frames, then the open one */
    /* where in next the open frame begins; next.n: none is open */
    size_t open_at;
    uint32_t open_messages;           /* in the open frame */
    struct buf out;                   /* frames handed to the stream */
    size_t sent;                      /* bytes of out that the stream took */
    struct buf large[FRAME_CHANNELS]; /* encoded large messages; n == 0: free */
    size_t large_at[FRAME_CHANNELS];  /* bytes of it already framed */
    size_t large_waiting;             /* bytes of all of them not yet framed */
    size_t pending_max;
    uint32_t turn;       /* round robin over the channels */
    uint8_t lz4_rest;    /* frames still to be sent without trying lz4, */
    uint8_t lz4_backoff; /* after a try that did not pay: 1, 2, 4 .. 64 */
};

/* pending_max: bytes that may wait before frame_put says ERR_BUSY; a message is always taken when
 * none waits. */
void frame_writer_init(struct frame_writer *w, size_t pending_max);
void frame_writer_close(struct frame_writer *w);

/* Queues a message (copied). 0, ERR_BUSY (all channels taken, or pending_max reached), ERR_TOO_BIG
 * (over MESSAGE_MAX), ERR_NO_MEMORY. */
int frame_put(struct frame_writer *w, const struct message *m);

/* True while the stream has not yet taken everything that was put. */
bool frame_pending(const struct frame_writer *w);

/* What to write to the stream now, empty when nothing waits: the rest of the last output, or, when
 * all of that is sent, everything small that was put since and then one chunk of each channel,
 * round robin, up to FRAME_OUT bytes. The bytes stay where they are, whatever is put meanwhile,
 * until frame_sent has counted them all: fit for an asynchronous write. 0 or ERR_NO_MEMORY. */
int frame_output(struct frame_writer *w, struct slice *bytes);

/* The stream took the first n bytes of the last output. */
void frame_sent(struct frame_writer *w, size_t n);

/* The receiving half. */
struct frame_reader {
    struct buf in;                    /* bytes received and not yet consumed */
    size_t at;                        /* consumed so far */
    struct buf plain;                 /* the current payload, decompressed */
    struct slice messages;            /* of the current payload, not yet given out */
    struct buf large[FRAME_CHANNELS]; /* channels under way */
    /* channel + 1 whose buffer the last message lived in: freed at the next call */
    unsigned drop;
};

void frame_reader_init(struct frame_reader *r);
void frame_reader_close(struct frame_reader *r);

/* Room for at least `least` received bytes (FRAME_IN at most): fills *space and *n. The caller
 * writes there, then calls frame_received. To be called only when frame_next has given all it has.
 * 0 or an error of buf_reserve. */
int frame_space(struct frame_reader *r, size_t least, uint8_t **space, size_t *n);
void frame_received(struct frame_reader *r, size_t n);

/* The next whole message: 1 (slices live until the next call on r), 0 (more bytes are needed), or
 * ERR_BAD_MESSAGE, ERR_TOO_BIG, ERR_NO_MEMORY: the stream is beyond repair, close it. Unknown
 * messages are skipped. */
int frame_next(struct frame_reader *r, struct message *out);

#endif
