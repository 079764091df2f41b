/* id.h: who and where. Node ids, cluster ids and addresses.
 *
 * A node id is 64 random bits born with the data directory, never 0; a cluster id is 128 random
 * bits, all zero for "none yet". An address is the BASE address of a node: its client port P. Peers
 * listen at P+1; only the worlds (rt, sim) do that sum. */
#ifndef COVEY_BASE_ID_H
#define COVEY_BASE_ID_H

#include "base/slice.h"

struct cluster_id {
    uint8_t b[16];
};

struct addr {
    uint8_t family; /* 4, 6, or 0 for none */
    uint16_t port;  /* host order */
    uint8_t ip[16]; /* network order; an IPv4 address uses the first 4 bytes, the rest is zero */
};

enum {
    /* bytes that any address, node id or cluster id needs as text, with its NUL */
    ADDR_TEXT = 56,
    NODE_NAME_MAX = 64, /* bytes of a node's name, without NUL */
    ZONE_MAX = 32,      /* bytes of a zone's name, without NUL */
};

static inline bool cluster_id_eq(struct cluster_id a, struct cluster_id b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool cluster_id_none(struct cluster_id a)
{
    return cluster_id_eq(a, (struct cluster_id){{0}});
}

static inline bool addr_eq(struct addr a, struct addr b)
{
    return a.family == b.family && a.port == b.port && memcmp(a.ip, b.ip, sizeof a.ip) == 0;
}

/* "127.0.0.1:7400", "[::1]:7400" or "none". Fills out (ADDR_TEXT bytes) and returns it. */
const char *addr_text(struct addr a, char out[ADDR_TEXT]);

/* Parses what addr_text prints: a numeric address with a port, 1 to 65535. 0 or ERR_BAD_ADDRESS
 * (*out untouched); host names are the world's work. */
int addr_parse(struct slice text, struct addr *out);

/* 16 lower-case hex digits. */
const char *node_id_text(uint64_t id, char out[ADDR_TEXT]);

/* 32 lower-case hex digits. */
const char *cluster_id_text(struct cluster_id id, char out[ADDR_TEXT]);

#endif
