/* client.h: the connections of Redis clients: bytes between sockets and sessions (front/session.h),
 * nothing else.
 *
 * A session reads into its own buffer. Replies gather in the session until the end of the turn and
 * leave in one write; what the socket would not take moves to `writing`, which stays put while
 * libuv waits, and new replies gather behind it. */
#ifndef COVEY_RT_CLIENT_H
#define COVEY_RT_CLIENT_H

#include <uv.h>

#include "front/session.h"

enum {
    CLIENTS_LIMIT = 60000,         /* handles hold a 16-bit index */
    CLIENTS_DEFAULT = 10000,       /* as Redis */
    CLIENT_READ_LEAST = 16 * 1024, /* room offered to a read: what a loopback packet holds */
    CLIENT_READ_MOST = 256 * 1024, /* at a time while a large value arrives */
    /* bytes that the empty input buffer of a client may keep allocated */
    CLIENT_KEEP_MAX = 256 * 1024,
};

struct world;
struct clients;

struct client {
    uv_tcp_t tcp;
    uv_write_t write;
    struct clients *clients;
    struct session session;
    struct buf writing; /* what libuv has; in use while `busy` */
    uint32_t handle;    /* generation << 16 | index */
    bool busy, reading, closing;
    bool runnable, dirty; /* on these lists */
    struct client *next_runnable, *next_dirty;
};

struct clients {
    struct world *world;
    uv_tcp_t listener;
    struct client **slot; /* by index; NULL: free */
    uint16_t *generation; /* of each slot: a result for the client before is told apart */
    uint32_t n, n_max;
    uint32_t search;         /* where the search for a free slot goes on */
    struct client *runnable; /* may have a request for the node */
    struct client *dirty;    /* may have replies to send */
    bool draining;           /* takes no more input */
};

/* Room for n_max connections at once. 0 or ERR_NO_MEMORY. */
int clients_init(struct clients *cs, uint32_t n_max);

/* Listens at a base address. 0 or a libuv error. */
int clients_listen(struct clients *cs, struct addr base);

/* Steps the node with every request that is ready. True when there was any client to look at. */
bool clients_run(struct clients *cs);

/* The result of what a client asked, to that one, if it is still there. */
void clients_reply(struct clients *cs, const struct result *r);

/* ACT_MEMBER: to all who subscribed. */
void clients_member(struct clients *cs, const struct member_info *m);

/* End of turn: one write for each client that has replies. */
void clients_write(struct clients *cs);

/* Stops taking input; and whether every reply to what was taken is sent. */
void clients_drain(struct clients *cs);
bool clients_drained(const struct clients *cs);

/* Closes every connection. */
void clients_close(struct clients *cs);

/* Frees the table, once libuv has let all connections go. */
void clients_free(struct clients *cs);

#endif
