/* front_docs_test.c: what follows from the command table's arguments: the numbers of COMMAND, which
 * Redis has too; what is enforced; the objects of COMMAND DOCS, and redis-cli's hints from them. */
#include "front_one.h"

#include "base/buf.h"

/* The name as Redis writes it: "client|id". */
static const char *full_name(const struct command *c, char between)
{
    static char text[64];
    snprintf(text, sizeof text, c->parent ? "%s%c%s" : "%s", c->parent ? c->parent : c->name,
             between, c->name);
    return text;
}

/* ---- COMMAND ---- */

static const struct {
    const char *name;
    int arity, first, last, step; /* as in Redis 7.0.15, except where a comment differs */
} in_redis[] = {
    {"auth", -2, 0, 0, 0},
    {"client", -2, 0, 0, 0},
    {"client|getname", 2, 0, 0, 0},
    {"client|help", 2, 0, 0, 0},
    {"client|id", 2, 0, 0, 0},
    {"client|info", 2, 0, 0, 0},
    {"client|list", 2, 0, 0, 0}, /* Redis: -2, with options */
    {"client|no-evict", 3, 0, 0, 0},
    {"client|no-touch", 3, 0, 0, 0},
    {"client|setinfo", 4, 0, 0, 0},
    {"client|setname", 3, 0, 0, 0},
    {"command", -1, 0, 0, 0},
    {"command|count", 2, 0, 0, 0},
    {"command|docs", -2, 0, 0, 0},
    {"command|getkeys", -3, 0, 0, 0}, /* Redis: -4 */
    {"command|help", 2, 0, 0, 0},
    {"command|info", -2, 0, 0, 0},
    {"command|list", -2, 0, 0, 0},
    {"config", -2, 0, 0, 0},
    {"config|get", -3, 0, 0, 0},
    {"config|help", 2, 0, 0, 0},
    {"dbsize", 1, 0, 0, 0},
    {"del", -2, 1, -1, 1},
    {"echo", 2, 0, 0, 0},
    {"exists", -2, 1, -1, 1},
    {"expire", -3, 1, 1, 1},
    {"expireat", -3, 1, 1, 1},
    {"expiretime", 2, 1, 1, 1},
    {"flushall", -1, 0, 0, 0},
    {"flushdb", -1, 0, 0, 0},
    {"get", 2, 1, 1, 1},
    {"hello", -1, 0, 0, 0},
    {"info", -1, 0, 0, 0},
    {"mget", -2, 1, -1, 1},
    {"mset", -3, 1, -1, 2},
    {"persist", 2, 1, 1, 1},
    {"pexpire", -3, 1, 1, 1},
    {"pexpireat", -3, 1, 1, 1},
    {"pexpiretime", 2, 1, 1, 1},
    {"ping", -1, 0, 0, 0},
    {"psetex", 4, 1, 1, 1},
    {"pttl", 2, 1, 1, 1},
    {"quit", -1, 0, 0, 0},
    {"reset", 1, 0, 0, 0},
    {"select", 2, 0, 0, 0},
    {"set", -3, 1, 1, 1},
    {"setex", 4, 1, 1, 1},
    {"strlen", 2, 1, 1, 1},
    {"subscribe", -2, 0, 0, 0},
    {"time", 1, 0, 0, 0},
    {"ttl", 2, 1, 1, 1},
    {"type", 2, 1, 1, 1},
    {"unlink", -2, 1, -1, 1},
    {"unsubscribe", -1, 0, 0, 0},
    /* covey's own */
    {"backup", 2, 0, 0, 0},
    {"consistency", -1, 0, 0, 0},
    {"hints", 1, 0, 0, 0},
    {"members", 1, 0, 0, 0},
    {"repair", -1, 0, 0, 0},
    {"ring", -1, 0, 0, 0},
    {"status", 1, 0, 0, 0},
    {"where", 2, 1, 1, 1},
};

enum { IN_REDIS = sizeof in_redis / sizeof in_redis[0] };

static void test_arity_and_keys_are_those_of_redis(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(IN_REDIS, command_n);
    for (unsigned i = 0; i < IN_REDIS; i++) {
        char line[64];
        snprintf(line, sizeof line, "COMMAND INFO %s", in_redis[i].name);
        assert_int_equal(parse(f, line)->count, 1);
        const struct resp_value *v = &f->reply.v[2];
        assert_text(v, in_redis[i].name);
        uint32_t keys = resp_after(&f->reply, 4); /* behind the flags */
        if (v[1].integer != in_redis[i].arity)
            fail_msg("%s: arity %d", in_redis[i].name, (int)v[1].integer);
        assert_int_equal(f->reply.v[keys].integer, in_redis[i].first);
        assert_int_equal(f->reply.v[keys + 1].integer, in_redis[i].last);
        assert_int_equal(f->reply.v[keys + 2].integer, in_redis[i].step);
    }
}

