/* options.c: see options.h. */
#include "rt/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/words.h"
#include "rt/endpoint.h"

enum option_kind {
    OPTION_TEXT,
    OPTION_COUNT, /* a number from min to max */
    OPTION_BYTES, /* the same, perhaps with k, m or g: powers of 1024 */
    /* a number of s, m, h or d (of seconds without one), from min to max ms; kept in ms */
    OPTION_TIME,
    OPTION_CHOICE, /* one of words separated by | */
    OPTION_SWITCH, /* has no value; in a file perhaps yes or no */
    OPTION_SEED,   /* HOST:PORT, may be repeated */
};

struct option {
    const char *name;
    const char *argument; /* as the help shows it; of a CHOICE: its words */
    const char *summary;
    enum option_kind kind;
    size_t at;         /* offset in struct options */
    uint64_t min, max; /* bounds of a number; of a text: of its bytes */
};

#define AT(field) offsetof(struct options, field)

#define AGE_MAX_MS (UINT64_C(365) * 24 * 60 * 60 * 1000)

/* In the order of the help: what everybody needs first. */
static const struct option table[] = {
    {"name", "NAME", "a name for people (as before, else the host's name and the port)",
     OPTION_TEXT, AT(name), 1, NODE_NAME_MAX},
    {"data", "DIR", "the data directory, made when missing (covey-NAME)", OPTION_TEXT, AT(data), 1,
     4000},
    {"port", "P", "clients at P, peers at P+1 over TCP and UDP (7400); also -p", OPTION_COUNT,
     AT(port), 1, PORT_MAX},
    {"seed", "HOST:PORT",
     "a neighbour's base port; repeatable, 16 at most; a node's first start wants one, or --new",
     OPTION_SEED, AT(seed), 0, 0},
    {"new", NULL,
     "found a cluster: once, for its first node; refused in a file, with --seed, and on a used "
     "directory",
     OPTION_SWITCH, AT(found), 0, 0},
    {"bind", "ADDR", "the address peers reach: 127.0.0.1 or ::1 (127.0.0.1)", OPTION_TEXT, AT(bind),
     1, HOST_MAX},
    {"client-bind", "ADDR", "the address clients reach (as --bind)", OPTION_TEXT, AT(client_bind),
     1, HOST_MAX},
    {"advertise", "HOST:PORT", "the base address that peers are given (that of --bind and --port)",
     OPTION_TEXT, AT(advertise), 1, HOST_MAX + 8},
    {"zone", "ZONE",
     "members of one zone are expected to fail together; copies go to different zones", OPTION_TEXT,
     AT(zone), 1, ZONE_MAX},
    {"weight", "W", "share of the data, 1 to 1000 (100)", OPTION_COUNT, AT(weight), 1, 1000},
    {"replicas", "N", "copies of each record, fixed when the cluster is founded (3)", OPTION_COUNT,
     AT(replicas), 1, REPLICAS_MAX},
    {"durability", "fsync|interval",
     "OK means synced to disk, or to be synced within a second (fsync)", OPTION_CHOICE,
     AT(durability), 0, 0},
    {"profile", "lan|wan|local", "how soon a silent member is suspected (lan)", OPTION_CHOICE,
     AT(profile), 0, 0},
    {"value-max", "BYTES", "the largest value taken, up to 9m (8m)", OPTION_BYTES,
     AT(value_max_bytes), 1, 9u * 1024 * 1024},
    {"max-clients", "N", "client connections at once (10000)", OPTION_COUNT, AT(clients_max), 1,
     60000},
    {"ops-max", "N", "client operations under way at once (16384)", OPTION_COUNT, AT(ops_max), 1,
     1u << 20},
    {"hint-age", "TIME", "how long a write is kept for an owner that is away, 10s at least (3h)",
     OPTION_TIME, AT(hint_age_ms), 1000, AGE_MAX_MS},
    {"erase-age", "TIME",
     "how old a deletion is before it may be erased (3h, or --hint-age where that is more)",
     OPTION_TIME, AT(erase_age_ms), 1000, AGE_MAX_MS},
    {"log-level", "debug|info|warn|error", "the least level logged to stderr (info)", OPTION_CHOICE,
     AT(log_level), 0, 0},
    {"config", "FILE", "lines of `name value` with the names above; flags win over it", OPTION_TEXT,
     AT(config), 1, 4000},
    {"console", NULL, "open a console here; the node stops when it ends", OPTION_SWITCH,
     AT(console), 0, 0},
    {"help", NULL, "print this", OPTION_SWITCH, AT(help), 0, 0},
};
enum { TABLE_N = sizeof table / sizeof table[0] };

