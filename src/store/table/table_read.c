/* table_read.c: questions, and their answers from memory, in the order in which the questions came.
 *
 * A question waits until the store's owner reaps its answer, so that many keys can be looked up at
 * once (table.h says why). It is answered by what is visible then, not by what was visible when it
 * was asked. Only a count may be overtaken: it waits for a burial that does not know how much is
 * left to bury (burial.h), or it would count what is flushed. The bytes of a question lie in
 * table.keys until the queue is empty and the next question comes. So what an answer points to
 * lives until the next call. */
#include "store/table/table_inner.h"

#include <stdlib.h>

#include "base/error.h"
#include "wire/bytes.h"

/* ---- Questions ---- */

struct question *table_ask(struct table *t, enum store_result_kind kind, uint64_t token,
                           struct slice key)
{
    if (!queue_peek(&t->questions)) { /* nobody may use the last result's key any more */
        t->keys.n = 0;
        buf_slim(&t->keys);
    }
    struct question *q = queue_push(&t->questions);
    *q = (struct question){
        .token = token, .kind = kind, .key_at = t->keys.n, .key_n = (uint32_t)key.n};
    q->error = key.n > (kind == STORE_HELD_DONE ? KEY_FULL_MAX + LISTING_HEAD : KEY_FULL_MAX)
                   ? ERR_TOO_BIG
                   : buf_slice(&t->keys, key);
    if (q->error)
        q->key_n = 0;
    return q;
}

void table_get(struct table *t, uint64_t token, struct slice key, enum get_wants wants)
{
    struct question *q = table_ask(t, STORE_GET_DONE, token, key);
    struct index_key k = index_key(&t->index, slot_of_key(key), key);
    q->wants = wants;
    q->hash = k.hash;
    q->slot = k.slot;
}

void table_tree(struct table *t, uint64_t token, struct slice vnodes, bool leaves)
{
    table_ask(t, STORE_TREE_DONE, token, vnodes)->leaves = leaves;
}

void table_list(struct table *t, uint64_t token, uint16_t vnode, struct slice ranges)
{
    table_ask(t, STORE_LIST_DONE, token, ranges)->vnode = vnode;
}

void table_count(struct table *t, uint64_t token, uint64_t wall_ms)
{
    struct question *q = queue_push(&t->questions);
    *q = (struct question){.token = token, .kind = STORE_COUNT_DONE, .wall_ms = wall_ms};
}

void table_greatest(struct table *t, uint64_t token)
{
    struct question *q = queue_push(&t->questions);
    *q = (struct question){.token = token, .kind = STORE_GREATEST_DONE};
}

bool table_state(const struct table *t, struct slice name, struct slice *value, uint64_t *serial)
{
    const struct state *s = state_find(t->states, name);
    if (!s)
        return false;
    *value = state_value(s);
    *serial = s->version.stamp;
    return true;
}

/* ---- Answers ---- */

static void answer_count(struct table *t, uint64_t wall_ms, struct store_result *out)
{
    free(t->live);
    t->live = calloc(t->index.arc_n, sizeof *t->live);
    if (!t->live) {
        out->error = ERR_NO_MEMORY;
        return;
    }
    index_count(&t->index, wall_ms, t->live);
    burial_leave_out(&t->burial, t->live, t->index.arc_n);
    out->live = t->live;
    out->vnode_n = t->index.arc_n;
}

static void append_u64(struct buf *to, uint64_t value, struct store_result *out)
{
    uint8_t bytes[8];
    put_u64(bytes, value);
    if (!out->error)
        out->error = buf_append(to, bytes, sizeof bytes);
}

/* Appends the durable runs that overlap one of some vnodes. */
static int append_flushed(struct table *t, struct slice vnodes)
{
    const struct state *s = state_find(t->states, FLUSHED_NAME);
    struct slice rest = s ? state_value(s) : slice_of(NULL, 0);
    uint32_t slots = SLOTS / t->index.arc_n;
    struct flush_run run;
    int error = 0;
    while (!error && flush_run_next(&rest, &run) == 1) {
        bool part = false;
        for (size_t i = 0; i + 2 <= vnodes.n && !part; i += 2) {
            uint32_t first = get_u16(vnodes.p + i) * slots;
            part = first <= run.area.slot_last && first + slots > run.area.slot_first;
        }
        if (part)
            error = flush_run_append(&t->answer_flushed, &run);
    }
    return error;
}

/* The roots of some vnodes, with their floors and flushes; or all their leaves. */
static void answer_tree(struct table *t, const struct question *q, struct store_result *out)
{
    const uint8_t *p = t->keys.p + q->key_at;
    t->answer_bytes.n = t->answer_floors.n = t->answer_flushed.n = 0;
    for (uint32_t i = 0; !out->error && i + 2 <= q->key_n; i += 2) {
        const struct tree *tree = NULL;
        uint16_t vnode = get_u16(p + i);
        out->error = vnode < t->forest.tree_n ? forest_tree(&t->forest, &t->index, vnode, &tree)
                                              : ERR_BAD_MESSAGE;
        for (uint32_t leaf = 0; !out->error && q->leaves && leaf < tree->leaf_n; leaf++)
            append_u64(&t->answer_bytes, tree->leaf[leaf], out);
        if (!out->error && !q->leaves) {
            append_u64(&t->answer_bytes, tree->root, out);
            append_u64(&t->answer_floors, t->floors.of[vnode].durable, out);
        }
    }
    out->floors = buf_view(&t->answer_floors);
    if (!q->leaves && !out->error)
        out->error = append_flushed(t, slice_of(p, q->key_n));
    out->flushed = buf_view(&t->answer_flushed);
    out->bytes = buf_view(&t->answer_bytes);
}

