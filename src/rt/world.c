/* world.c: how a world is opened and closed. See world.h; the turn is in turn.c.
 *
 * The ports are taken before the disk is touched: a start that fails for a port leaves no directory
 * behind. */
#include "rt/loss.h"
#include "rt/power.h"
#include "rt/world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/words.h"
#include "glue/glue.h"

/* how long compaction leaves a segment alone: a busy node writes four of them in that time */
enum { PATIENCE_MS = 10000 };

struct opening {
    struct world *w;
    char *why;
    size_t why_n;
};

#define REFUSE(o, ...) (snprintf((o)->why, (o)->why_n, __VA_ARGS__), ERR_REFUSED)

/* ---- The loop and its ports ---- */

static void on_check(uv_check_t *c)
{
    world_turn(c->data);
}

static void on_wake(uv_async_t *a)
{
    world_clock(a->data); /* the turn at the end of this iteration does the rest */
}

/* Called on a helper thread of the store. */
static void store_wakes(void *arg)
{
    struct world *w = arg;
    uv_async_send(&w->wake);
}

static int open_loop(const struct opening *o)
{
    struct world *w = o->w;
    int error = uv_loop_init(&w->loop);
    w->loop_open = !error;
    error = error ? error : uv_check_init(&w->loop, &w->check);
    error = error ? error : uv_timer_init(&w->loop, &w->timer);
    error = error ? error : uv_async_init(&w->loop, &w->wake, on_wake);
    if (error)
        return REFUSE(
            o,
            "the event loop cannot be opened: %s; is the limit on open files (ulimit -n) very low?",
            uv_strerror(error));
    w->check.data = w->timer.data = w->wake.data = w;
    w->gossip.world = w->peers.world = w->clients.world = w;
    w->armed_ms = UINT64_MAX;
    world_clock(w);
    uv_check_start(&w->check, on_check);
    return 0;
}

int world_listen(struct world *w, uv_tcp_t *listener, struct addr at,
                 uv_connection_cb on_connection)
{
    enum { BACKLOG = 511 }; /* as Redis */
    struct sockaddr_storage sa;
    endpoint_sockaddr(at, 0, &sa);
    int error = uv_tcp_init(&w->loop, listener);
    if (!error)
        error = uv_tcp_bind(listener, (const struct sockaddr *)&sa,
                            at.family == 6 ? UV_TCP_IPV6ONLY : 0);
    return error ? error : uv_listen((uv_stream_t *)listener, BACKLOG, on_connection);
}

static int port_failed(const struct opening *o, struct addr base, unsigned offset, const char *what,
                       int error)
{
    char text[ADDR_TEXT];
    struct addr a = base;
    a.port = (uint16_t)(base.port + offset);
    addr_text(a, text);
    if (error == UV_EADDRINUSE)
        return REFUSE(o,
                      "port %u is in use by another process: %s cannot listen on %s; choose a base "
                      "port P with --port so that P and P+1 are free",
                      a.port, what, text);
    if (error == UV_EACCES)
        return REFUSE(o,
                      "port %u is not for ordinary users: %s cannot listen on %s; choose one of "
                      "1024 or above with --port",
                      a.port, what, text);
    if (error == UV_EADDRNOTAVAIL || error == UV_EAFNOSUPPORT)
        return REFUSE(o,
                      "%s is not an address of this machine: %s cannot listen on it; give one that "
                      "is with --bind",
                      text, what);
    return REFUSE(o, "%s cannot listen on %s: %s", what, text, uv_strerror(error));
}

static int open_ports(const struct opening *o)
{
    struct world *w = o->w;
    const struct settings *s = &w->settings;
    int error = clients_listen(&w->clients, s->client_bind);
    if (error)
        return port_failed(o, s->client_bind, 0, "clients", error);
    error = peers_listen(&w->peers, s->bind);
    if (error)
        return port_failed(o, s->bind, PEER_PORT_OFFSET, "peers (TCP)", error);
    error = gossip_open(&w->gossip, s->bind);
    return error ? port_failed(o, s->bind, PEER_PORT_OFFSET, "peers (UDP)", error) : 0;
}

/* ---- The store ---- */

static void store_reports(void *arg, const char *sentence)
{
    world_log(arg, TRACE_WARN, "store.noted", "", sentence);
}

static int look_at_power(const struct opening *o)
{
    struct world *w = o->w;
    char boot_id[BOOT_ID_MAX];
    int error = power_on(w->store, w->settings.durability,
                         slice_of(boot_id, power_boot_id(boot_id)), &w->power_lost);
    if (error)
        snprintf(o->why, o->why_n, "cannot write to \"%.200s\": %s", w->settings.data_dir,
                 error_sentence(error));
    if (w->power_lost)
        world_log(w, TRACE_WARN, "store.noted", "",
                  "the machine went down while the log was ahead of its syncs (--durability "
                  "interval): up to a second of acknowledged writes may be missing, and is fetched "
                  "from the other owners");
    return error;
}

