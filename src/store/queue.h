/* queue.h: a first-in first-out queue of small items of one size in one growing array.
 *
 * Its owner drains it every turn. So it is nearly always empty, its array is reused, and the steady
 * state allocates nothing. */
#ifndef COVEY_STORE_QUEUE_H
#define COVEY_STORE_QUEUE_H

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct queue {
    uint8_t *p;
    size_t item; /* bytes of one */
    uint32_t head, n, cap;
};

static inline void queue_init(struct queue *q, size_t item)
{
    *q = (struct queue){.item = item};
}

/* Item i of those waiting, 0 the oldest. */
static inline void *queue_at(const struct queue *q, uint32_t i)
{
    return q->p + (q->head + i) * q->item;
}

static inline void queue_close(struct queue *q)
{
    free(q->p);
    queue_init(q, q->item);
}

/* Room for one more item at the end. Never fails: a result that cannot be queued would leave its
 * asker waiting for ever, so a process without memory for one stops instead. */
static inline void *queue_push(struct queue *q)
{
    if (q->n == q->cap && q->head > 0) {
        memmove(q->p, q->p + q->head * q->item, (q->n - q->head) * q->item);
        q->n -= q->head;
        q->head = 0;
    }
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 16;
        q->p = realloc(q->p, q->cap * q->item);
        CHECK(q->p != NULL);
    }
    return q->p + q->item * q->n++;
}

/* The oldest item, NULL when there is none; it stays until queue_pop. */
static inline void *queue_peek(const struct queue *q)
{
    return q->head < q->n ? q->p + q->item * q->head : NULL;
}

/* Drops the oldest item. Its bytes stay readable until the next push. */
static inline void queue_pop(struct queue *q)
{
    CHECK(q->head < q->n);
    if (++q->head == q->n)
        q->head = q->n = 0;
}

#endif
