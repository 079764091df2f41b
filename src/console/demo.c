/* demo.c: what covey is for, shown: three equal nodes, all data through any of them, one killed
 * under load, nothing lost.
 *
 * The story: start the nodes; write the data set through the first; read and compare it through the
 * second; rewrite all of it through the second, and kill the first (SIGKILL) when a third is done;
 * read and compare through the last; restart the first, wait until all is healthy, read and compare
 * through it. No survivor may answer with an error or with another value. With two nodes a write
 * needs both, so there the demo shows that a write is refused while one is dead. With one node it
 * shows the restart alone.
 *
 * The demo writes and kills, so it must never meet another cluster. It looks for free ports before
 * it starts anything. Each connection first asks for the node's data directory, whose name the demo
 * alone knows. And the other nodes are started when the first one, their seed, is known to be the
 * demo's own. */
#include "console/demo.h"

#include "base/words.h"
#include "console/clock.h"
#include "console/console.h"
#include "console/demo_load.h"
#include "console/nest.h"
#include "console/screen.h"
#include "console/shell.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    DEMO_NODES = 3,
    DEMO_NODES_MAX = 9,
    PORT_STEP = 10,
    PORT_MAX = 32000,   /* ephemeral ports begin at 32768 */
    HEALTHY_MS = 30000, /* how long nodes may take to find each other, or a restarted one again */
    POLL_MS = 20,
    LOG_LINES = 8, /* of the log of a node that failed */
};

struct demo {
    struct nest nest;
    struct screen screen;
    struct records records;
    struct client client; /* of the present step */
    unsigned node_n;
    uint16_t base_port;  /* 0: to be found */
    unsigned generation; /* of the values that were written last */
    unsigned failed;     /* checks that did not hold */
    int victim;          /* the node to kill in the present pass, or -1 */
    char why[128];       /* why a wait failed */
    int killed;          /* the node that the demo has killed and not started again, or -1 */
};

static volatile sig_atomic_t stop; /* the signal that ends the demo; 0: none */

static void on_signal(int number)
{
    stop = number;
}

static uint16_t port_of(const struct demo *d, unsigned i)
{
    return (uint16_t)(d->base_port + PORT_STEP * i);
}

