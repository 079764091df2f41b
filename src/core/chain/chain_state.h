/* chain_state.h: what a chain is made of, and the doors between its files: chain.c (the whole),
 * chain_adopt.c (layouts coming into force), chain_join.c (getting in), chain_vote.c (the
 * acceptor), chain_propose.c (the proposer). Others use chain.h. */
#ifndef COVEY_CORE_CHAIN_STATE_H
#define COVEY_CORE_CHAIN_STATE_H

#include "core/asked.h"
#include "core/chain/chain.h"

enum {
    /* votes waiting for the disk; a message beyond them is ignored, its sender asks again */
    CHAIN_PERSISTS = 32,
    /* messages of one kind a call sends; a broadcast to more goes on in the next tick */
    CHAIN_SENDS = 12,
    /* waiting joiners told at once that they are refused; the others hear it when they ask again */
    CHAIN_REFUSALS = 8,
    CHAIN_ASKED = 16, /* peers that a joiner asks in turn */
    /* from the first JOIN to the proposal: those started together are taken together */
    CHAIN_GATHER_MS = 200,
    CHAIN_JOIN_REPEAT_MS = 1000,
    /* who was not heard for three repeats is not let in: it would be a dead member */
    CHAIN_JOINER_FRESH_MS = 3500,
    /* of what was not answered: some round trips, even to another continent */
    CHAIN_RESEND_MS = 500,
    /* after which a formation that does not get on is ended, if somebody is fenced */
    CHAIN_PATIENCE_MS = 5000,
    CHAIN_FETCH_MS = 500, /* between two LAYOUT_GET */
    CHAIN_SAVE_RETRY_MS = 1000,
    /* so long a report of records is believed; then the members are asked anew */
    CHAIN_HOLDER_MS = 5000,
};

/* How far above what is known a number is believed, and its end: chain.c argues for each. */
#define CHAIN_EPOCH_LEAP  (UINT64_C(1) << 40) /* of the epoch of a layout */
#define CHAIN_BALLOT_LEAP (UINT64_C(1) << 48) /* of a ballot: 2^32 rounds */
#define CHAIN_BALLOT_MAX  (UINT64_C(1) << 62)

/* What a value does to the epoch before. */
enum chain_kind {
    CHAIN_NONE,      /* no value, or one that no epoch-e member may propose */
    CHAIN_SAME,      /* the same members and owners: chosen by a majority */
    CHAIN_FORMATION, /* members were added: chosen by all */
};

/* A vote on its way to the disk, and the answer that leaves when it is there. */
struct chain_persist {
    uint64_t serial;
    uint64_t to;
    uint64_t ballot;
    uint8_t answer; /* MSG_PROMISE or MSG_ACCEPTED */
    bool formation; /* the accepted value, as this record has it, is a formation */
};

struct chain_acceptor {
    /* the highest ballot seen in a PREPARE or ACCEPT that was followed; 0: none */
    uint64_t promised;
    uint64_t accepted; /* the ballot of the value; 0: none */
    enum chain_kind kind;
    struct buf value; /* a layout's bytes */
    /* the value in the last durable record is a formation */
    bool durable_formation;
    uint64_t serial; /* of the last record submitted */
    /* written in turn: the one before may still be borrowed by the action list */
    struct buf record[2];
    struct chain_persist persist[CHAIN_PERSISTS]; /* oldest first */
    unsigned persist_n;
};

enum chain_phase { CHAIN_IDLE, CHAIN_PREPARE, CHAIN_ACCEPT };

struct chain_round {
    enum chain_phase phase;
    uint64_t ballot;
    struct asked_set asked; /* the members of the epoch: who has promised, or accepted */
    struct asked member[LAYOUT_MEMBERS_MAX];
    uint16_t cursor;      /* of the broadcast under way */
    uint64_t resend_ms;   /* when the broadcast begins or goes on */
    uint64_t patience_ms; /* when waiting for all ends */
    /* Prepare: what the promises report. */
    uint64_t best_ballot; /* the highest accepted ballot, its value and kind; 0: none */
    enum chain_kind best_kind;
    struct buf best;
    bool uniform; /* every promise so far reported that same value */
    bool records; /* one of them reported records */
    /* Accept. */
    enum chain_kind kind;
    struct buf value;
};

struct chain_joiner {
    struct layout_member member;
    struct addr addr;
    uint64_t heard_ms;
};

/* What this node says when it asks to be let in. */
struct chain_asking {
    uint64_t peer[CHAIN_ASKED];
    struct addr addr[CHAIN_ASKED];
    unsigned peer_n, turn;
    uint64_t ask_ms; /* UINT64_MAX: not a joiner */
    uint64_t disk;
    uint16_t weight;
    uint8_t zone_n, name_n;
    uint8_t zone[ZONE_MAX], name[NODE_NAME_MAX];
    struct addr self_addr;
    int refused;
};

