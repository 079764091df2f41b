/* array.h: arrays that grow an item at a time. */
#ifndef COVEY_BASE_ARRAY_H
#define COVEY_BASE_ARRAY_H

#include <stdint.h>
#include <stdlib.h>

/* An array that holds n items of `each` bytes and has room for *cap, with room for one more: the
 * same, or, when it was full, one twice as large (16 items at first), which takes its place. NULL
 * when memory is out: then nothing has changed. */
static inline void *array_room(void *array, uint32_t n, uint32_t *cap, size_t each)
{
    if (n < *cap)
        return array;
    uint32_t room = *cap ? 2 * *cap : 16;
    void *grown = realloc(array, room * each);
    if (grown)
        *cap = room;
    return grown;
}

#endif
