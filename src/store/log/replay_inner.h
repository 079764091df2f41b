/* replay_inner.h: the doors between replay.c (the directory) and replay_segment.c (one file).
 * Others use replay.h. */
#ifndef COVEY_STORE_REPLAY_INNER_H
#define COVEY_STORE_REPLAY_INNER_H

#include "store/log/replay.h"

enum { REPLAY_WINDOW = 16 * 1024 * 1024 }; /* bytes read at once; a record of any size fits */

/* ---- replay.c ---- */

/* Leaves a sentence in r->why. Returns `error`. */
int replay_refuse(struct replay *r, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a system call that failed. what: what it was to do to segment `number`; cause: its
 * errno. */
int replay_refuse_io(struct replay *r, uint32_t number, const char *what, int cause);

/* The same where segment `number` cannot be read. */
int replay_refuse_unread(struct replay *r, uint32_t number, int cause);

/* ---- replay_segment.c ---- */

/* Takes the records of a segment from s->end on. room: REPLAY_WINDOW bytes. 0, or an error with a
 * sentence in r->why. */
int replay_segment(struct replay *r, struct segment *s, uint8_t *room);

/* Records are lost that may have been of any slot: puts all slots in doubt. */
void replay_doubt_all(struct replay *r);

/* A segment ends before the offset that its successor, or the list, says: puts all slots in
 * doubt. */
void replay_too_short(struct replay *r, struct segment *s);

#endif