static const char *name_of(unsigned i)
{
    static const char *const names[DEMO_NODES_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    return names[i];
}

/* Reports a check that did not hold, with the end of the node's log. */
static void fail(struct demo *d, unsigned node, const char *why)
{
    d->failed++;
    screen_note(&d->screen, "%s", why);
    nest_print_log(&d->nest, name_of(node), LOG_LINES, stdout);
}

/* ---- Nodes ---- */

/* The data directory of node i, which no other node has. out has PATH_MAX bytes. */
static const char *data_of(const struct demo *d, unsigned i, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.4000s/%s", d->nest.dir, name_of(i));
    return out;
}

/* first: the node's first start, on an empty directory. */
static int start_node(struct demo *d, unsigned i, bool first)
{
    char port[8], seed[32], data[PATH_MAX];
    snprintf(port, sizeof port, "%u", port_of(d, i));
    snprintf(seed, sizeof seed, "127.0.0.1:%u", port_of(d, 0));
    const char *args[] = {"start",  "--name", name_of(i),  "--data", data_of(d, i, data),
                          "--port", port,     "--profile", "local",  NULL,
                          NULL,     NULL};
    if (first) {
        args[9] = i > 0 ? "--seed" : "--new";
        args[10] = i > 0 ? seed : NULL;
    }
    d->killed = d->killed == (int)i ? -1 : d->killed;
    return nest_start(&d->nest, i, name_of(i), args);
}

static void kill_node(struct demo *d, unsigned i)
{
    d->killed = (int)i;
    nest_signal(&d->nest, i, SIGKILL);
}

/* Whether d->client is connected to node i of this demo. */
static bool is_own(struct demo *d, unsigned i)
{
    char data[PATH_MAX];
    if (client_ask(&d->client, (const char *const[]){"CONFIG", "GET", "dir", NULL}) != 0)
        return false;
    uint32_t dir = client_field(&d->client, 0, "dir");
    if (dir != 0 && slice_eq(d->client.reply.v[dir].text, slice_str(data_of(d, i, data))))
        return true;
    client_close(&d->client);
    snprintf(d->client.why, sizeof d->client.why,
             "127.0.0.1 port %u is not node %s of this demo: somebody else's node is there",
             port_of(d, i), name_of(i));
    return false;
}

/* Connects d->client to node i, and to no other node. False: the sentence is in d->client.why. */
static bool open_node(struct demo *d, unsigned i)
{
    return client_open(&d->client, "127.0.0.1", port_of(d, i)) == 0 && is_own(d, i);
}

/* A field of "cluster" in the reply of STATUS; -1 when there is none. */
static int64_t number_of(const struct client *c, const char *field)
{
    uint32_t i = client_row(c, "cluster", field);
    return i != 0 ? c->reply.v[i].integer : -1;
}

/* Asks node i for its STATUS. False: it does not answer. */
static bool ask_status(struct demo *d, unsigned i)
{
    return (d->client.fd >= 0 || open_node(d, i)) &&
           client_ask(&d->client, (const char *const[]){"STATUS", NULL}) == 0;
}

/* Whether node i reports all members alive, and the best verdict that so many members can have. */
static bool is_healthy(struct demo *d, unsigned i)
{
    if (!ask_status(d, i))
        return false;
    bool all = number_of(&d->client, "members") == d->node_n &&
               number_of(&d->client, "alive") == d->node_n;
    return all && (d->node_n < DEMO_NODES || client_number(&d->client, "code") == 0);
}

/* Whether node i reports that a member is not alive. */
static bool misses_one(struct demo *d, unsigned i)
{
    return ask_status(d, i) && number_of(&d->client, "alive") < d->node_n;
}

/* A node that has ended and was not killed by us; node_n: none. */
static unsigned ended_node(struct demo *d)
{
    unsigned i = 0;
    while (i < d->node_n &&
           (d->killed == (int)i || d->nest.node[i].name[0] == '\0' || nest_running(&d->nest, i)))
        i++;
    return i;
}

/* Whether to go on: nobody has stopped the demo, and no node has ended by itself. */
static bool goes_on(struct demo *d)
{
    return !stop && ended_node(d) == d->node_n;
}

/* Waits until `asked` is true of node i, or a node has ended. False: the reason is in d->why. */
static bool wait_node(struct demo *d, unsigned i, bool (*asked)(struct demo *, unsigned),
                      const char *wanted)
{
    uint64_t until_ms = clock_ms() + HEALTHY_MS;
    bool yes = false;
    client_close(&d->client);
    while (goes_on(d) && !yes && clock_ms() < until_ms) {
        yes = asked(d, i);
        if (!yes)
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
    unsigned ended = ended_node(d);
    client_close(&d->client);
    if (ended < d->node_n)
        snprintf(d->why, sizeof d->why, "%s has ended", name_of(ended));
    else if (!yes)
        snprintf(d->why, sizeof d->why, "%s does not %s", name_of(i), wanted);
    return ended == d->node_n && yes;
}

/* Waits until every node reports a healthy cluster. */
static bool wait_healthy(struct demo *d)
{
    bool healthy = true;
    for (unsigned i = 0; i < d->node_n && healthy; i++)
        healthy = wait_node(d, i, is_healthy, "see all members healthy");
    return healthy;
}

/* ---- What the cluster reports ---- */

/* The index of the member of that name in the reply of MEMBERS; 0: none. */
static uint32_t find_member(const struct client *c, const char *name)
{
    const struct resp_reply *r = &c->reply;
    uint32_t member = 1;
    for (uint32_t k = 0; r->v[0].type == RESP_ARRAY && k < r->v[0].count; k++) {
        if (slice_eq(r->v[client_field(c, member, "name")].text, slice_str(name)))
            return member;
        member = resp_after(r, member);
    }
    return 0;
}

static void show_member(const struct demo *d, const char *name, uint32_t member, uint32_t vnodes)
{
    const struct client *c = &d->client;
    const struct resp_value *v = c->reply.v;
    struct slice state = v[client_field(c, member, "state")].text;
    uint32_t places = (uint32_t)v[client_field(c, member, "places")].integer;
    char words[64], state_text[16];
    snprintf(state_text, sizeof state_text, "%.*s", (int)state.n, (const char *)state.p);
    snprintf(words, sizeof words, "%4u vnodes, first of %3lld", places,
             (long long)v[client_field(c, member, "firsts")].integer);
    screen_share(&d->screen, name, state_text, places, vnodes, words);
}

/* Shows the verdict and each member's places in the ring, as node i sees them. */
static void show_ring(struct demo *d, unsigned i)
{
    if (!ask_status(d, i)) {
        fail(d, i, d->client.why);
        return;
    }
    struct slice verdict = d->client.reply.v[client_field(&d->client, 0, "verdict")].text;
    screen_note(&d->screen, "%.*s", (int)verdict.n, (const char *)verdict.p);
    uint32_t vnodes = (uint32_t)number_of(&d->client, "vnodes");
    bool answered = client_ask(&d->client, (const char *const[]){"MEMBERS", NULL}) == 0;
    for (unsigned k = 0; answered && k < d->node_n; k++) {
        uint32_t member = find_member(&d->client, name_of(k));
        if (member != 0)
            show_member(d, name_of(k), member, vnodes);
    }
    client_close(&d->client);
}

/* ---- Steps ---- */

static bool step_start(struct demo *d)
{
    char label[32];
    snprintf(label, sizeof label, "start %u node%s", d->node_n, words_s(d->node_n));
    screen_step(&d->screen, label);
    bool healthy = true;
    for (unsigned i = 0; i < d->node_n && healthy; i++) {
        healthy = start_node(d, i, true) == 0;
        if (!healthy)
            snprintf(d->why, sizeof d->why, "cannot start a process");
        else if (i == 0)
            healthy = wait_node(d, 0, open_node, "answer");
    }
    healthy = healthy && wait_healthy(d);
    screen_done(&d->screen, healthy ? "they found each other" : d->why, healthy);
    if (healthy) {
        show_ring(d, 0);
        return true;
    }
    for (unsigned i = 0; i < d->node_n && !stop; i++)
        nest_print_log(&d->nest, name_of(i), LOG_LINES, stdout);
    d->failed++;
    return false;
}

/* Draws the bar while a pass runs, and kills the victim when a third is done. */
static bool on_progress(void *arg, uint32_t done)
{
    struct demo *d = arg;
    screen_progress(&d->screen, done, d->records.n);
    if (d->victim >= 0 && done >= d->records.n / 3) {
        kill_node(d, (unsigned)d->victim);
        d->victim = -1;
    }
    return goes_on(d);
}

/* Runs one pass over all records through node i. Every reply is a check. */
static bool step_load(struct demo *d, unsigned i, bool write, const char *label)
{
    struct load l = {
        .write = write, .generation = d->generation, .progress = on_progress, .arg = d};
    char why[400];
    screen_step(&d->screen, label);
    if (!open_node(d, i)) {
        screen_done(&d->screen, "no connection", false);
        fail(d, i, d->client.why);
        return false;
    }
    load_run(&l, &d->client, &d->records);
    client_close(&d->client);
    unsigned ended = ended_node(d);
    bool ok = l.ok == d->records.n && ended == d->node_n;
    screen_counted(&d->screen, l.ok, d->records.n, l.us, ok);
    if (ok || stop)
        return ok;
    if (ended < d->node_n) {
        snprintf(why, sizeof why, "%s has ended", name_of(ended));
        fail(d, ended, why);
        return false;
    }
    snprintf(why, sizeof why, "%u ok, %u wrong or missing, %u error%s; the first: %s", l.ok,
             l.wrong, l.errors, words_s(l.errors), l.first_error[0] ? l.first_error : "none");
    fail(d, i, why);
    return false;
}

/* Rewrites all records through a survivor while the first node dies. */
static void step_kill_writing(struct demo *d)
{
    d->victim = 0;
    d->generation++;
    if (step_load(d, 1, true, "rewrite via b, a killed"))
        screen_note(&d->screen, "a got SIGKILL when a third was done; b answered every write");
}

/* With two members W is both of them, so a write must be refused at once. */
static void step_refused_write(struct demo *d)
{
    screen_step(&d->screen, "kill a, write via b");
    kill_node(d, 0);
    bool refused = false;
    if (open_node(d, 1) &&
        client_ask(&d->client, (const char *const[]){"SET", "demo", "refused", NULL}) == 0)
        refused = d->client.reply.v[0].type == RESP_ERROR;
    client_close(&d->client);
    screen_done(&d->screen, refused ? "refused, as it must be with two" : "not refused", refused);
    d->failed += !refused;
}

/* The survivors serve at once; their failure detector takes a moment to notice the death. Then the
 * verdict is worth showing. */
static void step_noticed(struct demo *d, unsigned i)
{
    screen_step(&d->screen, "wait for the verdict");
    bool noticed = wait_node(d, i, misses_one, "miss a");
    screen_done(&d->screen, noticed ? "a is missed" : "nobody misses a", noticed);
    if (noticed)
        show_ring(d, i);
    else
        fail(d, i, "a is dead, and not missed");
}

static void step_restart(struct demo *d)
{
    screen_step(&d->screen, "restart a");
    kill_node(d, 0); /* it is dead already, unless it is the only one */
    bool healthy = start_node(d, 0, false) == 0 && wait_healthy(d);
    screen_done(&d->screen, healthy ? "it is back" : d->why, healthy);
    if (healthy)
        show_ring(d, 0);
    else
        fail(d, 0, "the cluster did not become healthy again");
}

static void run_story(struct demo *d)
{
    unsigned last = d->node_n - 1, second = d->node_n > 1 ? 1 : 0;
    char label[32];
    if (!step_start(d))
        return;
    step_load(d, 0, true, "write all via a");
    snprintf(label, sizeof label, "read all via %s", name_of(second));
    if (goes_on(d))
        step_load(d, second, false, label);
    if (goes_on(d) && d->node_n == 2)
        step_refused_write(d);
    if (goes_on(d) && d->node_n > 2)
        step_kill_writing(d);
    snprintf(label, sizeof label, "read all via %s, a dead", name_of(last));
    if (goes_on(d) && d->node_n > 1) {
        step_load(d, last, false, label);
        step_noticed(d, last);
    }
    if (goes_on(d))
        step_restart(d);
    if (goes_on(d) && d->failed == 0)
        step_load(d, 0, false, "read all via a");
}

/* ---- The command ---- */

static void print_usage(void)
{
    const struct words_page page = {.left = 22, .width = screen_columns()};
    char nodes[64];
    struct buf text;
    buf_init(&text, 4096);
    snprintf(nodes, sizeof nodes, "how many, 1 to %d (%d)", DEMO_NODES_MAX, DEMO_NODES);
    words_paragraph(&text, "covey demo [--nodes N] [--base-port P]", 0, &page);
    buf_printf(&text, "\n");
    words_paragraph(&text,
                    "Starts nodes on this machine, loads the Unicode character table, reads it "
                    "back through another node, kills one and brings it back, checks every reply, "
                    "and ends in a console. It leaves no process and no file behind.",
                    0, &page);
    buf_printf(&text, "\n");
    words_row(&text, "--nodes N", nodes, &page);
    words_row(&text, "-p, --base-port P",
              "node i listens at P + 10 i and the port after that (free ones are found)", &page);
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
}

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr,
            "covey demo: %s \"%s\"; flags are --nodes N (1 to %d) and --base-port P (1 to %d)\n",
            what, value, DEMO_NODES_MAX, PORT_MAX - PORT_STEP * DEMO_NODES_MAX);
    return EXIT_USAGE;
}

