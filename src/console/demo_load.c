/* demo_load.c: see demo_load.h. */
#include "console/demo_load.h"

#include "base/error.h"
#include "console/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    KEY_BYTES = 12,        /* "U+10FFFF" and its NUL */
    VALUE_BYTES_MAX = 512, /* the longest line has 145 */
    FILE_BYTES_MAX = 64 * 1024 * 1024,
};

/* ---- The data set ---- */

static int read_file(const char *path, char **text, size_t *n)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return errno;
    struct stat st;
    int error = fstat(fileno(f), &st) != 0 ? errno : st.st_size > FILE_BYTES_MAX ? EFBIG : 0;
    if (error == 0) {
        *n = (size_t)st.st_size;
        *text = malloc(*n + 1);
        error = *text == NULL ? ENOMEM : fread(*text, 1, *n, f) != *n ? EIO : 0;
    }
    fclose(f);
    return error;
}

/* Makes record i of one line "0041;LATIN CAPITAL LETTER A;...". */
static void add_record(struct records *r, struct slice line)
{
    const uint8_t *semicolon = memchr(line.p, ';', line.n);
    if (semicolon == NULL || semicolon - line.p > 6 || line.n > VALUE_BYTES_MAX - 16)
        return;
    char *key = r->keys + (size_t)r->n * KEY_BYTES;
    int n = snprintf(key, KEY_BYTES, "U+%.*s", (int)(semicolon - line.p), (const char *)line.p);
    r->key[r->n] = slice_of(key, (size_t)n);
    r->value[r->n] = slice_of(semicolon + 1, line.n - (size_t)(semicolon + 1 - line.p));
    r->n++;
}

int records_open(struct records *r, const char *path)
{
    memset(r, 0, sizeof *r);
    size_t n = 0, lines = 0;
    int error = read_file(path, &r->text, &n);
    for (size_t i = 0; error == 0 && i < n; i++)
        lines += r->text[i] == '\n';
    if (error == 0 && lines < RECORDS_MIN)
        error = ENODATA;
    if (error != 0)
        goto out_close;
    r->key = calloc(lines, sizeof *r->key);
    r->value = calloc(lines, sizeof *r->value);
    r->keys = calloc(lines, KEY_BYTES);
    error = ENOMEM;
    if (r->key == NULL || r->value == NULL || r->keys == NULL)
        goto out_close;
    const char *line = r->text, *end;
    while ((end = memchr(line, '\n', (size_t)(r->text + n - line))) != NULL) {
        add_record(r, slice_of(line, (size_t)(end - line)));
        line = end + 1;
    }
    if (r->n >= RECORDS_MIN)
        return 0;
    error = ENODATA;
out_close:
    records_close(r);
    return error;
}

void records_close(struct records *r)
{
    free(r->text);
    free(r->key);
    free(r->value);
    free(r->keys);
    memset(r, 0, sizeof *r);
}

/* ---- A pass ---- */

/* The value of a record in a generation. */
static struct slice value_of(const struct records *r, uint32_t i, unsigned generation,
                             char scratch[VALUE_BYTES_MAX])
{
    if (generation == 0)
        return r->value[i];
    int n = snprintf(scratch, VALUE_BYTES_MAX, "%.*s (rewritten %u)", (int)r->value[i].n,
                     (const char *)r->value[i].p, generation);
    return slice_of(scratch, (size_t)n);
}

static int send_one(const struct load *l, struct client *c, const struct records *r, uint32_t i)
{
    char scratch[VALUE_BYTES_MAX];
    if (l->write)
        return client_send(
            c,
            (const struct slice[]){SLICE("SET"), r->key[i], value_of(r, i, l->generation, scratch)},
            3);
    return client_send(c, (const struct slice[]){SLICE("GET"), r->key[i]}, 2);
}

static void note_error(struct load *l, struct slice text)
{
    l->errors++;
    if (l->first_error[0] == '\0')
        snprintf(l->first_error, sizeof l->first_error, "%.*s", (int)(text.n > 255 ? 255 : text.n),
                 (const char *)text.p);
}

static void judge(struct load *l, const struct client *c, const struct records *r, uint32_t i)
{
    char scratch[VALUE_BYTES_MAX];
    const struct resp_value *v = &c->reply.v[0];
    if (v->type == RESP_ERROR)
        note_error(l, v->text);
    else if (l->write ? slice_eq(v->text, SLICE("OK"))
                      : v->type == RESP_BULK &&
                            slice_eq(v->text, value_of(r, i, l->generation, scratch)))
        l->ok++;
    else
        l->wrong++;
}

/* Waits for one reply and takes all that came with it. */
static int receive_some(struct load *l, struct client *c, const struct records *r, uint32_t *done,
                        uint32_t sent)
{
    int error = client_receive(c, CLIENT_TIMEOUT_MS);
    while (error == 0) {
        judge(l, c, r, (*done)++);
        if (*done == sent)
            return 0;
        error = client_receive(c, 0);
        if (error == ERR_INCOMPLETE)
            return 0;
    }
    return error;
}

void load_run(struct load *l, struct client *c, const struct records *r)
{
    uint64_t start_us = clock_us();
    uint32_t sent = 0, done = 0;
    int error = 0;
    while (done < r->n && error == 0 && !l->stopped) {
        while (error == 0 && sent < r->n && sent - done < LOAD_DEPTH)
            error = send_one(l, c, r, sent++);
        if (error == 0)
            error = client_write(c);
        if (error == 0)
            error = receive_some(l, c, r, &done, sent);
        l->stopped = !l->progress(l->arg, done);
    }
    if (error != 0) {
        note_error(l, slice_str(c->why));
        l->errors += r->n - done - 1;
    }
    l->us = clock_us() - start_us;
}
