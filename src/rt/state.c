/* state.c: see state.h. */
#include "rt/state.h"

#include "base/check.h"
#include "base/hash.h"
#include "store/log/log.h"

bool state_present(struct store *store, struct slice name)
{
    struct slice value;
    uint64_t serial;
    return store_state(store, name, &value, &serial);
}

bool state_known(struct store *store, struct slice name)
{
    struct slice value;
    uint64_t serial;
    return store_state(store, name, &value, &serial) && value.n > 0;
}

void state_put(struct store *store, struct slice name, struct slice value)
{
    struct slice before;
    uint64_t serial = 0;
    store_state(store, name, &before, &serial);
    struct record r = {.kind = RECORD_STATE,
                       .version = {.stamp = serial + 1, .digest = hash_bytes(value)},
                       .key = name,
                       .value = value};
    store_put(store, 0, &r);
}

int state_sync(struct store *store, unsigned n)
{
    struct store_result done;
    store_commit(store);
    int error = log_drain(store);
    for (; n > 0; n--) {
        CHECK(store_reap(store, &done) && done.kind == STORE_PUT_DONE);
        error = error ? error : done.error;
    }
    return error;
}
