/* power.h: whether the machine lost power under this node while its log was ahead of its syncs.
 *
 * When a log ends before the end that its node had announced, peers notice
 * (core/log_end/log_end.c); but they may not know of a coordinator's last writes. Another sign
 * needs no peer. Under interval durability, a process that did not stop cleanly, and ran before the
 * machine was last booted, may have lost up to a second of what it acknowledged. Then all that the
 * node holds is in doubt, whether or not anything is missing: comparing with the other owners finds
 * out, and costs little where nothing is. A process that was killed on a machine that stayed up has
 * lost nothing.
 *
 * The state record "power": u8 format (1) | u8 durability | u8 running | the machine's boot id, as
 * the kernel prints it. */
#ifndef COVEY_RT_POWER_H
#define COVEY_RT_POWER_H

#include "store/store.h"

enum { BOOT_ID_MAX = 64 };

/* Writes the kernel's id of this boot of the machine to out (BOOT_ID_MAX bytes). Returns its
 * length; 0: there is none. */
size_t power_boot_id(char *out);

/* Judges what the last process left, and records that this one runs. Called when the log store is
 * open and before the node is. *lost: records may be missing, and the store has all its slots in
 * doubt, durably. 0, ERR_IO or ERR_NO_SPACE. */
int power_on(struct store *store, enum durability durability, struct slice boot_id, bool *lost);

/* Records that the process stops cleanly; log_drain makes it durable. */
void power_off(struct store *store);

#endif
