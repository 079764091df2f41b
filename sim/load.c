#include "sim/load.h"

#include "base/check.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOAD_ENDING = 3, /* every third warm key may have values with an expiry */
    LOAD_COLD = 5,   /* two keys of so many are cold; every second cold key may have an expiry */
    /* Of the commands for a cold key all but one in so many go to a warm one instead. So what is
     * deleted there gets old. */
    LOAD_COLDLY = 10,
    LOAD_COLD_SET = 30, /* so many % of the commands for a cold key write */
    LOAD_COLD_DEL = 30, /* so many % of them delete */
};

static bool is_cold(uint32_t key)
{
    return key % LOAD_COLD < 2;
}

/* Whether values of a key may have an expiry. Other keys remain, warm and cold, of which a value
 * that is missing can never be excused by an expiry. */
static bool may_end(uint32_t key)
{
    return is_cold(key) ? key % LOAD_COLD == 0 : key % LOAD_ENDING == 0;
}

void load_init(struct load *l, struct world *w, uint64_t seed, uint32_t keys, uint32_t hot)
{
    *l = (struct load){.world = w,
                       .hot = hot,
                       .next_value = 1,
                       .flush_rarely = seed / 2 % 2 ? LOAD_FLUSH_NEVER : LOAD_FLUSH_OFTEN};
    history_init(&l->history, keys);
    rng_init(&l->rng, seed ^ 0x10ad);
    rng_init(&l->life_rng, seed ^ 0x11fe);
    l->client = calloc(w->o.clients ? w->o.clients : 1, sizeof *l->client);
    CHECK(l->client);
    for (uint32_t c = 0; c < w->o.clients; c++) {
        l->client[c].flush = calloc(keys, sizeof *l->client[c].flush);
        CHECK(l->client[c].flush);
    }
    resp_reply_init(&l->reply);
    buf_init(&l->bytes, 1 << 20);
    buf_init(&l->scratch, RECORD_VALUE_MAX);
    buf_init(&l->why, 4096);
}

void load_close(struct load *l)
{
    history_close(&l->history);
    for (uint32_t c = 0; c < l->world->o.clients; c++)
        free(l->client[c].flush);
    free(l->client);
    resp_reply_close(&l->reply);
    buf_close(&l->bytes);
    buf_close(&l->scratch);
    buf_close(&l->why);
}

static void wake(struct load *l, uint32_t c, uint64_t in_us)
{
    l->client[c].wakes_us = l->world->now_us + in_us;
    world_wake_client(l->world, c, l->client[c].wakes_us);
}

void load_start(struct load *l)
{
    l->running = true;
    for (uint32_t c = 0; c < l->world->o.clients; c++)
        wake(l, c, rng_below(&l->rng, (uint64_t)LOAD_THINK_MS * 1000));
}

void load_stop(struct load *l)
{
    l->running = false;
}

uint32_t load_pending(const struct load *l)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < l->world->o.clients; c++)
        n += l->client[c].op != LOAD_NONE;
    return n;
}

int64_t load_hanging(const struct load *l)
{
    for (uint32_t c = 0; c < l->world->o.clients; c++)
        if (l->client[c].op != LOAD_NONE &&
            l->world->now_us - l->client[c].begin_us > (uint64_t)LOAD_ANSWER_MS * 1000)
            return c;
    return -1;
}

/* ---- Commands ---- */

/* Connects to some live node; false when there is none that serves. */
static bool connect_somewhere(struct load *l, uint32_t c)
{
    struct world *w = l->world;
    uint32_t from = (uint32_t)rng_below(&l->rng, w->o.nodes);
    for (uint32_t k = 0; k < w->o.nodes; k++) {
        uint32_t i = (from + k) % w->o.nodes;
        if (w->node[i].up && node_ready(&w->node[i].node)) {
            world_connect(w, c, i);
            return true;
        }
    }
    return false;
}

static void bulk(struct buf *b, const char *text, size_t pad)
{
    size_t n = strlen(text);
    CHECK(!buf_printf(b, "$%zu\r\n", n + pad) && !buf_append(b, text, n) && !buf_reserve(b, pad));
    memset(b->p + b->n, '.', pad);
    b->n += pad;
    CHECK(!buf_printf(b, "\r\n"));
}

/* How many dots follow "v7" in a value: its size depends on its number. */
static size_t padding(uint32_t value)
{
    uint64_t h = hash_seeded(slice_of(&value, sizeof value), 7);
    return h % 8 == 0 ? h / 8 % 3000 : h / 8 % 40;
}

static const char *const COMMAND[] = {"", "SET", "GET", "DEL", "PEXPIRE", "FLUSHALL"};

static bool is_write(enum load_op op)
{
    return op == LOAD_SET || op == LOAD_DEL;
}

