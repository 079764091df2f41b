/* harness.c: see harness.h. */
#include "harness.h"

#include <fnmatch.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT_FROM = 10000,
    PORT_TO = 32000, /* ephemeral ports begin at 32768 */
    PORT_BLOCK = 100,
    PORT_STEP = 10,
    POLL_MS = 10,
    LOG_LINES = 12,
    DEPTH = 64,
};

/* ---- Setup ---- */

static const char *covey_path(void)
{
    const char *path = getenv("COVEY");
    return path != NULL ? path : "build/covey";
}

/* Holds a name as long as the process lives: two runs of the tests on one machine must not share
 * ports. */
static int lock_ports(unsigned base)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "covey-e2e-%u", base);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool take_ports(struct cluster *c)
{
    unsigned blocks = (PORT_TO - PORT_FROM) / PORT_BLOCK;
    for (unsigned k = 0; k < blocks; k++) {
        unsigned base = PORT_FROM + ((unsigned)getpid() + k) % blocks * PORT_BLOCK;
        c->port_lock = lock_ports(base);
        if (c->port_lock < 0)
            continue;
        c->base_port = nest_free_ports((uint16_t)base, (uint16_t)(base + PORT_BLOCK), E2E_NODES);
        if (c->base_port == base)
            return true;
        close(c->port_lock);
    }
    return false;
}

int e2e_setup(void **state)
{
    struct cluster *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -1;
    c->host = "127.0.0.1";
    for (unsigned i = 0; i < E2E_NODES; i++)
        client_init(&c->client[i]);
    int error = nest_open(&c->nest, covey_path(), "covey-e2e");
    if (error != 0) {
        fprintf(stderr, "cannot use %s ($COVEY names the program): %s\n", covey_path(),
                strerror(error));
        free(c);
        return -1;
    }
    *state = c;
    return take_ports(c) ? 0 : -1;
}

int e2e_teardown(void **state)
{
    struct cluster *c = *state;
    for (unsigned i = 0; i < E2E_NODES; i++)
        client_close(&c->client[i]);
    nest_close(&c->nest);
    close(c->port_lock);
    free(c);
    return 0;
}

_Noreturn void e2e_fail(struct cluster *c, const char *file, int line, const char *format, ...)
{
    va_list args;
    char text[1024];
    for (unsigned i = 0; i < c->nest.node_n; i++) {
        struct nest_node *n = &c->nest.node[i];
        bool running = nest_running(&c->nest, i);
        if (n->name[0] == '\0')
            continue;
        fprintf(stderr, "  %s: %s (status %d)\n", n->name, running ? "running" : "has ended",
                running ? 0 : n->status);
        nest_print_log(&c->nest, n->name, LOG_LINES, stderr);
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s\n", text);
    _fail(file, line);
    abort(); /* _fail does not return, but its declaration does not say so */
}

/* ---- Nodes ---- */

uint16_t e2e_port(const struct cluster *c, unsigned i)
{
    return (uint16_t)(c->base_port + PORT_STEP * i);
}

const char *e2e_host(const struct cluster *c, unsigned i)
{
    return c->node_host[i] != NULL ? c->node_host[i] : c->host;
}

const char *e2e_name(unsigned i)
{
    static const char *const names[E2E_NODES] = {"a", "b", "c", "d", "e"};
    return names[i];
}

static void start(struct cluster *c, unsigned i, va_list more)
{
    char port[8];
    const char *args[NEST_ARGS_MAX + 1] = {"start",     "--data", e2e_name(i), "--port",      port,
                                           "--profile", "local",  "--bind",    e2e_host(c, i)};
    unsigned n = 9;
    snprintf(port, sizeof port, "%u", e2e_port(c, i));
    bool named = false;
    const char *word;
    while (n < NEST_ARGS_MAX - 2 && (word = va_arg(more, const char *)) != NULL) {
        named = named || strcmp(word, "--name") == 0;
        args[n++] = word;
    }
    if (!named) {
        args[n++] = "--name";
        args[n++] = e2e_name(i);
    }
    client_close(&c->client[i]);
    e2e_check(c, nest_start(&c->nest, i, e2e_name(i), args) == 0);
}

void e2e_start(struct cluster *c, unsigned i, ...)
{
    va_list more;
    va_start(more, i);
    start(c, i, more);
    va_end(more);
}

void e2e_start_all(struct cluster *c, unsigned n)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%s:%u", strchr(c->host, ':') != NULL ? "[::1]" : c->host,
             e2e_port(c, 0));
    for (unsigned i = 0; i < n; i++) {
        if (i == 0)
            e2e_start(c, i, "--new", NULL);
        else
            e2e_start(c, i, "--seed", seed, NULL);
    }
    e2e_await_healthy(c, n);
}

