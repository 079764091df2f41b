/* peer.h: the table of peers and their streams.
 *
 * Whichever side needs a stream opens one. Two peers may open at the same time: then both streams
 * are read, and both sides write to the one that the smaller node id opened, so they agree without
 * a message. The other stream closes when it has been idle for a while. The node learns of peers,
 * not of sockets: EV_LINK_UP for each stream that finishes its hello (a message sent before may be
 * lost), EV_LINK_DOWN when the last stream of a peer is gone, or the one that the node asked for
 * could not be opened. Nothing is retried here: the node asks again. */
#ifndef COVEY_RT_PEER_H
#define COVEY_RT_PEER_H

#define HASH_NONFATAL_OOM 1 /* without memory one stream is lost, and not the process */
#include <uthash.h>

#include "rt/link.h"

enum {
    /* accepted streams without a hello yet: so many can an outsider keep open */
    PEER_STRANGERS_MAX = 256,
    PEER_LINKS_MAX = 4,       /* streams with one peer: two are needed, two more may be closing */
    PEER_IDLE_MS = 10 * 1000, /* a redundant stream that was idle so long closes */
    PEER_TICK_MS = 100,       /* how often the deadlines of links are looked at */
};

struct world;

struct peer {
    uint64_t id;
    struct link *links; /* that are opening or up, the newest first */
    UT_hash_handle hh;
};

struct peers {
    struct world *world;
    uv_tcp_t listener;
    struct peer *by_id;
    struct link *all;
    struct link *dirty;   /* list of links to write at the end of the turn */
    struct link *resting; /* list of links to read again in the next turn */
    uint32_t opening_n;   /* links that are not up yet, which have deadlines */
    uint32_t stranger_n;  /* of those, how many were accepted */
    uint64_t ticked_ms;
    bool untidy;      /* there may be idle links, or peers without links, to remove */
    uint64_t garbage; /* streams that were closed because of what they sent */
    uint64_t refused; /* hellos that were refused */
};

/* Listens at the peer port of a base address. 0 or a libuv error. */
int peers_listen(struct peers *ps, struct addr base);

/* Closes every stream. The node is not stepped any more. */
void peers_close(struct peers *ps);

/* Frees the table, once libuv has let all streams go. */
void peers_free(struct peers *ps);

/* ACT_SEND; and ACT_SEED once the address is resolved. Failures come back as EV_LINK_DOWN. */
void peers_send(struct peers *ps, uint64_t to, struct addr base, const struct message *m);
void peers_open_seed(struct peers *ps, int seed, struct addr base);

/* At the end of a turn: one write for each stream that has something. */
void peers_write(struct peers *ps);

/* After that: streams that had more bytes than one turn reads are read again. */
void peers_resume(struct peers *ps);

/* Looks after timeouts, idle links and peers without links, at most every PEER_TICK_MS; and when
 * that is next needed (UINT64_MAX: never). */
void peers_tick(struct peers *ps, uint64_t now_ms);
uint64_t peers_deadline_ms(const struct peers *ps);

/* Whether any stream has bytes that its socket has not taken. */
bool peers_pending(const struct peers *ps);

/* ---- For link.c ---- */

void peers_add_link(struct peers *ps, struct link *l);
void peers_dirty(struct peers *ps, struct link *l);
void peers_rest(struct peers *ps, struct link *l);
void peers_link_up(struct peers *ps, struct link *l, const struct msg_hello *h);
void peers_link_closed(struct peers *ps, struct link *l, enum link_state was, int error,
                       const char *why);
/* A stream sent something that is no message of covey's: counts it, logs it, closes the stream. */
void peers_garbage(struct peers *ps, struct link *l, int error, const char *why);

#endif