static int open_store(const struct opening *o)
{
    struct world *w = o->w;
    struct log_options lo = {
        .dir = w->settings.data_dir,
        .durability = w->settings.durability,
        .patience_ms = PATIENCE_MS,
        .wake = store_wakes,
        .wake_arg = w,
        .report = store_reports,
        .report_arg = w,
    };
    struct hints_log_options ho = {
        .dir = w->settings.data_dir,
        .wake = store_wakes,
        .wake_arg = w,
        .report = store_reports,
        .report_arg = w,
    };
    int error = birth_allowed(&w->settings, o->why, o->why_n);
    error = error ? error : log_open(&lo, &w->store, o->why, o->why_n);
    if (error)
        w->store = NULL;
    else if ((error = hints_log_open(&ho, &w->hints, o->why, o->why_n)))
        w->hints = NULL;
    error = error ? error : loss_look(w->store, w->settings.data_dir, o->why, o->why_n);
    error = error ? error : birth_of(&w->birth, &w->settings, w->store, o->why, o->why_n);
    if (!error)
        /* the directory may have another name than the settings */
        w->logger.node = slice_of(w->birth.name, w->birth.name_n);
    return error ? error : look_at_power(o);
}

/* ---- The node ---- */

/* Copies one of the node's states from the store, which lends it only until its next call. */
static int load_state(struct world *w, struct slice name, struct buf *keep,
                      struct node_saved *saved)
{
    struct slice value;
    buf_init(keep, MESSAGE_MAX);
    if (!store_state(w->store, name, &value, &saved->serial))
        return 0;
    int error = buf_slice(keep, value);
    saved->bytes = buf_view(keep);
    return error;
}

enum { STATES = 9 };

static int load_states(struct world *w, struct buf keep[STATES], struct node_options *n)
{
    const struct slice names[STATES] = {SLICE("cluster"), SLICE("incarnation"), SLICE("chain"),
                                        SLICE("layout"),  SLICE("members"),     SLICE("clock"),
                                        SLICE("healed"),  SLICE("boots"),       SLICE("ends")};
    struct node_saved *const saved[STATES] = {&n->cluster_saved, &n->incarnation, &n->chain,
                                              &n->layout,        &n->members,     &n->clock,
                                              &n->healed,        &n->boots,       &n->ends};
    int error = 0;
    for (unsigned i = 0; i < STATES; i++) {
        int e = load_state(w, names[i], &keep[i], saved[i]);
        error = error ? error : e;
    }
    return error;
}

static struct node_options node_wants(const struct world *w)
{
    struct node_options n = {
        .id = w->birth.id,
        .found = w->birth.found,
        .cluster = w->birth.cluster,
        .generation_id = w->birth.generation_id,
        .secret = w->birth.secret,
        .name = slice_of(w->birth.name, w->birth.name_n),
        .zone = slice_str(w->settings.zone),
        .weight = w->settings.weight,
        .addr = w->settings.advertise,
        .seed_n = w->settings.seed_n,
        .profile = w->settings.profile,
        .n_wanted = w->settings.replicas,
        .ops_max = w->settings.ops_max,
        .hint_age_ms = w->settings.hint_age_ms,
        .erase_age_ms = w->settings.erase_age_ms,
        .records = store_records(w->store),
        .position = store_position(w->store),
    };
    randombytes_buf(&n.boot, sizeof n.boot);
    randombytes_buf(&n.seed, sizeof n.seed);
    return n;
}

static int open_node(const struct opening *o)
{
    struct world *w = o->w;
    struct buf keep[STATES];
    struct node_options n = node_wants(w);
    int error = load_states(w, keep, &n);
    error = error ? error : node_init(&w->node, &n, w->now_ms);
    for (unsigned i = 0; i < STATES; i++)
        buf_close(&keep[i]);
    if (error)
        return REFUSE(
            o,
            "the node's state in \"%.200s\" cannot be used: %s; was it written by another release?",
            w->settings.data_dir, error_sentence(error));
    w->node_open = true;
    glue_adopt(&w->node, w->store);
    for (unsigned i = 0; i < w->settings.seed_n; i++)
        w->seeds.seed[i] = (struct seed){.world = w, .at = w->settings.seed[i]};
    w->seeds.n = w->settings.seed_n;
    return 0;
}

/* ---- Clients ---- */

/* Descriptors that clients may not take: for segments, peers, listeners. */
enum { DESCRIPTORS_KEPT = 512 };

static uint32_t clients_allowed(struct world *w)
{
    struct rlimit r;
    char why[WHY_MAX];
    uint32_t wanted = w->settings.clients_max;
    if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == RLIM_INFINITY ||
        r.rlim_cur >= (rlim_t)wanted + DESCRIPTORS_KEPT)
        return wanted;
    uint32_t n = r.rlim_cur > 2 * DESCRIPTORS_KEPT ? (uint32_t)r.rlim_cur - DESCRIPTORS_KEPT
                                                   : (uint32_t)r.rlim_cur / 2 + 1;
    if (n >= wanted)
        return wanted;
    snprintf(why, sizeof why,
             "at most %u client%s instead of %u: the limit on open files is %llu; raise it with "
             "ulimit -n",
             n, words_s(n), wanted, (unsigned long long)r.rlim_cur);
    world_log(w, TRACE_WARN, "client.limit", "", why);
    return n;
}

