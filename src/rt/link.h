/* link.h: one stream to a peer: connect, hello, framed messages both ways.
 *
 *     opened here:   CONNECTING --connected, HELLO sent--> HELLO --their HELLO accepted--> UP
 *     accepted:      HELLO --their HELLO accepted, ours sent--> UP
 *     every state --error, refusal, timeout, link_close--> CLOSING (freed when libuv has let go)
 *
 * Messages that are put before the link is up wait, bounded, and leave in order once the hello is
 * done. A link reports what happens to it to the table of peers (peer.h), which decides what the
 * node learns of it. */
#ifndef COVEY_RT_LINK_H
#define COVEY_RT_LINK_H

#include <uv.h>

#include "core/event.h"
#include "wire/frame.h"

enum {
    /* to connect: loopback and one network hop take far less, and the node asks again */
    LINK_CONNECT_MS = 1000,
    LINK_HELLO_MS = 3000, /* for the other end's hello: a peer sends it at once */
    /* bytes that may wait for a peer, eight of the largest values; beyond, the stream is closed */
    LINK_PENDING_MAX = 64 * 1024 * 1024,
    LINK_KEEP_MAX = 1024 * 1024, /* bytes that an empty `waiting` may keep allocated */
};

enum link_state { LINK_CONNECTING, LINK_HELLO, LINK_UP, LINK_CLOSING };

struct peers;
struct peer;

struct link {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct peers *peers;
    struct peer *peer; /* NULL until the hello says who is at the other end */
    uint8_t state;     /* enum link_state */
    bool opened_here;
    bool writing;         /* libuv has the rest of the output, and waits for room in the socket */
    bool dirty;           /* in the list of links to write at the end of the turn */
    int seed;             /* index of the seed that it was opened for, until it is up; else -1 */
    uint64_t boot;        /* the boot of the other end, from its hello */
    uint64_t deadline_ms; /* of connecting, then of the other end's hello */
    uint64_t used_ms;     /* when something last came or was put */
    uint64_t turn;        /* the turn in which it was read last */
    size_t turn_bytes;    /* bytes that were read in that turn */
    bool resting;         /* in the list of links to read again in the next turn */
    struct frame_writer out;
    struct frame_reader in;
    /* encoded messages that cannot enter `out` yet: before the hello, or with all channels of `out`
     * taken */
    struct buf waiting;
    size_t waiting_at;        /* bytes of `waiting` that have left */
    struct link *prev, *next; /* in the list of all links */
    struct link *next_dirty;
    struct link *next_resting;
    struct link *next_of_peer;
    char addr[ADDR_TEXT]; /* the other end's, as text */
};

/* Opens a stream to the peer port of a base address: to a seed (sought 0), or (seed -1) to the
 * member `sought`, which should be there. Queues the hello. NULL when memory or descriptors are
 * out. */
struct link *link_open(struct peers *ps, struct addr base, int seed, uint64_t sought);

/* Accepts a stream that a listener has ready. NULL when that failed. */
struct link *link_accept(struct peers *ps, uv_stream_t *listener);

/* Queues a message (copied), to leave at the end of the turn. 0, or why it could not be queued:
 * then close the stream, or the loss would go unnoticed. */
int link_put(struct link *l, const struct message *m);

/* Writes all that is queued, in as few system calls as the socket takes. */
void link_write(struct link *l);

/* Starts to read, or starts again after a rest. */
void link_resume(struct link *l);

/* The hellos are exchanged: from now on messages leave. For peer.c. */
void link_up(struct link *l, uint64_t boot);

/* Closes the stream now; `why` is for the log and for the node. Safe in every state, and within the
 * stream's own callbacks. */
void link_close(struct link *l, int error, const char *why);

#endif