static void note_begin(struct load *l, struct load_client *k)
{
    uint64_t life_us = (uint64_t)k->life_ms * 1000;
    if (is_write(k->op)) {
        k->write = history_begin(&l->history, k->key, k->value, k->begin_us);
        history_lives(&l->history, k->key, k->write, life_us);
    } else if (k->op == LOAD_FLUSH) {
        for (uint32_t key = 0; key < l->history.key_n; key++)
            k->flush[key] = history_begin(&l->history, key, HISTORY_ABSENT, k->begin_us);
    } else if (k->op == LOAD_EXPIRE) {
        k->write = history_expire_begin(&l->history, k->key, life_us, k->begin_us);
    }
}

static void send_command(struct load *l, uint32_t c)
{
    struct load_client *k = &l->client[c];
    char key[16], value[16], life[16];
    snprintf(key, sizeof key, "k%" PRIu32, k->key);
    snprintf(value, sizeof value, "v%" PRIu32, k->value);
    snprintf(life, sizeof life, "%" PRIu32, k->life_ms);
    l->bytes.n = 0;
    int ends = k->op == LOAD_EXPIRE ? 1 : k->op == LOAD_SET && k->life_ms ? 2 : 0;
    CHECK(
        !buf_printf(&l->bytes, "*%d\r\n", 1 + (k->op != LOAD_FLUSH) + (k->op == LOAD_SET) + ends));
    bulk(&l->bytes, COMMAND[k->op], 0);
    if (k->op != LOAD_FLUSH)
        bulk(&l->bytes, key, 0);
    if (k->op == LOAD_SET)
        bulk(&l->bytes, value, padding(k->value));
    if (k->op == LOAD_SET && k->life_ms)
        bulk(&l->bytes, "PX", 0);
    if (ends)
        bulk(&l->bytes, life, 0);
    k->begin_us = l->world->now_us;
    note_begin(l, k);
    world_say(l->world, c, buf_view(&l->bytes));
}

/* Every client writes and reads the same few keys in turns: whatever can be seen in two orders is
 * seen in both. */
static void draw_hot(struct load *l, struct load_client *k)
{
    k->key = (uint32_t)rng_below(&l->rng, l->hot);
    k->op = rng_below(&l->rng, 2) ? LOAD_SET : LOAD_GET;
    k->life_ms = 0;
}

static void draw_any(struct load *l, struct load_client *k)
{
    uint64_t die = rng_below(&l->rng, 100);
    k->key = (uint32_t)rng_below(&l->rng, l->history.key_n);
    if (is_cold(k->key) && rng_below(&l->rng, LOAD_COLDLY) != 0)
        /* the first warm key of its five, which so is the warmest */
        k->key = k->key / LOAD_COLD * LOAD_COLD + 2;
    uint64_t sets = is_cold(k->key) ? LOAD_COLD_SET : 50,
             dels = is_cold(k->key) ? LOAD_COLD_DEL : 10;
    k->op = die < sets ? LOAD_SET : die < 100 - dels ? LOAD_GET : LOAD_DEL;
    bool ends = may_end(k->key) && rng_below(&l->life_rng, is_cold(k->key) ? 2 : 4) == 0;
    if (ends && k->op == LOAD_GET)
        k->op = LOAD_EXPIRE;
    /* half are short: races live there */
    uint64_t longest = rng_below(&l->life_rng, 2) ? LOAD_LIFE_MS : LOAD_LIFE_MS / 20;
    k->life_ms = ends && k->op != LOAD_DEL ? 1 + (uint32_t)rng_below(&l->life_rng, longest) : 0;
    if (rng_below(&l->life_rng, l->flush_rarely) == 0)
        k->op = LOAD_FLUSH;
}

static void next_command(struct load *l, uint32_t c)
{
    struct load_client *k = &l->client[c];
    if (!l->world->client[c].open && !connect_somewhere(l, c)) {
        wake(l, c, (uint64_t)LOAD_THINK_MS * 1000);
        return;
    }
    if (l->commands_max && k->commands++ >= l->commands_max)
        return;
    if (l->hot)
        draw_hot(l, k);
    else
        draw_any(l, k);
    k->value = k->op == LOAD_SET ? l->next_value++ : HISTORY_ABSENT;
    send_command(l, c);
}

void load_read(struct load *l, uint32_t key, uint32_t node)
{
    CHECK(l->client[0].op == LOAD_NONE);
    if (l->world->client[0].open) {
        session_close(&l->world->client[0].session);
        l->world->client[0].open = false;
    }
    world_connect(l->world, 0, node);
    l->client[0].op = LOAD_GET;
    l->client[0].life_ms = 0;
    l->client[0].key = key;
    send_command(l, 0);
}

/* ---- Replies ---- */

/* The number of a value, HISTORY_ABSENT for any other text. */
static uint32_t number_of(struct slice value)
{
    uint32_t number = 0;
    for (size_t b = 1; b < value.n && value.p[b] != '.'; b++)
        number = number * 10 + value.p[b] - '0';
    return number;
}

/* Whether an owner's disk holds the write under way, or one that supersedes it. */
static bool holds(struct load *l, const struct load_client *k, uint32_t owner, struct slice key)
{
    struct record r;
    if (mem_peek(world_disk(l->world, owner), key, &l->scratch, &r) || r.kind == RECORD_NONE)
        return false;
    return history_covers(&l->history, k->key,
                          r.kind == RECORD_VALUE ? number_of(r.value) : HISTORY_ABSENT, k->write);
}

