/* shard.c: the part of a node that holds records: requests of clients and peers, each to the
 * protocol that it concerns; what becomes of records that may be lost; the node's own states that
 * are about records. */
#include "core/node/shard.h"

#include "base/bits.h"
#include "wire/bytes.h"

enum { STATE_HEALED = 1, STATE_CLOCK = 2, STATE_RETRY_MS = 1000 };

int shard_refuses(const struct shard *s)
{
    return s->store_refuses ? s->store_refuses : s->put_failed;
}

static uint8_t ills(const struct shard *s)
{
    int error = shard_refuses(s);
    uint8_t ills = error == ERR_NO_SPACE ? ILL_FULL : error ? ILL_FAILS : 0;
    return hint_owed(&s->hint) ? ills | ILL_OWES : ills;
}

void shard_begin(struct shard *s, uint64_t end, int refuses, struct own_records *own)
{
    s->store_refuses = refuses;
    log_end_position(&s->log_end, end);
    own->position = log_end_announced(&s->log_end);
    own->ills = ills(s);
}

struct own_records shard_own(const struct shard *s)
{
    return (struct own_records){
        .position = log_end_announced(&s->log_end),
        .recovering = s->repair.recovering,
        .recovering_n = s->repair.recovering_n,
        .doubts = s->repair.doubts,
        .holds = s->wrote || s->replica.puts > 0 || s->coord.writes > 0,
        .forgot = s->forgot,
        .ills = ills(s),
    };
}

/* ---- Requests ---- */

void shard_request(struct shard *s, const struct moment *now, const struct request *r,
                   struct out *out)
{
    coord_request(&s->coord, now, r, out);
}

void shard_demand(struct shard *s, const struct moment *now, uint64_t from, const struct message *m,
                  struct out *out)
{
    if (m->kind == MSG_ERASE)
        erase_obey(&s->erase, now, from, &m->erase, out);
    else
        replica_message(&s->replica, now, from, m, out);
}

/* ---- The store's answers ---- */

/* Whether a put was refused, which is no fault of the disk. */
static bool refused(int error)
{
    return error == ERR_SUPERSEDED || error == ERR_TOO_OLD || error == ERR_BUSY;
}

void shard_note_stored(struct shard *s, const struct event *ev, struct out *out)
{
    int error = ev->stored.error;
    s->put_failed = error == ERR_IO ? ERR_IO : 0;
    /* logged at 1, 2, 4, ...: a full disk fails every put */
    if (error && !refused(error) && power_of_two(++s->store_errors))
        out_trace(out, TRACE_STORE_ERROR, 0, (uint64_t)error, 0, slice_str(error_sentence(error)));
}

static void on_stored(void *p, const struct moment *now, uint64_t number, const struct event *ev,
                      struct out *out)
{
    struct shard *s = p;
    int error = ev->stored.error;
    (void)out;
    if (number == STATE_HEALED) {
        s->healed_unsaved |= error != 0;
        return;
    }
    if (error)
        coord_ceiling_failed(&s->coord, now, error);
    else
        coord_ceiling(&s->coord, now, s->clock_asked_ms);
    s->clock_asked_ms = 0;
}

const struct protocol shard_protocol = {.stored = on_stored};

/* ---- Lost records ---- */

static bool of_all_slots(struct slice slots)
{
    bool all = true;
    for (size_t i = 0; i < slots.n; i++)
        all = all && slots.p[i] == 0xff;
    return all;
}

/* What was lost may have been of any slot; so it may have been of none, and a vote, or another of
 * this node's own states. */
void shard_damaged(struct shard *s, const struct moment *now, struct slice slots)
{
    s->doubt_why = SLICE("the store may lack records: these vnodes are not read here until they "
                         "are fetched from other owners");
    repair_doubt(&s->repair, now, slots);
    if (!of_all_slots(slots))
        return;
    s->forgot = true;
    log_end_healing(&s->log_end, true);
}

void shard_hello(struct shard *s, const struct moment *now, const struct msg_hello *h,
                 struct out *out)
{
    log_end_note(&s->log_end, h->node, h->boot, (struct log_position){h->log_shard, h->log_end});
    if (!log_end_compare(&s->log_end, h->marks))
        return;
    s->doubt_why = SLICE("its log ends before where it was: the data directory is an old copy, or "
                         "its disk lost what it had; all "
                         "records are compared with those of the other owners");
    s->forgot = true;
    repair_doubt_all(&s->repair, now);
    out_add(out, ACT_STORE_DOUBT)->slots = slice_of(s->repair.doubt, sizeof s->repair.doubt);
}

void shard_judge_disk(struct shard *s, const struct moment *now, uint64_t disk)
{
    int m = layout_find(now->layout, s->self);
    if (m < 0 || now->layout->member[m].disk == disk || s->healed || s->new_disk)
        return;
    s->new_disk = s->forgot = true;
    s->doubt_why = SLICE("its disk is not the one that it joined with: all records are fetched "
                         "from the other owners");
    repair_doubt_all(&s->repair, now);
}

/* All that the lost disk held is here again: a state record remembers it. */
static void save_healed(struct shard *s, const struct moment *now, struct out *out)
{
    s->new_disk = s->healed_unsaved = false;
    s->healed = true;
    s->healed_tried_ms = now->ms;
    out_state(out, TOKEN(TOKEN_SHARD, STATE_HEALED), SLICE("healed"), ++s->healed_serial,
              SLICE("healed"));
}

/* Carries what repair found out about records that this node lacks to the log, and to the store,
 * which remembers it. */
static void carry_recovering(struct shard *s, const struct moment *now, bool ready, struct out *out)
{
    struct slice healed;
    uint32_t vnodes = s->repair.recovering_n;
    if (repair_healed(&s->repair, &healed))
        out_add(out, ACT_STORE_HEAL)->slots = healed;
    if (vnodes > 0 && !s->recovering)
        out_trace(out, TRACE_NODE_RECOVERING, s->self, now->epoch, vnodes, s->doubt_why);
    if (vnodes == 0 && s->recovering)
        out_trace(out, TRACE_NODE_RECOVERED, s->self, now->epoch, 0, slice_of(NULL, 0));
    s->recovering = vnodes > 0;
    if (s->forgot && vnodes == 0 && ready) { /* by then the store has reported its doubts */
        s->forgot = false;
        log_end_healing(&s->log_end, false);
    }
    if ((s->new_disk && vnodes == 0) ||
        (s->healed_unsaved && now->ms >= s->healed_tried_ms + STATE_RETRY_MS))
        save_healed(s, now, out);
}

/* ---- The end of a step ---- */

/* The clock's next ceiling, one at a time. */
static void carry_clock(struct shard *s, const struct moment *now, struct out *out)
{
    uint64_t ms = s->clock_asked_ms ? 0 : coord_ceiling_wanted(&s->coord, now);
    if (!ms)
        return;
    s->clock_asked_ms = ms;
    put_u64(s->clock_bytes, ms);
    out_state(out, TOKEN(TOKEN_SHARD, STATE_CLOCK), SLICE("clock"), ++s->clock_serial,
              slice_of(s->clock_bytes, sizeof s->clock_bytes));
}

void shard_carry(struct shard *s, const struct moment *now, bool ready, struct out *out)
{
    /* to a formation a put on its way is as good as a record held */
    s->wrote |= out->put_n > out->state_n;
    carry_clock(s, now, out);
    carry_recovering(s, now, ready, out);
    if (now->layout) /* before there is one nothing can be lost */
        log_end_save(&s->log_end, now->ms, out->put_n > 0, out);
}
