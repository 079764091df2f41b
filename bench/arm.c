/* arm.c: see arm.h. */
#include "bench/arm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "console/client.h"
#include "console/clock.h"

enum {
    PORT_FROM = 21000, /* ephemeral ports begin at 32768 */
    PORT_TO = 32000,
    PORT_STEP = 10,
    ASK_NS = 20 * 1000 * 1000, /* between two questions whether an arm is ready */
};

struct contestant {
    const char *name, *title, *program;
    unsigned process_n;
    int (*start)(struct arm *a, unsigned i); /* 0 or an errno */
    bool (*is_ready)(struct client *c, struct arm *a, unsigned i);
};

static const char *const node_names[ARM_NODES] = {"a", "b", "c"};

uint16_t arm_port(const struct arm *a, unsigned i)
{
    return (uint16_t)(a->base + PORT_STEP * i);
}

/* ---- The floor ---- */

static int start_floor(struct arm *a, unsigned i)
{
    char index[8], port[ARM_NODES][8];
    snprintf(index, sizeof index, "%u", i);
    for (unsigned k = 0; k < ARM_NODES; k++)
        snprintf(port[k], sizeof port[k], "%u", arm_port(a, k));
    return nest_start(&a->nest, i, node_names[i],
                      (const char *const[]){index, port[0], port[1], port[2], NULL});
}

/* Whether a process answers PING with PONG; also for Redis. */
static bool pongs(struct client *c, struct arm *a, unsigned i)
{
    if (c->fd < 0 && client_connect(c, "127.0.0.1", arm_port(a, i)) != 0)
        return false;
    return client_ask(c, (const char *const[]){"PING", NULL}) == 0 &&
           c->reply.v[0].type == RESP_SIMPLE;
}

/* ---- covey ---- */

static int start_covey(struct arm *a, unsigned i)
{
    char port[8], seed[32];
    snprintf(port, sizeof port, "%u", arm_port(a, i));
    snprintf(seed, sizeof seed, "127.0.0.1:%u", arm_port(a, 0));
    const char *durability = a->kind == ARM_FSYNC ? "fsync" : "interval";
    return nest_start(&a->nest, i, node_names[i],
                      (const char *const[]){"start", "--name", node_names[i], "--data",
                                            node_names[i], "--port", port, "--profile", "lan",
                                            "--durability", durability, "--log-level", "warn",
                                            i ? "--seed" : "--new", i ? seed : NULL, NULL});
}

/* Whether a node sees a healthy cluster of all three; each node is asked. */
static bool is_healthy(struct client *c, struct arm *a, unsigned i)
{
    if (c->fd < 0 && client_open(c, "127.0.0.1", arm_port(a, i)) != 0)
        return false;
    if (client_ask(c, (const char *const[]){"STATUS", NULL}) != 0)
        return false;
    uint32_t code = client_field(c, 0, "code"), alive = client_row(c, "cluster", "alive");
    return code && alive && c->reply.v[code].integer == 0 && c->reply.v[alive].integer == ARM_NODES;
}

/* ---- Redis ---- */

static bool is_redis(enum arm_kind kind)
{
    return kind == ARM_REDIS || kind == ARM_REDIS_WAIT;
}

/* Each process has an append-only file. Its rewriting is off: a fork a second is not what is
 * measured here. The program is started through env: redis-server is a symbolic link on Debian to a
 * program that looks at the name it was called by, and a nest resolves links. */
static int start_redis(struct arm *a, unsigned i)
{
    char port[8], master[8], dir[PATH_MAX];
    snprintf(port, sizeof port, "%u", arm_port(a, i));
    snprintf(master, sizeof master, "%u", arm_port(a, 0));
    if (snprintf(dir, sizeof dir, "%.4000s/%s", a->nest.dir, node_names[i]) >= (int)sizeof dir ||
        mkdir(dir, 0700) != 0)
        return errno;
    const char *sync = a->kind == ARM_REDIS_WAIT ? "always" : "everysec";
    const char *args[] = {"redis-server",
                          "--port",
                          port,
                          "--bind",
                          "127.0.0.1",
                          "--dir",
                          dir,
                          "--save",
                          "",
                          "--appendonly",
                          "yes",
                          "--appendfsync",
                          sync,
                          "--auto-aof-rewrite-percentage",
                          "0",
                          "--repl-diskless-sync-delay",
                          "0",
                          i ? "--replicaof" : NULL,
                          "127.0.0.1",
                          master,
                          NULL};
    return nest_start(&a->nest, i, node_names[i], args);
}

/* The master answers when its replicas have received all; they may still be loading it. */
static bool replicas_follow(struct client *c, struct arm *a, unsigned i)
{
    if (!pongs(c, a, i) || i > 0)
        return c->fd >= 0;
    return client_ask(c, (const char *const[]){"WAIT", "2", "100", NULL}) == 0 &&
           c->reply.v[0].integer == ARM_NODES - 1;
}

