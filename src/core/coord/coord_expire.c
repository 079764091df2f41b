/* coord_expire.c: EXPIRE and its kin: a value is given another end, without being sent again.
 *
 * The problem. An expiry changes a value that somebody else may be replacing at the same moment. To
 * write the value back with a new end would undo that other write, or lose the race against one
 * that it was meant for. So an expiry is a record of its own: it names a value by its version,
 * carries a stamp above the expiry that the value had, and joins that value only (record.h). A SET
 * beside it makes another value, for which it says nothing: whichever of the two comes first, the
 * result is one of the orders EXPIRE, SET and SET, EXPIRE-of-the-old-value, which read the same.
 *
 * The way of one. A quorum read with repair finds the newest record and sees to it that R owners
 * hold it. There is no value, or its time has come, or NX, XX, GT or LT say no: the answer is 0.
 * Else the expiry goes to all owners, and W acks end it. A greater version at an owner counts as an
 * ack: whatever was acknowledged before we read was read, so the greater one is concurrent (the
 * second round of coord_write.c has the same argument).
 *
 * An owner that does not hold the value cannot take the expiry: alone it would hide an older value,
 * the newest acknowledged one perhaps. It answers LACKS_VALUE, mostly before any ack, for it syncs
 * nothing. Then the whole record is read at quorum, value included, and written back with our
 * expiry: a record that every owner can take. Should that read find another record by now, then our
 * expiry came before it, and it is that one which is written back: the answer is 1 in both cases, W
 * owners hold it or what superseded it. Conditions are not judged again, for the read may well find
 * our own first attempt. An owner that says so after the client has its answer gets a hint
 * (core/hint/hint.c); and when the second attempt comes to nothing all get one, for the first may
 * have been stored somewhere. */
#include "base/check.h"
#include "core/coord/coord_op.h"

static bool allowed(const struct coord *c, const struct op *op)
{
    uint64_t now = op->record.expiry_ms, then = op->expiry_ms; /* 0 in either: never */
    if (!op_live(c, op) || (then == 0 && now == 0))
        return false;
    if ((op->when & EXPIRE_NX && now != 0) || (op->when & EXPIRE_XX && now == 0))
        return false;
    if (op->when & EXPIRE_GT && (now == 0 || then <= now))
        return false;
    return !(op->when & EXPIRE_LT) || now == 0 || then < now;
}

static void begin_write(struct coord *c, struct op *op, struct out *out)
{
    op->need = op_write_need(c, op->level);
    op->phase = PHASE_WRITE;
    op->ordered = true; /* a greater version is an ack: see above */
    op->existed = true;
    c->writes++;
    op_reset_all(op);
    write_drive(c, op, false, out);
}

static void send_expiry(struct coord *c, struct op *op, struct out *out)
{
    op->above = op->record.version.expiry_stamp;
    op->record.kind = RECORD_EXPIRY;
    op->record.version.expiry_stamp = 0; /* write_drive stamps it */
    op->record.expiry_ms = op->expiry_ms;
    op->have_value = false;
    op->data.n = op->key_n;
    begin_write(c, op, out);
}

/* The second attempt: what is newest now goes to all owners, with our expiry if it is still the
 * value that we named. */
static void send_whole(struct coord *c, struct op *op, struct out *out)
{
    struct record *r = &op->record;
    CHECK(r->kind != RECORD_VALUE || op->have_value);
    if (version_value_cmp(&r->version, &op->named) == 0 &&
        expiry_cmp(r->version.expiry_stamp, r->expiry_ms, op->named.expiry_stamp, op->expiry_ms) <
            0) {
        r->version.expiry_stamp = op->named.expiry_stamp;
        r->expiry_ms = op->expiry_ms;
    }
    begin_write(c, op, out);
}

void expire_decide(struct coord *c, struct op *op, struct out *out)
{
    unsigned reachable = op_reachable_n(c, op);
    uint8_t need = op_write_need(c, op->level);
    if (!op->whole && !allowed(c, op)) {
        op_finish(c, op, 0, op->need, out);
    } else if (op->record.kind == RECORD_NONE || op->record.kind == RECORD_EXPIRY) {
        op_finish(c, op, ERR_NO_QUORUM, reachable,
                  /* it has ended by now, or owners have lost since what they had told us of */
                  out);
    } else if (reachable < need) {
        op->need = need;
        op_finish(c, op, ERR_NO_QUORUM, reachable, out);
    } else if (c->now->ahead) {
        op_finish(c, op, ERR_CLOCK, reachable, out);
    } else if (op->whole) {
        send_whole(c, op, out);
    } else {
        send_expiry(c, op, out);
    }
}

void expire_again(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->kind == OP_EXPIRE && !op->whole && op->phase == PHASE_WRITE);
    op->named = op->record.version;
    op->whole = true;
    op->ordered = false;
    c->writes--;
    read_begin(c, op, out);
}

void expire_leave(const struct coord *c, const struct op *op, struct out *out)
{
    for (unsigned i = 0; i < op->owner_n; i++) {
        if (op->owner[i].id == c->self)
            continue;
        struct action *a = out_add(out, ACT_HINT_PUT);
        a->hint.target = op->owner[i].id;
        a->hint.record = (struct record){.kind = RECORD_EXPIRY,
                                         .version = op->named,
                                         .expiry_ms = op->expiry_ms,
                                         .key = op_key(op)};
    }
}
