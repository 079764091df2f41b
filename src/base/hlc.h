/* hlc.h: a hybrid logical clock (Kulkarni et al. 2014), after section 4 of the design.
 *
 * A stamp is 64 bits: 48 of wall-clock milliseconds since 1970, 16 of counter. Stamps of one clock
 * strictly increase; a stamp given after another was seen is greater than it, unless the seen one
 * lay too far ahead to be believed.
 *
 * Room above. Whatever is held for a key is outbid by a stamp above it, so there must always be
 * one. No clock is believed from WALL_MS_MAX on, and what is above its stamps comes from outbidding
 * alone, one at a time: from the greatest that a clock may give up to STAMP_MAX that is 2^62 writes
 * of one key. A stamp that speaks for many keys (a FLUSHALL's, a floor) ends half-way there: under
 * the greatest of them each key is still written 2^61 times. A greater stamp than that is no
 * record's, flush's or floor's: it is refused wherever it comes from, the disk included
 * (wire/record.c, wire/message.c). */
#ifndef COVEY_BASE_HLC_H
#define COVEY_BASE_HLC_H

#include <stdbool.h>
#include <stdint.h>

#define WALL_MS_MAX    (UINT64_C(1) << 46) /* ms since 1970 that no clock shows: the year 4199 */
#define STAMP_MAX      (UINT64_C(1) << 63)
#define STAMP_WIDE_MAX (UINT64_C(3) << 61)

struct hlc {
    uint64_t last; /* greatest stamp given or believed */
};

/* The wall part of a stamp, in ms since 1970. */
static inline uint64_t hlc_wall_ms(uint64_t stamp)
{
    return stamp >> 16;
}

/* The next stamp: above every stamp given or believed so far, and not below wall_ms. */
uint64_t hlc_stamp(struct hlc *c, uint64_t wall_ms);

/* Takes note of somebody else's stamp. One more than skew_max_ms ahead of wall_ms does not pull the
 * clock: false. */
bool hlc_see(struct hlc *c, uint64_t stamp, uint64_t wall_ms, uint64_t skew_max_ms);

/* A stamp that is also above `floor`, wherever that lies: for the coordinator's second stamp. A
 * floor more than CLOCK_SKEW_MAX_MS ahead does not pull the clock: the answer is then floor + 1,
 * unremembered, and one record stamped in a far year does not spread its year to every key. (At the
 * very end, STAMP_MAX, there is nothing above: it is answered itself.) */
uint64_t hlc_stamp_above(struct hlc *c, uint64_t floor, uint64_t wall_ms);

#endif
