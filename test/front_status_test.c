/* STATUS in words: the verdict, its reasons, the code, and a legend for each row. */
#include "front_one.h"

#include "front/command.h"

/* The map of that group in the reply. */
static uint32_t group(struct fixture *f, const char *name)
{
    return (uint32_t)(field(f, 0, name) - f->reply.v);
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    f->toy.status.world =
        (struct status_world){.keys = 5, .bytes = 600, .disk_free = 7000, .memory = 80000};
    f->toy.status.errors = 9;
    ask(f, "HELLO 3");
    parse(f, "STATUS");
    assert_text(field(f, 0, "verdict"), "healthy: 3 of 3 replicas everywhere, any 1 node may die");
    assert_text(field(f, 0, "warning"), "");
    assert_int_equal(field(f, 0, "code")->integer, 0);
    assert_text(field(f, group(f, "cluster"), "id"), "cc000000000000000000000000000000");
    assert_int_equal(field(f, group(f, "cluster"), "members")->integer, 3);
    assert_int_equal(field(f, group(f, "cluster"), "epoch")->integer, 7);
    uint32_t node = group(f, "node");
    assert_text(field(f, node, "id"), "00000000000000a1");
    assert_text(field(f, node, "disk"), "ok");
    assert_int_equal(field(f, node, "keys")->integer, 5);
    assert_int_equal(field(f, node, "bytes")->integer, 600);
    assert_int_equal(field(f, node, "disk_free")->integer, 7000);
    assert_int_equal(field(f, node, "memory")->integer, 80000);
    assert_int_equal(field(f, node, "errors")->integer, 9);
    f->toy.status.refuses = ERR_NO_SPACE;
    parse(f, "STATUS");
    assert_text(field(f, group(f, "node"), "disk"), "full");
    f->toy.status.refuses = ERR_IO;
    parse(f, "STATUS");
    assert_text(field(f, group(f, "node"), "disk"), "fails");
}

/* The rows of a group in the reply are those of the table, in its order: none is without a
 * legend. */
static unsigned rows_match(struct fixture *f, uint32_t map, const char *name, unsigned row)
{
    uint32_t at = map + 1;
    for (uint32_t i = 0; i < f->reply.v[map].count; i += 2) {
        assert_true(row < command_row_n);
        assert_string_equal(command_rows[row].command, "status");
        assert_string_equal(command_rows[row].group, name);
        assert_text(&f->reply.v[at], command_rows[row].name);
        assert_true(strlen(command_rows[row].legend) > 10);
        at = resp_after(&f->reply, at + 1);
        row++;
    }
    return row;
}

static void test_each_row_has_a_legend(void **state)
{
    struct fixture *f = *state;
    ask(f, "HELLO 3");
    parse(f, "STATUS");
    assert_int_equal(f->reply.v[0].count, 10);
    assert_string_equal(command_rows[0].name, "code");
    unsigned row = rows_match(f, group(f, "cluster"), "cluster", 1);
    assert_int_equal(rows_match(f, group(f, "node"), "node", row), command_row_n);
}

static void assert_verdict(struct fixture *f, const char *verdict, int code, const char *warning)
{
    parse(f, "STATUS");
    assert_text(field(f, 0, "verdict"), verdict);
    assert_int_equal(field(f, 0, "code")->integer, code);
    assert_text(field(f, 0, "warning"), warning);
}

static void test_verdicts(void **state)
{
    struct fixture *f = *state;
    struct status_info *i = &f->toy.status;
    i->verdict = VERDICT_CHANGING;
    i->reason[REASON_FORMING].n = 1;
    assert_verdict(
        f, "changing: 3 of 3 replicas everywhere, any 1 node may die; a new layout is being agreed",
        1, "");
    i->reason[REASON_FORMING].n = 0;
    i->reason[REASON_BEHIND] = (struct status_reason){.n = 1, .name = SLICE("b")};
    assert_verdict(f,
                   "changing: 3 of 3 replicas everywhere, any 1 node may die; b has not adopted "
                   "the layout yet",
                   1, "");
    i->reason[REASON_BEHIND].n = 0;
    i->verdict = VERDICT_DEGRADED;
    i->reason[REASON_DOWN] = (struct status_reason){.n = 1, .name = SLICE("b")};
    i->may_die = 0;
    assert_verdict(
        f, "degraded: every key can be read and written, no more node may die; b does not answer",
        1, "");
    i->reason[REASON_DOWN].n = 3;
    i->may_die = 2;
    i->reason[REASON_FULL] = (struct status_reason){.n = 1, .self = true};
    assert_verdict(f,
                   "degraded: every key can be read and written, any 2 more nodes may die; b and 2 "
                   "more do not answer; the disk "
                   "of this node is full",
                   1, "");
    i->verdict = VERDICT_UNAVAILABLE;
    i->reason[REASON_FULL].n = 0;
    i->unwritable = i->unreadable = 300;
    assert_verdict(f,
                   "unavailable: keys of 300 of 1024 vnodes can be neither read nor written now; b "
                   "and 2 more do not answer",
                   2, "");
    i->unreadable = 0;
    assert_verdict(
        f,
        "unavailable: keys of 300 of 1024 vnodes cannot be written now; b and 2 more do not answer",
        2, "");
    i->unwritable = 0;
    i->unreadable = 7;
    i->recoverers = 2;
    i->reason[REASON_DOWN].n = 0;
    i->reason[REASON_RECOVERS] = (struct status_reason){.n = 2, .name = SLICE("c")};
    assert_verdict(f,
                   "unavailable: keys of at most 7 of 1024 vnodes cannot be read now; c and 1 more "
                   "lost records and fetch them "
                   "from the other owners",
                   2, "");
}

