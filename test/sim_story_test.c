/* sim_story_test.c: five golden stories of whole nodes: what a small cluster does, message by
 * message, is compared with a file that a person has read.
 *
 * Each test plays a script in the simulated world: real nodes, stores in memory, a network and
 * disks that draw nothing (world_options.steady), no faults but those of the script. What happens
 * is printed by the simulator's printer (sim/story.h), the lines of a few words only, and must be
 * what test/stories/NAME.txt says. That file begins with a heading, lines that begin with #, which
 * says what to look at.
 *
 * A change that is meant to change a story: `test/stories/accept` writes the files anew, under
 * their headings; `git diff` then shows what a reviewer should see. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "sim/story.h"
#include "wire_random.h"

enum { STORY_MAX = 1 << 20, CLIENTS = 1 };

static struct world w;
static struct story s;
static struct buf told; /* the story so far */
static const char *program;

/* ---- The world's news ---- */

static void on_trace(void *arg, uint32_t node, const struct trace *t)
{
    (void)arg;
    story_trace(&s, node, t);
}

static void on_life(void *arg, uint32_t node, bool up)
{
    (void)arg;
    story_power(&s, node, up);
}

static void on_action(void *arg, uint32_t node, const struct action *a)
{
    (void)arg;
    story_action(&s, node, a);
}

static void on_result(void *arg, uint32_t node, const struct event *ev)
{
    (void)arg;
    story_result(&s, node, ev);
}

static void on_client(void *arg, uint32_t client)
{
    (void)arg;
    struct buf *out = &w.client[client].session.out;
    char where[32];
    snprintf(where, sizeof where, "n%u -> c%u", w.client[client].node, client);
    for (size_t i = 0; i < out->n; i++)
        out->p[i] = out->p[i] < ' ' ? ' ' : out->p[i];
    story_line(&s, where, "%.*s", (int)out->n - 2,
               (const char *)out->p); /* without the last \r\n */
    buf_consume(out, out->n);
}

/* ---- What a script is made of ---- */

static void go_on(uint64_t ms)
{
    struct sim_event ev;
    uint64_t until_us = w.now_us + ms * 1000;
    while (world_next(&w, until_us, &ev)) {}
}

/* The story's clock begins here, and the lines of these words are printed from now on. */
static void tell(const char *words)
{
    s.o.words = words;
    s.from_us = w.now_us;
}

static void remark(const char *text)
{
    CHECK(!buf_printf(&told, "-- %s\n", text));
}

/* A client connects to a node, gives a command, and has its answer after that time. */
static void ask(uint32_t node, const char *command, uint64_t ms)
{
    char where[32];
    if (w.client[0].open && w.client[0].node != node) {
        session_close(&w.client[0].session);
        w.client[0].open = false;
    }
    if (!w.client[0].open)
        world_connect(&w, 0, node);
    snprintf(where, sizeof where, "c0 -> n%u", node);
    story_line(&s, where, "%s", command);
    CHECK(!buf_printf(&s.line, "\r\n"));
    world_say(&w, 0, buf_view(&s.line));
    go_on(ms);
}

/* What the disks of a key's owners hold of it. */
static void show_owners(const char *name)
{
    uint8_t bytes[KEY_TEXT];
    struct slice key = key_write(bytes, 0, slice_str(name));
    const struct layout *l = chain_layout(&w.node[0].node.member.chain);
    struct buf value;
    buf_init(&value, RECORD_VALUE_MAX);
    for (unsigned i = 0; i < l->n; i++) {
        struct sim_node *owner =
            world_by_id(&w, layout_owner(l, layout_vnode(l, slot_of_key(key)), i)->id);
        struct record r;
        CHECK(!mem_peek(world_disk(&w, world_index(&w, owner)), key, &value, &r));
        s.line.n = 0;
        r.key = key;
        story_print_record(&s, &r);
        CHECK(!buf_printf(&told, "   disk of %s, owner of rank %u:%.*s\n", owner->name, i,
                          (int)s.line.n, (const char *)s.line.p));
    }
    buf_close(&value);
}

static void fault(enum fault_kind kind, uint32_t a, uint32_t b, bool begins)
{
    world_fault(&w, &(struct fault){.kind = kind, .a = a, .b = b}, begins);
}

/* Nodes that are to start; each story goes on from here. */
static void open_world(uint32_t nodes)
{
    world_init(&w, &(struct world_options){.seed = 1,
                                           .nodes = nodes,
                                           .clients = CLIENTS,
                                           .profile = SWIM_LOCAL,
                                           .check = true,
                                           .repair_manual = true,
                                           .steady = true});
    buf_init(&told, STORY_MAX);
    story_init(&s, &w, &(struct story_options){.into = &told, .columns = 100});
    w.watch = (struct world_watch){.trace = on_trace,
                                   .life = on_life,
                                   .action = on_action,
                                   .result = on_result,
                                   .client = on_client};
}

/* A cluster of all nodes that has nothing more to do. */
static void open_cluster(uint32_t nodes)
{
    open_world(nodes);
    for (uint32_t i = 0; i < nodes; i++)
        world_start_node(&w, i, 1000 * i);
    go_on(20000);
}

/* ---- The comparison ---- */

/* The lines at the head of a file that begin with #; none of a file that is not there. */
static void copy_heading(const char *path, FILE *to)
{
    char line[256];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && line[0] == '#')
        fputs(line, to);
    if (f)
        fclose(f);
}

