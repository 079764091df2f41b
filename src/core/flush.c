/* flush.c: FLUSHALL.
 *
 * The problem. "Delete everything" must be as true as a DEL: whatever was acknowledged before it began is gone for every
 * quorum read after it was acknowledged, on owners that were away too, and whatever is written after it stays. To delete
 * key by key is neither: keys that only an absent owner holds come back.
 *
 * A flush is a stamp. Every member stores it (store/flushed.h); plain records at or below it are absent, also
 * those that arrive later, and read as a deletion of that stamp. The rest is what writes do anyway: an
 * owner that refuses a write because of the flush answers with the flush's stamp, and the coordinator stamps above it
 * (coord_write.c, the second stamp); a read that meets the flush at one owner and an old value at another repairs the
 * other with the deletion.
 *
 * Two rounds. A coordinator whose clock runs ahead may have stamped above ours, and its write may be acknowledged before
 * we begin. So each member answers with the greatest stamp it has seen; once every vnode has W owners that stored the
 * flush, and some answer was greater, a second round goes out with a stamp above all of them. Whatever was acknowledged
 * before is held by one of any W owners, so the second stamp covers it. What is greater still came after we began.
 *
 *     waiting --(tick: a stamp)--> round 0 --(W everywhere)--> done
 *                                     '---(and a greater stamp was seen)--> round 1 --(W everywhere)--> done
 *     each --(deadline)--> unknown, or failed if nobody was sent it
 *
 * Members that are away get the flush as a hint (core/hint.c).
 *
 * Asking again is harmless (the record is the same), so losses, refusals and layout changes are one mechanism: members that
 * have not stored it are asked again at each look. */
#include "core/flush.h"

#include "base/check.h"
#include "core/coord.h"
#include "core/coord_op.h"
#include "core/ring.h"

#include <stdlib.h>

void flush_close(struct flush *f)
{
    free(f->member);
    *f = (struct flush){0};
}

static void reply(uint64_t token, int error, unsigned answered, unsigned needed, struct out *out)
{
    struct action *a = out_add(out, ACT_REPLY);
    a->reply = (struct result){.token = token,
                               .kind = OP_FLUSH,
                               .error = error,
                               .answered = (uint8_t)(answered > UINT8_MAX ? UINT8_MAX : answered),
                               .needed = (uint8_t)(needed > UINT8_MAX ? UINT8_MAX : needed)};
}

void flush_request(struct coord *c, uint64_t token, struct out *out)
{
    struct flush *f = &c->flush;
    if (f->waiting_n == FLUSH_WAITERS)
        reply(token, ERR_BUSY, 0, 1, out);
    else if (c->ahead)
        reply(token, ERR_CLOCK, 0, 1, out);
    else
        f->waiting[f->waiting_n++] = token;
}

static void round_begin(struct coord *c, uint8_t round)
{
    struct flush *f = &c->flush;
    f->round = round;
    f->stamp = 0;
    f->number++;
    f->awaited = 0;
    memset(f->member, 0, c->layout->member_n * sizeof *f->member);
    flush_look(c);
}

/* Serves all who wait. 0 or ERR_NO_MEMORY. */
static int begin(struct coord *c)
{
    struct flush *f = &c->flush;
    free(f->member);
    f->member = calloc(c->layout->member_n, sizeof *f->member);
    if (!f->member)
        return ERR_NO_MEMORY;
    f->running = true;
    f->sent = false;
    f->served = f->waiting_n;
    f->greatest = 0;
    f->deadline_ms = c->now_ms + c->deadline_ms;
    round_begin(c, 0);
    return 0;
}

static unsigned stored_n(const struct coord *c)
{
    unsigned n = 0;
    for (unsigned m = 0; m < c->layout->member_n; m++)
        n += c->flush.member[m].state == FLUSH_DONE;
    return n;
}

/* As flushed records read: whose it is is no matter. */
static struct record flush_record(const struct coord *c)
{
    return (struct record){.kind = RECORD_FLUSH, .version = {.stamp = c->flush.stamp, .deleted = 1}};
}

/* Who is not known to have stored it gets a hint: as many members as a step allows; more meet the flush in reads. */
static void leave_hints(struct coord *c, struct out *out)
{
    unsigned n = 0;
    for (unsigned m = 0; m < c->layout->member_n && n < FLUSH_SLICE; m++) {
        uint64_t id = c->layout->member[m].id;
        if (c->flush.member[m].state == FLUSH_DONE || id == c->self)
            continue;
        struct action *a = out_add(out, ACT_HINT_PUT);
        a->hint.target = id;
        a->hint.record = flush_record(c);
        n++;
    }
}

