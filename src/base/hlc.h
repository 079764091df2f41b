/* hlc.h: a hybrid logical clock (Kulkarni et al. 2014).
 *
 * A stamp is 64 bits: 48 of wall-clock milliseconds since 1970, 16 of counter. The stamps of one
 * clock strictly increase. A stamp given after another one was seen is greater than that one,
 * unless the seen one lay too far ahead to be believed.
 *
 * **Room above.** A key is overwritten by a stamp above the one that it has, so there must always
 * be one above. No clock is believed from WALL_MS_MAX on. Above the stamps of that time come only
 * those that outbid another, each by one: from the greatest stamp of a clock to STAMP_MAX that is
 * room for 2^62 writes of one key. A stamp that speaks for many keys (a FLUSHALL's, a floor) ends
 * half-way there, so under the greatest of them each key can still be written 2^61 times. A stamp
 * beyond these bounds is refused wherever it comes from, the disk included (wire/record.c,
 * wire/message.c). */
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

/* Takes note of a stamp that another clock gave. False, and the clock is not moved, when the stamp
 * is more than skew_max_ms ahead of wall_ms. */
bool hlc_see(struct hlc *c, uint64_t stamp, uint64_t wall_ms, uint64_t skew_max_ms);

/* A stamp that is also above `floor`, however far ahead that is: for the coordinator's second
 * stamp. Where the floor is more than CLOCK_SKEW_MAX_MS ahead the answer is floor + 1 and the clock
 * is not moved, so that one record stamped in a far year does not spread its year to every key. At
 * STAMP_MAX there is nothing above: the answer is STAMP_MAX. */
uint64_t hlc_stamp_above(struct hlc *c, uint64_t floor, uint64_t wall_ms);

#endif
