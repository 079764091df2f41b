/* peer.h: the table of peers and their streams.
 *
 * Whoever needs a stream opens one. Two peers may open at once: both streams are read, and each
 * side writes to the one that was opened by the smaller node id, so that they agree without a word;
 * the other one closes when it has been idle for a while. The node hears of peers, not of sockets:
 * EV_LINK_UP for each stream that finishes its hello (a message sent before may be lost),
 * EV_LINK_DOWN when the last one is gone or the one it asked for could not be had. Nothing is
 * retried here: the node asks again. */
#ifndef COVEY_RT_PEER_H
#define COVEY_RT_PEER_H

#define HASH_NONFATAL_OOM 1 /* a full memory must cost one stream, not the process */
#include <uthash.h>

#include "rt/link.h"

enum {
    /* accepted streams whose hello has not come: what an outsider can hold open */
    PEER_STRANGERS_MAX = 256,
    PEER_LINKS_MAX = 4,       /* streams with one peer: two are needed, two more may be dying */
    PEER_IDLE_MS = 10 * 1000, /* after which a redundant stream closes */
    PEER_TICK_MS = 100,       /* how exactly the deadlines of links are kept */
};

struct world;

struct peer {
    uint64_t id;
    struct link *links; /* opening or up, newest first */
    UT_hash_handle hh;
};

struct peers {
    struct world *world;
    uv_tcp_t listener;
    struct peer *by_id;
    struct link *all;
    struct link *dirty;   /* to be flushed at the end of the turn */
    struct link *resting; /* to be read again in the next turn */
    uint32_t opening_n;   /* links that are not up yet: they have deadlines */
    uint32_t stranger_n;  /* of these, accepted ones */
    uint64_t ticked_ms;
    bool untidy;      /* idle links or linkless peers may be there to remove */
    uint64_t garbage; /* streams closed for what they sent */
    uint64_t refused; /* hellos */
};

/* Listens at the peer port of a base address. 0 or a libuv error. */
int peers_listen(struct peers *ps, struct addr base);

/* Closes the listener and every stream. The node hears nothing any more. */
void peers_close(struct peers *ps);

/* Frees the table, once libuv has let all streams go. */
void peers_free(struct peers *ps);

/* ACT_SEND, ACT_SEED (address already resolved). Failures come back as EV_LINK_DOWN. */
void peers_send(struct peers *ps, uint64_t to, struct addr base, const struct message *m);
void peers_open_seed(struct peers *ps, int seed, struct addr base);

/* End of turn: one write for each stream that has something. */
void peers_write(struct peers *ps);

/* After that: streams that had more to read than a turn takes are read on. */
void peers_resume(struct peers *ps);

/* Timeouts and tidying, at most every PEER_TICK_MS; and when it is next wanted (UINT64_MAX for
 * never). */
void peers_tick(struct peers *ps, uint64_t now_ms);
uint64_t peers_deadline_ms(const struct peers *ps);

/* Whether any stream still has bytes to give to its socket. */
bool peers_pending(const struct peers *ps);

/* ---- For link.c ---- */

uint64_t peers_id(const struct peer *p);
void peers_add_link(struct peers *ps, struct link *l);
void peers_dirty(struct peers *ps, struct link *l);
void peers_rest(struct peers *ps, struct link *l);
void peers_link_up(struct peers *ps, struct link *l, const struct msg_hello *h);
void peers_link_closed(struct peers *ps, struct link *l, enum link_state was, int error,
                       const char *why);
/* A stream sent what is no covey message: counted, logged once, closed. */
void peers_garbage(struct peers *ps, struct link *l, int error, const char *why);

#endif
