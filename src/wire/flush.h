/* flush.h: what a flush is about: an area of (space, slot), as bytes; and runs, areas with the
 * stamp up to which they were flushed, as owners tell each other and as they rest on disk
 * (store/table/flushed.h).
 *
 *     area:  u8 first space | u8 last space | u16 first slot | u16 last slot
 *     run:   area | u64 stamp
 *
 * All little-endian; the first and the last belong to the area. An area names slots, not vnodes, so
 * that it means the same however the ring is cut; it always covers whole vnodes of the cut under
 * which it was made. Its spaces are the clients': those of the system are never flushed. */
#ifndef COVEY_WIRE_FLUSH_H
#define COVEY_WIRE_FLUSH_H

#include "base/buf.h"
#include "base/hash.h"

enum { FLUSH_AREA = 6, FLUSH_RUN = FLUSH_AREA + 8 }; /* bytes */

struct flush_area {
    uint8_t space_first, space_last;
    uint16_t slot_first, slot_last;
};

struct flush_run {
    struct flush_area area;
    uint64_t stamp;
};

/* All spaces of the clients, all around the ring; and the same as bytes. */
static const struct flush_area FLUSH_EVERYTHING = {0, SPACES_CLIENTS - 1, 0, SLOTS - 1};
#define FLUSH_EVERYTHING_BYTES SLICE("\0\x0f\0\0\xff\x3f")

void flush_area_write(uint8_t p[FLUSH_AREA], const struct flush_area *a);

/* False when the bytes are not a valid area. */
bool flush_area_read(struct slice bytes, struct flush_area *a);

/* Appends a run. Errors as buf_reserve. */
int flush_run_append(struct buf *out, const struct flush_run *run);

/* Takes the next run. 1, 0 (no more), or ERR_BAD_MESSAGE: no run, or a stamp that leaves the keys
 * there no room (base/hlc.h). */
int flush_run_next(struct slice *rest, struct flush_run *run);

/* The run that a slot of a space is in; its stamp is 0 when it is in none. */
struct flush_run flush_run_at(struct slice runs, uint8_t space, uint16_t slot);

#endif
