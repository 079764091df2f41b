#include "store/archive/manifest.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/hash.h"

uint64_t manifest_sum(uint64_t so_far, struct slice block)
{
    return hash_seeded(block, so_far);
}

/* ---- Writing ---- */

int manifest_begin(struct buf *out, const struct manifest *m)
{
    char cluster[ADDR_TEXT], member[ADDR_TEXT];
    return buf_printf(out,
                      "covey-backup %d\ncluster %s\nmember %s\ntaken %" PRIu64
                      "\ncomplete %d\nkeys %" PRIu64 "\nfiles %" PRIu32 "\n",
                      MANIFEST_FORMAT, cluster_id_text(m->cluster, cluster),
                      node_id_text(m->member, member), m->taken_ms, m->complete, m->keys,
                      m->file_n);
}

int manifest_add(struct buf *out, const struct manifest_file *f)
{
    return buf_printf(out, "file %" PRIu32 " %" PRIu32 " %016" PRIx64 "\n", f->number, f->size,
                      f->sum);
}

int manifest_end(struct buf *out)
{
    return buf_printf(out, "sum %016" PRIx64 "\n", hash_bytes(buf_view(out)));
}

/* ---- Reading: each of these takes what it reads off the text; false: it is not there ---- */

static bool take_word(struct slice *in, const char *word)
{
    struct slice w = slice_str(word);
    if (in->n < w.n || memcmp(in->p, w.p, w.n) != 0)
        return false;
    *in = slice_of(in->p + w.n, in->n - w.n);
    return true;
}

/* A decimal number up to `most`, with a single character behind it. */
static bool take_number(struct slice *in, uint64_t most, char behind, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < in->n && in->p[i] >= '0' && in->p[i] <= '9'; i++) {
        unsigned digit = in->p[i] - '0';
        if (digit > most || n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (i == 0 || i == in->n || in->p[i] != behind || (in->p[0] == '0' && i > 1))
        return false;
    *in = slice_of(in->p + i + 1, in->n - i - 1);
    *out = n;
    return true;
}

/* 16 lower-case hex digits. */
static bool take_hex(struct slice *in, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == in->n)
            return false;
        uint8_t c = in->p[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        n = n << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *in = slice_of(in->p + 16, in->n - 16);
    *out = n;
    return true;
}

static bool take_cluster(struct slice *in, struct cluster_id *out)
{
    uint64_t half[2];
    if (!take_word(in, "cluster ") || !take_hex(in, &half[0]) || !take_hex(in, &half[1]) ||
        !take_word(in, "\n"))
        return false;
    for (unsigned i = 0; i < sizeof out->b; i++)
        out->b[i] = (uint8_t)(half[i / 8] >> (56 - 8 * (i % 8)));
    return true;
}

bool manifest_next(struct slice *files, struct manifest_file *f)
{
    uint64_t number, size;
    struct slice at = *files;
    if (!take_word(&at, "file ") || !take_number(&at, UINT32_MAX, ' ', &number) ||
        !take_number(&at, UINT32_MAX, ' ', &size) || !take_hex(&at, &f->sum) ||
        !take_word(&at, "\n"))
        return false;
    f->number = (uint32_t)number;
    f->size = (uint32_t)size;
    *files = at;
    return true;
}

static bool take_head(struct slice *in, struct manifest *m)
{
    uint64_t complete, file_n;
    bool good = take_cluster(in, &m->cluster) && take_word(in, "member ") &&
                take_hex(in, &m->member) && take_word(in, "\n") && take_word(in, "taken ") &&
                take_number(in, UINT64_MAX, '\n', &m->taken_ms) && take_word(in, "complete ") &&
                take_number(in, 1, '\n', &complete) && take_word(in, "keys ") &&
                take_number(in, UINT64_MAX, '\n', &m->keys) && take_word(in, "files ") &&
                take_number(in, MANIFEST_FILES_MAX, '\n', &file_n);
    if (!good)
        return false;
    m->complete = complete == 1;
    m->file_n = (uint32_t)file_n;
    return true;
}

/* The lines of the files: as many as the head says, by rising number. */
static bool take_files(struct slice *in, struct manifest *m)
{
    uint32_t last = 0;
    struct manifest_file f;
    m->files = *in;
    for (uint32_t i = 0; i < m->file_n; i++) {
        if (!manifest_next(in, &f) || f.number <= last)
            return false;
        last = f.number;
    }
    m->files.n -= in->n;
    return true;
}

int manifest_decode(struct slice text, struct manifest *out)
{
    uint64_t format, sum;
    struct slice at = text;
    if (text.n > MANIFEST_MAX || !take_word(&at, "covey-backup ") ||
        !take_number(&at, UINT32_MAX, '\n', &format))
        return ERR_CORRUPT;
    out->format = (uint32_t)format;
    if (format != MANIFEST_FORMAT)
        return ERR_BAD_FORMAT; /* another format may differ from here on */
    if (!take_head(&at, out) || !take_files(&at, out))
        return ERR_CORRUPT;
    struct slice before = slice_of(text.p, text.n - at.n);
    if (!take_word(&at, "sum ") || !take_hex(&at, &sum) || !take_word(&at, "\n") || at.n > 0 ||
        sum != hash_bytes(before))
        return ERR_CORRUPT;
    return 0;
}
