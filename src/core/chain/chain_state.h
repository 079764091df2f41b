/* chain_state.h: what a chain is made of, and the doors between its files: chain.c (messages, time,
 * and the argument for its safety), chain_adopt.c (layouts coming into force), chain_join.c
 * (getting in), chain_vote.c (the acceptor), chain_propose.c (the proposer). Others use chain.h. */
#ifndef COVEY_CORE_CHAIN_STATE_H
#define COVEY_CORE_CHAIN_STATE_H

#include "base/phase.h"
#include "core/asked.h"
#include "core/chain/chain.h"

enum {
    /* votes that wait for the disk; a message beyond them is ignored, and its sender asks again */
    CHAIN_PERSISTS = 32,
    /* messages of one kind that a call sends; a broadcast to more goes on in the next tick */
    CHAIN_SENDS = 12,
    /* waiting joiners that one call refuses; the others are refused when they ask again */
    CHAIN_REFUSALS = 8,
    CHAIN_ASKED = 16, /* peers that a joiner asks in turn */
    /* from the first JOIN to the proposal: nodes that are started together are let in together */
    CHAIN_GATHER_MS = 200,
    CHAIN_JOIN_REPEAT_MS = 1000, /* between two JOINs of a joiner */
    /* a joiner that did not ask for three repeats is not let in: it would be a dead member */
    CHAIN_JOINER_FRESH_MS = 3500,
    /* before a question is sent again: some round trips, even to another continent */
    CHAIN_RESEND_MS = 500,
    /* how long a round waits for all members, before it does with a majority or ends */
    CHAIN_PATIENCE_MS = 5000,
    CHAIN_FETCH_MS = 500,       /* between two LAYOUT_GETs */
    CHAIN_SAVE_RETRY_MS = 1000, /* before a layout that could not be stored is stored again */
    /* how long a report of records is believed; after that the members are asked anew */
    CHAIN_HOLDER_MS = 5000,
};

/* How far above the known one a number is believed, and where numbers end: chain.c argues for
 * each. */
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
    uint64_t serial; /* of the state record */
    uint64_t to;     /* the proposer that is answered */
    uint64_t ballot;
    uint8_t answer; /* MSG_PROMISE or MSG_ACCEPTED */
    bool formation; /* the accepted value in that record is a formation */
};

struct chain_acceptor {
    uint64_t promised;      /* the highest ballot that was promised or accepted; 0: none */
    uint64_t accepted;      /* the ballot at which the value was accepted; 0: none was */
    enum chain_kind kind;   /* of the value */
    struct buf value;       /* a layout's bytes */
    bool durable_formation; /* the value in the last durable record is a formation */
    uint64_t serial;        /* of the last record submitted */
    /* two that are written in turn: an action may still borrow the one before */
    struct buf record[2];
    struct chain_persist persist[CHAIN_PERSISTS]; /* oldest first */
    unsigned persist_n;
};

/* The proposer's phases; chain_propose.c has the diagram and what may follow what. */
enum chain_phase { CHAIN_IDLE, CHAIN_PREPARE, CHAIN_ACCEPT };

struct chain_round {
    uint8_t phase; /* enum chain_phase */
    uint64_t ballot;
    struct asked_set asked; /* of the members of the epoch: which have promised, or accepted */
    struct asked member[LAYOUT_MEMBERS_MAX]; /* the set's room */
    uint16_t cursor;                         /* of the broadcast under way */
    uint64_t resend_ms;                      /* when the broadcast begins or goes on */
    uint64_t patience_ms;                    /* when waiting for all members ends */
    /* PREPARE: what the promises report */
    uint64_t best_ballot;      /* the highest ballot at which a value was accepted; 0: none was */
    enum chain_kind best_kind; /* of the value accepted at it */
    struct buf best;           /* that value */
    bool uniform;              /* every promise so far reported that value */
    bool records;              /* some promise reported that its member holds records */
    /* ACCEPT: what is proposed */
    enum chain_kind kind;
    struct buf value;
};

/* A node that asks to be let in. */
struct chain_joiner {
    struct layout_member member;
    struct addr addr;
    uint64_t asked_ms; /* when its last JOIN came */
};

/* This node as a joiner: whom it asks, and what its JOINs say. */
struct chain_asking {
    uint64_t peer[CHAIN_ASKED]; /* members that it met, peer_n of them */
    struct addr addr[CHAIN_ASKED];
    unsigned peer_n, turn;
    uint64_t ask_ms; /* when the next is asked; UINT64_MAX: this node is no joiner */
    uint64_t disk;
    uint16_t weight;
    uint8_t zone_n, name_n;
    uint8_t zone[ZONE_MAX], name[NODE_NAME_MAX];
    struct addr self_addr;
    int refused; /* why this node was refused for good; 0: it was not */
};

