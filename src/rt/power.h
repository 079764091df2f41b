/* power.h: whether the machine lost power under this node while its log was ahead of its syncs.
 *
 * When a log ends before the end that its node had announced, peers notice
 * (core/log_end/log_end.c). But the log's end after a coordinator's last writes may have been
 * announced to nobody: its puts to the other owners leave before its own store has the record. So
 * there is a second sign, which needs no peer. Under interval durability a process may have lost up
 * to a second of what it acknowledged if it did not stop cleanly and the machine was booted since.
 * A process that was killed on a machine that stayed up has lost nothing. Where the kernel gives no
 * boot id, a boot is assumed.
 *
 * After that sign all that the node holds is in doubt, whether or not anything is missing.
 * Comparing with the other owners finds out, and costs little if nothing is missing.
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

/* Judges what the last process left, and records that this one runs. Called when the store is open
 * and the node is not made yet. Sets *lost if records may be missing: then the store has all its
 * slots in doubt, durably. 0, ERR_IO or ERR_NO_SPACE. */
int power_on(struct store *store, enum durability durability, struct slice boot_id, bool *lost);

/* Records that the process stops cleanly; log_drain makes it durable. */
void power_off(struct store *store);

#endif
