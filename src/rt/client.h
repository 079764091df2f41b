/* client.h: the connections of Redis clients: bytes between sockets and sessions (front/session.h),
 * and nothing else.
 *
 * A socket is read straight into the session's input. Replies gather in the session until the end
 * of the turn, and leave in one write. What the socket does not take moves to `writing`, which
 * stays in place while libuv waits, and new replies gather behind it. */
#ifndef COVEY_RT_CLIENT_H
#define COVEY_RT_CLIENT_H

#include <uv.h>

#include "front/session.h"

enum {
    CLIENTS_LIMIT = 60000,         /* a handle has 16 bits for the cell */
    CLIENTS_DEFAULT = 10000,       /* as Redis */
    CLIENT_READ_LEAST = 16 * 1024, /* room for one read: what a packet on loopback has */
    CLIENT_READ_MOST = 256 * 1024, /* room for one read while a large value arrives */
    /* bytes that an empty buffer of a client may keep allocated */
    CLIENT_KEEP_MAX = 256 * 1024,
};

struct world;
struct clients;

struct client {
    uv_tcp_t tcp;
    uv_write_t write;
    struct clients *clients;
    struct session session;
    struct buf writing; /* what libuv is writing while `busy` */
    uint32_t handle;    /* generation << 16 | cell */
    bool busy, reading, closing;
    bool runnable, dirty; /* in these lists of the table */
    struct client *next_runnable, *next_dirty;
};

struct clients {
    struct world *world;
    uv_tcp_t listener;
    struct client **cell; /* by the handle's low bits; NULL: free */
    /* of each cell, also in handles: a result for the client that had it before finds nobody */
    uint16_t *generation;
    uint32_t n, n_max;
    uint32_t search;         /* where the search for a free cell goes on */
    struct client *runnable; /* list of those that may have a request for the node */
    struct client *dirty;    /* list of those that may have replies to send */
    bool draining;           /* takes no more input */
};

/* Makes room for n_max connections. 0 or ERR_NO_MEMORY. */
int clients_init(struct clients *cs, uint32_t n_max);

/* Listens at a base address. 0 or a libuv error. */
int clients_listen(struct clients *cs, struct addr base);

/* Steps the node with every request that is ready. True when there was a client to look at. */
bool clients_run(struct clients *cs);

/* Gives a result to the client that asked, if it is still connected. */
void clients_reply(struct clients *cs, const struct result *r);

/* ACT_MEMBER: sends it to all clients that subscribed. */
void clients_member(struct clients *cs, const struct member_info *m);

/* At the end of a turn: one write for each client that has replies. */
void clients_write(struct clients *cs);

/* Stops reading; and whether all replies to what was read are sent. */
void clients_drain(struct clients *cs);
bool clients_drained(const struct clients *cs);

/* Closes every connection. */
void clients_close(struct clients *cs);

/* Frees the table, once libuv has let all connections go. */
void clients_free(struct clients *cs);

#endif
