/* coord_expire.c: EXPIRE, PERSIST and the like: they change the expiry of a value.
 *
 * The problem. EXPIRE changes a value that another client may be replacing at the same moment. If
 * it wrote the value anew, under a new stamp, it would undo that other write. So a version has two
 * stamps, the value's and the expiry's, compared in that order (wire/record.h), and EXPIRE gives a
 * new one for the second alone.
 *
 * One EXPIRE. A quorum read with repair brings the newest record, value included, and makes sure
 * that R owners hold it. If that is no value, if it is over, or if NX, XX, GT or LT forbid it, the
 * reply is 0. Else the record is written back to all owners: the same value under the same stamp,
 * with the new expiry under a stamp above that of the old expiry. Since the record has its value,
 * every owner can take it, whatever it holds. W acks end the operation. An owner that refuses
 * because it holds a greater version counts as an ack: whatever was acknowledged before the read
 * was read, so the greater version was written at the same time as this one (the second round of
 * coord_write.c has the same argument).
 *
 * A worked example, N = 3, W = R = 2. 5.0 is a value of stamp 5 without an expiry. 5.8 is the same
 * value with an expiry of stamp 8:
 *
 *     A        B        C
 *     5.0      5.0      3.0      C has missed the SET of stamp 5
 *     5.0      5.0      3.0      EXPIRE reads 5.0 from A and B, and gets stamp 8
 *     5.8      5.0      5.8      A and C take 5.8, C with its value: two acks, the reply is 1
 *     5.8      7.0      5.8      7.0, a SET at the same time, comes to B first
 *     7.0      7.0      7.0      B refuses 5.8, A and C take 7.0: no expiry, as after any SET
 *
 * What can happen at the same time:
 *
 *   - Another EXPIRE. Both read 5.0, and write 5.8 and 5.9. Every owner ends with 5.9, in whatever
 *     order the two come. Both reply 1, though both may have asked for NX: conditions are judged by
 *     what was read.
 *   - SET or DEL. Its version is greater, whatever the stamps of expiries. An owner that has it
 *     already refuses 5.8; at an owner that has 5.8 it replaces that. So the order is EXPIRE, SET.
 *   - An erasure. It names a version, expiry included. Say that 5.4 is the same value with an
 *     earlier expiry, and over. An owner that holds 5.8 does not confirm that 5.4 may go, and its
 *     store erases nothing (core/erase/erase.c). An owner that has nothing of the key, and a floor
 *     at 5 or above, refuses 5.8 as too old, and would refuse it again, since the value's stamp
 *     does not change. Then W others must acknowledge it. If 5.8 is not over, the next exchange
 *     brings it to that owner (core/repair/repair.c).
 *   - An EXPIRE whose outcome is unknown. 5.8 may be at one owner alone. The others get hints of
 *     it, as of any write, and a read that meets it brings it to R owners. A hint that comes after
 *     7.0 changes nothing, and one that comes after an erasure is too old. */
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
    op->ordered = true; /* a greater version counts as an ack */
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
