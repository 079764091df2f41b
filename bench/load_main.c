/* load_main.c: the load generator by itself, to look at one thing: a node under perf, a change, a
 * machine.
 *
 *     build/bench/load -p PORT[,PORT]... -t set|get|expire [-c CONNECTIONS] [-P PIPELINE]
 *         [-d BYTES] [-r KEYS] [-s SECONDS] [-f] [-a]
 *
 * -f first writes every key once; -a takes any value of the right size for an answer (the floor's).
 * It prints one line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load.h"

static const char *const op_names[] = {
    [LOAD_SET] = "set", [LOAD_GET] = "get", [LOAD_EXPIRE] = "expire"};

static bool parse_ports(struct load_options *o, char *list)
{
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        unsigned long port = strtoul(word, NULL, 10);
        if (port == 0 || port > UINT16_MAX || o->port_n == LOAD_PORTS_MAX)
            return false;
        o->port[o->port_n++] = (uint16_t)port;
    }
    return o->port_n > 0;
}

static bool parse_op(struct load_options *o, const char *word)
{
    for (unsigned op = 0; op < sizeof op_names / sizeof *op_names; op++)
        if (strcmp(word, op_names[op]) == 0) {
            o->op = (enum load_op)op;
            return true;
        }
    return false;
}

static bool number(const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *out = (uint32_t)n;
    return *end == '\0' && n >= 1 && n <= max;
}

static bool parse(struct load_options *o, bool *fill, int argc, char **argv)
{
    uint32_t seconds = 5;
    bool good = true;
    for (int c; good && (c = getopt(argc, argv, "p:t:c:P:d:r:s:fa")) != -1;) {
        switch (c) {
        case 'p':
            good = parse_ports(o, optarg);
            break;
        case 't':
            good = parse_op(o, optarg);
            break;
        case 'c':
            good = number(optarg, LOAD_CONNECTIONS_MAX, &o->connections);
            break;
        case 'P':
            good = number(optarg, LOAD_PIPELINE_MAX, &o->pipeline);
            break;
        case 'd':
            good = number(optarg, LOAD_VALUE_MAX, &o->value_bytes);
            break;
        case 'r':
            good = number(optarg, UINT32_MAX, &o->keys);
            break;
        case 's':
            good = number(optarg, 3600, &seconds);
            break;
        case 'f':
            *fill = true;
            break;
        case 'a':
            o->any_content = true;
            break;
        default:
            good = false;
        }
    }
    o->count_ms = seconds * 1000;
    return good && o->port_n > 0 && optind == argc;
}

static bool run(const struct load_options *o)
{
    static struct load_report r;
    char why[LOAD_WHY];
    if (load_run(o, &r, why) != 0) {
        fprintf(stderr, "load: %s\n", why);
        return false;
    }
    printf("%s: %" PRIu64 " a second, p50 %" PRIu64 " us, p99 %" PRIu64 " us, p99.9 %" PRIu64
           " us, max %" PRIu64 " us, errors %" PRIu64 "%s%s\n",
           op_names[o->op], r.replies * 1000000u / (r.ns / 1000u + 1),
           histogram_at(&r.latency, 500) / 1000, histogram_at(&r.latency, 990) / 1000,
           histogram_at(&r.latency, 999) / 1000, r.latency.max_ns / 1000, r.errors,
           r.errors ? ": " : "", r.error);
    return r.errors == 0;
}

int main(int argc, char **argv)
{
    struct load_options o = {.connections = 60,
                             .pipeline = 1,
                             .value_bytes = 100,
                             .keys = 100000,
                             .warm_ms = 300,
                             .seed = (uint64_t)getpid()};
    bool fill = false;
    if (!parse(&o, &fill, argc, argv)) {
        fprintf(stderr,
                "usage: load -p PORT[,PORT]... -t set|get|expire [-c CONNECTIONS] [-P PIPELINE] "
                "[-d BYTES] [-r KEYS] [-s SECONDS] [-f] [-a]\n");
        return 2;
    }
    struct load_options each = o;
    each.op = LOAD_SET;
    each.pipeline = 16;
    each.every_key = true;
    return (!fill || run(&each)) && run(&o) ? 0 : 1;
}