/* How a decided layout comes into force; chain_adopt.c has the diagram. */
enum chain_adoption { ADOPT_REST, ADOPT_SAVING, ADOPT_FAILED };

struct chain {
    uint64_t self;
    struct rng rng;
    const struct moment *now; /* of the call under way, or the last one */
    struct layout layout[2];  /* [current] is in force; the other may be on its way to that */
    struct buf bytes[2];      /* the same, encoded */
    unsigned current;
    bool have;        /* a layout is in force */
    uint8_t adoption; /* of the other layout: enum chain_adoption */
    uint64_t save_ms; /* ADOPT_FAILED: when it is stored again; else UINT64_MAX */
    uint64_t layout_serial;
    bool announce;      /* this node chose the other layout: it is sent to all, once in force */
    uint16_t announced; /* members passed by that broadcast; member_n: all, or there is none */
    uint64_t fetch_ms;  /* no LAYOUT_GET is sent before */
    struct chain_acceptor acceptor; /* votes for the next epoch */
    struct chain_round round;
    uint64_t seen_ballot; /* the highest met in this epoch */
    uint64_t propose_ms;  /* IDLE: when a round begins; UINT64_MAX: there is no reason for one */
    struct chain_joiner joiner[CHAIN_JOINERS];
    unsigned joiner_n;
    uint64_t waits_for;   /* the member that the last change waited for */
    uint64_t waits_epoch; /* the epoch of that change */
    uint32_t waits;       /* how often it was found waiting for that member */
    uint64_t holder;      /* the last member that reported records; 0: none has */
    uint64_t holder_ms;   /* when it did */
    struct chain_asking asking;
    struct buf why; /* the last refusal's sentence */
};

static inline const struct layout *chain_now(const struct chain *c)
{
    return &c->layout[c->current];
}

/* The epoch of the layout that is being adopted; 0: there is none. */
static inline uint64_t chain_adopting(const struct chain *c)
{
    return c->adoption == ADOPT_REST ? 0 : c->layout[!c->current].epoch;
}

/* ---- chain.c, for the others ---- */

/* Where a peer lives (none if unknown), and whether a message to it makes sense. */
struct addr chain_addr(const struct chain *c, uint64_t id);
bool chain_reachable(const struct chain *c, uint64_t id);

/* ---- chain_adopt.c ---- */

/* What a layout's bytes would do to the present epoch. CHAIN_NONE when they are malformed, or no
 * successor of it. */
enum chain_kind chain_kind_of(const struct chain *c, struct slice bytes);

/* Whether this release knows what to do under a layout: changes of owners that go through stages
 * are not built yet. */
bool chain_knows(const struct layout *l);

/* Begins to make a decided layout durable; it comes into force when that is stored. `announce`:
 * this node then sends it to all members. */
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

/* A joiner asks the next of the members that it met. Due at asking.ask_ms. */
void chain_join_again(struct chain *c, struct out *out);

/* Refuses all joiners, because `holder` holds records, and forgets them. */
void chain_refuse_all(struct chain *c, uint64_t holder, struct out *out);

/* Forgets joiners that fell silent. */
void chain_prune(struct chain *c);

/* ---- chain_vote.c ---- */

void chain_vote_init(struct chain *c);
void chain_vote_close(struct chain *c);

/* Reads the acceptor's state record; one of an epoch that is past is ignored. 0, ERR_BAD_MESSAGE or
 * ERR_NO_MEMORY. */
int chain_vote_load(struct chain *c, struct slice record);

/* A new epoch: nothing is promised. */
void chain_vote_reset(struct chain *c);

/* A PREPARE, an ACCEPT; and the store's answer to state record `serial`. */
void chain_vote_prepare(struct chain *c, uint64_t from, uint64_t ballot, struct out *out);
void chain_vote_accept(struct chain *c, uint64_t from, uint64_t ballot, struct slice value,
                       struct out *out);
void chain_vote_stored(struct chain *c, uint64_t serial, int error, struct out *out);

/* ---- chain_propose.c ---- */

void chain_propose_init(struct chain *c);
void chain_propose_close(struct chain *c);

/* A new epoch: no round, and none is due but for waiting joiners and a value accepted here. */
void chain_propose_reset(struct chain *c);

/* A PROMISE; and an ACCEPTED. */
void chain_propose_promise(struct chain *c, uint64_t from, const struct msg_promise *m,
                           struct out *out);
void chain_propose_accepted(struct chain *c, uint64_t from, const struct msg_accepted *m,
                            struct out *out);

/* This node voted at another proposer's ballot: what it proposes itself below that is void. */
void chain_propose_yield(struct chain *c, uint64_t ballot);

/* A round begins in delay_ms, and up to half as much again at random, unless one is due earlier or
 * under way. */
void chain_propose_in(struct chain *c, uint64_t delay_ms);
void chain_propose_tick(struct chain *c, struct out *out);
uint64_t chain_propose_deadline(const struct chain *c);

#endif
