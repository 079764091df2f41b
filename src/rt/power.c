#include "rt/power.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/log/log.h"

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

static void put(struct store *store, struct slice value)
{
    struct slice held;
    uint64_t serial = 0;
    store_state(store, POWER_NAME, &held, &serial);
    struct record r = {
        .kind = RECORD_STATE, .version = {.stamp = serial + 1}, .key = POWER_NAME, .value = value};
    r.version.digest = hash_bytes(value);
    store_put(store, 0, &r);
    store_commit(store);
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
    struct store_result done;
    uint64_t serial;
    CHECK(boot_id.n <= BOOT_ID_MAX);
    *lost = store_state(store, POWER_NAME, &saved, &serial) && may_have_lost(saved, boot_id);
    memset(all, 0xff, sizeof all);
    if (*lost)
        store_doubt(store, slice_of(all, sizeof all)); /* before what would make it be forgotten */
    if (boot_id.n)
        memcpy(now + HEAD, boot_id.p, boot_id.n);
    put(store, slice_of(now, HEAD + boot_id.n));
    int error = log_drain(store);
    CHECK(store_reap(store, &done) && done.kind == STORE_PUT_DONE);
    return error ? error : done.error;
}

void power_off(struct store *store)
{
    static const uint8_t stopped[HEAD] = {FORMAT, DURABILITY_FSYNC, false};
    put(store, slice_of(stopped, sizeof stopped));
}
