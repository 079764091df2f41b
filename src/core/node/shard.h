/* shard.h: the part of a node that keeps records: what clients and peers ask of them, and what is
 * done to keep them right.
 *
 * All that it knows of the others, of the layout and of the time is in the moment that is given to
 * it; what the rest of the node knows of it is its standing. */
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
    bool recovering;        /* in some vnode, and said so */
    struct slice doubt_why; /* what the log will say of the next such */
    /* its log lost an end, or what nobody can name, or its disk is another one: its votes may be
     * lost too */
    bool forgot;
    /* it is not the disk that this node was let in with, and the records of that one are being
     * fetched */
    bool new_disk;
    bool healed;         /* what the disk of before held is here, and a state record says so */
    bool healed_unsaved; /* that state record could not be stored, and is to be tried again */
    uint64_t healed_serial, healed_tried_ms;
    uint64_t store_errors;
    int store_refuses;       /* why the store takes no values now, as it says itself; 0: it does */
    int put_failed;          /* ERR_IO: the disk failed the last put of all; 0: it did not */
    uint64_t clock_asked_ms; /* the clock's ceiling that is being stored; 0: none is */
    uint64_t clock_serial;
    uint8_t clock_bytes[8]; /* of the last one; little-endian */
    struct coord coord;
    struct hint hint;
    struct log_end log_end;
    struct replica replica;
    struct repair repair;
    struct erase erase;
};

/* First in every step: where the own log ends, and why the store takes no values (0: it does). Of
 * `own` what follows from that is filled in; the rest is as the last step left it. */
void shard_begin(struct shard *s, uint64_t end, int refuses, struct own_records *own);

/* Why the own store takes no writes, as it says itself, or as its last answer said: ERR_NO_SPACE,
 * ERR_IO; 0: it does. */
int shard_refuses(const struct shard *s);

/* How its records stand now: for the moment. Borrows from the shard until the next layout. */
struct own_records shard_own(const struct shard *s);

/* A request of a client about records; and a request of a peer. */
void shard_request(struct shard *s, const struct moment *now, const struct request *r,
                   struct out *out);
void shard_demand(struct shard *s, const struct moment *now, uint64_t from, const struct message *m,
                  struct out *out);

/* An answer of the store came: what it says of the disk. */
void shard_note_stored(struct shard *s, const struct event *ev, struct out *out);

/* Records of these slots may be lost (EV_DAMAGED). */
void shard_damaged(struct shard *s, const struct moment *now, struct slice slots);

/* What a peer says of logs in its hello: its own, and what it remembers of others', ours among
 * them. */
void shard_hello(struct shard *s, const struct moment *now, const struct msg_hello *h,
                 struct out *out);

/* A layout is in force that lets this node in with another disk than this one: what that one held
 * is to be fetched. */
void shard_judge_disk(struct shard *s, const struct moment *now, uint64_t disk);

/* The end of a step: what is to be stored, logged, told. ready: the node answers clients. */
void shard_carry(struct shard *s, const struct moment *now, bool ready, struct out *out);

/* Its place in the table of protocols: what it is told of its own states. */
extern const struct protocol shard_protocol;

#endif