struct chain {
    uint64_t self;
    struct rng rng;
    const struct moment *now; /* of the call under way, or the last one */
    /* The layout in force and, in the other slot, the one being made durable. */
    struct layout slot[2];
    struct buf bytes[2];
    unsigned current;
    bool have;
    uint64_t adopting; /* epoch of the layout in the other slot; 0: none */
    /* when to try again to store it; UINT64_MAX: it is on its way, or there is none */
    uint64_t save_ms;
    uint64_t layout_serial;
    bool announce;                  /* we chose it: tell everybody once it is adopted */
    uint16_t told;                  /* members told so far; member_n: all */
    uint64_t fetch_ms;              /* no LAYOUT_GET before */
    struct chain_acceptor acceptor; /* votes for the next epoch */
    struct chain_round round;
    uint64_t seen_ballot; /* the highest met in this epoch */
    uint64_t propose_ms;  /* when to begin a round; UINT64_MAX: no reason to */
    struct chain_joiner joiner[CHAIN_JOINERS];
    unsigned joiner_n;
    /* the member that a change waits for, the epoch that it is to be in, and how often that was
     * found */
    uint64_t waits_for;
    uint64_t waits_epoch;
    uint32_t waits;
    uint64_t holder; /* the last member that reported records, and when; 0: none */
    uint64_t holder_ms;
    struct chain_asking asking;
    struct buf why; /* the last refusal's sentence */
};

static inline const struct layout *chain_now(const struct chain *c)
{
    return &c->slot[c->current];
}

/* ---- chain.c, for the others ---- */

/* Where a peer lives (none if unknown), and whether a message to it makes sense. */
struct addr chain_addr(const struct chain *c, uint64_t id);
bool chain_reachable(const struct chain *c, uint64_t id);

/* ---- chain_adopt.c ---- */

/* What bytes would do to the present epoch; CHAIN_NONE too when they are malformed or no
 * successor. */
enum chain_kind chain_kind_of(const struct chain *c, struct slice bytes);

/* Whether this release knows what to do under a layout: changes of owners that go through stages
 * are not built yet. */
bool chain_knows(const struct layout *l);

/* Begins to make a decided layout durable; it comes into force when that is stored. `announce`:
 * then tell all members. */
void chain_adopt(struct chain *c, struct slice bytes, bool announce, struct out *out);

/* Layout record `serial` is durable, or failed. */
void chain_adopt_stored(struct chain *c, uint64_t serial, int error, struct out *out);

/* Sends the layout in force. */
void chain_layout_send(struct chain *c, uint64_t to, struct addr addr, struct out *out);

void chain_adopt_tick(struct chain *c, struct out *out);
uint64_t chain_adopt_deadline(const struct chain *c);

/* ---- chain_join.c ---- */

/* A JOIN; and a JOIN_NO. */
void chain_join_asked(struct chain *c, uint64_t from, const struct msg_join *m, struct out *out);
void chain_join_refused(struct chain *c, const struct msg_join_no *m);

/* Asks the next of the members that are known to be let in. Due at asking.ask_ms. */
void chain_join_again(struct chain *c, struct out *out);

/* Tells waiting joiners that `holder` has records, and forgets them. */
void chain_refuse_all(struct chain *c, uint64_t holder, struct out *out);

/* Forgets joiners that fell silent. */
void chain_prune(struct chain *c);

/* ---- chain_vote.c ---- */

void chain_vote_init(struct chain *c);
void chain_vote_close(struct chain *c);

/* The state record of an acceptor; one of an epoch that is over is ignored. 0 or ERR_BAD_MESSAGE,
 * ERR_NO_MEMORY. */
int chain_vote_load(struct chain *c, struct slice record);

/* A new epoch: nothing is promised. */
void chain_vote_reset(struct chain *c);
void chain_vote_prepare(struct chain *c, uint64_t from, uint64_t ballot, struct out *out);
void chain_vote_accept(struct chain *c, uint64_t from, uint64_t ballot, struct slice value,
                       struct out *out);
void chain_vote_stored(struct chain *c, uint64_t serial, int error, struct out *out);

/* ---- chain_propose.c ---- */

void chain_propose_init(struct chain *c);
void chain_propose_close(struct chain *c);
void chain_propose_reset(struct chain *c);
void chain_propose_promise(struct chain *c, uint64_t from, const struct msg_promise *m,
                           struct out *out);
void chain_propose_accepted(struct chain *c, uint64_t from, const struct msg_accepted *m,
                            struct out *out);

/* Somebody else's ballot was followed here: whatever we propose below it is void. */
void chain_propose_yield(struct chain *c, uint64_t ballot);

/* Begin a round in so many ms, and a random bit later, unless one is due earlier or under way. */
void chain_propose_in(struct chain *c, uint64_t delay_ms);
void chain_propose_tick(struct chain *c, struct out *out);
uint64_t chain_propose_deadline(const struct chain *c);

#endif