void e2e_restart(struct cluster *c, unsigned i)
{
    e2e_start(c, i, NULL);
}

void e2e_kill(struct cluster *c, unsigned i)
{
    nest_signal(&c->nest, i, SIGKILL);
    client_close(&c->client[i]);
}

int e2e_wait_exit(struct cluster *c, unsigned i)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (nest_running(&c->nest, i))
        e2e_poll(c, __FILE__, __LINE__, until_ms, "the end of the node");
    int status = c->nest.node[i].status;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- Questions ---- */

static void reply_text(struct cluster *c, const struct resp_value *v)
{
    switch (v->type) {
    case RESP_INTEGER:
        snprintf(c->text, sizeof c->text, "%lld", (long long)v->integer);
        break;
    case RESP_NULL:
        snprintf(c->text, sizeof c->text, "(nil)");
        break;
    case RESP_SIMPLE:
    case RESP_ERROR:
    case RESP_BULK:
        snprintf(c->text, sizeof c->text, "%.*s", (int)v->text.n,
                 v->text.n > 0 ? (const char *)v->text.p : "");
        break;
    default:
        snprintf(c->text, sizeof c->text, "(%u elements)", v->count);
    }
}

static int ask(struct cluster *c, unsigned i, const struct slice *word, uint32_t n)
{
    struct client *client = &c->client[i];
    int error = client->fd >= 0 ? 0 : client_open(client, e2e_host(c, i), e2e_port(c, i));
    return error != 0 ? error : client_call(client, word, n);
}

const char *e2e_ask(struct cluster *c, unsigned i, ...)
{
    struct slice word[16];
    uint32_t n = 0;
    const char *text;
    va_list words;
    va_start(words, i);
    while (n < 16 && (text = va_arg(words, const char *)) != NULL)
        word[n++] = slice_str(text);
    va_end(words);
    if (ask(c, i, word, n) != 0)
        snprintf(c->text, sizeof c->text, "(no connection)");
    else
        reply_text(c, c->client[i].reply.v);
    return c->text;
}

bool e2e_matches(const char *pattern, const char *text)
{
    return fnmatch(pattern, text, 0) == 0;
}

void e2e_match(struct cluster *c, const char *file, int line, const char *pattern, const char *text)
{
    if (!e2e_matches(pattern, text))
        e2e_fail(c, file, line, "\"%.300s\" instead of \"%s\"", text, pattern);
}

int64_t e2e_status(struct cluster *c, unsigned i, const char *field)
{
    e2e_ask(c, i, "STATUS", NULL);
    if (c->client[i].fd < 0)
        return -1;
    uint32_t at = client_field(&c->client[i], 0, field);
    at = at ? at : client_row(&c->client[i], "cluster", field);
    at = at ? at : client_row(&c->client[i], "node", field);
    return at != 0 ? c->client[i].reply.v[at].integer : -1;
}

/* ---- Waits ---- */

uint64_t e2e_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void e2e_poll(struct cluster *c, const char *file, int line, uint64_t until_ms, const char *what)
{
    if (e2e_now_ms() > until_ms)
        e2e_fail(c, file, line, "waited %d ms in vain for: %s; the last answer: \"%.200s\"",
                 E2E_WAIT_MS, what, c->text);
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
}

void e2e_await_status(struct cluster *c, unsigned i, const char *field, int64_t want)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (e2e_status(c, i, field) != want)
        e2e_poll(c, __FILE__, __LINE__, until_ms, field);
}

void e2e_await_healthy(struct cluster *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        e2e_await_status(c, i, "members", n);
        e2e_await_status(c, i, "alive", n);
        /* fewer than three have fewer replicas than are wanted */
        e2e_await_status(c, i, "code", n >= 3 ? 0 : 1);
    }
}

