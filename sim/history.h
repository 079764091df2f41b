/* history.h: what clients did and saw, and whether it can be true.
 *
 * Every written value is unique. A write ends in one of three ways: ok (acknowledged), failed
 * (refused before any owner could have stored it), or unknown (it may take effect at any later
 * time). For each key:
 *
 *   - A read never returns the value of a failed write, nor a value that nobody wrote.
 *   - A write that begins after another was acknowledged always wins. So a read never returns
 *     write x if x ended before write y began, and y was acknowledged, or seen by a finished read,
 *     before the read began.
 *   - Reads never go back. If a read saw x, and a read that began after that one had ended saw y,
 *     then no read that begins after both sees x.
 *
 * "No such key" is the value of a deletion, of the beginning, and of a write that is over: one that
 * was written with an expiry, or one that an EXPIRE may have met. (An EXPIRE may have met every
 * write that began before the EXPIRE was answered.) Wall clocks differ. So from HISTORY_SKEW_US
 * before an expiry to as much after it both answers are right; later the value may not be seen any
 * more. */
#ifndef COVEY_SIM_HISTORY_H
#define COVEY_SIM_HISTORY_H

#include "base/buf.h"

enum outcome { OUTCOME_PENDING, OUTCOME_OK, OUTCOME_FAILED, OUTCOME_UNKNOWN };

enum {
    HISTORY_ABSENT = 0, /* the value number of "no such key" */
    /* The clocks by which any two nodes that serve judge an expiry differ by less than that. */
    HISTORY_SKEW_US = 2000000,
    /* An EXPIRE of unknown outcome met its value within that time, which is past every deadline. */
    HISTORY_LATE_US = 10000000,
};

struct history_write {
    uint32_t value; /* unique; HISTORY_ABSENT for deletions */
    uint64_t begin_us;
    /* when it was acknowledged, or first seen by a read that has ended; UINT64_MAX until then */
    uint64_t end_us;
    uint64_t life_us; /* its value is over so long after it was written; 0: never */
    uint64_t ack_us;  /* when it was acknowledged; UINT64_MAX: not */
    uint64_t gone_us; /* since when reads see another write in its place; UINT64_MAX: they do not */
    uint32_t gone_by; /* the handle of that other write */
    enum outcome outcome;
};

/* An EXPIRE: the value that it met is over life_us after it. */
struct history_expiry {
    uint64_t begin_us, end_us, life_us;
};

struct history_key {
    /* in the order in which they began; w[0] is the beginning: absent, acknowledged before all */
    struct history_write *w;
    uint32_t n, cap;
    struct history_expiry *expiry;
    uint32_t expiry_n, expiry_cap;
    uint32_t last_seen;    /* the write that the last finished read saw */
    uint64_t last_seen_us; /* when that read ended */
    uint64_t reads;
};

struct history {
    struct history_key *key;
    uint32_t key_n;
    /* A write counts as known from its acknowledgement on, and not from a read that saw it before.
     * For clusters in which a read asks one owner alone (two members): the other may not hold yet
     * what the first one holds. The promise on acknowledged writes stays. */
    bool only_acks;
    struct buf why; /* the first violation, in words; empty while there is none */
};

void history_init(struct history *h, uint32_t keys);
void history_close(struct history *h);

/* A write begins, not before those that began by an earlier call. Returns its handle within the
 * key. */
uint32_t history_begin(struct history *h, uint32_t key, uint32_t value, uint64_t now_us);

/* That write has an expiry: its value is over so long after it. */
void history_lives(struct history *h, uint32_t key, uint32_t write, uint64_t life_us);

/* An EXPIRE begins; returns its handle within the key. And it ends. */
uint32_t history_expire_begin(struct history *h, uint32_t key, uint64_t life_us, uint64_t now_us);
void history_expire_end(struct history *h, uint32_t key, uint32_t expiry, enum outcome outcome,
                        uint64_t now_us);

/* A write ended. After OUTCOME_UNKNOWN it may still take effect. */
void history_end(struct history *h, uint32_t key, uint32_t write, enum outcome outcome,
                 uint64_t now_us);

/* A quorum read that began at begin_us returned `value`. False when that cannot be: h->why says
 * why. */
bool history_read(struct history *h, uint32_t key, uint32_t value, uint64_t begin_us,
                  uint64_t now_us);

/* Whether an owner that holds `value` holds that write or one that may supersede it: a write which
 * did not end before that one began. */
bool history_covers(const struct history *h, uint32_t key, uint32_t value, uint32_t write);

#endif
