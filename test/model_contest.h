/* model_contest.h: the rule by which contested writes are ordered (core/coord/coord_write.c), tried
 * in every order of events.
 *
 * The model. One key, three owners, W = R = 2; two writers, and two or three readers. Messages may
 * come in any order, late, or never. The coordinator of an operation may stop anywhere, and cannot
 * be told from one that is slow. The model knows no clock and no deadline, so what holds does not
 * rest on one.
 *
 *   - A *plain* writer sends its stamp to all owners. An owner answers that it took the write (it
 *     came when nothing greater was held, or the owner remembers that it once did), or that it
 *     never took it, and which greater stamp it holds. W owners that took it: acknowledged. N-R+1
 *     that never took it, and N-W+1 sound answers in all: the write is sent again, under a stamp
 *     above the greatest that was seen. Anything else waits.
 *   - A writer that *asks first* reads R owners, stamps above the greatest and sends.
 *   - In a second round, and after asking, an owner that holds something greater counts as an ack.
 *   - A reader asks R owners. If they differ it writes the greater back to the other. If that is
 *     refused it begins anew; here it is gone, since a read that begins anew is like another one
 *     that began earlier.
 *   - An owner may be *recovering*. It takes writes, and answers that it is recovering. It answers
 *     no reads, and no writer that asks. What it answers in the first round counts for nothing. It
 *     has recovered when it holds the greatest that the others hold. Its memory of what it took
 *     begins then, so to a write that began earlier it answers that it is unsure, which counts for
 *     nothing too.
 *   - An owner that restarts remembers no write either, and is as unsure.
 *   - In the first round an owner may be sent a write again, because its answer was lost with a
 *     stream.
 *
 * The property is linearizability. It contains that a write wins over those that were acknowledged
 * before it began, and that reads do not go back. It is checked each time an operation ends.
 *
 * What is spared. An operation begins when its first message comes: had it begun earlier, more
 * orders would be allowed. For the same reason it ends as early as it may, where nothing else
 * depends on that. Owners are alike, so they are sorted. Readers begin in order. An owner remembers
 * only stamps that a message can still bring.
 *
 * The numbers are those of a usual key. There N-R+1 owners are N-W+1 too, so the model never asks
 * by itself whether the answers are sound enough. */
#ifndef COVEY_TEST_MODEL_CONTEST_H
#define COVEY_TEST_MODEL_CONTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

/* Parts of the rule that can be left out, or be undone. */
enum part {
    /* a writer stamps again when enough answers are sound, though a silent owner may have taken the
     * write */
    BET = 1 << 0,
    REFUSED_IS_GOOD = 1 << 1, /* a reader returns though its write-back was refused */
    NO_WRITE_BACK = 1 << 2,   /* a reader returns the greater of two at once */
    ASKS_ONE = 1 << 3,        /* one answer is enough for a writer that asks first */
    /* an owner that holds something greater counts as an ack in the first round too */
    GREATER_IS_ACK = 1 << 4,
    /* an owner that took it and is recovering counts as one that never took it */
    RECOVERING_NEVER = 1 << 5,
    /* an owner that is recovering acknowledges a first round like any other */
    RECOVERING_ACKS = 1 << 6,
    RECOVERING_IS_READ = 1 << 7,  /* an owner that is recovering answers reads */
    RECOVERING_IS_ASKED = 1 << 8, /* an owner that is recovering answers writers that ask first */
    FORGETS = 1 << 9,             /* an owner does not remember what it took */
    REMEMBERS_ALL = 1 << 10,      /* an owner remembers what it took while it was recovering */
    /* an owner that was restarted answers that it never took what it may have taken before */
    NEW_LIFE_KNOWS = 1 << 11,
    NOT_ABOVE = 1 << 12, /* the second stamp is above the first one alone */
    LATE_ACK = 1 << 13,  /* a late ack of the first stamp counts in the second round */
};

/* The writers and readers of a model, and the parts of the rule that it lacks. */
struct world {
    unsigned left_out; /* enum part */
    unsigned ask;      /* a bit for each writer that asks first */
    unsigned readers;
    bool at_once;    /* readers overlap; else one begins when the one before it has ended */
    unsigned faster; /* a plain writer's clock may be so many draws ahead of a slow one */
    bool restarts;   /* one owner may, once */
    bool recovering; /* one owner is, when all begins, */
    bool lost;       /* having lost what was acknowledged before; of the others one has it */
};

/* Visits the states of a world, states_max at most. */
enum model_result contest_explore(const char *name, const struct world *w, uint32_t states_max,
                                  struct model_report *report);

#endif