static void open_front(struct world *w)
{
    const struct settings *s = &w->settings;
    struct front *f = &w->front;
    uint8_t random[20];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(w->run_id, sizeof w->run_id, random, sizeof random);
    front_init(f);
    f->value_max = s->value_max_bytes;
    f->version = slice_str(covey_version());
    f->name = slice_of(w->birth.name, w->birth.name_n);
    f->node = w->birth.id;
    f->started_ms = w->now_ms;
    f->run_id = slice_str(w->run_id);
    f->port = s->client_bind.port;
    f->config_file = slice_str(s->config_file);
    f->durability = s->durability == DURABILITY_INTERVAL ? SLICE("interval") : SLICE("fsync");
    f->data_dir = slice_str(s->data_dir);
    f->process_id = (uint64_t)getpid();
}

/* ---- Life ---- */

static void init_logger(struct world *w, const struct covey_options *o)
{
    w->on_state = o->on_state;
    w->on_log = o->on_log;
    w->arg = o->arg;
}

static void log_line(void *arg, enum trace_level level, const char *line)
{
    const struct world *w = arg;
    w->on_log(w->arg, (enum covey_log_level)level, line);
}

int world_open(struct world *w, const struct covey_options *options, char *why, size_t why_n)
{
    struct opening o = {.w = w, .why = why, .why_n = why_n};
    memset(w, 0, sizeof *w);
    init_logger(w, options);
    logger_init(&w->logger, (enum trace_level)options->log_level, w->on_log ? log_line : NULL, w);
    int error = settings_from(&w->settings, options, why, why_n);
    w->logger.node = slice_str(w->settings.name);
    error = error ? error : open_loop(&o);
    error = error ? error : open_ports(&o);
    error = error ? error : open_store(&o);
    error = error ? error : open_node(&o);
    if (!error && clients_init(&w->clients, clients_allowed(w)))
        error = REFUSE(&o, "no memory for %u client%s; give fewer with --max-clients",
                       w->settings.clients_max, words_s(w->settings.clients_max));
    if (error)
        world_close(w);
    else
        open_front(w);
    return error;
}

static void report_listening(struct world *w)
{
    char sentence[WHY_MAX + PATH_TEXT], clients[ADDR_TEXT], peers[ADDR_TEXT];
    struct addr a = w->settings.bind;
    a.port = (uint16_t)(a.port + PEER_PORT_OFFSET);
    snprintf(sentence, sizeof sentence,
             "%.*s listens for clients on %s and for peers on %s (data in %s)",
             (int)w->birth.name_n, (const char *)w->birth.name,
             addr_text(w->settings.client_bind, clients), addr_text(a, peers),
             w->settings.data_dir);
    world_log(w, TRACE_INFO, "node.listening", clients, "");
    if (w->on_state)
        w->on_state(w->arg, COVEY_LISTENING, sentence);
}

/* Steps the node with what power_on found. (What the store itself finds, the store announces to the
 * node.) */
static void step_power_lost(struct world *w)
{
    uint8_t all[SLOTS / 8];
    struct event ev = {.kind = EV_DAMAGED, .damaged.bytes = slice_of(all, sizeof all)};
    memset(all, 0xff, sizeof all);
    if (w->power_lost)
        world_step(w, &ev);
    w->power_lost = false;
}

int world_run(struct world *w)
{
    report_listening(w);
    uv_update_time(&w->loop);
    world_clock(w);
    step_power_lost(w);
    world_turn(w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    /* what was stored for peers in the last turn becomes durable, although nobody waits for it */
    hints_log_drain(w->hints);
    power_off(w->store);
    int error = log_drain(w->store);
    if (error && !w->error) {
        w->error = error;
        snprintf(w->why, sizeof w->why, "the last writes could not be synced to \"%.200s\": %s",
                 w->settings.data_dir, error_sentence(error));
    }
    return w->error;
}

void world_stop(struct world *w)
{
    atomic_store(&w->stop_asked, true);
    uv_async_send(&w->wake);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void world_close(struct world *w)
{
    w->closing = true;
    if (w->hints)
        hints_close(w->hints); /* before the loop: their helpers use it */
    if (w->store)
        store_close(w->store);
    if (w->clients.cell)
        clients_close(&w->clients);
    if (w->loop_open) {
        peers_close(&w->peers);
        seeds_close(&w->seeds);
        uv_walk(&w->loop, close_handle, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        uv_loop_close(&w->loop);
    }
    peers_free(&w->peers);
    clients_free(&w->clients);
    gossip_free(&w->gossip);
    free(w->downs.at);
    if (w->node_open)
        node_close(&w->node);
    logger_close(&w->logger);
}