static int parse_number(const char *text, long max, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return end != text && *end == '\0' && *out >= 1 && *out <= max
               ? 0
               : usage_error("out of range:", text);
}

static int parse_flags(struct demo *d, int argc, char **argv)
{
    long n = DEMO_NODES, port = 0;
    for (int i = 1; i < argc; i++) {
        bool nodes = strcmp(argv[i], "--nodes") == 0;
        bool base = strcmp(argv[i], "--base-port") == 0 || strcmp(argv[i], "--port") == 0 ||
                    strcmp(argv[i], "-p") == 0;
        if (!nodes && !base)
            return usage_error("unknown flag", argv[i]);
        if (++i == argc)
            return usage_error("a value is missing after", argv[i - 1]);
        if (nodes ? parse_number(argv[i], DEMO_NODES_MAX, &n)
                  : parse_number(argv[i], PORT_MAX - PORT_STEP * DEMO_NODES_MAX, &port))
            return EXIT_USAGE;
    }
    d->node_n = (unsigned)n;
    d->base_port = (uint16_t)port;
    return 0;
}

static int prepare(struct demo *d)
{
    int error = records_open(&d->records, DEMO_DATA);
    if (error != 0) {
        fprintf(stderr, "covey demo: %s: %s; it comes with the package %s (apt-get install %s)\n",
                DEMO_DATA, strerror(error), DEMO_DATA_PACKAGE, DEMO_DATA_PACKAGE);
        return 1;
    }
    uint16_t taken = d->base_port != 0 ? nest_port_taken(d->base_port, d->node_n) : 0;
    if (taken != 0) {
        fprintf(stderr,
                "covey demo: port %u is taken on 127.0.0.1; the demo needs P and P+1 of each node, "
                "ten ports apart: name others with --base-port, or none, and it finds some\n",
                taken);
        goto out_close_records;
    }
    if (d->base_port == 0)
        d->base_port = nest_free_ports(CLIENT_PORT_DEFAULT, PORT_MAX, d->node_n);
    if (d->base_port == 0) {
        fprintf(
            stderr,
            "covey demo: no free ports between %d and %d on 127.0.0.1; --base-port names some\n",
            CLIENT_PORT_DEFAULT, PORT_MAX);
        goto out_close_records;
    }
    error = nest_open(&d->nest, "/proc/self/exe", "covey-demo");
    if (error == 0)
        return 0;
    fprintf(stderr, "covey demo: cannot make a directory in $TMPDIR or /tmp: %s\n",
            strerror(error));
out_close_records:
    records_close(&d->records);
    return 1;
}

