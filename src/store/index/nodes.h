/* nodes.h: a table of the node ids that stamp records, so that an index entry needs 2 bytes for one
 * instead of 8. */
#ifndef COVEY_STORE_NODES_H
#define COVEY_STORE_NODES_H

#include <stdint.h>

/* distinct coordinators that one store may have seen in its life: eight full clusters */
enum { NODES_MAX = 65535 };

struct nodes {
    uint64_t *id;    /* by number; number 0 is id 0, "none" */
    uint16_t *bucket;  /* open addressing over the numbers; 0 is free */
    uint32_t n, cap; /* cap is a power of two, at least 2n */
};

/* 0 or ERR_NO_MEMORY. */
int nodes_init(struct nodes *t);
void nodes_close(struct nodes *t);

/* The number of a node id, given one when it is new. 0 .. NODES_MAX, or ERR_NO_MEMORY (also when
 * the table is full). */
int nodes_number(struct nodes *t, uint64_t id);

/* Bytes of memory it takes. */
uint64_t nodes_bytes(const struct nodes *t);

#endif
