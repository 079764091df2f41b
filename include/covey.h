/* covey.h: a covey node inside your own program.
 *
 * A node is one member of a masterless cluster: a durable key-value store that any Redis client can
 * talk to, on this node or on any other. `covey start` is a thin wrapper around the five functions
 * below.
 *
 *     struct covey_options options = {.name = "a", .data_dir = "/var/lib/a", .port = 7400, .found = first_start};
 *     char why[COVEY_WHY_MAX];
 *     struct covey *c;
 *     if (covey_open(&c, &options, why, sizeof why) != COVEY_OK)
 *         fatal(why);
 *     covey_run(c, why, sizeof why);   // returns after covey_stop
 *     covey_close(c);
 *
 * A process may run several nodes, each in a thread of its own; one node is used by one thread at a
 * time, but for covey_stop, which may be called from anywhere. Set SIGPIPE to ignored: the library
 * changes no signal of its host. Nodes listen on loopback addresses only until cluster keys and
 * passwords are built. */
#ifndef COVEY_H
#define COVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { COVEY_OK = 0, COVEY_FAILED = 1 };
enum { COVEY_WHY_MAX = 512, COVEY_SEEDS_MAX = 16 };

/* how soon a silent member is suspected */
enum covey_profile { COVEY_LAN = 0, COVEY_WAN, COVEY_LOCAL };
/* OK means synced, or synced within a second */
enum covey_durability { COVEY_FSYNC = 0, COVEY_INTERVAL };
enum covey_log_level { COVEY_LOG_DEBUG = 0, COVEY_LOG_INFO, COVEY_LOG_WARN, COVEY_LOG_ERROR };
enum covey_state { COVEY_LISTENING, COVEY_READY, COVEY_DRAINING }; /* milestones told to on_state */

/* Zero is the default of every field. Strings are copied by covey_open; addresses are numeric or
 * "localhost". */
struct covey_options {
    /* for people, 64 bytes at most; as persisted, else host name and port */
    const char *name;
    const char *data_dir;    /* made 0700 when missing; "covey-" and the name */
    uint16_t port;           /* clients at this port, peers at the next, TCP and UDP; 7400 */
    const char *bind;        /* where peers reach it: "127.0.0.1" */
    const char *client_bind; /* where clients do: as bind */
    const char *advertise;   /* HOST:PORT told to peers: bind and port */
    /* HOST:PORT of neighbours, base ports; names are resolved anew at each try */
    const char *const *seeds;
    unsigned seed_n; /* COVEY_SEEDS_MAX at most */
    /* found a cluster: only for its first node's first start, and without seeds */
    bool found;
    /* members of one zone are expected to fail together; 32 bytes at most */
    const char *zone;
    unsigned weight; /* share of the data, 1 .. 1000; 100 */
    enum covey_profile profile;
    enum covey_durability durability;
    uint64_t value_max_bytes; /* 8 MiB */
    unsigned clients_max;     /* 10000, lowered to what the limit on open files allows */
    unsigned ops_max;         /* client operations under way at once; 16384 */
    /* how long a write is kept for an owner who is away; 3 hours; 10 s at least */
    uint64_t hint_age_ms;
    /* how old a deletion is before it may be erased; the greater of 3 hours and hint_age_ms */
    uint64_t erase_age_ms;
    unsigned replicas;              /* copies of each record, fixed at the cluster's birth; 3 */
    const char *config_file;        /* shown by INFO, not read here */
    enum covey_log_level log_level; /* debug by default: the least level given to on_log */

    /* Called on the node's thread; the text lives for the call. on_log: one logfmt line, without
     * newline. */
    void (*on_log)(void *arg, enum covey_log_level level, const char *line);
    void (*on_state)(void *arg, enum covey_state state, const char *sentence);
    void *arg;
};

struct covey;

/* Opens the data directory, listens, and joins or founds on the first turn of covey_run. A
 * directory that is used for the first time is missing or empty: with `found` it founds a cluster,
 * with seeds it joins theirs, with neither it is refused (one that `covey restore` made founds by
 * itself). A used one goes on as the member it was: it needs no seed (but uses those that it is
 * given, as when all members have moved), and is refused with `found`. COVEY_OK, or COVEY_FAILED
 * with a sentence in why (what was wrong, with which value, and what to do), and nothing left
 * open. */
int covey_open(struct covey **out, const struct covey_options *options, char *why, size_t why_n);

/* Runs the node until covey_stop, then answers what is under way (2 s at most), syncs, and returns
 * COVEY_OK; the data directory stays a member's. COVEY_FAILED with a sentence when the node cannot
 * go on, for instance because the cluster refused it. */
int covey_run(struct covey *c, char *why, size_t why_n);

/* Asks covey_run to return. From any thread, and from a signal handler. */
void covey_stop(struct covey *c);

/* Frees everything. Not while covey_run runs. */
void covey_close(struct covey *c);

/* "0.1.0"; static. */
const char *covey_version(void);

/* What `git describe` called the sources: "3caa003", with "-dirty" when they were changed since; ""
 * when they came without git. Static. */
const char *covey_commit(void);

#ifdef __cplusplus
}
#endif

#endif