/* Where a value came from, for sentences: "--port", or "cluster.conf line 3: port". */
struct origin {
    const char *file; /* NULL: the command line */
    unsigned line;
};

struct parse {
    struct options *o;
    char *why;
    size_t why_n;
    struct origin origin;
};

#define REFUSE(p, ...) (snprintf((p)->why, (p)->why_n, __VA_ARGS__), ERR_REFUSED)

static const struct option *find(const char *name, size_t n)
{
    for (unsigned i = 0; i < TABLE_N; i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
            return &table[i];
    return NULL;
}

/* Names an option by its origin, for sentences. */
static const char *origin_text(const struct parse *p, const char *name, char out[256])
{
    if (p->origin.file)
        snprintf(out, 256, "%.180s line %u: %.40s", p->origin.file, p->origin.line, name);
    else
        snprintf(out, 256, "--%.40s", name);
    return out;
}

static int unknown(const struct parse *p, const char *name)
{
    const char *names[TABLE_N];
    char at[256];
    for (unsigned i = 0; i < TABLE_N; i++)
        names[i] = table[i].name;
    const char *near = words_nearest(name, names, TABLE_N);
    origin_text(p, name, at);
    if (near)
        return REFUSE(p, "%s: no such option; did you mean %s%s? (`covey start --help` lists all)",
                      at, p->origin.file ? "" : "--", near);
    return REFUSE(p, "%s: no such option; `covey start --help` lists all", at);
}

static int parse_number(const char *text, bool units, uint64_t *out)
{
    char *end;
    uint64_t n = 0;
    if (*text < '0' || *text > '9' || strlen(text) > 18)
        return ERR_REFUSED;
    n = strtoull(text, &end, 10);
    if (units && *end && !end[1]) {
        const char *unit = strchr("kmg", *end | 0x20);
        if (!unit || n >> 32)
            return ERR_REFUSED;
        n <<= 10 * (unit - "kmg" + 1);
        end++;
    }
    *out = n;
    return *end ? ERR_REFUSED : 0;
}

static int set_number(const struct parse *p, const struct option *t, const char *value)
{
    uint64_t n;
    char at[256];
    bool units = t->kind == OPTION_BYTES;
    if (parse_number(value, units, &n) || n < t->min || n > t->max)
        return REFUSE(p, "%s: \"%.60s\" is not a number from %llu to %llu%s",
                      origin_text(p, t->name, at), value, (unsigned long long)t->min,
                      (unsigned long long)t->max,
                      units ? " (k, m and g stand for powers of 1024)" : "");
    *(uint64_t *)((char *)p->o + t->at) = n;
    return 0;
}

static int set_time(const struct parse *p, const struct option *t, const char *value)
{
    static const struct {
        char unit;
        uint64_t ms;
    } units[] = {{0, 1000},
                 {'s', 1000},
                 {'m', 60 * 1000},
                 {'h', 60 * 60 * 1000},
                 {'d', 24 * 60 * 60 * 1000}};
    char at[256];
    char *end;
    bool digits = *value >= '0' && *value <= '9' && strlen(value) <= 10;
    uint64_t n = digits ? strtoull(value, &end, 10) : 0;
    for (size_t i = 0; digits && i < sizeof units / sizeof units[0]; i++) {
        if (*end != units[i].unit || (*end && end[1]) || n * units[i].ms < t->min ||
            n * units[i].ms > t->max)
            continue;
        *(uint64_t *)((char *)p->o + t->at) = n * units[i].ms;
        return 0;
    }
    return REFUSE(p,
                  "%s: \"%.60s\" is not a time from 1s to 365d (s, m, h and d stand for seconds, "
                  "minutes, hours and days)",
                  origin_text(p, t->name, at), value);
}

static int set_text(const struct parse *p, const struct option *t, const char *value)
{
    char at[256];
    size_t n = strlen(value);
    if (n < t->min || n > t->max)
        return REFUSE(p, "%s: \"%.60s\" has %zu byte%s; give %llu to %llu",
                      origin_text(p, t->name, at), value, n, words_s(n), (unsigned long long)t->min,
                      (unsigned long long)t->max);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return REFUSE(p, "%s: byte %zu is a control byte; give printable text",
                          origin_text(p, t->name, at), i + 1);
    *(const char **)((char *)p->o + t->at) = value;
    return 0;
}

/* The index of value among the words of "a|b|c", or -1. */
static int choice_index(const char *words, const char *value)
{
    size_t n = strlen(value);
    for (int i = 0;; i++) {
        size_t word_n = strcspn(words, "|");
        if (word_n == n && memcmp(words, value, n) == 0)
            return i;
        if (!words[word_n])
            return -1;
        words += word_n + 1;
    }
}

static int set_choice(const struct parse *p, const struct option *t, const char *value)
{
    char at[256];
    int i = choice_index(t->argument, value);
    if (i < 0)
        return REFUSE(p, "%s: \"%.60s\" is none of %s", origin_text(p, t->name, at), value,
                      t->argument);
    *(uint64_t *)((char *)p->o + t->at) = (uint64_t)i;
    return 0;
}

static int set_switch(const struct parse *p, const struct option *t, const char *value)
{
    char at[256];
    int i = choice_index("no|yes", value);
    if (i < 0)
        return REFUSE(p, "%s: \"%.60s\" is neither yes nor no", origin_text(p, t->name, at), value);
    *((bool *)((char *)p->o + t->at)) = i;
    return 0;
}

static int set_seed(const struct parse *p, const struct option *t, const char *value)
{
    struct endpoint e;
    char at[256];
    if (endpoint_parse(value, &e))
        return REFUSE(p,
                      "%s: \"%.60s\" is not HOST:PORT or [IPV6]:PORT with a base port from 1 to %d",
                      origin_text(p, t->name, at), value, PORT_MAX);
    if (p->o->seed_n == COVEY_SEEDS_MAX)
        return REFUSE(
            p, "%s: \"%.60s\" is seed number %d; give %d at most, one live neighbour is enough",
            origin_text(p, t->name, at), value, COVEY_SEEDS_MAX + 1, COVEY_SEEDS_MAX);
    p->o->seed[p->o->seed_n++] = value;
    return 0;
}

static int set(const struct parse *p, const struct option *t, const char *value)
{
    switch (t->kind) {
    case OPTION_TEXT:
        return set_text(p, t, value);
    case OPTION_COUNT:
    case OPTION_BYTES:
        return set_number(p, t, value);
    case OPTION_TIME:
        return set_time(p, t, value);
    case OPTION_CHOICE:
        return set_choice(p, t, value);
    case OPTION_SWITCH:
        return set_switch(p, t, value);
    case OPTION_SEED:
        return set_seed(p, t, value);
    }
    return ERR_REFUSED;
}

/* ---- The configuration file ---- */

static int read_config(struct parse *p, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return REFUSE(
            p, "--config: cannot read \"%.200s\": %m; give a readable file or leave the flag out",
            path);
    p->o->file_text = malloc(OPTIONS_FILE_MAX + 1);
    size_t n = p->o->file_text ? fread(p->o->file_text, 1, OPTIONS_FILE_MAX + 1, f) : 0;
    bool failed = !p->o->file_text || ferror(f);
    fclose(f);
    if (failed)
        return REFUSE(
            p, "--config: cannot read \"%.200s\"; give a readable file or leave the flag out",
            path);
    if (n > OPTIONS_FILE_MAX || memchr(p->o->file_text, 0, n))
        return REFUSE(
            p,
            "--config: \"%.200s\" is over %d bytes or no text; give a file of `name value` lines",
            path, OPTIONS_FILE_MAX);
    p->o->file_text[n] = 0;
    return 0;
}

static char *trim(char *s)
{
    size_t n;
    s += strspn(s, " \t\r");
    for (n = strlen(s); n && strchr(" \t\r", s[n - 1]);)
        s[--n] = 0;
    return s;
}

static int config_line(const struct parse *p, char *line)
{
    char at[256];
    char *name = trim(line);
    if (!*name || *name == '#')
        return 0;
    size_t n = strcspn(name, " \t=");
    char *value = name + n;
    bool equals = name[n + strspn(name + n, " \t")] == '=';
    if (equals)
        value += strcspn(value, "=");
    if (*value)
        *value++ = 0;
    name[n] = 0;
    value = trim(value);
    const struct option *t = find(name, n);
    if (!t)
        return unknown(p, name);
    if (t->at == AT(found))
        return REFUSE(p,
                      "%s: only on the command line, once, when a cluster's first node is started; "
                      "remove the line",
                      origin_text(p, name, at));
    if (t->at == AT(config) || t->at == AT(help))
        return REFUSE(p, "%s: only on the command line; remove the line", origin_text(p, name, at));
    if (equals)
        return REFUSE(p, "%s: there is a \"=\"; lines are `name value`: write `%s %.60s`",
                      origin_text(p, name, at), name,
                      *value        ? value
                      : t->argument ? t->argument
                                    : "yes");
    if (!*value && t->kind == OPTION_SWITCH)
        value = "yes";
    if (!*value)
        return REFUSE(p, "%s: a value is missing: %s %s", origin_text(p, name, at), name,
                      t->argument);
    return set(p, t, value);
}

static int parse_config(struct parse *p, const char *path)
{
    int error = read_config(p, path);
    p->origin = (struct origin){.file = path};
    char *line = p->o->file_text;
    while (!error && line) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        p->origin.line++;
        error = config_line(p, line);
        line = end;
    }
    p->origin = (struct origin){0};
    return error;
}

