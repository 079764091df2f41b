#include "front/redis7.h"

#include <string.h>

/* As COMMAND LIST of Redis 7.0.15 has them. Of subcommands those whose parent is built. */
const char *const redis7_name[] = {
    /* clang-format off */
    "acl", "append", "asking", "auth", "bgrewriteaof", "bgsave", "bitcount", "bitfield",
    "bitfield_ro", "bitop", "bitpos", "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop",
    "bzpopmax", "bzpopmin", "client", "client|caching", "client|getname", "client|getredir",
    "client|help", "client|id", "client|info", "client|kill", "client|list", "client|no-evict",
    "client|pause", "client|reply", "client|setname", "client|tracking", "client|trackinginfo",
    "client|unblock", "client|unpause", "cluster", "command", "command|count", "command|docs",
    "command|getkeys", "command|getkeysandflags", "command|help", "command|info", "command|list",
    "config", "config|get", "config|help", "config|resetstat", "config|rewrite", "config|set",
    "copy", "dbsize", "debug", "decr", "decrby", "del", "discard", "dump", "echo", "eval",
    "eval_ro", "evalsha", "evalsha_ro", "exec", "exists", "expire", "expireat", "expiretime",
    "failover", "fcall", "fcall_ro", "flushall", "flushdb", "function", "geoadd", "geodist",
    "geohash", "geopos", "georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro",
    "geosearch", "geosearchstore", "get", "getbit", "getdel", "getex", "getrange", "getset", "hdel",
    "hello", "hexists", "hget", "hgetall", "hincrby", "hincrbyfloat", "hkeys", "hlen", "hmget",
    "hmset", "hrandfield", "hscan", "hset", "hsetnx", "hstrlen", "hvals", "incr", "incrby",
    "incrbyfloat", "info", "keys", "lastsave", "latency", "lcs", "lindex", "linsert", "llen",
    "lmove", "lmpop", "lolwut", "lpop", "lpos", "lpush", "lpushx", "lrange", "lrem", "lset",
    "ltrim", "memory", "mget", "migrate", "module", "monitor", "move", "mset", "msetnx", "multi",
    "object", "persist", "pexpire", "pexpireat", "pexpiretime", "pfadd", "pfcount", "pfdebug",
    "pfmerge", "pfselftest", "ping", "psetex", "psubscribe", "psync", "pttl", "publish", "pubsub",
    "punsubscribe", "quit", "randomkey", "readonly", "readwrite", "rename", "renamenx", "replconf",
    "replicaof", "reset", "restore", "restore-asking", "role", "rpop", "rpoplpush", "rpush",
    "rpushx", "sadd", "save", "scan", "scard", "script", "sdiff", "sdiffstore", "select", "set",
    "setbit", "setex", "setnx", "setrange", "shutdown", "sinter", "sintercard", "sinterstore",
    "sismember", "slaveof", "slowlog", "smembers", "smismember", "smove", "sort", "sort_ro", "spop",
    "spublish", "srandmember", "srem", "sscan", "ssubscribe", "strlen", "subscribe", "substr",
    "sunion", "sunionstore", "sunsubscribe", "swapdb", "sync", "time", "touch", "ttl", "type",
    "unlink", "unsubscribe", "unwatch", "wait", "watch", "xack", "xadd", "xautoclaim", "xclaim",
    "xdel", "xgroup", "xinfo", "xlen", "xpending", "xrange", "xread", "xreadgroup", "xrevrange",
    "xsetid", "xtrim", "zadd", "zcard", "zcount", "zdiff", "zdiffstore", "zincrby", "zinter",
    "zintercard", "zinterstore", "zlexcount", "zmpop", "zmscore", "zpopmax", "zpopmin",
    "zrandmember", "zrange", "zrangebylex", "zrangebyscore", "zrangestore", "zrank", "zrem",
    "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zrevrangebylex",
    "zrevrangebyscore", "zrevrank", "zscan", "zscore", "zunion", "zunionstore",
    /* clang-format on */
};

const unsigned redis7_n = sizeof redis7_name / sizeof redis7_name[0];

/* As strcmp, of the words in lower case with a bar between them, as the table has them. */
static int order(struct slice name, struct slice sub, const char *other)
{
    size_t bar = sub.n ? 1 : 0, n = name.n + bar + sub.n;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = i < name.n ? name.p[i] : i == name.n ? '|' : sub.p[i - name.n - 1];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        if (c != (uint8_t)other[i])
            return c < (uint8_t)other[i] ? -1 : 1;
        if (!c)
            return 1; /* a NUL among the bytes: longer than any name, at whose end the comparison may not go on */
    }
    return other[n] ? -1 : 0;
}

bool redis7_has(struct slice name, struct slice sub)
{
    unsigned low = 0, high = redis7_n;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        int way = order(name, sub, redis7_name[middle]);
        if (way == 0)
            return true;
        if (way > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