static void finish(struct coord *c, int error, struct out *out)
{
    struct flush *f = &c->flush;
    unsigned stored = f->member ? stored_n(c) : 0;
    if (f->running && f->sent && f->stamp)
        leave_hints(c, out);
    for (unsigned i = 0; i < f->served; i++)
        reply(f->waiting[i], error, stored, c->layout->member_n, out);
    f->waiting_n -= f->served;
    memmove(f->waiting, f->waiting + f->served, f->waiting_n * sizeof f->waiting[0]);
    f->served = 0;
    f->running = false;
}

void flush_look(struct coord *c)
{
    c->flush.next = 0;
    c->flush.look_ms = c->now_ms;
}

void flush_restart(struct coord *c)
{
    struct flush *f = &c->flush;
    struct flush_member *member = f->running ? calloc(c->layout->member_n, sizeof *member) : NULL;
    free(f->member);
    f->member = member;
    f->running = member != NULL; /* without memory the waiters are served by the next one */
    f->number++;
    f->awaited = 0;
    flush_look(c);
}

/* Whether every vnode has W owners that stored it. */
static bool everywhere(const struct coord *c)
{
    const struct layout *l = c->layout;
    for (unsigned v = 0; v < l->vnodes; v++) {
        unsigned stored = 0;
        for (unsigned i = 0; i < l->n; i++)
            stored += c->flush.member[l->owner[(size_t)v * l->n + i]].state == FLUSH_DONE;
        if (stored < l->w)
            return false;
    }
    return true;
}

static void judge(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    if (!everywhere(c))
        return;
    bool again = f->round == 0 && f->greatest > f->stamp;
#ifdef CANARY_FLUSH_ONCE
    again = false;
#endif
    if (again)
        round_begin(c, 1);
    else
        finish(c, 0, out);
}

void flush_answer(struct coord *c, uint64_t number, uint64_t from, int error, uint64_t greatest, struct out *out)
{
    struct flush *f = &c->flush;
    int m = f->running && number == f->number ? layout_find(c->layout, from) : -1;
    if (m < 0 || f->member[m].state != FLUSH_ASKED)
        return;
    f->awaited--;
    f->member[m].state = error && error != ERR_SUPERSEDED ? FLUSH_IDLE : FLUSH_DONE; /* the idle are asked at the next look */
    if (greatest > f->greatest)
        f->greatest = greatest;
    if (f->awaited == 0)
        judge(c, out);
}

static void send(struct coord *c, uint16_t m, struct out *out)
{
    struct flush *f = &c->flush;
    uint64_t id = c->layout->member[m].id;
    const struct coord_peer *p = op_peer(c, id);
    bool lost = f->member[m].state == FLUSH_ASKED && id != c->self && p->link != f->member[m].link;
    f->awaited -= lost;
    if (lost)
        f->member[m].state = FLUSH_IDLE;
    if (f->member[m].state != FLUSH_IDLE || !coord_reachable(c, id))
        return;
    f->member[m] = (struct flush_member){.state = FLUSH_ASKED, .link = p->link};
    f->awaited++;
    f->sent = true;
    struct record r = flush_record(c);
    if (id == c->self) {
        struct action *a = out_add(out, ACT_STORE_PUT);
        a->put.token = TOKEN(TOKEN_FLUSH, f->number);
        a->put.record = r;
        return;
    }
    struct message *msg = out_send(out, id, p->addr, MSG_FLUSH);
    msg->flush = (struct msg_flush){.op = f->number, .epoch = c->layout->epoch, .record = r};
}

static bool stamped(struct coord *c)
{
    struct flush *f = &c->flush;
    if (f->stamp == 0)
        f->stamp = op_stamp(c, f->greatest);
    return f->stamp != 0;
}

void flush_tick(struct coord *c, struct out *out)
{
    struct flush *f = &c->flush;
    if (!c->layout || f->waiting_n == 0)
        return;
    if (!f->running && begin(c)) {
        f->served = f->waiting_n;
        finish(c, ERR_NO_MEMORY, out);
        return;
    }
    if (c->now_ms >= f->deadline_ms) {
        finish(c, f->sent ? ERR_UNKNOWN_OUTCOME : ERR_NO_QUORUM, out);
        return;
    }
    if (c->now_ms < f->look_ms)
        return;
    if (c->fenced || !stamped(c)) {
        f->look_ms = c->now_ms + c->deadline_ms / OP_TICKS; /* a new layout or ceiling looks sooner */
        return;
    }
    for (unsigned n = 0; n < FLUSH_SLICE && f->next < c->layout->member_n; n++)
        send(c, f->next++, out);
    if (f->next < c->layout->member_n)
        return;
    f->next = 0;
    f->look_ms = c->now_ms + c->deadline_ms / OP_TICKS;
    judge(c, out); /* somebody may stay silent that nothing hangs on */
}

uint64_t flush_deadline_ms(const struct coord *c)
{
    const struct flush *f = &c->flush;
    if (f->waiting_n == 0 || !c->layout)
        return UINT64_MAX;
    if (!f->running)
        return c->now_ms;
    return f->look_ms < f->deadline_ms ? f->look_ms : f->deadline_ms;
}
