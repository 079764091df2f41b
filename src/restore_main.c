/* restore_main.c: see restore_main.h.
 *
 * Into a running cluster the values go as a client's writes: with new stamps, at a quorum, to the
 * owners that they have there. So this works for a cluster of any size, and needs nothing of the
 * old one; the new cluster decides the order of the writes. The cluster should be empty, because a
 * key that it has is overwritten; --overwrite is for one that is not empty, as after a restore that
 * was cut short.
 *
 * Into a data directory the records go as they are, with their versions, for the founder of a new
 * cluster (store/archive/restore.h). */
#include "restore_main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/words.h"
#include "console/answer.h"
#include "console/console.h"
#include "console/loader.h"
#include "console/screen.h"
#include "store/archive/restore.h"

static void print_usage(void)
{
    const struct words_page page = {.left = 22, .width = screen_columns()};
    struct buf text;
    buf_init(&text, 4096);
    words_paragraph(&text, "covey restore BACKUP... --into HOST:PORT [--overwrite]", 0, &page);
    words_paragraph(&text, "covey restore BACKUP... --data DIR", 0, &page);
    buf_printf(&text, "\n");
    words_row(&text, "--into HOST:PORT", "write what they hold into a running, empty cluster",
              &page);
    words_row(&text, "--overwrite",
              "or into one that is not empty: a key that is there is written over", &page);
    words_row(&text, "--data DIR",
              "make a new data directory: `covey start --data DIR` founds a new cluster of one "
              "node with it",
              &page);
    buf_printf(&text, "\n");
    words_paragraph(
        &text,
        "A BACKUP is a directory that `covey backup` made. Of a cluster's backups name all that "
        "you have: together they hold every write that was acknowledged before the first was taken "
        "if at most one node's (of three; W-1, where W must acknowledge) is missing. All of them "
        "are checked first. Nothing of what the old nodes were is kept: ids, members, layout.",
        0, &page);
    fwrite(text.p, 1, text.n, stdout);
    buf_close(&text);
}

struct restore {
    char **backup;
    unsigned backup_n;
    const char *into, *data;
    bool overwrite, help, json;
    struct merged merged;
    struct loader loader;
    struct screen screen;
};

static int complain(const struct restore *r, const char *code, const char *why)
{
    answer_error(r->json, code, "%s", why);
    return strcmp(code, ANSWER_USAGE) == 0         ? EXIT_USAGE
           : strcmp(code, ANSWER_UNREACHABLE) == 0 ? EXIT_NOBODY
                                                   : EXIT_ERROR;
}

/* Answers what is wrong with a word of the command line. */
static int wrong(const struct restore *r, const char *what, const char *word)
{
    answer_error(r->json, ANSWER_USAGE, "%s \"%.200s\" (`covey restore --help`)", what, word);
    return EXIT_USAGE;
}

/* ---- The command line ---- */

static int parse(struct restore *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--into") == 0   ? &r->into
                             : strcmp(argv[i], "--data") == 0 ? &r->data
                                                              : NULL;
        if (value && i + 1 == argc)
            return wrong(r, "a value is missing after", argv[i]);
        if (value)
            *value = argv[++i];
        else if (strcmp(argv[i], "--overwrite") == 0)
            r->overwrite = true;
        else if (strcmp(argv[i], "--help") == 0)
            r->help = true;
        else if (strcmp(argv[i], "--json") == 0)
            continue;
        else if (argv[i][0] == '-')
            return wrong(r, "unknown flag", argv[i]);
        else
            r->backup[r->backup_n++] = argv[i];
    }
    if (r->help)
        return 0;
    if (r->backup_n == 0)
        return complain(r, ANSWER_USAGE, "name the backups to restore (`covey restore --help`)");
    if (r->into && r->data)
        return complain(r, ANSWER_USAGE,
                        "--into and --data are two ways: a running cluster, or a new data "
                        "directory; give one of them");
    if (!r->into && !r->data)
        return complain(r, ANSWER_USAGE,
                        "say where to: either --into HOST:PORT, a running cluster, or --data DIR, "
                        "a new data directory");
    return r->overwrite && r->data
               ? complain(r, ANSWER_USAGE,
                          "--overwrite is for --into: a used data directory is never restored over")
               : 0;
}

/* ---- On the way ---- */

static void show_progress(void *arg, uint64_t done, uint64_t all)
{
    struct restore *r = arg;
    screen_progress(&r->screen, (uint32_t)(done >> 20), (uint32_t)(all >> 20));
}

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "covey: warning: %s\n", sentence);
}

