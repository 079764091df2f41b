#include "front/command.h"

#include "front/cmd.h"

#define KEY     1, 1, 1
#define KEYS    1, -1, 1
#define PAIRS   1, -1, 2
#define NO_KEYS 0, 0, 0

#define READ       (COMMAND_READONLY | COMMAND_FAST)
#define CONNECTION (COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE)
#define QUESTION   (COMMAND_LOADING | COMMAND_STALE)
#define OWN        (COMMAND_COVEY | COMMAND_LOADING | COMMAND_STALE)

/* name, parent, arity, flags, keys, group, arguments, summary, since, run */
const struct command command_table[] = {
    {"auth", NULL, -2, CONNECTION | COMMAND_NO_AUTH, NO_KEYS, "connection", "[username] password",
     "Authenticates the connection; this release has no passwords yet.", "0.1.0", cmd_auth},
    {"backup", NULL, 2, OWN | COMMAND_ADMIN | COMMAND_ALONE, NO_KEYS, "server", "path|STATUS",
     "Copies what this node holds now into a new directory on its machine, in the background; STATUS says how that goes.",
     "0.1.0", cmd_backup},
    {"client", NULL, -2, QUESTION, NO_KEYS, "connection", "subcommand", "Asks and sets what the node knows of its clients.",
     "0.1.0", NULL},
    {"getname", "client", 2, CONNECTION, NO_KEYS, "connection", "", "The connection's name.", "0.1.0", cmd_client_getname},
    {"help", "client", 2, QUESTION, NO_KEYS, "connection", "", "The subcommands of CLIENT.", "0.1.0", cmd_help},
    {"id", "client", 2, CONNECTION, NO_KEYS, "connection", "", "The connection's number on this node.", "0.1.0", cmd_client_id},
    {"info", "client", 2, QUESTION, NO_KEYS, "connection", "", "What the node knows of this connection.", "0.1.0",
     cmd_client_info},
    {"list", "client", 2, QUESTION | COMMAND_ADMIN, NO_KEYS, "connection", "", "All connections of this node, one a line.",
     "0.1.0", cmd_client_list},
    {"no-evict", "client", 3, QUESTION | COMMAND_ADMIN, NO_KEYS, "connection", "ON|OFF",
     "Accepted for Redis's clients; covey evicts no client for memory.", "0.1.0", cmd_client_accept},
    {"no-touch", "client", 3, QUESTION, NO_KEYS, "connection", "ON|OFF",
     "Accepted for Redis's clients; covey keeps no time of last access.", "0.1.0", cmd_client_accept},
    {"setinfo", "client", 4, CONNECTION, NO_KEYS, "connection", "LIB-NAME|LIB-VER value", "Says which client library this is.",
     "0.1.0", cmd_client_setinfo},
    {"setname", "client", 3, CONNECTION, NO_KEYS, "connection", "name", "Names the connection, for CLIENT LIST.", "0.1.0",
     cmd_client_setname},
    {"command", NULL, -1, QUESTION, NO_KEYS, "server", "", "All commands, as Redis describes its own.", "0.1.0", cmd_command},
    {"count", "command", 2, QUESTION, NO_KEYS, "server", "", "How many commands there are.", "0.1.0", cmd_command_count},
    {"docs", "command", -2, QUESTION, NO_KEYS, "server", "[command [command ...]]", "What commands do and take.", "0.1.0",
     cmd_command_docs},
    {"getkeys", "command", -3, QUESTION, NO_KEYS, "server", "command [arg [arg ...]]", "The keys among a command's arguments.",
     "0.1.0", cmd_command_getkeys},
    {"help", "command", 2, QUESTION, NO_KEYS, "server", "", "The subcommands of COMMAND.", "0.1.0", cmd_help},
    {"info", "command", -2, QUESTION, NO_KEYS, "server", "[command [command ...]]", "The descriptions of some commands.", "0.1.0",
     cmd_command_info},
    {"list", "command", -2, QUESTION, NO_KEYS, "server", "[FILTERBY PATTERN pattern]", "The names of the commands.", "0.1.0",
     cmd_command_list},
    {"config", NULL, -2, QUESTION | COMMAND_ADMIN, NO_KEYS, "server", "subcommand", "Asks how the node is configured.", "0.1.0",
     NULL},
    {"get", "config", -3, QUESTION | COMMAND_ADMIN, NO_KEYS, "server", "pattern [pattern ...]",
     "The settings whose names match a pattern.", "0.1.0", cmd_config_get},
    {"help", "config", 2, QUESTION, NO_KEYS, "server", "", "The subcommands of CONFIG.", "0.1.0", cmd_help},
    {"consistency", NULL, -1, OWN, NO_KEYS, "connection", "[READ ONE|QUORUM|ALL] [WRITE QUORUM|ALL]",
     "Shows or sets how many owners must answer this connection's reads and writes; quorum and quorum at first.", "0.1.0",
     cmd_consistency},
    {"dbsize", NULL, 1, COMMAND_READONLY | COMMAND_ALONE, NO_KEYS, "server", "",
     "The number of keys in the cluster, as its owners count them at about the same time.", "0.1.0", cmd_dbsize},
    {"del", NULL, -2, COMMAND_WRITE, KEYS, "generic", "key [key ...]",
     "Deletes keys and counts those that existed; each key by itself, not all as one.", "0.1.0", cmd_del},
    {"echo", NULL, 2, CONNECTION, NO_KEYS, "connection", "message", "Gives the message back.", "0.1.0", cmd_echo},
    {"exists", NULL, -2, READ, KEYS, "generic", "key [key ...]", "Counts the keys that exist; one named twice counts twice.",
     "0.1.0", cmd_exists},
    {"expire", NULL, -3, COMMAND_WRITE | COMMAND_FAST, KEY, "generic", "key seconds [NX|XX|GT|LT]",
     "Lets a key end after so many seconds; 1 when it will.", "0.1.0", cmd_expire},
    {"expireat", NULL, -3, COMMAND_WRITE | COMMAND_FAST, KEY, "generic", "key unix-time-seconds [NX|XX|GT|LT]",
     "Lets a key end at a time, in seconds since 1970; 1 when it will.", "0.1.0", cmd_expireat},
    {"expiretime", NULL, 2, READ, KEY, "generic", "key",
     "When a key ends, in seconds since 1970; -1: never, -2: there is no such key.", "0.1.0", cmd_expiretime},
    {"flushall", NULL, -1, COMMAND_WRITE | COMMAND_ALONE, NO_KEYS, "server", "[ASYNC|SYNC]",
     "Deletes all keys of the cluster, as of now.", "0.1.0", cmd_flush},
    {"flushdb", NULL, -1, COMMAND_WRITE | COMMAND_ALONE, NO_KEYS, "server", "[ASYNC|SYNC]",
     "The same as FLUSHALL: there is one database.", "0.1.0", cmd_flush},
    {"get", NULL, 2, READ, KEY, "string", "key", "The value of a key, as a quorum of its owners agree.", "0.1.0", cmd_get},
    {"hello", NULL, -1, CONNECTION | COMMAND_NO_AUTH | COMMAND_ALONE, NO_KEYS, "connection",
     "[protover [AUTH username password] [SETNAME clientname]]", "Chooses RESP2 or RESP3 and says what the server is.", "0.1.0",
     cmd_hello},
    {"hints", NULL, 1, OWN, NO_KEYS, "cluster", "",
     "What this node, its keeper, holds for members that missed writes, and brings them when they are back; ask each node for "
     "its own.",
     "0.1.0", cmd_hints},
    {"info", NULL, -1, QUESTION, NO_KEYS, "server", "[section [section ...]]",
     "Facts and counters of this node alone, not of the cluster.", "0.1.0", cmd_info},
    {"members", NULL, 1, OWN, NO_KEYS, "cluster", "", "The members of the cluster, as this node sees them.", "0.1.0",
     cmd_members},
    {"mget", NULL, -2, READ, KEYS, "string", "key [key ...]",
     "The values of several keys; each is read by itself, not all at one moment.", "0.1.0", cmd_mget},
    {"mset", NULL, -3, COMMAND_WRITE, PAIRS, "string", "key value [key value ...]",
     "Stores several keys; each by itself: not atomic, and after an error some may be stored.", "0.1.0", cmd_mset},
    {"persist", NULL, 2, COMMAND_WRITE | COMMAND_FAST, KEY, "generic", "key", "Takes a key's end away; 1 when it had one.",
     "0.1.0", cmd_persist},
    {"pexpire", NULL, -3, COMMAND_WRITE | COMMAND_FAST, KEY, "generic", "key milliseconds [NX|XX|GT|LT]",
     "Lets a key end after so many milliseconds; 1 when it will.", "0.1.0", cmd_pexpire},
    {"pexpireat", NULL, -3, COMMAND_WRITE | COMMAND_FAST, KEY, "generic", "key unix-time-milliseconds [NX|XX|GT|LT]",
     "Lets a key end at a time, in milliseconds since 1970; 1 when it will.", "0.1.0", cmd_pexpireat},
    {"pexpiretime", NULL, 2, READ, KEY, "generic", "key",
     "When a key ends, in milliseconds since 1970; -1: never, -2: there is no such key.", "0.1.0", cmd_pexpiretime},
    {"ping", NULL, -1, COMMAND_FAST, NO_KEYS, "connection", "[message]",
     "Answers PONG, or the message, once the node has found its peers.", "0.1.0", cmd_ping},
    {"psetex", NULL, 4, COMMAND_WRITE, KEY, "string", "key milliseconds value",
     "Stores a value that ends after so many milliseconds.", "0.1.0", cmd_psetex},
    {"pttl", NULL, 2, READ, KEY, "generic", "key", "Milliseconds until a key ends; -1: it does not, -2: there is no such key.",
     "0.1.0", cmd_pttl},
    {"quit", NULL, -1, CONNECTION | COMMAND_NO_AUTH | COMMAND_ALONE, NO_KEYS, "connection", "", "Closes the connection.", "0.1.0",
     cmd_quit},
    {"repair", NULL, -1, OWN | COMMAND_ADMIN, NO_KEYS, "cluster", "[vnode|STATUS]",
     "Compares this node's vnodes, or one, with all other owners now, and moves what one of them is missing.", "0.1.0",
     cmd_repair},
    {"reset", NULL, 1, CONNECTION | COMMAND_NO_AUTH | COMMAND_ALONE, NO_KEYS, "connection", "",
     "Makes the connection as it was when it was new.", "0.1.0", cmd_reset},
    {"ring", NULL, -1, OWN, NO_KEYS, "cluster", "[VNODES]",
     "The layout: each member's share of the ring; with VNODES each arc of slots with the same owners.", "0.1.0", cmd_ring},
    {"select", NULL, 2, CONNECTION, NO_KEYS, "connection", "index", "Chooses a database; there is one, 0.", "0.1.0", cmd_select},
    {"set", NULL, -3, COMMAND_WRITE, KEY, "string",
     "key value [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
     "Stores a value; OK means that a quorum of owners has it on disk.", "0.1.0", cmd_set},
    {"setex", NULL, 4, COMMAND_WRITE, KEY, "string", "key seconds value", "Stores a value that ends after so many seconds.",
     "0.1.0", cmd_setex},
    {"status", NULL, 1, OWN, NO_KEYS, "cluster", "", "The verdict: whether all replicas are there, and how many nodes may die.",
     "0.1.0", cmd_status},
    {"strlen", NULL, 2, READ, KEY, "string", "key", "The bytes of a value; 0 when there is none.", "0.1.0", cmd_strlen},
    {"subscribe", NULL, -2, QUESTION | COMMAND_PUBSUB | COMMAND_ALONE, NO_KEYS, "pubsub", "channel [channel ...]",
     "Asks for messages; there is one channel, __covey__:members, which tells of each member that changes.", "0.1.0",
     cmd_subscribe},
    {"time", NULL, 1, CONNECTION, NO_KEYS, "server", "", "The node's wall clock: seconds, and microseconds of a second.", "0.1.0",
     cmd_time},
    {"ttl", NULL, 2, READ, KEY, "generic", "key", "Seconds until a key ends; -1: it does not, -2: there is no such key.", "0.1.0",
     cmd_ttl},
    {"type", NULL, 2, READ, KEY, "generic", "key", "The type of a value: string, or none when there is none.", "0.1.0", cmd_type},
    {"unlink", NULL, -2, COMMAND_WRITE | COMMAND_FAST, KEYS, "generic", "key [key ...]", "The same as DEL.", "0.1.0", cmd_del},
    {"unsubscribe", NULL, -1, QUESTION | COMMAND_PUBSUB | COMMAND_ALONE, NO_KEYS, "pubsub", "[channel [channel ...]]",
     "Asks for no more messages.", "0.1.0", cmd_unsubscribe},
    {"where", NULL, 2, COMMAND_COVEY | COMMAND_READONLY, KEY, "cluster", "key",
     "Where a key lives: its slot and vnode, its owners, and the version that each of them holds.", "0.1.0", cmd_where},
};

