#include "rt/power.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "rt/state.h"

enum { FORMAT = 1, HEAD = 3, RECORD_N = HEAD + BOOT_ID_MAX };

#define POWER_NAME SLICE("power")

size_t power_boot_id(char *out)
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    size_t n = f ? fread(out, 1, BOOT_ID_MAX, f) : 0;
    if (f)
        fclose(f);
    return n;
}

/* Whether the process that wrote this may have lost what it had not synced. */
static bool may_have_lost(struct slice saved, struct slice boot_id)
{
    if (saved.n < HEAD || saved.p[0] != FORMAT || saved.p[1] != DURABILITY_INTERVAL || !saved.p[2])
        return false;
    return boot_id.n == 0 || !slice_eq(slice_of(saved.p + HEAD, saved.n - HEAD), boot_id);
}

int power_on(struct store *store, enum durability durability, struct slice boot_id, bool *lost)
{
    uint8_t all[SLOTS / 8], now[RECORD_N] = {FORMAT, (uint8_t)durability, true};
    struct slice saved = {0};
    uint64_t serial;
    CHECK(boot_id.n <= BOOT_ID_MAX);
    *lost = store_state(store, POWER_NAME, &saved, &serial) && may_have_lost(saved, boot_id);
    memset(all, 0xff, sizeof all);
    if (*lost)
        /* first: the record below hides the sign from the next start */
        store_doubt(store, slice_of(all, sizeof all));
    if (boot_id.n)
        memcpy(now + HEAD, boot_id.p, boot_id.n);
    state_put(store, POWER_NAME, slice_of(now, HEAD + boot_id.n));
    return state_sync(store, 1);
}

void power_off(struct store *store)
{
    static const uint8_t stopped[HEAD] = {FORMAT, DURABILITY_FSYNC, false};
    state_put(store, POWER_NAME, slice_of(stopped, sizeof stopped));
    store_commit(store);
}
