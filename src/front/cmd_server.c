/* cmd_server.c: what the node reports of itself: INFO, CONFIG GET, TIME.
 *
 * The names are Redis's, because monitoring tools look for them. Figures of Redis that covey has
 * no counterpart of are left out, not made up. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/id.h"
#include "front/cmd.h"
#include "front/glob.h"

/* ---- INFO ---- */

/* A field whose value may be longer than buf_printf allows: a path. */
static int info_text(struct buf *out, const char *name, struct slice value)
{
    return buf_printf(out, "%s:", name) | buf_slice(out, value) | buf_slice(out, SLICE("\r\n"));
}

static int info_server(struct buf *out, const struct session *s)
{
    const struct front *f = s->front;
    uint64_t up_s = (s->now_ms - f->started_ms) / 1000;

    int error = buf_printf(out,
                           "redis_version:7.0.15\r\nredis_mode:standalone\r\nprocess_id:%" PRIu64
                           "\r\ntcp_port:%u\r\n"
                           "server_time_usec:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64
                           "\r\nuptime_in_days:%" PRIu64 "\r\n",
                           f->process_id, f->port, s->wall_ms * 1000, up_s, up_s / 86400);
    error |= info_text(out, "run_id", f->run_id);
    return error | info_text(out, "config_file", f->config_file);
}

static int info_clients(struct buf *out, const struct session *s)
{
    uint32_t subscribed = 0;

    for (const struct session *each = s->front->sessions; each; each = each->next)
        subscribed += each->subscribed;
    return buf_printf(out, "connected_clients:%u\r\npubsub_clients:%u\r\nblocked_clients:0\r\n",
                      s->front->session_n, subscribed);
}

static int info_memory(struct buf *out, const struct session *s)
{
    return buf_printf(out,
                      "used_memory:%" PRIu64 "\r\nused_memory_rss:%" PRIu64 "\r\nmaxmemory:0\r\n",
                      s->front->memory_rss, s->front->memory_rss);
}

/* Backups are shown under the names of BGSAVE. */
static int info_persistence(struct buf *out, const struct session *s)
{
    const struct front *f = s->front;
    return buf_printf(
        out,
        "loading:%d\r\naof_enabled:1\r\nrdb_bgsave_in_progress:%d\r\nrdb_last_save_time:%" PRIu64
        "\r\nrdb_last_bgsave_status:%s\r\n",
        !f->ready, f->backup_running, f->backup_ms / 1000, f->backup_failed ? "err" : "ok");
}

static int info_stats(struct buf *out, const struct session *s)
{
    const struct front *f = s->front;
    return buf_printf(out,
                      "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
                      "\r\ninstantaneous_ops_per_sec:%" PRIu64 "\r\nrejected_requests:%" PRIu64
                      "\r\nrejected_packets:%" PRIu64 "\r\nunbelieved_numbers:%" PRIu64 "\r\n",
                      f->connections, f->commands, f->ops_per_sec, f->rejected, f->packets_rejected,
                      f->numbers_unbelieved);
}

static int info_replication(struct buf *out, const struct session *s)
{
    (void)s;
    return buf_printf(out, "role:master\r\nconnected_slaves:0\r\n");
}

static int info_cluster(struct buf *out, const struct session *s)
{
    (void)s;
    /* no client is ever redirected */
    return buf_printf(out, "cluster_enabled:0\r\n");
}

static int info_covey(struct buf *out, const struct session *s)
{
    const struct front *f = s->front;
    char id[ADDR_TEXT];

    int error = info_text(out, "covey_version", f->version);
    error |= buf_printf(out, "node_id:%s\r\nready:%d\r\n", node_id_text(f->node, id), f->ready);
    error |= info_text(out, "node_name", f->name);
    error |= info_text(out, "durability", f->durability);
    error |= buf_printf(out, "loop_longest_ms:%" PRIu64 "\r\nloop_recent_ms:%" PRIu64 "\r\n",
                        f->loop_longest_ms, f->loop_recent_ms);
    return error | info_text(out, "data_dir", f->data_dir);
}