/* ---- The command line ---- */

/* Reads one flag at argv[*i]: --name value, --name=value, or --switch. Finds its option and value,
 * and moves *i past them. */
static int next_flag(const struct parse *p, int argc, char **argv, int *i, const struct option **t,
                     const char **value)
{
    const char *word = argv[(*i)++];
    char name[64];
    if (strcmp(word, "-h") == 0)
        word = "--help";
    if (strcmp(word, "-p") == 0)
        word = "--port";
    if (strncmp(word, "--", 2) != 0 || !word[2])
        return REFUSE(
            p, "\"%.60s\" is not a flag; flags begin with --, `covey start --help` lists them",
            word);
    size_t n = strcspn(word + 2, "=");
    const char *equals = word[2 + n] ? word + 3 + n : NULL;
    snprintf(name, sizeof name, "%.*s", (int)(n < 60 ? n : 60), word + 2);
    *t = find(word + 2, n);
    if (!*t)
        return unknown(p, name);
    if (equals)
        *value = equals;
    else if ((*t)->kind == OPTION_SWITCH)
        *value = "yes";
    else if (*i < argc)
        *value = argv[(*i)++];
    else
        return REFUSE(p, "--%s: a value is missing: --%s %s", name, name, (*t)->argument);
    return 0;
}