static bool member_is(struct cluster *c, unsigned i, const char *name, const char *state)
{
    const struct client *client = &c->client[i];
    const struct resp_reply *r = &client->reply;
    e2e_ask(c, i, "MEMBERS", NULL);
    uint32_t member = 1;
    for (uint32_t k = 0; client->fd >= 0 && r->v[0].type == RESP_ARRAY && k < r->v[0].count; k++) {
        uint32_t n = client_field(client, member, "name"),
                 s = client_field(client, member, "state");
        if (n != 0 && s != 0 && slice_eq(r->v[n].text, slice_str(name)) &&
            slice_eq(r->v[s].text, slice_str(state)))
            return true;
        member = resp_after(r, member);
    }
    return false;
}

void e2e_await_member(struct cluster *c, unsigned i, const char *name, const char *state)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    while (!member_is(c, i, name, state))
        e2e_poll(c, __FILE__, __LINE__, until_ms, state);
}

void e2e_await_log(struct cluster *c, unsigned i, const char *pattern)
{
    char path[PATH_MAX];
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    for (;;) {
        FILE *f = fopen(nest_log(&c->nest, e2e_name(i), path), "r");
        size_t n = f != NULL ? fread(c->text, 1, sizeof c->text - 1, f) : 0;
        if (f != NULL)
            fclose(f);
        c->text[n] = '\0';
        char any[512];
        snprintf(any, sizeof any, "*%s*", pattern);
        if (e2e_matches(any, c->text))
            return;
        snprintf(c->text, sizeof c->text, "(its log, below)");
        e2e_poll(c, __FILE__, __LINE__, until_ms, pattern);
    }
}

/* ---- Load ---- */

static bool value_is(const struct resp_value *v, unsigned j, unsigned generation)
{
    char value[64];
    int n = snprintf(value, sizeof value, "value %u %u", generation, j);
    return v->type == RESP_BULK && slice_eq(v->text, slice_of(value, (size_t)n));
}

static int send_one(struct client *client, unsigned j, unsigned generation, bool write)
{
    char key[32], value[64];
    int k = snprintf(key, sizeof key, "key:%u", j),
        n = snprintf(value, sizeof value, "value %u %u", generation, j);
    struct slice word[3] = {write ? SLICE("SET") : SLICE("GET"), slice_of(key, (size_t)k),
                            slice_of(value, (size_t)n)};
    return client_send(client, word, write ? 3 : 2);
}

/* Both ways of the load; whatever is not the wanted reply counts, and a connection that ends makes
 * all that is left count. */
static unsigned load(struct cluster *c, unsigned i, unsigned from, unsigned to, unsigned generation,
                     bool write)
{
    struct client *client = &c->client[i];
    unsigned bad = 0, sent = from;
    if (client->fd < 0 && client_open(client, e2e_host(c, i), e2e_port(c, i)) != 0)
        return to - from;
    for (unsigned done = from; done < to; done++) {
        while (sent < to && sent - done < DEPTH && send_one(client, sent, generation, write) == 0)
            sent++;
        if (client_write(client) != 0 || client_receive(client, CLIENT_TIMEOUT_MS) != 0) {
            snprintf(c->text, sizeof c->text, "%s", client->why);
            client_close(client);
            return bad + to - done;
        }
        const struct resp_value *v = client->reply.v;
        bool ok = write ? v->type == RESP_SIMPLE : value_is(v, done, generation);
        bad += !ok;
        if (!ok)
            reply_text(c, v);
    }
    return bad;
}

unsigned e2e_fill(struct cluster *c, unsigned i, unsigned from, unsigned to, unsigned generation)
{
    return load(c, i, from, to, generation, true);
}

unsigned e2e_missing(struct cluster *c, unsigned i, unsigned from, unsigned to, unsigned generation)
{
    return load(c, i, from, to, generation, false);
}

/* ---- Programs ---- */

int e2e_shell(struct cluster *c, const char *format, ...)
{
    char command[4096];
    int n = snprintf(command, sizeof command,
                     "cd '%.1000s' && COVEY='%.1000s' && exec 2>&1 </dev/null; ", c->nest.dir,
                     c->nest.program);
    va_list args;
    va_start(args, format);
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    va_end(args);
    FILE *f = popen(command, "r");
    e2e_check(c, f != NULL);
    size_t got = fread(c->text, 1, sizeof c->text - 1, f);
    c->text[got] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
