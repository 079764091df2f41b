/* json_test.c: every one-shot with --json prints one line that is JSON, an object with one field,
 * whatever happens. */
#include <stdio.h>

#include "../json_valid.h"
#include "harness.h"

/* One line of JSON that matches; the code of the one-shot is `code`. */
#define expect_json(c, code, pattern, ...)                 \
    do {                                                   \
        assert_int_equal(e2e_shell(c, __VA_ARGS__), code); \
        check_line(c, __LINE__, pattern);                  \
    } while (0)

static void check_line(struct cluster *c, int line, const char *pattern)
{
    size_t n = strlen(c->text);
    if (!json_valid(c->text))
        e2e_fail(c, __FILE__, line, "this is no JSON: %s", c->text);
    if (n == 0 || strchr(c->text, '\n') != c->text + n - 1)
        e2e_fail(c, __FILE__, line, "this is not one line: %s", c->text);
    e2e_match(c, __FILE__, line, pattern, c->text);
}

static void test_every_one_shot(void **state)
{
    struct cluster *c = *state;
    unsigned p;
    e2e_start_all(c, 3);
    p = e2e_port(c, 1);
    expect_json(c, 0, "{\"set\":\"OK\"}\n", "$COVEY set k 'two words' -p %u --json", p);
    expect_json(c, 0, "{\"get\":\"two words\"}\n", "$COVEY GET k -p %u --json", p);
    expect_json(c, 0, "{\"get\":null}\n", "$COVEY get none -p %u --json", p);
    expect_json(c, 0, "{\"status\":{\"verdict\":\"healthy*\"code\":0,*}}\n",
                "$COVEY status -p %u --json", p);
    expect_json(c, 0, "{\"members\":\\[{\"id\":*,\"name\":*},{*},{*}\\]}\n",
                "$COVEY members -p %u --json", p);
    expect_json(c, 0, "{\"ring\":{\"epoch\":*,\"members\":\\[{*},{*},{*}\\]}}\n",
                "$COVEY ring -p %u --json", p);
    expect_json(c, 0, "{\"ring\":\\[{\"vnode\":0,\"last_vnode\":*\"last_slot\":16383,*}\\]}\n",
                "$COVEY ring vnodes -p %u --json", p);
    expect_json(c, 0, "{\"where\":{\"slot\":*,\"owners\":\\[{*},{*},{*}\\]}}\n",
                "$COVEY where k -p %u --json", p);
    expect_json(c, 0, "{\"hints\":\\[\\]}\n", "$COVEY hints -p %u --json", p);
    expect_json(c, 0, "{\"repair\":{\"running\":*}}\n", "$COVEY repair -p %u --json", p);
    expect_json(c, 0, "{\"repair\":{\"running\":false,*}}\n", "$COVEY repair --watch -p %u --json",
                p);
    expect_json(c, 0, "{\"exists\":1}\n", "$COVEY exists k -p %u --json", p);
    expect_json(c, 0, "{\"mget\":\\[\"two words\",null\\]}\n", "$COVEY mget k none -p %u --json",
                p);
    expect_json(c, 0, "{\"info\":\"*redis_version*\"}\n", "$COVEY info -p %u --json", p);
    expect_json(c, 0, "{\"config\":{\"port\":\"*\"}}\n", "$COVEY config get port -p %u --json", p);
    expect_json(c, 0, "{\"command\":\\[*\\]}\n", "$COVEY command info get -p %u --json", p);
    expect_json(c, 0, "{\"client\":\"*id=*\"}\n", "$COVEY client list -p %u --json", p);
    expect_json(c, 0, "{\"del\":1}\n", "$COVEY del k -p %u --json", p);
    expect_json(c, 0, "{\"version\":{*}}\n", "$COVEY version --json");
}

/* A value comes back as it was: as text when it is some, else in base64. */
static void test_bytes(void **state)
{
    struct cluster *c = *state;
    unsigned p = e2e_port(c, 0);
    e2e_start_all(c, 3);
    expect_json(c, 0, "{\"set\":\"OK\"}\n", "$COVEY set k \"$(printf 'a\\377z')\" -p %u --json", p);
    expect_json(c, 0, "{\"get\":{\"base64\":\"Yf96\"}}\n", "$COVEY get k -p %u --json", p);
    expect_json(c, 0, "{\"set\":\"OK\"}\n", "$COVEY set k '12' -p %u --json", p);
    expect_json(c, 0, "{\"get\":\"12\"}\n", "$COVEY get k -p %u --json", p);
}