static int read_backups(struct restore *r)
{
    char words[64], bytes[SCREEN_COUNT];
    r->merged.progress = show_progress;
    r->merged.warn = warn;
    r->merged.arg = r;
    screen_step(&r->screen, "backups read and checked");
    int error = merged_open(&r->merged, r->backup, r->backup_n);
    snprintf(words, sizeof words, "%s byte%s", screen_count(r->merged.bytes, bytes),
             words_s(r->merged.bytes));
    screen_done(&r->screen, error ? "refused" : words, error == 0);
    return error ? complain(r, ANSWER_FAILED, r->merged.why) : 0;
}

static int print_result(const struct restore *r, uint64_t keys)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    struct sink s = {&text, 0};
    text_put(&s, r->into ? SLICE("{\"restore\":{\"into\":") : SLICE("{\"restore\":{\"data\":"));
    json_put_string(&s, slice_str(r->into ? r->into : r->data));
    text_put(&s, SLICE(",\"backups\":"));
    text_put_integer(&s, r->backup_n);
    text_put(&s, SLICE(",\"bytes\":"));
    text_put_integer(&s, (int64_t)r->merged.bytes);
    text_put(&s, SLICE(",\"keys\":"));
    text_put_integer(&s, (int64_t)keys);
    text_put(&s, SLICE("}}\n"));
    int code = answer_json(&s);
    buf_close(&text);
    return code;
}

static int finish(struct restore *r, int error, uint64_t keys)
{
    char words[64], count[SCREEN_COUNT];
    snprintf(words, sizeof words, "%s key%s", screen_count(keys, count), words_s(keys));
    screen_done(&r->screen, words, error == 0);
    return error != 0 ? 1 : r->json ? print_result(r, keys) : 0;
}

/* ---- Where to ---- */

static int load(void *arg, const struct record *record)
{
    struct restore *r = arg;
    return loader_put(&r->loader, key_name(record->key), record->value, record->expiry_ms);
}

/* Refuses a cluster that has keys, unless --overwrite is given. */
static int check_empty(struct restore *r)
{
    uint64_t keys;
    if (loader_count(&r->loader, &keys) != 0)
        return complain(r, ANSWER_FAILED, r->loader.why);
    if (keys == 0 || r->overwrite)
        return 0;
    answer_error(r->json, ANSWER_FAILED,
                 "the cluster at %s holds %" PRIu64
                 " key%s already: restore into an empty one, or give --overwrite to write over "
                 "those that the backups have too",
                 r->into, keys, words_s(keys));
    return 1;
}

static int run_into(struct restore *r)
{
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    if (!client_address(slice_str(r->into), host, &port))
        return wrong(r, "--into takes HOST:PORT of a node, not", r->into);
    if (loader_open(&r->loader, host, port) != 0)
        return complain(r, ANSWER_UNREACHABLE, r->loader.why);
    if (check_empty(r) != 0 || read_backups(r) != 0)
        return 1;
    screen_step(&r->screen, "keys written");
    r->loader.why[0] = 0;
    int error = merged_each(&r->merged, load, r);
    if (!error)
        error = loader_finish(&r->loader);
    if (error)
        complain(r, ANSWER_FAILED, r->loader.why[0] ? r->loader.why : r->merged.why);
    return finish(r, error, r->loader.acknowledged);
}

static int run_data(struct restore *r)
{
    uint64_t keys = 0;
    if (restore_allowed(&r->merged, r->data) != 0)
        return complain(r, ANSWER_FAILED, r->merged.why);
    if (read_backups(r) != 0)
        return 1;
    screen_step(&r->screen, "keys written");
    int error = restore_directory(&r->merged, r->data, &keys);
    if (error)
        complain(r, ANSWER_FAILED, r->merged.why);
    int code = finish(r, error, keys);
    if (!error)
        screen_note(&r->screen, "`covey start --data %s` founds a new cluster with them.", r->data);
    return code;
}

int restore_main(int argc, char **argv)
{
    struct restore *r = calloc(1, sizeof *r);
    char **backup = calloc((size_t)argc, sizeof *backup);
    if (!r || !backup) {
        answer_error(answer_wants_json(argc, argv), ANSWER_FAILED, "out of memory");
        return 1;
    }
    r->backup = backup;
    r->json = answer_wants_json(argc, argv);
    client_init(&r->loader.client);
    screen_open(&r->screen);
    r->screen.quiet = r->json;
    int code = parse(r, argc, argv);
    if (code == 0 && r->help)
        print_usage();
    else if (code == 0)
        code = r->into ? run_into(r) : run_data(r);
    if (r->merged.table.index.arc)
        merged_close(&r->merged);
    loader_close(&r->loader);
    free(backup);
    free(r);
    return code;
}