/* At the moment of ok the disks of W distinct owners hold the write, or one that supersedes it. The
 * disks of owners that are down count too. So does an owner that was struck and has not healed: it
 * may have acknowledged the write before, and will fetch it from the others before any of them may
 * be struck (atlas.h). */
static void check_durable(struct load *l, const struct load_client *k, uint32_t coordinator)
{
    struct world *w = l->world;
    const struct layout *layout = chain_layout(&w->node[coordinator].node.member.chain);
    uint8_t bytes[KEY_TEXT];
    struct slice key = world_key(bytes, k->key);
    uint16_t vnode = layout_vnode(layout, slot_of_key(key));
    unsigned holders = 0;
    for (unsigned i = 0; i < layout->n; i++) {
        uint32_t owner = world_index(w, world_by_id(w, layout_owner(layout, vnode, i)->id));
        holders += atlas_struck(&w->atlas, owner, vnode) || holds(l, k, owner, key);
    }
    if (holders < layout->w && l->why.n == 0)
        CHECK(!buf_printf(&l->why,
                          "key k%" PRIu32 ": n%" PRIu32 " acknowledged v%" PRIu32 " at %" PRIu64
                          " us, but the disks of only %u owners hold it",
                          k->key, coordinator, k->value, w->now_us, holders));
}

static bool begins(struct slice s, const char *with)
{
    return s.n >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

static enum outcome outcome_of(const struct resp_value *v)
{
    if (v->type != RESP_ERROR)
        return OUTCOME_OK;
    return begins(v->text, "UNKNOWN") ? OUTCOME_UNKNOWN : OUTCOME_FAILED;
}

static uint32_t value_of(const struct resp_value *v)
{
    return v->type == RESP_BULK ? number_of(v->text) : HISTORY_ABSENT;
}

static void flush_ends(struct load *l, struct load_client *k, enum outcome o)
{
    for (uint32_t key = 0; key < l->history.key_n; key++)
        history_end(&l->history, key, k->flush[key], o, l->world->now_us);
}

static void write_ended(struct load *l, uint32_t c, enum outcome o)
{
    struct load_client *k = &l->client[c];
    l->ok += o == OUTCOME_OK;
    l->failed += o == OUTCOME_FAILED;
    l->unknown += o == OUTCOME_UNKNOWN;
    if (o == OUTCOME_OK)
        check_durable(l, k, l->world->client[c].node);
    history_end(&l->history, k->key, k->write, o, l->world->now_us);
}

static void command_ended(struct load *l, uint32_t c, const struct resp_value *v)
{
    struct load_client *k = &l->client[c];
    enum outcome o = outcome_of(v);
    uint32_t value = k->op == LOAD_GET && o == OUTCOME_OK ? value_of(v) : k->value;
    if (l->replied)
        l->replied(l->replied_arg, c, COMMAND[k->op], k->key, value,
                   v->type == RESP_ERROR || v->type == RESP_SIMPLE ? v->text : slice_of(NULL, 0));
    if (is_write(k->op))
        write_ended(l, c, o);
    else if (k->op == LOAD_FLUSH)
        flush_ends(l, k, o);
    else if (k->op == LOAD_EXPIRE)
        history_expire_end(&l->history, k->key, k->write, o, l->world->now_us);
    else if (o == OUTCOME_OK)
        l->reads += history_read(&l->history, k->key, value, k->begin_us, l->world->now_us);
    k->op = LOAD_NONE;
}

/* Takes the replies that came; false when there are none. */
static bool take_reply(struct load *l, uint32_t c)
{
    struct sim_client *s = &l->world->client[c];
    if (!s->open || s->session.out.n == 0)
        return false;
    int used = resp_parse_reply(&l->reply, buf_view(&s->session.out));
    CHECK(used > 0 && (size_t)used == s->session.out.n && l->client[c].op != LOAD_NONE);
    command_ended(l, c, &l->reply.v[0]);
    buf_consume(&s->session.out, (size_t)used);
    return true;
}

void load_client(struct load *l, uint32_t c)
{
    if (take_reply(l, c)) {
        if (l->running)
            wake(l, c,
                 1 + rng_below(&l->rng,
                               l->hot ? LOAD_HOT_THINK_US : (uint64_t)LOAD_THINK_MS * 1000));
        return;
    }
    if (l->running && l->client[c].op == LOAD_NONE && l->client[c].wakes_us <= l->world->now_us)
        next_command(l, c);
}

void load_hung_up(struct load *l, uint32_t c)
{
    struct load_client *k = &l->client[c];
    if (is_write(k->op)) {
        history_end(&l->history, k->key, k->write, OUTCOME_UNKNOWN, l->world->now_us);
        l->unknown++;
    }
    if (k->op == LOAD_FLUSH)
        flush_ends(l, k, OUTCOME_UNKNOWN);
    k->op = LOAD_NONE;
    if (l->running)
        wake(l, c, (uint64_t)LOAD_THINK_MS * 1000);
}