/* Else no arity could be right. */
static void test_parts_of_which_one_must_be_there_are_equally_long(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        for (const struct command_argument *a = c->arguments; a->type != ARGUMENT_END; a++) {
            bool choice = a->type == ARGUMENT_ONEOF && !a->optional;
            int first = -1;
            for (const struct command_argument *part = a->of; choice && part->type != ARGUMENT_END;
                 part++) {
                int words = (part->token != NULL) + (part->type != ARGUMENT_WORD);
                assert_true(!part->of && !part->optional && !part->multiple);
                assert_true(first < 0 || words == first);
                first = words;
            }
        }
    }
}

/* The name of c in front of so many other words, to a new connection. */
static bool refused_for_its_number(const struct command *c, uint32_t others)
{
    void *state;
    char line[256];
    set_up(&state);
    struct fixture *f = state;
    int n = snprintf(line, sizeof line, "%s", full_name(c, ' '));
    for (uint32_t i = 0; i < others; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " 1");
    bool refused = contains(ask(f, line), "-ERR wrong number of arguments for '");
    tear_down(&state);
    return refused;
}

static void test_what_is_enforced_is_the_arity(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        uint32_t name_n = 1 + (c->parent != NULL);
        for (uint32_t others = 0; others < 7; others++) {
            bool fits = command_fits(c, name_n + others);
            /* Redis says it of these, too, beyond what the arity can say. */
            fits &= strcmp(c->name, "mset") || others % 2 == 0;
            fits &= strcmp(c->name, "ping") || others < 2;
            if (refused_for_its_number(c, others) == fits)
                fail_msg("%s and %u others: arity %d", full_name(c, ' '), others, command_arity(c));
        }
    }
}

/* An option of Redis that is not built is not ignored. */
static void test_what_a_command_lacks_is_refused(void **state)
{
    struct fixture *f = *state;
    unsigned lacking = 0;
    for (const struct command *c = command_table; c < command_table + command_n; c++) {
        for (unsigned i = 0; i < COMMAND_LACKS_MAX && c->lacks[i]; i++, lacking++) {
            char line[128];
            int n = snprintf(line, sizeof line, "%s", full_name(c, ' '));
            for (int word = 1 + (c->parent != NULL); word < -command_arity(c); word++)
                n += snprintf(line + n, sizeof line - (size_t)n, " 1");
            snprintf(line + n, sizeof line - (size_t)n, " %s", c->lacks[i]);
            assert_true(contains(ask(f, line), "-ERR "));
        }
    }
    assert_true(lacking > 0);
    expect(f, "EXISTS 1", ":0\r\n");
}

/* ---- COMMAND DOCS ---- */

/* The field of a map in the reply; 0: there is none. */
static uint32_t find_field(const struct resp_reply *r, uint32_t map, const char *name)
{
    uint32_t at = map + 1, n = r->v[map].count / 2;
    for (; n > 0; n--, at = resp_after(r, at + 1)) {
        if (slice_eq(r->v[at].text, slice_str(name)))
            return at + 1;
    }
    return 0;
}

static void put_text(struct buf *out, const struct resp_reply *r, uint32_t at)
{
    assert_int_equal(buf_slice(out, r->v[at].text), 0);
}

static void put(struct buf *out, const char *text)
{
    assert_int_equal(buf_slice(out, slice_str(text)), 0);
}

static bool has_flag(const struct resp_reply *r, uint32_t argument, const char *flag)
{
    uint32_t at = find_field(r, argument, "flags");
    for (uint32_t i = 0; at && i < r->v[at].count; i++) {
        assert_int_equal(r->v[at + 1 + i].type, RESP_SIMPLE);
        if (slice_eq(r->v[at + 1 + i].text, slice_str(flag)))
            return true;
    }
    return false;
}

/* Prints an argument, or hints at it. */
typedef void print(struct buf *out, const struct resp_reply *r, uint32_t argument);

static void put_each(struct buf *out, const struct resp_reply *r, uint32_t list,
                     const char *between, print *each)
{
    uint32_t at = list + 1;
    assert_int_equal(r->v[list].type, RESP_ARRAY);
    for (uint32_t i = 0; i < r->v[list].count; i++, at = resp_after(r, at)) {
        put(out, i ? between : "");
        each(out, r, at);
    }
}

/* "seconds:integer@EX?": name, type, token, optional or (+) multiple, and the parts in brackets. */
static void put_structure(struct buf *out, const struct resp_reply *r, uint32_t argument)
{
    uint32_t token = find_field(r, argument, "token"), parts = find_field(r, argument, "arguments");
    put_text(out, r, find_field(r, argument, "name"));
    put(out, ":");
    put_text(out, r, find_field(r, argument, "type"));
    put(out, token ? "@" : "");
    if (token)
        put_text(out, r, token);
    put(out, has_flag(r, argument, "optional") ? "?" : "");
    put(out, has_flag(r, argument, "multiple") ? "+" : "");
    if (parts) {
        put(out, "(");
        put_each(out, r, parts, " ", put_structure);
        put(out, ")");
    }
}