/* Ends a story: it must be what the file says. */
static void close_story(const char *name)
{
    char path[128], now[512], command[1024];
    snprintf(path, sizeof path, "test/stories/%s.txt", name);
    snprintf(now, sizeof now, "%s.%s.txt", program, name);
    FILE *f = fopen(now, "w");
    assert_non_null(f);
    copy_heading(path, f);
    assert_int_equal(fwrite(told.p, 1, told.n, f), told.n);
    assert_int_equal(fclose(f), 0);
    world_close(&w);
    story_close(&s);
    buf_close(&told);
    if (getenv("STORIES_ACCEPT"))
        snprintf(command, sizeof command, "cp %s %s", now, path);
    else
        snprintf(command, sizeof command, "diff -u %s %s", path, now);
    if (system(command) != 0)
        fail_msg("the nodes do not do what %s says. The difference is shown above: - is the file, "
                 "+ is what they do now. If the change is meant, run test/stories/accept, which "
                 "writes the file anew",
                 path);
}

/* ---- The stories ---- */

static void a_put(void **state)
{
    (void)state;
    open_cluster(5);
    tell("clock,put,stored,PUT,PUT_ACK,hint");
    remark("the coordinator is an owner of the key");
    ask(1, "SET k1 red", 100);
    show_owners("k1");
    remark("the coordinator is no owner of the key");
    ask(2, "SET k2 blue", 100);
    show_owners("k2");
    remark("the coordinator's clock is behind that of n1, which stamped what the owners hold");
    ask(0, "SET k1 green", 100);
    close_story("put");
}

/* n2 misses a write: it is cut off from both others while the value is written. */
static void write_past_n2(const char *command)
{
    for (uint32_t i = 0; i < 2; i++)
        fault(FAULT_CUT, i, 2, true);
    ask(0, command, 100);
    world_crash_node(&w, 0);
    for (uint32_t i = 0; i < 2; i++)
        fault(FAULT_CUT, i, 2, false);
    world_start_node(&w, 0, w.now_us);
    go_on(9900);
}

static void a_read_that_repairs(void **state)
{
    (void)state;
    open_cluster(3);
    tell("put,stored,PUT,PUT_ACK,GET,GOT,get,hint,power");
    remark("no message reaches n2, and the coordinator loses power before it puts a hint");
    write_past_n2("SET k1 red");
    show_owners("k1");
    remark("a read whose coordinator is the stale owner");
    ask(2, "GET k1", 100);
    show_owners("k1");
    remark("a read that asks the stale owner");
    write_past_n2("SET k1 blue");
    ask(1, "GET k1", 100);
    show_owners("k1");
    close_story("read_repair");
}

static void a_member_returns_to_its_hints(void **state)
{
    (void)state;
    open_cluster(3);
    tell("put,stored,PUT,PUT_ACK,hint,hinted,hints,drop,hints.replayed,power,"
         "member.dead,member.alive");
    world_crash_node(&w, 2);
    ask(0, "SET k1 red", 20000);
    ask(0, "SET k2 blue", 1000);
    world_start_node(&w, 2, w.now_us);
    go_on(5000);
    show_owners("k1");
    show_owners("k2");
    close_story("hints");
}

static void a_formation(void **state)
{
    (void)state;
    open_world(3);
    tell("power,node.founded,node.ready,join.asked,layout.proposed,layout.accepted,layout.adopted,"
         "JOIN,JOIN_NO,PREPARE,PROMISE,ACCEPT,ACCEPTED,LAYOUT,LAYOUT_GET,cluster,chain,layout,link."
         "up");
    for (uint32_t i = 0; i < 3; i++)
        world_start_node(&w, i, 100000 * i);
    go_on(900);
    close_story("formation");
}

static void a_lost_disk(void **state)
{
    (void)state;
    open_cluster(3);
    tell("power,node.recovering,node.recovered,GET,GOT,PUT,put,stored,LIST_GET,LIST,doubt,get");
    ask(0, "SET k1 red", 1000);
    fault(FAULT_WIPE, 2, 0, true);
    show_owners("k1");
    fault(FAULT_WIPE, 2, 0, false);
    remark("n2 has nothing yet, and does not count as an owner that was read");
    go_on(2);
    ask(2, "GET k1", 10);
    remark("n2 compares every vnode with n0, then with n1");
    go_on(5000);
    show_owners("k1");
    remark("n2 counts again");
    ask(2, "GET k1", 100);
    close_story("lost_disk");
}

/* ---- The printer ---- */

static void every_message_is_one_line(void **state)
{
    (void)state;
    open_world(1);
    struct rng rng;
    rng_init(&rng, 11);
    for (unsigned i = 0; i < 100 * sizeof message_kinds; i++) {
        uint8_t kind = message_kinds[i % sizeof message_kinds];
        struct action a = {.kind = ACT_SEND};
        a.send.message = random_message(&rng, kind);
        tell(message_name(kind));
        story_action(&s, 0, &a);
        assert_true(told.n > 0 && told.p[told.n - 1] == '\n');
        assert_ptr_equal(memchr(told.p, '\n', told.n), told.p + told.n - 1);
        assert_non_null(memmem(told.p, told.n, message_name(kind), strlen(message_name(kind))));
        buf_consume(&told, told.n);
    }
    world_close(&w);
    story_close(&s);
    buf_close(&told);
}

int main(int argc, char **argv)
{
    (void)argc;
    program = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put),
        cmocka_unit_test(a_read_that_repairs),
        cmocka_unit_test(a_member_returns_to_its_hints),
        cmocka_unit_test(a_formation),
        cmocka_unit_test(a_lost_disk),
        cmocka_unit_test(every_message_is_one_line),
    };
    return cmocka_run_group_tests_name("sim_story", tests, NULL, NULL);
}
