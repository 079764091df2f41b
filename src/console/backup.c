/* backup.c: see backup.h. An ordinary client: it asks the node how it goes, ten times a second. */
#include "console/backup.h"

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/screen.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { LOOK_MS = 100 };

static struct slice text(const struct client *c, const char *name)
{
    uint32_t i = client_field(c, 0, name);
    return i ? c->reply.v[i].text : SLICE("");
}

static bool running(const struct client *c)
{
    return slice_eq(text(c, "state"), SLICE("running"));
}

static uint32_t mebibytes(const struct client *c, const char *name)
{
    return (uint32_t)(client_number(c, name) >> 20);
}

/* Shows progress until nothing runs any more; the last reply stays in c. 0 or an error of the
 * client. */
static int follow(struct client *c, struct screen *s)
{
    while (running(c)) {
        screen_progress(s, mebibytes(c, "bytes_done"), mebibytes(c, "bytes"));
        /* nothing comes: a pause that notices a node that dies */
        int error = client_receive(c, LOOK_MS);
        if (error && error != ERR_INCOMPLETE)
            return error;
        error = client_ask(c, (const char *const[]){"BACKUP", "STATUS", NULL});
        if (error)
            return error;
    }
    return 0;
}

/* The reply is the state in which the backup ended. */
static int report(const struct client *c, struct screen *s, const char *path, bool json)
{
    char words[128], files[SCREEN_COUNT], bytes[SCREEN_COUNT];
    struct slice why = text(c, "error");
    bool done = slice_eq(text(c, "state"), SLICE("done"));
    uint64_t file_n = (uint64_t)client_number(c, "files"),
             byte_n = (uint64_t)client_number(c, "bytes");
    snprintf(words, sizeof words, "%s file%s, %s byte%s", screen_count(file_n, files),
             words_s(file_n), screen_count(byte_n, bytes), words_s(byte_n));
    screen_done(s, done ? words : "failed", done);
    if (!done)
        answer_error(json, ANSWER_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    else if (json)
        return answer_reply(&c->reply, SLICE("backup"), json, NULL);
    else
        screen_note(
            s,
            "%s holds this node's share. Take one of every node, and copy them to other machines.",
            path);
    return done ? EXIT_OK : EXIT_ERROR;
}

static int watch(struct client *c, const char *path, bool json)
{
    struct screen s;
    if (client_ask(c, (const char *const[]){"BACKUP", path, NULL}) != 0)
        return EXIT_NOBODY;
    if (c->reply.v[0].type == RESP_ERROR)
        return answer_reply(&c->reply, SLICE("backup"), json, &(struct render){.raw = true});
    screen_open(&s);
    s.quiet = json;
    screen_step(&s, "backup, MiB");
    return follow(c, &s) ? EXIT_NOBODY : report(c, &s, path, json);
}

int backup_watch(const struct shell_options *o, const char *path)
{
    char whole[2 * PATH_MAX] = "";
    struct client c;
    if (path[0] != '/' && getcwd(whole, PATH_MAX))
        strcat(whole, "/");
    strncat(whole, path, PATH_MAX - 1);
    client_init(&c);
    int code = client_open(&c, o->host, o->port) ? EXIT_NOBODY : watch(&c, whole, o->json);
    if (code == EXIT_NOBODY)
        answer_error(o->json, ANSWER_UNREACHABLE, "%s", c.why);
    client_close(&c);
    return code;
}
