/* power.h: whether the machine lost power under this node while its log was ahead of its syncs
 * (design section 4, "power lost under `interval`").
 *
 * Peers notice a log that ends too early when they heard of its end (core/log_end/log_end.c); of a
 * coordinator's last writes they may not have. But a node can tell by itself: under interval
 * durability, a process that did not stop cleanly and ran before the machine was last booted may
 * have lost up to a second of what it acknowledged. Then all that it holds is in doubt, whether or
 * not something is missing: comparing with the others finds out, and costs little where nothing is.
 * A process that was killed on a machine that stayed up has lost nothing.
 *
 * The state record "power": u8 format (1) | u8 durability | u8 running | the machine's boot id, as
 * the kernel writes it. */
#ifndef COVEY_RT_POWER_H
#define COVEY_RT_POWER_H

#include "store/store.h"

enum { BOOT_ID_MAX = 64 };

/* The kernel's name for this boot of the machine, in out (BOOT_ID_MAX bytes); its length, 0 where
 * there is none. */
size_t power_boot_id(char *out);

/* To be called when the store was opened (log.c's), before the node is: judges what the last
 * process left, and writes down that this one runs. *lost: records may be missing, and the store
 * doubts all its slots, durably. 0, ERR_IO or ERR_NO_SPACE. */
int power_on(struct store *store, enum durability durability, struct slice boot_id, bool *lost);

/* The process stops cleanly: puts that into the store, for log_drain to make durable. */
void power_off(struct store *store);

#endif
