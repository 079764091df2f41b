/* repair.c: see repair.h. An ordinary client: it asks the node how it goes, ten times a second. */
#include "console/repair.h"

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/clock.h"
#include "console/console.h"
#include "console/screen.h"

#include <stdio.h>

enum { LOOK_MS = 100 };

static int complain(const struct client *c, bool json)
{
    answer_error(json, ANSWER_UNREACHABLE, "%s", c->why);
    return EXIT_NOBODY;
}

static bool refused(const struct client *c, bool json)
{
    if (c->reply.v[0].type != RESP_ERROR)
        return false;
    answer_reply(&c->reply, SLICE("repair"), json, &(struct render){.raw = true});
    return true;
}

/* Shows progress until nothing runs any more; the last reply stays in c. 0 or an error of the
 * client. */
static int follow(struct client *c, struct screen *s)
{
    while (client_number(c, "running")) {
        screen_progress(s, (uint32_t)client_number(c, "done"),
                        (uint32_t)client_number(c, "comparisons"));
        /* nothing comes: a pause that notices a node that dies */
        int error = client_receive(c, LOOK_MS);
        if (error && error != ERR_INCOMPLETE)
            return error;
        error = client_ask(c, (const char *const[]){"REPAIR", "STATUS", NULL});
        if (error)
            return error;
    }
    return 0;
}

/* The reply is the state in which the comparisons ended. */
static int report(const struct client *c, struct screen *s, uint64_t began_ms, bool json)
{
    uint32_t done = (uint32_t)client_number(c, "done"),
             all = (uint32_t)client_number(c, "comparisons");
    uint64_t sent_n = (uint64_t)client_number(c, "sent"),
             received_n = (uint64_t)client_number(c, "received");
    uint64_t byte_n = (uint64_t)client_number(c, "bytes");
    int64_t unreachable = client_number(c, "unreachable"),
            incomplete = client_number(c, "incomplete");
    bool ok = unreachable == 0 && incomplete == 0;
    char sent[SCREEN_COUNT], received[SCREEN_COUNT], bytes[SCREEN_COUNT];
    screen_counted(s, done, all, (clock_ms() - began_ms) * 1000, ok);
    screen_note(s, "%s record%s sent, %s received, %s byte%s of values", screen_count(sent_n, sent),
                words_s(sent_n), screen_count(received_n, received), screen_count(byte_n, bytes),
                words_s(byte_n));
    if (!ok)
        screen_note(s,
                    "degraded: %lld member%s could not be asked, %lld exchange%s ended early; the "
                    "node tries again by itself",
                    (long long)unreachable, words_s((uint64_t)unreachable), (long long)incomplete,
                    words_s((uint64_t)incomplete));
    int code = json ? answer_reply(&c->reply, SLICE("repair"), json, NULL) : EXIT_OK;
    return ok ? code : EXIT_ERROR;
}

int repair_watch(const struct shell_options *o, const struct slice *arg, uint32_t arg_n)
{
    struct client c;
    struct screen s;
    int code = EXIT_NOBODY;
    client_init(&c);
    screen_open(&s);
    s.quiet = o->json;
    uint64_t began_ms = clock_ms();
    if (client_open(&c, o->host, o->port) != 0 || client_call(&c, arg, arg_n) != 0) {
        complain(&c, o->json);
        goto out_close_client;
    }
    code = EXIT_ERROR;
    if (refused(&c, o->json))
        goto out_close_client;
    screen_step(&s, "vnodes compared");
    code = follow(&c, &s)         ? complain(&c, o->json)
           : refused(&c, o->json) ? EXIT_ERROR
                                  : report(&c, &s, began_ms, o->json);
out_close_client:
    client_close(&c);
    return code;
}