static void answer_list(struct table *t, const struct question *q, struct store_result *out)
{
    struct slice ranges = slice_of(t->keys.p + q->key_at, q->key_n);
    t->answer_bytes.n = 0;
    if (out->error)
        return;
    out->error = q->vnode < t->forest.tree_n ? forest_list(&t->forest, &t->index, q->vnode, ranges,
                                                           &t->answer_bytes, &out->upto)
                                             : ERR_BAD_MESSAGE;
    out->bytes = buf_view(&t->answer_bytes);
    out->ticket = out->error ? 0 : floors_ticket(&t->floors, q->vnode);
}

static struct index_key question_key(const struct table *t, const struct question *q)
{
    return (struct index_key){
        .key = slice_of(t->keys.p + q->key_at, q->key_n), .hash = q->hash, .slot = q->slot};
}

/* Asks the cache for the entries of the questions at the head. */
static void fetch_questions(struct table *t)
{
    struct index_key k[INDEX_FETCH];
    uint32_t waiting = t->questions.n - t->questions.head,
             n = waiting < INDEX_FETCH ? waiting : INDEX_FETCH;
    for (uint32_t i = 0; i < n; i++)
        k[i] = question_key(t, queue_at(&t->questions, i));
    index_fetch(&t->index, k, n);
    t->fetched = n;
}

/* Fills what the index knows of a key; true when the value must still be read. */
static bool answer_get(struct table *t, const struct question *q, struct store_result *out,
                       struct index_item *item)
{
    struct index_key k = question_key(t, q);
    struct index_spot spot;
    out->record.key = k.key;
    *item = table_visible(t, &k, &spot);
    if (item->kind == RECORD_NONE)
        return false;
    out->record.kind = item->kind;
    out->record.version = item->version;
    out->record.expiry_ms = item->expiry_ms;
    out->size = item->value_n;
    return q->wants == GET_VALUE && item->value_n > 0;
}

unsigned table_expect(struct table *t, struct version *v)
{
    unsigned n = 0;
    if (t->fetched > 0 || t->questions.n - t->questions.head < 2)
        return 0;
    fetch_questions(t);
    for (uint32_t i = 0; i < t->fetched; i++) {
        const struct question *q = queue_at(&t->questions, i);
        struct index_key k = question_key(t, q);
        struct index_spot spot;
        if (q->kind == STORE_GET_DONE && q->wants == GET_VALUE && index_find(&t->index, &k, &spot))
            v[n++] = index_get(&t->index, &spot).version;
    }
    return n;
}

/* Takes the oldest question, and sets counts that must wait aside. */
static bool next_question(struct table *t, struct question *q)
{
    for (const struct question *next; (next = queue_peek(&t->questions));) {
        if (t->fetched == 0)
            fetch_questions(t);
        *q = *next;
        queue_pop(&t->questions);
        t->fetched--;
        if (q->kind != STORE_COUNT_DONE || t->burial.phase != BURIAL_BLIND)
            return true;
        *(struct question *)queue_push(&t->burial.counts) = *q;
    }
    return false;
}

int table_question(struct table *t, struct store_result *out, struct index_item *item)
{
    struct question q;
    if (!next_question(t, &q))
        return 0;
    *out = (struct store_result){.kind = q.kind, .token = q.token, .error = q.error};
    if (q.kind == STORE_COUNT_DONE)
        answer_count(t, q.wall_ms, out);
    else if (q.kind == STORE_TREE_DONE)
        answer_tree(t, &q, out);
    else if (q.kind == STORE_LIST_DONE)
        answer_list(t, &q, out);
    else if (q.kind == STORE_GREATEST_DONE)
        out->greatest =
            t->index.greatest > t->flushed.greatest ? t->index.greatest : t->flushed.greatest;
    else if (q.kind == STORE_ERASABLE_DONE || q.kind == STORE_HELD_DONE)
        table_erase_answer(t, &q, slice_of(t->keys.p + q.key_at, q.key_n), out);
    else if (!q.error && answer_get(t, &q, out, item))
        return 2;
    return 1;
}

int table_value(struct slice bytes, struct buf *scratch, struct store_result *out)
{
    struct record_view v;
    int n = record_decode(bytes, &v);
    if (n < 0)
        return n;
    if (!slice_eq(v.record.key, out->record.key) ||
        version_cmp(&v.record.version, &out->record.version) != 0)
        return ERR_CORRUPT;
    return record_value(&v, scratch, &out->record.value);
}
