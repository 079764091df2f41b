/* covey.h: a covey node inside your own program.
 *
 * A node is one member of a masterless cluster: a durable key-value store that any Redis client can
 * talk to, on this node or on any other. `covey start` is a thin wrapper around the five functions
 * below.
 *
 *     struct covey_options options = {
 *         .name = "a", .data_dir = "/var/lib/a", .port = 7400, .found = first_start};
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
/* what OK means: synced to disk, or synced within a second */
enum covey_durability { COVEY_FSYNC = 0, COVEY_INTERVAL };
enum covey_log_level { COVEY_LOG_DEBUG = 0, COVEY_LOG_INFO, COVEY_LOG_WARN, COVEY_LOG_ERROR };
/* milestones that on_state reports */
enum covey_state { COVEY_LISTENING, COVEY_READY, COVEY_DRAINING };

/* Zero is the default of every field; a comment that ends in a value names that default. covey_open
 * copies the strings. Addresses are numeric, or "localhost". */
struct covey_options {
    /* for people, 64 bytes at most; the name in the data directory, else host name and port */
    const char *name;
    const char *data_dir;    /* made with mode 0700 when missing; "covey-" and the name */
    uint16_t port;           /* for clients; peers use the next port, TCP and UDP; 7400 */
    const char *bind;        /* the address for peers; "127.0.0.1" */
    const char *client_bind; /* the address for clients; that of bind */
    const char *advertise;   /* HOST:PORT that peers are given; bind and port */
    /* HOST:PORT of neighbours, with their base ports; names are resolved anew at each try */
    const char *const *seeds;
    unsigned seed_n; /* COVEY_SEEDS_MAX at most */
    /* found a cluster: only at the first start of its first node, and without seeds */
    bool found;
    /* members of one zone are expected to fail together; 32 bytes at most */
    const char *zone;
    unsigned weight; /* how much of the data it takes, beside the other members, 1 .. 1000; 100 */
    enum covey_profile profile;
    enum covey_durability durability;
    uint64_t value_max_bytes; /* 8 MiB */
    unsigned clients_max;     /* 10000, lowered to what the limit on open files allows */
    unsigned ops_max;         /* client operations under way at once; 16384 */
    /* how long a write is kept for an owner that is away, 10 s at least; 3 hours */
    uint64_t hint_age_ms;
    /* how old a deletion is before it may be erased; the greater of 3 hours and hint_age_ms */
    uint64_t erase_age_ms;
    unsigned replicas;       /* copies of each record, fixed when the cluster is founded; 3 */
    const char *config_file; /* its path is shown by INFO; it is not read here */
    enum covey_log_level log_level; /* the least level that on_log gets; COVEY_LOG_DEBUG */

    /* Called on the thread of the node; the text lives for the call. on_log gets one logfmt line,
     * without its newline. */
    void (*on_log)(void *arg, enum covey_log_level level, const char *line);
    void (*on_state)(void *arg, enum covey_state state, const char *sentence);
    void *arg;
};

struct covey;

/* Opens the data directory and listens; the first turn of covey_run joins or founds. A directory
 * that is used for the first time is missing or empty: with `found` the node founds a cluster, with
 * seeds it joins theirs, with neither it is refused (one that `covey restore` made founds by
 * itself). With a used directory the node goes on as the member it was: it needs no seeds (but uses
 * those that it is given, as when all members have moved), and `found` is refused. COVEY_OK; or
 * COVEY_FAILED with a sentence in why (what was wrong, with which value, and what to do) and
 * nothing left open. */
int covey_open(struct covey **out, const struct covey_options *options, char *why, size_t why_n);

/* Runs the node until covey_stop, then answers what is under way (2 s at most), syncs, and returns
 * COVEY_OK. COVEY_FAILED with a sentence when the node cannot go on, for instance because the
 * cluster refused it. The data directory stays a member's in both cases. */
int covey_run(struct covey *c, char *why, size_t why_n);

/* Asks covey_run to return. From any thread, and from a signal handler. */
void covey_stop(struct covey *c);

/* Frees everything. Not while covey_run runs. */
void covey_close(struct covey *c);

/* "0.1.0"; static. */
const char *covey_version(void);

/* The name that `git describe` gave the sources: "3caa003", with "-dirty" when they were changed
 * since; "" when they came without git. Static. */
const char *covey_commit(void);

#ifdef __cplusplus
}
#endif

#endif