static const struct contestant contestants[ARMS] = {
    [ARM_FLOOR] = {"floor", "the floor: no store", "floor", ARM_NODES, start_floor, pongs},
    [ARM_INTERVAL] = {"interval", "covey, interval", "covey", ARM_NODES, start_covey, is_healthy},
    [ARM_FSYNC] = {"fsync", "covey, fsync", "covey", ARM_NODES, start_covey, is_healthy},
    [ARM_REDIS] = {"redis", "redis alone, AOF everysec", "redis-server", 1, start_redis, pongs},
    [ARM_REDIS_WAIT] = {"redis-wait", "redis + 2, AOF always, WAIT 1", "redis-server", ARM_NODES,
                        start_redis, replicas_follow},
};

const char *arm_name(enum arm_kind kind)
{
    return contestants[kind].name;
}

const char *arm_title(enum arm_kind kind)
{
    return contestants[kind].title;
}

/* ---- Programs ---- */

static bool in_path(const char *program, char path[PATH_MAX])
{
    const char *dirs = getenv("PATH");
    while (dirs && *dirs) {
        int n = (int)strcspn(dirs, ":");
        if (snprintf(path, PATH_MAX, "%.*s/%s", n, dirs, program) < PATH_MAX &&
            access(path, X_OK) == 0)
            return true;
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

/* The floor stands beside our own program, build/bench/run; covey stands one directory above. COVEY
 * names another covey, as in the tests. */
static bool in_build(enum arm_kind kind, char path[PATH_MAX])
{
    char self[PATH_MAX] = {0};
    const char *covey = getenv("COVEY");
    if (kind != ARM_FLOOR && covey)
        return snprintf(path, PATH_MAX, "%s", covey) < PATH_MAX && access(path, X_OK) == 0;
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0)
        return false;
    *strrchr(self, '/') = '\0';
    const char *between = kind == ARM_FLOOR ? "" : "/..";
    return snprintf(path, PATH_MAX, "%s%s/%s", self, between, contestants[kind].program) <
               PATH_MAX &&
           access(path, X_OK) == 0;
}

bool arm_program(enum arm_kind kind, char path[PATH_MAX], char *why)
{
    const char *program = contestants[kind].program;
    if (is_redis(kind) ? in_path(program, path) : in_build(kind, path))
        return true;
    snprintf(why, LOAD_WHY, is_redis(kind) ? "%s is not installed" : "%s is not built: run ninja",
             program);
    return false;
}

/* ---- Start and stop ---- */

static bool wait_ready(struct arm *a, const volatile sig_atomic_t *stop, char *why)
{
    const struct contestant *k = &contestants[a->kind];
    uint64_t until_ms = clock_ms() + ARM_READY_MS;
    bool ready = true;
    struct client c;
    client_init(&c);
    for (unsigned i = 0; i < k->process_n && ready; i++) {
        while (!k->is_ready(&c, a, i) && ready) {
            ready = !*stop && nest_running(&a->nest, i) && clock_ms() < until_ms;
            nanosleep(&(struct timespec){.tv_nsec = ASK_NS}, NULL);
        }
        client_close(&c);
    }
    if (!ready)
        snprintf(why, LOAD_WHY, "%s: %s", k->title, *stop ? "stopped" : "did not get ready");
    for (unsigned i = 0; i < k->process_n && !ready && !*stop; i++)
        nest_print_log(&a->nest, node_names[i], ARM_LOG_LINES, stderr);
    return ready;
}

bool arm_start(struct arm *a, enum arm_kind kind, const volatile sig_atomic_t *stop, char *why)
{
    const struct contestant *k = &contestants[kind];
    char path[PATH_MAX];
    if (!arm_program(kind, path, why))
        return false;
    *a = (struct arm){.kind = kind, .base = nest_free_ports(PORT_FROM, PORT_TO, ARM_NODES)};
    int error = a->base ? nest_open(&a->nest, is_redis(kind) ? "/usr/bin/env" : path, "covey-bench")
                        : EADDRINUSE;
    if (error) {
        snprintf(why, LOAD_WHY, "%s: no ports, or no directory: %s", k->title, strerror(error));
        return false;
    }
    a->running = true;
    bool good = true;
    for (unsigned i = 0; i < k->process_n && good; i++)
        good = k->start(a, i) == 0;
    if (!good)
        snprintf(why, LOAD_WHY, "%s: cannot start %.160s", k->title, path);
    if (good && wait_ready(a, stop, why))
        return true;
    arm_stop(a);
    return false;
}

void arm_stop(struct arm *a)
{
    if (a->running)
        nest_close(&a->nest);
    a->running = false;
}

int arm_restart(struct arm *a, unsigned i)
{
    return contestants[a->kind].start(a, i);
}

void arm_aim(const struct arm *a, struct load_options *o)
{
    o->port_n = is_redis(a->kind) ? 1 : ARM_NODES; /* of Redis: all requests go to the master */
    for (unsigned i = 0; i < o->port_n; i++)
        o->port[i] = arm_port(a, i);
    o->any_content = a->kind == ARM_FLOOR;
    o->wait = a->kind == ARM_REDIS_WAIT && o->op == LOAD_SET;
}

static uint64_t rss_kib(pid_t pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    while (kib == 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %lu kB", &kib) != 1)
            kib = 0;
    fclose(f);
    return kib;
}

uint64_t arm_rss_kib(const struct arm *a)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < a->nest.node_n; i++) {
        uint64_t kib = rss_kib(a->nest.node[i].pid);
        most = kib > most ? kib : most;
    }
    return most;
}
