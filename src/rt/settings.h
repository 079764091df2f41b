/* settings.h: the options of a node (covey.h), checked and completed: no field means "the default"
 * any more. */
#ifndef COVEY_RT_SETTINGS_H
#define COVEY_RT_SETTINGS_H

#include "core/node/node.h"
#include "covey.h"
#include "rt/endpoint.h"
#include "store/store.h"

enum { PATH_TEXT = 4096 };

struct settings {
    char name[NODE_NAME_MAX + 1];
    bool name_given; /* false: a name that the data directory has wins */
    char zone[ZONE_MAX + 1];
    char data_dir[PATH_TEXT];
    char config_file[PATH_TEXT];
    struct addr bind, client_bind, advertise; /* base addresses */
    struct endpoint seed[SEEDS_MAX];
    unsigned seed_n;
    bool found;
    uint16_t weight;
    uint8_t replicas;
    enum swim_profile profile;
    enum durability durability;
    uint64_t value_max_bytes;
    uint32_t clients_max, ops_max;
    uint64_t hint_age_ms, erase_age_ms;
};

/* Checks and completes options. 0, or ERR_REFUSED with a sentence in why. The options may go away
 * afterwards. */
int settings_from(struct settings *s, const struct covey_options *o, char *why, size_t why_n);

#endif