static const struct info_section {
    const char *name, *title;
    int (*print)(struct buf *out, const struct session *s);
} info_sections[] = {
    {"server", "Server", info_server},    {"clients", "Clients", info_clients},
    {"memory", "Memory", info_memory},    {"persistence", "Persistence", info_persistence},
    {"stats", "Stats", info_stats},       {"replication", "Replication", info_replication},
    {"cluster", "Cluster", info_cluster}, {"covey", "Covey", info_covey},
};

enum { INFO_SECTIONS = sizeof info_sections / sizeof info_sections[0] };

static bool info_wanted(const struct resp_request *q, const struct info_section *section)
{
    for (uint32_t i = 1; i < q->arg_n; i++) {
        if (cmd_is(q->arg[i], section->name) || cmd_is(q->arg[i], "all") ||
            cmd_is(q->arg[i], "default") || cmd_is(q->arg[i], "everything"))
            return true;
    }
    return q->arg_n == 1;
}

void cmd_info(struct session *s)
{
    struct buf text;
    int error = 0;

    buf_init(&text, SESSION_OUT_MAX);
    for (unsigned i = 0; i < INFO_SECTIONS; i++) {
        if (!info_wanted(&s->request, &info_sections[i]))
            continue;
        error |= buf_printf(&text, "%s# %s\r\n", text.n ? "\r\n" : "", info_sections[i].title);
        error |= info_sections[i].print(&text, s);
    }
    if (error) /* a few KB: only memory can have failed */
        s->reply.error = ERR_NO_MEMORY;
    reply_bulk(&s->reply, buf_view(&text));
    buf_close(&text);
}

/* ---- CONFIG GET ---- */

enum { SETTINGS = 14, NUMBER_TEXT = 24 };

struct setting {
    const char *name;
    struct slice value;
};

/* The settings, under Redis's names where it has them, sorted. `number` gets the texts of the
 * numbers. */
static void settings_of(const struct front *f, struct setting out[SETTINGS],
                        char number[4][NUMBER_TEXT])
{
    bool fsync = slice_eq(f->durability, SLICE("fsync"));

    snprintf(number[0], NUMBER_TEXT, "%zu", f->key_max);
    snprintf(number[1], NUMBER_TEXT, "%u", f->port);
    snprintf(number[2], NUMBER_TEXT, "%zu", f->value_max);
    const struct setting all[SETTINGS] = {
        {"appendfsync", fsync ? SLICE("always") : SLICE("everysec")},
        {"appendonly", SLICE("yes")}, /* the store is a log */
        {"databases", SLICE("1")},
        {"dir", f->data_dir},
        {"durability", f->durability},
        {"key-max", slice_str(number[0])},
        {"maxmemory", SLICE("0")},
        {"maxmemory-policy", SLICE("noeviction")},
        {"name", f->name},
        {"port", slice_str(number[1])},
        {"proto-max-bulk-len", slice_str(number[2])},
        {"save", SLICE("")},
        {"timeout", SLICE("0")},
        {"value-max", slice_str(number[2])},
    };
    memcpy(out, all, sizeof all);
}

static bool setting_wanted(const struct resp_request *q, const char *name)
{
    for (uint32_t i = 2; i < q->arg_n; i++) {
        if (glob_match(q->arg[i], slice_str(name)))
            return true;
    }
    return false;
}

void cmd_config_get(struct session *s)
{
    struct setting setting[SETTINGS];
    char number[4][NUMBER_TEXT];
    bool wanted[SETTINGS];
    uint32_t n = 0;

    settings_of(s->front, setting, number);
    for (unsigned i = 0; i < SETTINGS; i++)
        n += wanted[i] = setting_wanted(&s->request, setting[i].name);
    reply_map(&s->reply, n);
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (wanted[i])
            reply_field_bulk(&s->reply, setting[i].name, setting[i].value);
    }
}

/* ---- TIME ---- */

void cmd_time(struct session *s)
{
    char text[NUMBER_TEXT];

    reply_array(&s->reply, 2);
    snprintf(text, sizeof text, "%" PRIu64, s->wall_ms / 1000);
    reply_text(&s->reply, text);
    snprintf(text, sizeof text, "%" PRIu64, s->wall_ms % 1000 * 1000);
    reply_text(&s->reply, text);
}