static void test_small_clusters(void **state)
{
    struct fixture *f = *state;
    struct status_info *i = &f->toy.status;
    *i = (struct status_info){.verdict = VERDICT_DEGRADED,
                              .n_wanted = 3,
                              .n = 2,
                              .w = 2,
                              .r = 1,
                              .members = 2,
                              .vnodes = 1024};
    i->reason[REASON_FEW].n = 1;
    assert_verdict(f,
                   "degraded: 2 of 3 replicas everywhere, no node may die; more members are needed",
                   1, "with 2 members no writer's death is survived: the promise starts at three");
    i->n = i->w = 1;
    i->members = 1;
    assert_verdict(f,
                   "degraded: 1 of 3 replicas everywhere, no node may die; more members are needed",
                   1, "with 1 member its disk is the only copy: the promise starts at three");
    *i = (struct status_info){.verdict = VERDICT_LOADING};
    assert_verdict(f,
                   "loading: this node has not found its peers yet, or they have not taken it in; "
                   "its log says why",
                   2, "");
    *i = (struct status_info){.verdict = VERDICT_LOADING, .n = 3, .w = 2, .members = 3, .met = 0};
    assert_verdict(f,
                   "loading: this node has met 0 of the 2 other members and needs 1; if the others "
                   "were started at new addresses "
                   "(MEMBERS shows the last known), start this node again with --seed HOST:PORT of "
                   "one of them",
                   2, "");
}

/* Members of another cluster look for one of theirs here: alone, the node answers nobody; else it
 * warns. */
static void test_a_claim(void **state)
{
    struct fixture *f = *state;
    struct status_info *i = &f->toy.status;
    i->claimed_by = (struct cluster_id){{0xbb}};
    i->claimed_for = 0xd1;
    parse(f, "STATUS");
    assert_true(contains(field(f, 0, "verdict")->text, "healthy: "));
    assert_true(contains(field(f, 0, "warning")->text,
                         "cluster bb000000000000000000000000000000 look for their member "
                         "00000000000000d1 at this node's address: "));
    i->verdict = VERDICT_LOADING;
    i->members = 1;
    parse(f, "STATUS");
    assert_true(
        contains(field(f, 0, "verdict")->text,
                 "loading: this node is alone and answers no client: members of cluster bb0"));
    assert_int_equal(field(f, 0, "code")->integer, 2);
    f->front.ready = false;
    f->front.claimed = true;
    assert_true(
        contains(ask(f, "GET k"), "-LOADING this node is alone, and members of another cluster "));
}

/* All reasons at once, of members with the longest of names, still fit. */
static void test_the_longest_verdict(void **state)
{
    struct fixture *f = *state;
    char name[NODE_NAME_MAX];
    memset(name, 'n', sizeof name);
    f->toy.status.verdict = VERDICT_DEGRADED;
    for (unsigned k = 0; k < REASONS; k++)
        f->toy.status.reason[k] =
            (struct status_reason){.n = 1000, .name = slice_of(name, sizeof name)};
    parse(f, "STATUS");
    struct slice verdict = field(f, 0, "verdict")->text;
    assert_true(contains(verdict, "have not adopted the layout yet"));
}

static void test_what_a_write_through_a_sick_node_says(void **state)
{
    struct fixture *f = *state;
    f->toy.error = ERR_IO;
    f->toy.unstamped = true;
    expect(f, "SET k v",
           "-IOERR the disk of this node fails, so it stamps no writes; nothing was stored; look "
           "at its log, and "
           "write through another node\r\n");
    f->toy.unstamped = false;
    f->toy.error = ERR_UNKNOWN_OUTCOME;
    f->toy.tally = (struct owner_tally){.n = 3, .answered = 1, .failed = 1, .away = 1};
    expect(f, "SET k v",
           "-UNKNOWN 1 of 2 needed owners answered in time (1 cannot be reached, 1 cannot use its "
           "disk); the write "
           "may or may not have been stored; read it back or write it again\r\n");
    f->toy.error = ERR_NO_QUORUM;
    f->toy.tally = (struct owner_tally){.n = 3, .answered = 1, .recovering = 1};
    expect(f, "GET k",
           "-NOQUORUM 1 of 2 needed owners answered (1 is recovering, 1 did not answer); nothing "
           "was read; try again "
           "(see STATUS)\r\n");
    f->toy.tally = (struct owner_tally){.n = 3, .away = 2};
    expect(f, "GET k",
           "-NOQUORUM 1 of 2 needed owners are reachable; nothing was read; try again when more "
           "members are up (see "
           "STATUS)\r\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_status),
        TEST(test_each_row_has_a_legend),
        TEST(test_verdicts),
        TEST(test_small_clusters),
        TEST(test_a_claim),
        TEST(test_the_longest_verdict),
        TEST(test_what_a_write_through_a_sick_node_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
