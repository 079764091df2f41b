/* history.h: what clients did and saw, and whether it can be true (scenarios.md, "Acknowledged
 * writes").
 *
 * Every written value is unique. A write is ok (acknowledged), failed (refused before any replica
 * could have stored it) or unknown, which may take effect at any later time. For each key:
 *   - a read never returns the value of a failed write, nor one that nobody wrote;
 *   - a read never returns a write that ended before another began which was acknowledged, or seen
 *     by a finished read,
 *     before this
 *     read began: "a write that begins after another was acknowledged always wins";
 *   - reads never go back: if one that ended before another began saw x and the other saw y, none
 * that begins after both sees x. "No such key" is the value of a deletion, or of the beginning, or
 * of a write whose time has come: one that was written with an end, or that an EXPIRE may have met,
 * which is one that did not begin after the EXPIRE was answered. Wall clocks differ, so between
 * HISTORY_SKEW_US before such an end and as much after it both answers are right; later the value
 * may not be seen any more. */
#ifndef COVEY_SIM_HISTORY_H
#define COVEY_SIM_HISTORY_H

#include "base/buf.h"

enum outcome { OUTCOME_PENDING, OUTCOME_OK, OUTCOME_FAILED, OUTCOME_UNKNOWN };

enum {
    HISTORY_ABSENT = 0, /* the value number of "no such key" */
    /* the wall clocks of any two nodes that serve, as they judge ends, are nearer than that */
    HISTORY_SKEW_US = 2000000,
    /* an EXPIRE of unknown outcome met its value within that time: past every deadline */
    HISTORY_LATE_US = 10000000,
};

struct history_write {
    uint32_t value; /* unique; HISTORY_ABSENT for deletions */
    uint64_t begin_us;
    /* when it was acknowledged, or first seen by a read that has ended; UINT64_MAX until then */
    uint64_t end_us;
    uint64_t life_us; /* it ends so long after it was written; 0: never */
    uint64_t ack_us;  /* when it was acknowledged; UINT64_MAX: not */
    /* when reads had seen it, and then another, gone_by, in its place; UINT64_MAX: they have not */
    uint64_t gone_us;
    uint32_t gone_by;
    enum outcome outcome;
};

/* An EXPIRE: whatever value it met ends life_us after it. */
struct history_expiry {
    uint64_t begin_us, end_us, life_us;
};

struct history_key {
    /* in the order of their beginnings; w[0] is the beginning: absent, acknowledged before all */
    struct history_write *w;
    uint32_t n, cap;
    struct history_expiry *expiry;
    uint32_t expiry_n, expiry_cap;
    uint32_t last_seen;    /* write that the last finished read saw */
    uint64_t last_seen_us; /* when that read ended */
    uint64_t reads;
};

struct history {
    struct history_key *key;
    uint32_t key_n;
    /* A write counts as known from its acknowledgement on, not already from a read that saw it
     * under way: where reads ask one owner alone (two members), what one holds the other may not
     * have yet. The promise on acknowledged writes stays. */
    bool only_acks;
    struct buf why; /* the first violation, in words; empty while there is none */
};

void history_init(struct history *h, uint32_t keys);
void history_close(struct history *h);

/* A write begins, not before those that were told of already; its handle within the key. */
uint32_t history_begin(struct history *h, uint32_t key, uint32_t value, uint64_t now_us);

/* That write's value ends so long after it. */
void history_lives(struct history *h, uint32_t key, uint32_t write, uint64_t life_us);

/* An EXPIRE begins: its handle within the key. It ended. */
uint32_t history_expire_begin(struct history *h, uint32_t key, uint64_t life_us, uint64_t now_us);
void history_expire_end(struct history *h, uint32_t key, uint32_t expiry, enum outcome outcome,
                        uint64_t now_us);

/* It ended (OUTCOME_UNKNOWN too: it may still take effect). */
void history_end(struct history *h, uint32_t key, uint32_t write, enum outcome outcome,
                 uint64_t now_us);

/* A quorum read that began at begin_us returned `value`. False when that cannot be: h->why says
 * why. */
bool history_read(struct history *h, uint32_t key, uint32_t value, uint64_t begin_us,
                  uint64_t now_us);

/* Whether holding `value` is consistent with holding `write`: it is that write's value, or that of
 * one which did not end before it began. */
bool history_covers(const struct history *h, uint32_t key, uint32_t value, uint32_t write);

#endif