static void say_hello(const struct demo *d)
{
    printf("covey demo: %u equal node%s on 127.0.0.1, port%s", d->node_n, words_s(d->node_n),
           words_s(d->node_n));
    for (unsigned i = 0; i < d->node_n; i++)
        printf(" %u", port_of(d, i));
    char count[SCREEN_COUNT];
    printf("\n%s records of %s; %s\n\n", screen_count(d->records.n, count), DEMO_DATA, d->nest.dir);
}

/* At a terminal the nodes run until the operator leaves the console. */
static void hand_over(const struct demo *d)
{
    printf("\nThe nodes run until you leave (Ctrl-D). Try: get U+1F985, members, where U+1F985,\n");
    if (d->node_n > 1)
        printf("connect %u; or, from another terminal: kill -9 %d\n", port_of(d, 1),
               (int)d->nest.node[d->node_n - 1].pid);
    shell_interactive(
        &(struct shell_options){.host = "127.0.0.1", .port = port_of(d, 0), .stop = &stop});
}

int demo_main(int argc, char **argv)
{
    static struct demo d; /* too large for the stack */
    setlocale(LC_CTYPE, "");
    d.victim = d.killed = -1;
    client_init(&d.client);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_usage(), 0;
    int error = parse_flags(&d, argc, argv);
    error = error ? error : prepare(&d);
    if (error)
        return error;
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    for (unsigned i = 0; i < sizeof ending / sizeof ending[0]; i++)
        sigaction(ending[i], &(struct sigaction){.sa_handler = on_signal}, NULL);
    screen_open(&d.screen);
    say_hello(&d);
    run_story(&d);
    if (!stop)
        printf("\n%s\n", d.failed == 0 ? "Every check held." : "A CHECK FAILED.");
    if (!stop && d.failed == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        hand_over(&d);
    client_close(&d.client);
    nest_close(&d.nest);
    records_close(&d.records);
    if (stop)
        printf("\nstopped; nodes and files are gone\n");
    return stop ? 128 + (int)stop : d.failed > 0;
}