static void test_backup_check_restore(void **state)
{
    struct cluster *c = *state;
    unsigned p = e2e_port(c, 0);
    e2e_start_all(c, 3);
    assert_int_equal(e2e_fill(c, 0, 0, 100, 0), 0);
    expect_json(c, 0, "{\"backup\":{\"state\":\"done\",\"path\":\"*/bk\",*}}\n",
                "$COVEY backup bk -p %u --json", p);
    expect_json(c, 0,
                "{\"check\":{\"findings\":\\[\\],\"verdict\":\"bk: a backup of*100 keys: "
                "clean\",\"code\":0}}\n",
                "$COVEY check bk --json");
    expect_json(c, 0, "{\"restore\":{\"data\":\"made\",\"backups\":1,\"bytes\":*,\"keys\":100}}\n",
                "$COVEY restore bk --data made --json");
    expect_json(c, 1,
                "{\"error\":{\"code\":\"FAILED\",\"message\":\"*holds 100 keys already*\"}}\n",
                "$COVEY restore bk --into 127.0.0.1:%u --json", p);
    expect_json(c, 0,
                "{\"restore\":{\"into\":\"127.0.0.1:*\",\"backups\":1,\"bytes\":*,\"keys\":100}}\n",
                "$COVEY restore bk --into 127.0.0.1:%u --overwrite --json", p);
    expect_json(c, 1, "{\"error\":{\"code\":\"FAILED\",\"message\":\"*/none/*\"}}\n",
                "$COVEY backup none/bk -p %u --json", p);
    expect_json(c, 1, "{\"error\":{\"code\":\"FAILED\",\"message\":\"*none*\"}}\n",
                "$COVEY restore none --data d --json");
    assert_int_equal(
        e2e_shell(c,
                  "printf x | dd of=bk/$(cd bk; ls seg-* | head -n 1) bs=1 seek=500 conv=notrunc"),
        0);
    expect_json(c, 1, "{\"check\":{\"findings\":\\[\\],\"verdict\":\"*damaged*\",\"code\":1}}\n",
                "$COVEY check bk --json");
    expect_json(c, 2, "{\"error\":{\"code\":\"FAILED\",\"message\":\"*\"}}\n",
                "$COVEY check . --json");
    e2e_kill(c, 1);
    assert_int_equal(
        e2e_shell(c, "printf x | dd of=b/seg-00000001.log bs=1 seek=1000 conv=notrunc"), 0);
    expect_json(c, 1, "{\"check\":{\"findings\":\\[\"*\"*\\],\"verdict\":\"b: *\",\"code\":1}}\n",
                "$COVEY check b --json");
}

/* The codes of the one-shots are other tests' matter. */
static void expect_error(struct cluster *c, int line, const char *pattern)
{
    check_line(c, line, pattern);
    assert_null(strstr(c->text, "covey: ")); /* printed once, for programs */
}

static void test_nobody_answers(void **state)
{
    struct cluster *c = *state;
    static const char *const asked[] = {"get k", "status", "backup bk", "repair --watch"};
    for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        assert_int_not_equal(e2e_shell(c, "$COVEY %s -p %u --json", asked[i], e2e_port(c, 0)), 0);
        expect_error(
            c, __LINE__,
            "{\"error\":{\"code\":\"UNREACHABLE\",\"message\":\"cannot reach a node at*\"}}\n");
    }
    assert_int_not_equal(
        e2e_shell(c, "$COVEY restore bk --into 127.0.0.1:%u --json", e2e_port(c, 0)), 0);
    expect_error(
        c, __LINE__,
        "{\"error\":{\"code\":\"UNREACHABLE\",\"message\":\"cannot reach a node at*\"}}\n");
}

static void test_wrong_command_lines(void **state)
{
    struct cluster *c = *state;
    static const char *const wrong[] = {
        "frobnicate", "get k --jsn",      "get k -p 99999",      "get k -p",        "check",
        "check a b",  "restore --into x", "restore a --into 12", "restore a --x y", "console x"};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_not_equal(e2e_shell(c, "$COVEY %s --json", wrong[i]), 0);
        expect_error(c, __LINE__, "{\"error\":{\"code\":\"USAGE\",\"message\":\"*\"}}\n");
    }
}

static void test_error_replies(void **state)
{
    struct cluster *c = *state;
    unsigned p = e2e_port(c, 0);
    e2e_start_all(c, 3);
    expect_json(c, 1, "{\"error\":{\"code\":\"ERR\",\"message\":\"*no vnode 'x'*\"}}\n",
                "$COVEY repair x -p %u --json", p);
    e2e_kill(c, 1);
    e2e_kill(c, 2);
    expect_json(c, 1, "{\"error\":{\"code\":\"NOQUORUM\",\"message\":\"*\"}}\n",
                "$COVEY get k -p %u --json", p);
    assert_int_equal(e2e_shell(c, "printf 'get k\\nrepair x\\n' | $COVEY console -p %u --json", p),
                     1);
    e2e_match(c, __FILE__, __LINE__,
              "{\"error\":{\"code\":\"NOQUORUM\",*}}\n{\"error\":{\"code\":\"ERR\",*}}\n", c->text);
}

static void test_help_has_the_schema(void **state)
{
    struct cluster *c = *state;
    assert_int_equal(
        e2e_shell(c,
                  "echo help json | $COVEY console >out; $COVEY help json | cmp - out && cat out"),
        0);
    e2e_match(c, __FILE__, __LINE__,
              "*{\"COMMAND\": VALUE}*{\"error\": {\"code\": CODE, \"message\": TEXT}}*{\"base64\": "
              "TEXT}*",
              c->text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_one_shot, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_bytes, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_backup_check_restore, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_answers, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_command_lines, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_error_replies, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_help_has_the_schema, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