static bool is_type(const struct resp_reply *r, uint32_t argument, const char *type)
{
    return slice_eq(r->v[find_field(r, argument, "type")].text, slice_str(type));
}

static void put_hint(struct buf *out, const struct resp_reply *r, uint32_t argument);

static void put_hint_once(struct buf *out, const struct resp_reply *r, uint32_t argument)
{
    uint32_t token = find_field(r, argument, "token"), parts = find_field(r, argument, "arguments");
    if (token)
        put_text(out, r, token);
    if (is_type(r, argument, "pure-token"))
        return;
    put(out, token ? " " : "");
    if (parts)
        put_each(out, r, parts, is_type(r, argument, "oneof") ? "|" : " ", put_hint);
    else
        put_text(out, r, find_field(r, argument, "name"));
}

/* As redis-cli makes its hints of COMMAND DOCS from 7.2 on. */
static void put_hint(struct buf *out, const struct resp_reply *r, uint32_t argument)
{
    bool optional = has_flag(r, argument, "optional");
    put(out, optional ? "[" : "");
    put_hint_once(out, r, argument);
    if (has_flag(r, argument, "multiple")) {
        put(out, " [");
        put_hint_once(out, r, argument);
        put(out, " ...]");
    }
    put(out, optional ? "]" : "");
}

/* What is printed of a command's arguments, as COMMAND DOCS gives them; valid until the next
 * call. */
static const char *docs_of(struct fixture *f, const char *name, print *each)
{
    static char text[1024];
    struct buf out;
    buf_init(&out, sizeof text);
    snprintf(text, sizeof text, "COMMAND DOCS %s", name);
    assert_int_equal(parse(f, text)->count, 2);
    assert_text(&f->reply.v[1], name);
    uint32_t arguments = find_field(&f->reply, 2, "arguments");
    if (arguments)
        put_each(&out, &f->reply, arguments, " ", each);
    snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
    buf_close(&out);
    return text;
}

#define CONDITION \
    "condition:oneof?(nx:pure-token@NX xx:pure-token@XX gt:pure-token@GT lt:pure-token@LT)"

/* As Redis 7.0.15 describes them, less the options that are not built. */
static void test_docs_describe_arguments_as_redis_does(void **state)
{
    static const char *const want[][2] = {
        {"get", "key:key"},
        {"del", "key:key+"},
        {"mset", "key_value:block+(key:key value:string)"},
        {"set", "key:key value:string expiration:oneof?(seconds:integer@EX milliseconds:integer@PX "
                "unix-time-seconds:unix-time@EXAT unix-time-milliseconds:unix-time@PXAT "
                "keepttl:pure-token@KEEPTTL)"},
        {"expire", "key:key seconds:integer " CONDITION},
        {"pexpireat", "key:key unix-time-milliseconds:unix-time " CONDITION},
        {"setex", "key:key seconds:integer value:string"},
        {"hello", "arguments:block?(protover:integer username_password:block@AUTH?(username:string "
                  "password:string) "
                  "clientname:string@SETNAME?)"},
        {"auth", "username:string? password:string"},
        {"flushall", "async:oneof?(async:pure-token@ASYNC sync:pure-token@SYNC)"},
        {"info", "section:string?+"},
        {"client|no-evict", "enabled:oneof(on:pure-token@ON off:pure-token@OFF)"},
        {"command|list", "filterby:oneof@FILTERBY?(pattern:pattern@PATTERN)"},
        {"time", ""},
    };
    struct fixture *f = *state;
    for (int proto = 2; proto <= 3; proto++) {
        for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
            assert_string_equal(docs_of(f, want[i][0], put_structure), want[i][1]);
        ask(f, "HELLO 3");
    }
}

/* Every command: what redis-cli would show of it is how it is used, in both protocols. */
static void test_docs_give_every_command_its_hint(void **state)
{
    struct fixture *f = *state;
    char usage[COMMAND_USAGE_MAX];
    for (int proto = 2; proto <= 3; proto++) {
        for (const struct command *c = command_table; c < command_table + command_n; c++) {
            const char *hint = docs_of(f, full_name(c, '|'), put_hint);
            size_t name_n = strlen(full_name(c, ' '));
            command_usage(c, usage);
            assert_memory_equal(usage, full_name(c, ' '), name_n);
            assert_string_equal(hint, c->run ? usage + name_n + (usage[name_n] == ' ') : "");
        }
        ask(f, "HELLO 3");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_arity_and_keys_are_those_of_redis),
        cmocka_unit_test(test_parts_of_which_one_must_be_there_are_equally_long),
        cmocka_unit_test(test_what_is_enforced_is_the_arity),
        TEST(test_what_a_command_lacks_is_refused),
        TEST(test_docs_describe_arguments_as_redis_does),
        TEST(test_docs_give_every_command_its_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
