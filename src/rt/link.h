/* link.h: one stream to a peer: connect, hello, framed messages both ways.
 *
 *   opened here:   CONNECTING --connected, HELLO sent--> HELLO --their HELLO accepted--> UP
 *   accepted:      HELLO --their HELLO accepted, ours sent--> UP
 *   every state --error, refusal, timeout, link_close--> CLOSING (freed when libuv has let go)
 *
 * Messages put before UP wait, bounded, and leave in order once the hello is done. What a link
 * meets it tells the table of peers (peer.h), which decides what the node hears. */
#ifndef COVEY_RT_LINK_H
#define COVEY_RT_LINK_H

#include <uv.h>

#include "core/event.h"
#include "wire/frame.h"

enum {
    /* loopback and one network hop answer in far less; the node asks again */
    LINK_CONNECT_MS = 1000,
    LINK_HELLO_MS = 3000, /* whoever connects and says nothing is no peer */
    /* for a peer: eight of the largest values; beyond, the stream is dropped */
    LINK_PENDING_MAX = 64 * 1024 * 1024,
    LINK_KEEP_MAX = 1024 * 1024, /* bytes that an idle waiting buffer may keep allocated */
};

enum link_state { LINK_CONNECTING, LINK_HELLO, LINK_UP, LINK_CLOSING };

struct peers;
struct peer;

struct link {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct peers *peers;
    struct peer *peer; /* NULL until it is known who is at the other end */
    enum link_state state;
    bool opened_here;
    bool writing;         /* libuv has the rest of an output and waits for the socket to drain */
    bool dirty;           /* on the list of links to be flushed at the end of the turn */
    int seed;             /* the seed it was opened for, until it is up; else -1 */
    uint64_t boot;        /* the other end's, from its hello */
    uint64_t deadline_ms; /* of connecting, then of the hello */
    uint64_t used_ms;     /* last time that anything came or was put */
    uint64_t turn;        /* of the loop in which it was read last, */
    size_t turn_bytes;    /* and how much was read in it */
    bool resting;         /* on the list of links that are read again in the next turn */
    struct frame_writer out;
    struct frame_reader in;
    /* encoded messages that cannot enter `out` yet: no hello yet, or all its channels taken */
    struct buf waiting;
    size_t waiting_at;        /* bytes of it that have left */
    struct link *prev, *next; /* all links of the table */
    struct link *next_dirty;
    struct link *next_resting;
    struct link *next_of_peer;
    char addr[ADDR_TEXT]; /* of the other end's socket */
};

/* Begins a stream to the peer port of a base address: to a seed (sought 0), or (seed -1) to the
 * member `sought`, who should live there. NULL when memory or descriptors are out. The hello is
 * queued. */
struct link *link_open(struct peers *ps, struct addr base, int seed, uint64_t sought);

/* Takes a stream that a listener has ready. NULL when it could not be had. */
struct link *link_accept(struct peers *ps, uv_stream_t *listener);

/* Queues a message (copied), to leave at the end of the turn. 0, or why it could not be: then the
 * stream must be closed, or the loss would go unseen. */
int link_put(struct link *l, const struct message *m);

/* Writes what waits, in as few system calls as the socket takes it. */
void link_write(struct link *l);

/* Begins to read, or goes on after a rest. */
void link_resume(struct link *l);

/* Ends the stream now; `why` is for the log and for the node. Safe in every state, and from within
 * its own callbacks. */
void link_close(struct link *l, int error, const char *why);

#endif
