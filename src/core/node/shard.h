/* shard.h: the part of a node that holds records: what clients and peers ask of them, and what is
 * done to keep them right.
 *
 * All that it knows of the other members, of the layout and of the time is in the moment that it is
 * given. All that the rest of the node knows of it is how its records stand (struct
 * own_records). */
#ifndef COVEY_CORE_SHARD_H
#define COVEY_CORE_SHARD_H

#include "core/coord/coord.h"
#include "core/erase/erase.h"
#include "core/hint/hint.h"
#include "core/log_end/log_end.h"
#include "core/repair/repair.h"
#include "core/replica/replica.h"

struct shard {
    uint64_t self;
    bool wrote;             /* the store holds, or was given, a record */
    bool recovering;        /* it is recovering in some vnode, and has logged it */
    struct slice doubt_why; /* the reason, for the log */
    /* its votes may be lost: its log lost its end, or records of any slot, or its disk is new */
    bool forgot;
    /* the disk is not the one that this node was let in with; that one's records are fetched */
    bool new_disk;
    bool healed;         /* all that the disk before held is here, and a state record says so */
    bool healed_unsaved; /* that state record could not be stored, and will be tried again */
    uint64_t healed_serial, healed_tried_ms;
    uint64_t store_errors;
    int store_refuses;       /* why the store takes no values now, by its own account; 0: it does */
    int put_failed;          /* ERR_IO: the disk failed the last put; 0: it did not */
    uint64_t clock_asked_ms; /* the clock's ceiling that is being stored; 0: none is */
    uint64_t clock_serial;
    uint8_t clock_bytes[8]; /* the last ceiling submitted, little-endian */
    struct coord coord;
    struct hint hint;
    struct log_end log_end;
    struct replica replica;
    struct repair repair;
    struct erase erase;
};

/* First in every step: takes where the own log ends, and why the store takes no values (0: it
 * does). Fills in what of `own` follows from that; the rest is as the last step left it. */
void shard_begin(struct shard *s, uint64_t end, int refuses, struct own_records *own);

/* Why the own store takes no writes, by its own account or by its last answer: ERR_NO_SPACE,
 * ERR_IO; 0: it does. */
int shard_refuses(const struct shard *s);

/* How its records stand now: for the moment. Borrows from the shard until the next layout. */
struct own_records shard_own(const struct shard *s);

/* A request of a client about records; and a request of a peer. */
void shard_request(struct shard *s, const struct moment *now, const struct request *r,
                   struct out *out);
void shard_demand(struct shard *s, const struct moment *now, uint64_t from, const struct message *m,
                  struct out *out);

/* An answer of the store came, which says something of the disk. */
void shard_note_stored(struct shard *s, const struct event *ev, struct out *out);

/* Records of these slots may be lost (EV_DAMAGED). */
void shard_damaged(struct shard *s, const struct moment *now, struct slice slots);

/* Takes what a peer's hello says of logs: where its own ends, and what it remembers of ours. */
void shard_hello(struct shard *s, const struct moment *now, const struct msg_hello *h,
                 struct out *out);

/* A layout is in force. If it lets this node in with another disk than this one, what that one held
 * is fetched from the other owners. */
void shard_judge_disk(struct shard *s, const struct moment *now, uint64_t disk);

/* The end of a step: what is to be stored and logged. ready: the node answers clients. */
void shard_carry(struct shard *s, const struct moment *now, bool ready, struct out *out);

/* Its row in the table of protocols: the store's answers about its own states. */
extern const struct protocol shard_protocol;

#endif
