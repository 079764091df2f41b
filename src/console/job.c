/* job.c: see job.h. An ordinary client: it asks the node for its progress, ten times a second. */
#include "console/job.h"

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/clock.h"
#include "console/console.h"
#include "console/screen.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { LOOK_MS = 100 };

struct job {
    const char *name;  /* the command, in lower case */
    const char *label; /* of the bar */
    bool (*running)(const struct client *c);
    /* How much is done, and of how much. */
    void (*progress)(const struct client *c, uint32_t *done, uint32_t *all);
    /* Prints how the work ended; the reply is its last state. Returns the exit code. */
    int (*report)(const struct client *c, struct screen *s, bool json);
};

/* Shows progress until nothing runs any more; the last reply stays in c. 0 or an error of the
 * client. */
static int follow(const struct job *j, struct client *c, struct screen *s)
{
    uint32_t done, all;
    while (j->running(c)) {
        j->progress(c, &done, &all);
        screen_progress(s, done, all);
        /* nothing comes: this is a pause that notices when the node dies */
        int error = client_receive(c, LOOK_MS);
        if (error && error != ERR_INCOMPLETE)
            return error;
        error = client_ask(c, (const char *const[]){j->name, "STATUS", NULL});
        if (error)
            return error;
    }
    return 0;
}

static int run(const struct job *j, const struct shell_options *o, const struct slice *arg,
               uint32_t arg_n)
{
    struct client c;
    struct screen s;
    int code = EXIT_NOBODY;
    client_init(&c);
    screen_open(&s);
    s.quiet = o->json;
    int error = client_open(&c, o->host, o->port);
    error = error ? error : client_call(&c, arg, arg_n);
    bool started = !error && c.reply.v[0].type != RESP_ERROR;
    if (started) {
        screen_step(&s, j->label);
        error = follow(j, &c, &s);
    }
    if (error)
        answer_error(o->json, ANSWER_UNREACHABLE, "%s", c.why);
    else if (c.reply.v[0].type == RESP_ERROR)
        code = answer_reply(&c.reply, slice_str(j->name), o->json, &(struct render){.raw = true});
    else
        code = j->report(&c, &s, o->json);
    client_close(&c);
    return code;
}

/* ---- Backup ---- */

static struct slice text(const struct client *c, const char *name)
{
    uint32_t i = client_field(c, 0, name);
    return i ? c->reply.v[i].text : SLICE("");
}

static bool backup_running(const struct client *c)
{
    return slice_eq(text(c, "state"), SLICE("running"));
}

/* In MiB. */
static void backup_progress(const struct client *c, uint32_t *done, uint32_t *all)
{
    *done = (uint32_t)(client_number(c, "bytes_done") >> 20);
    *all = (uint32_t)(client_number(c, "bytes") >> 20);
}

static int backup_report(const struct client *c, struct screen *s, bool json)
{
    char words[128], files[SCREEN_COUNT], bytes[SCREEN_COUNT];
    struct slice why = text(c, "error"), path = text(c, "path");
    bool done = slice_eq(text(c, "state"), SLICE("done"));
    uint64_t file_n = (uint64_t)client_number(c, "files"),
             byte_n = (uint64_t)client_number(c, "bytes");
    snprintf(words, sizeof words, "%s file%s, %s byte%s", screen_count(file_n, files),
             words_s(file_n), screen_count(byte_n, bytes), words_s(byte_n));
    screen_done(s, done ? words : "failed", done);
    if (!done) {
        answer_error(json, ANSWER_FAILED, "%.*s", (int)why.n, (const char *)why.p);
        return EXIT_ERROR;
    }
    screen_note(s,
                "%.*s holds this node's share. Take one of every node, and copy them to other "
                "machines.",
                (int)path.n, (const char *)path.p);
    return json ? answer_reply(&c->reply, SLICE("backup"), json, NULL) : EXIT_OK;
}

int job_backup(const struct shell_options *o, const char *path)
{
    static const struct job backup = {"backup", "backup, MiB", backup_running, backup_progress,
                                      backup_report};
    char absolute[2 * PATH_MAX] = "";
    if (path[0] != '/' && getcwd(absolute, PATH_MAX))
        strcat(absolute, "/");
    strncat(absolute, path, PATH_MAX - 1);
    return run(&backup, o, (const struct slice[]){SLICE("backup"), slice_str(absolute)}, 2);
}

/* ---- Repair ---- */

static bool repair_running(const struct client *c)
{
    return client_number(c, "running");
}

static void repair_progress(const struct client *c, uint32_t *done, uint32_t *all)
{
    *done = (uint32_t)client_number(c, "done");
    *all = (uint32_t)client_number(c, "comparisons");
}

static int repair_report(const struct client *c, struct screen *s, bool json)
{
    uint32_t done, all;
    uint64_t sent_n = (uint64_t)client_number(c, "sent"),
             received_n = (uint64_t)client_number(c, "received"),
             byte_n = (uint64_t)client_number(c, "bytes"),
             unreachable = (uint64_t)client_number(c, "unreachable"),
             incomplete = (uint64_t)client_number(c, "incomplete");
    bool ok = unreachable == 0 && incomplete == 0;
    char sent[SCREEN_COUNT], received[SCREEN_COUNT], bytes[SCREEN_COUNT];
    repair_progress(c, &done, &all);
    screen_counted(s, done, all, (clock_ms() - s->step_ms) * 1000, ok);
    screen_note(s, "%s record%s sent, %s received, %s byte%s of values", screen_count(sent_n, sent),
                words_s(sent_n), screen_count(received_n, received), screen_count(byte_n, bytes),
                words_s(byte_n));
    if (!ok)
        screen_note(s,
                    "degraded: %llu member%s could not be asked, %llu exchange%s ended early; the "
                    "node tries again by itself",
                    (unsigned long long)unreachable, words_s(unreachable),
                    (unsigned long long)incomplete, words_s(incomplete));
    int code = json ? answer_reply(&c->reply, SLICE("repair"), json, NULL) : EXIT_OK;
    return ok ? code : EXIT_ERROR;
}

int job_repair(const struct shell_options *o, const struct slice *arg, uint32_t arg_n)
{
    static const struct job repair = {"repair", "vnodes compared", repair_running, repair_progress,
                                      repair_report};
    return run(&repair, o, arg, arg_n);
}
