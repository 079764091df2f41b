/* asked.h: which peers a question was put to, under which link, and which of them have answered.
 *
 * Every protocol that asks several peers must count each answer once, drop those that come late,
 * and not wait for one that cannot come. This is that count.
 *
 *     IDLE --(it is asked)--> OPEN --(it answers)--> DONE
 *       ^                      |
 *       '--(its link changed)--'
 *
 * A peer is asked under the link generation that its member has then (core/cast/cast.h). When the
 * member has another one, the question or its answer may be lost without any notice. So the peer is
 * idle again, and the protocol decides whether to ask it anew or to do without it. The own store
 * always answers.
 *
 * A set is of n peers in an order that its protocol knows: the members of a layout, the owners of a
 * vnode. What an answer means, and to which question it belongs (by the number in its token), is
 * the protocol's business. An operation of the coordinator knows more of each peer: it has a struct
 * asked in the struct of each, and no set (core/coord/coord.h). */
#ifndef COVEY_CORE_ASKED_H
#define COVEY_CORE_ASKED_H

#include "base/check.h"
#include "core/cast/cast.h"

#include <string.h>

enum asked_state {
    ASKED_IDLE, /* not asked, or what was asked may be lost */
    ASKED_OPEN, /* a question is on its way, or its answer */
    ASKED_DONE, /* it answered; a protocol that tells answers apart has greater states of its own */
};

struct asked {
    uint32_t link; /* the member's link generation when it was asked */
    uint8_t state; /* enum asked_state */
};

/* ---- One peer ---- */

/* Remembers under which link the peer is asked, or would be. */
static inline void asked_note(struct asked *a, const struct member *m)
{
    a->link = m ? m->link : 0;
}

/* Whether what was sent to the peer since then may be lost. NULL: no such member is known. */
static inline bool asked_lost(const struct asked *a, const struct member *m)
{
    return !m || (!m->self && m->link != a->link);
}

/* ---- A set ---- */

struct asked_set {
    struct asked *peer;
    uint16_t n, open, done;
};

/* A new question to n peers, none of which is asked yet. The array of peers is the caller's, and
 * stays as long as the set is used. */
static inline void asked_begin(struct asked_set *s, struct asked *peer, unsigned n)
{
    memset(peer, 0, n * sizeof *peer);
    *s = (struct asked_set){.peer = peer, .n = (uint16_t)n};
}

/* Whether peer i is in that state. An i that is none of the peers, like -1, is in no state. */
static inline bool asked_is(const struct asked_set *s, int i, enum asked_state state)
{
    return i >= 0 && i < s->n && s->peer[i].state == state;
}

/* Peer i is not waited for, nor is its answer counted: it may be asked again. */
static inline void asked_forget(struct asked_set *s, int i)
{
    CHECK(i >= 0 && i < s->n);
    s->open = (uint16_t)(s->open - asked_is(s, i, ASKED_OPEN));
    s->done = (uint16_t)(s->done - asked_is(s, i, ASKED_DONE));
    s->peer[i].state = ASKED_IDLE;
}

/* Peer i, which is that member, is asked now; once more where it was asked already. */
static inline void asked_ask(struct asked_set *s, int i, const struct member *m)
{
    asked_forget(s, i);
    asked_note(&s->peer[i], m);
    s->peer[i].state = ASKED_OPEN;
    s->open++;
}

/* Peer i answers. False when nothing was open: the answer is late, or was counted before. */
static inline bool asked_answered(struct asked_set *s, int i)
{
    if (!asked_is(s, i, ASKED_OPEN))
        return false;
    s->peer[i].state = ASKED_DONE;
    s->open--;
    s->done++;
    return true;
}

/* Makes peer i, which is that member, idle if a question to it is open and may be lost. Returns
 * whether that was so. */
static inline bool asked_lose(struct asked_set *s, int i, const struct member *m)
{
    if (!asked_is(s, i, ASKED_OPEN) || !asked_lost(&s->peer[i], m))
        return false;
    asked_forget(s, i);
    return true;
}

static inline void asked_check(const struct asked_set *s)
{
    unsigned open = 0, done = 0;
    for (int i = 0; i < s->n; i++) {
        open += asked_is(s, i, ASKED_OPEN);
        done += asked_is(s, i, ASKED_DONE);
    }
    CHECK(open == s->open && done == s->done);
}

#endif