/* Walks the flags. The first walk takes --config alone, so that flags win over the file wherever it
 * stands; the second takes the others. */
static int walk_flags(struct parse *p, int argc, char **argv, bool config)
{
    const struct option *t;
    const char *value;
    for (int i = 0; i < argc;) {
        int error = next_flag(p, argc, argv, &i, &t, &value);
        if (!error && config == (t->at == AT(config)))
            error = set(p, t, value);
        if (error)
            return error;
    }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *why, size_t why_n)
{
    struct parse p = {.o = o, .why = why, .why_n = why_n};
    *o = (struct options){.log_level = COVEY_LOG_INFO};
    int error = walk_flags(&p, argc, argv, true);
    if (!error && o->config)
        error = parse_config(&p, o->config);
    return error ? error : walk_flags(&p, argc, argv, false);
}

void options_close(struct options *o)
{
    free(o->file_text);
    o->file_text = NULL;
}

void options_embed(const struct options *o, struct covey_options *out)
{
    *out = (struct covey_options){
        .name = o->name,
        .data_dir = o->data,
        .port = (uint16_t)o->port,
        .bind = o->bind,
        .client_bind = o->client_bind,
        .advertise = o->advertise,
        .seeds = o->seed,
        .seed_n = (unsigned)o->seed_n,
        .found = o->found,
        .zone = o->zone,
        .weight = (unsigned)o->weight,
        .profile = (enum covey_profile)o->profile,
        .durability = (enum covey_durability)o->durability,
        .value_max_bytes = o->value_max_bytes,
        .clients_max = (unsigned)o->clients_max,
        .ops_max = (unsigned)o->ops_max,
        .replicas = (unsigned)o->replicas,
        .hint_age_ms = o->hint_age_ms,
        .erase_age_ms = o->erase_age_ms,
        .config_file = o->config,
        .log_level = (enum covey_log_level)o->log_level,
    };
}

int options_help(struct buf *out, unsigned width)
{
    const struct words_page page = {.left = 32, .width = width};
    int error = 0;
    for (unsigned i = 0; i < TABLE_N && error == 0; i++) {
        const struct option *t = &table[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", t->name, t->argument ? " " : "",
                 t->argument ? t->argument : "");
        error = words_row(out, left, t->summary, &page);
    }
    return error;
}
