/* story_message.c: messages and records in the words of a story. The fields of a message come from
 * wire/message.def; what is printed of each depends on its type alone, but for the few names in
 * SILENT. */
#include "sim/story.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PRINT_BYTES = 32 }; /* a longer value is printed as its size */

/* Fields that say nothing to a reader. */
static const char *const SILENT[] = {"boot", "disk", "hash", "seq", "upto", "ticket"};

static bool is_silent(const char *name)
{
    for (unsigned i = 0; i < sizeof SILENT / sizeof SILENT[0]; i++)
        if (strcmp(name, SILENT[i]) == 0)
            return true;
    return false;
}

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return s.n <= PRINT_BYTES;
}

/* A text between quotes, such as "\"" or ""; what is no short text as its size. */
static void print_text(struct story *s, const char *quote, struct slice text)
{
    if (is_text(text))
        CHECK(!buf_printf(&s->line, "%s%.*s%s", quote, (int)text.n, (const char *)text.p, quote));
    else
        CHECK(!buf_printf(&s->line, "%zu bytes", text.n));
}

void story_print_member(struct story *s, uint64_t id)
{
    char hex[ADDR_TEXT];
    const struct sim_node *n = world_by_id((struct world *)s->world, id);
    CHECK(!buf_printf(&s->line, "%s", n ? n->name : node_id_text(id, hex)));
}

/* ---- Records ---- */

/* The number of a version; 0: it was not mentioned yet. */
static uint32_t number_of(const struct story *s, const struct version *v)
{
    for (uint32_t i = 0; i < s->version_n; i++)
        if (version_cmp(&s->version[i], v) == 0)
            return i + 1;
    return 0;
}

bool story_knows(const struct story *s, const struct version *v)
{
    return number_of(s, v) > 0;
}

static uint32_t mention(struct story *s, const struct version *v)
{
    uint32_t known = number_of(s, v);
    if (known)
        return known;
    s->version = realloc(s->version, (s->version_n + 1) * sizeof *s->version);
    CHECK(s->version);
    s->version[s->version_n++] = *v;
    return s->version_n;
}

void story_print_version(struct story *s, const struct version *v)
{
    if (v->stamp == 0)
        CHECK(!buf_printf(&s->line, "nothing"));
    else
        CHECK(!buf_printf(&s->line, "@%" PRIu32, mention(s, v)));
}

/* A record without its key: a value, or what it is instead of one, and the version. */
static void print_found(struct story *s, const struct record *r)
{
    static const char *const kinds[RECORD_KINDS] = {[RECORD_NONE] = "nothing",
                                                    [RECORD_TOMBSTONE] = "(deleted)",
                                                    [RECORD_FLOOR] = "(floor)",
                                                    [RECORD_FLUSH] = "(flush)",
                                                    [RECORD_STATE] = "(state)"};
    if (r->kind == RECORD_VALUE && r->value.n > 0)
        print_text(s, "\"", r->value);
    else if (r->kind == RECORD_VALUE)
        CHECK(!buf_printf(&s->line, "(value)")); /* a digest: the value does not travel */
    else
        CHECK(!buf_printf(&s->line, "%s", kinds[r->kind] ? kinds[r->kind] : "?"));
    if (r->kind == RECORD_NONE)
        return;
    CHECK(!buf_printf(&s->line, " "));
    story_print_version(s, &r->version);
}

void story_print_record(struct story *s, const struct record *r)
{
    CHECK(!buf_printf(&s->line, " "));
    struct slice name = r->kind == RECORD_STATE ? r->key : key_name(r->key);
    if (name.n > 0) {
        print_text(s, "", name);
        CHECK(!buf_printf(&s->line, "="));
    }
    print_found(s, r);
}

/* ---- Fields, by their type ---- */

static void print_name(struct story *s, const char *name)
{
    CHECK(!buf_printf(&s->line, " %s=", name));
}

static void print_u64(struct story *s, const char *name, const uint64_t *f)
{
    if (*f == 0 || is_silent(name))
        return;
    print_name(s, name);
    if (world_by_id((struct world *)s->world, *f))
        story_print_member(s, *f);
    else
        CHECK(!buf_printf(&s->line, "%" PRIu64, *f));
}

static void print_stamp(struct story *s, const char *name, const uint64_t *f)
{
    print_u64(s, name, f);
}

static void print_u32(struct story *s, const char *name, const uint32_t *f)
{
    uint64_t wide = *f;
    if (*f == 0 || strcmp(name, "error") != 0)
        print_u64(s, name, &wide);
    else
        CHECK(!buf_printf(&s->line, " %s=%s", name, error_name((int)*f)));
}

static void print_u16(struct story *s, const char *name, const uint16_t *f)
{
    uint64_t wide = *f;
    print_u64(s, name, &wide);
}

static void print_u8(struct story *s, const char *name, const uint8_t *f)
{
    uint64_t wide = *f;
    print_u64(s, name, &wide);
}

static void print_addr(struct story *s, const char *name, const struct addr *f)
{
    char text[ADDR_TEXT];
    CHECK(!buf_printf(&s->line, " %s=%s", name, addr_text(*f, text)));
}

static void print_cid(struct story *s, const char *name, const struct cluster_id *f)
{
    char text[ADDR_TEXT];
    CHECK(!buf_printf(&s->line, " %s=%s", name, cluster_id_text(*f, text)));
}

static void print_bytes(struct story *s, const char *name, const struct slice *f)
{
    if (f->n == 0)
        return;
    print_name(s, name);
    print_text(s, "\"", *f);
}

static void print_key(struct story *s, const char *name, const struct slice *f)
{
    print_name(s, name);
    print_text(s, "", key_name(*f));
}

static void print_version(struct story *s, const char *name, const struct version *f)
{
    print_name(s, name);
    story_print_version(s, f);
}

/* A log position, and the head of requests and answers, are left out. */
#define U8(f)      print_u8(s, #f, &m->f);
#define U16(f)     print_u16(s, #f, &m->f);
#define U32(f)     print_u32(s, #f, &m->f);
#define U64(f)     print_u64(s, #f, &m->f);
#define CID(f)     print_cid(s, #f, &m->f);
#define ADDR(f)    print_addr(s, #f, &m->f);
#define BYTES(f)   print_bytes(s, #f, &m->f);
#define VERSION(f) print_version(s, #f, &m->f);
#define STAMP(f)   print_stamp(s, #f, &m->f);
#define POSITION(f)
#define RECORD(f)                           story_print_record(s, &m->f);
#define KEY(f)                              print_key(s, #f, &m->f);
#define FOUND(f)                            story_print_record(s, &m->f);
#define REQUEST(number, NAME, name, fields) MESSAGE(number, NAME, name, fields)
#define ANSWER(number, NAME, name, fields)  MESSAGE(number, NAME, name, U32(error) fields)
#define MESSAGE(number, NAME, name, fields)                               \
    static void print_##name(struct story *s, const struct msg_##name *m) \
    {                                                                     \
        (void)s, (void)m;                                                 \
        fields                                                            \
    }
#include "wire/message.def"
#undef MESSAGE

void story_print_fields(struct story *s, const struct message *m)
{
    switch (m->kind) {
#define MESSAGE(number, NAME, name, fields) \
    case MSG_##NAME:                        \
        print_##name(s, &m->name);          \
        break;
#define REQUEST MESSAGE
#define ANSWER  MESSAGE
#include "wire/message.def"
#undef MESSAGE
    }
}