const unsigned command_n = sizeof command_table / sizeof command_table[0];

enum { NAME_MAX_BYTES = 32 };

/* The word in lower case with a NUL, false when no command has such a name. */
static bool fold_case(struct slice word, char out[NAME_MAX_BYTES])
{
    if (word.n == 0 || word.n >= NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < word.n; i++) {
        uint8_t c = word.p[i];
        if (c == 0)
            return false;
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[word.n] = 0;
    return true;
}

bool command_is_parent(const struct command *c)
{
    const struct command *next = c + 1;
    return next < command_table + command_n && next->parent && !strcmp(next->parent, c->name);
}

/* Among top-level names: a subcommand stands where its parent does, and after it. */
static const struct command *find_name(const char *name)
{
    unsigned low = 0, high = command_n;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct command *c = &command_table[middle];
        int order = strcmp(name, c->parent ? c->parent : c->name);
        if (order == 0 && !c->parent)
            return c;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct command *command_find(struct slice name, struct slice sub)
{
    char word[NAME_MAX_BYTES];

    if (!fold_case(name, word))
        return NULL;
    const struct command *parent = find_name(word);
    if (!parent || !command_is_parent(parent) || !fold_case(sub, word))
        return parent;
    for (const struct command *c = parent + 1; c < command_table + command_n && c->parent && !strcmp(c->parent, parent->name);
         c++) {
        if (!strcmp(c->name, word))
            return c;
    }
    return parent;
}
