/* coord_expire.c: EXPIRE and its kin: a value is given another end.
 *
 * The problem. An expiry changes a value that somebody else may be replacing at the same moment. To
 * write the value anew, with another end, would undo that other write. So a version has two stamps,
 * the value's and the expiry's, compared in that order (wire/record.h), and EXPIRE touches the
 * second alone.
 *
 * The way of one. A quorum read with repair brings the newest record, value included, and sees to
 * it that R owners hold it. If it is no value, if its time has come, or if NX, XX, GT or LT say no,
 * the answer is 0. Else the record is written back to all owners: the same value under the same
 * stamp, the other end under a stamp above that of the end before. It is a record like any other,
 * which every owner can take whatever it holds, and W acks end it. A greater version at an owner
 * counts as an ack: whatever was acknowledged before we read was read, so the greater one is
 * concurrent (the second round of coord_write.c has the same argument).
 *
 * A worked example, N = 3, W = R = 2. 5.0 is a value of stamp 5 without an end, 5.8 the same value
 * with an end that was stamped 8:
 *
 *     A        B        C
 *     5.0      5.0      3.0      C has missed the SET that was stamped 5
 *     5.0      5.0      3.0      EXPIRE reads 5.0 from A and B, and is stamped 8
 *     5.8      5.0      5.8      A and C take the whole record, C the value with it: EXPIRE says 1
 *     5.8      7.0      5.8      a SET that was stamped 7, and lesser than 8, comes to B
 *     7.0      7.0      7.0      5.8 is refused at B, 7.0 is taken at A and C: no end, as after SET
 *
 * What can happen beside it:
 *
 *   - Another EXPIRE. Both read 5.0 and write 5.8 and 5.9. Every owner ends with 5.9, in whatever
 *     order the two come. Both say 1, though both may have asked for NX: conditions are judged by
 *     what was read.
 *   - SET or DEL. Theirs is a greater value, whatever the stamps of expiries: where it came first
 *     5.8 is refused, where it comes second 5.8 is replaced. That is the order EXPIRE, SET.
 *   - An erasure. A value that is over is erased under one expiry: an owner that holds 5.8 does not
 *     confirm that 5.0 may go, nor does its store erase it (core/erase/erase.c). An owner that has
 *     nothing of the key, and a floor at 5 or above, refuses 5.8 as too old. That is for good, for
 *     the value's stamp stays as it is: the acks of the others must do, and the comparing of trees
 *     brings it a value that lives.
 *   - An end whose outcome is unknown. 5.8 may be at one owner alone; the others get hints of it,
 *     as of any write, and a read that meets it brings it to R owners. A hint that comes after 7.0
 *     says nothing, and one that comes after an erasure is too old. */
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

static void write_back(struct coord *c, struct op *op, struct out *out)
{
    CHECK(op->record.kind == RECORD_VALUE && op->have_value);
    op->above = op->record.version.expiry_stamp;
    op->record.version.expiry_stamp = 0; /* write_drive stamps it */
    op->record.expiry_ms = op->expiry_ms;
#ifdef CANARY_EXPIRE_WRITES_ANEW
    uint64_t anew = op_stamp(c, op->record.version.stamp);
    op->record.version.stamp = anew ? anew : op->record.version.stamp;
#endif
    op_enter(c, op, PHASE_WRITE);
    op->ordered = true; /* a greater version is an ack: see above */
    op->existed = true;
    op_reset_all(op);
    write_drive(c, op, false, out);
}

void expire_decide(struct coord *c, struct op *op, struct out *out)
{
    unsigned reachable = op_reachable_n(c, op);
    if (!allowed(c, op)) {
        op_finish(c, op, 0, op->need, out);
        return;
    }
    op->need = op_write_need(c, op->level);
    if (reachable < op->need)
        op_finish(c, op, ERR_NO_QUORUM, reachable, out);
    else if (c->now->ahead)
        op_finish(c, op, ERR_CLOCK, reachable, out);
    else
        write_back(c, op, out);
}
