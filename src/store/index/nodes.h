/* nodes.h: numbers for the ids of the nodes that stamp records, so that an entry of the index needs
 * 2 bytes for a node instead of 8. */
#ifndef COVEY_STORE_NODES_H
#define COVEY_STORE_NODES_H

#include <stdint.h>

/* different coordinators whose records one store can hold: eight full clusters */
enum { NODES_MAX = 65535 };

struct nodes {
    uint64_t *id;     /* by number; number 0 is the id 0, "none" */
    uint16_t *bucket; /* open addressing: a number each, 0 in an empty one */
    uint32_t n, cap;  /* ids, buckets; cap is a power of two, at least 2n */
};

/* 0 or ERR_NO_MEMORY. */
int nodes_init(struct nodes *t);
void nodes_close(struct nodes *t);

/* The number of a node id; a new id gets the next one. 0 .. NODES_MAX, or ERR_NO_MEMORY (also when
 * the table is full). */
int nodes_number(struct nodes *t, uint64_t id);

/* The memory that the table takes, in bytes. */
uint64_t nodes_bytes(const struct nodes *t);

#endif
