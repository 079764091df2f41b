/* log_read.c: values from the segments.
 *
 * The table answers from memory all but values (table.h). A value comes from the cache, else from
 * the page cache by a read that must not wait (RWF_NOWAIT), else from the disk by the reader's
 * thread. Questions are answered in order as long as none must wait for the disk; those that must
 * are answered when their record has been read.
 *
 * Every value is checked against its record's checksum and against what the index says of it. One
 * that cannot be read puts its slot in doubt. Then compaction goes through its segment for more
 * damage, and empties it. The read itself is answered ERR_CORRUPT or ERR_IO, never with a record of
 * another version. */
#include "store/log/log_inner.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"

static bool unreadable(int error)
{
    return error == ERR_CORRUPT || error == ERR_IO;
}

/* A record could not be read: puts its slot in doubt, and has compaction empty its segment. Nothing
 * is to be done about a segment that is leaving: no entry names it any more, and its ordinal will
 * be another segment's. */
static void note_damage(struct log *l, const struct store_result *out, struct segment *s,
                        uint32_t at)
{
    struct lost lost = {
        .slot = slot_of_key(out->record.key), .segment = s->ordinal, .from = at, .to = at + 1};
    char sentence[256];
    if (s->phase != SEGMENT_USED)
        return;
    snprintf(sentence, sizeof sentence,
             "a record of slot %u cannot be read at offset %u of seg-%08u.log (%s): it is fetched "
             "again from the other owners",
             lost.slot, (unsigned)at, (unsigned)s->number, error_sentence(out->error));
    log_report(l, sentence);
    if (doubt_found(&l->doubt, &lost))
        compact_first(&l->upkeep.compact, s);
}

/* Reads a value that is in the page cache. False when it is not, or the file system does not say
 * so. */
static bool read_cached(struct log *l, struct segment *s, uint32_t at, uint32_t n,
                        struct store_result *out)
{
    l->record.n = 0;
    if (buf_reserve(&l->record, n) != 0) {
        out->error = ERR_NO_MEMORY;
        return true;
    }
    ssize_t got = segment_read(s, l->io, l->record.p, n, at, RWF_NOWAIT);
    if (got == -EAGAIN || got == -EOPNOTSUPP)
        return false;
    int error = got < 0 ? ERR_IO : table_value(slice_of(l->record.p, (size_t)got), &l->value, out);
    if (error == ERR_INCOMPLETE)
        return false; /* only its beginning is cached */
    out->error = error;
    if (unreadable(error))
        note_damage(l, out, s, at);
    if (!error)
        cache_add(&l->cache, &out->record.version, out->record.value);
    return true;
}

/* Answers questions until one is complete; what must wait for the disk goes to the reader. */
static bool next_question(struct log *l, struct store_result *out)
{
    while (!reader_full(&l->reader)) {
        struct index_item held;
        struct version expected[INDEX_FETCH];
        cache_fetch(&l->cache, expected, table_expect(&l->table, expected));
        int got = table_question(&l->table, out, &held);
        if (got != 2)
            return got == 1;
        if (cache_find(&l->cache, &out->record.version, out->size, &out->record.value))
            return true;
        CHECK(held.segment < l->segments.ordinal_n && l->segments.of[held.segment]);
        struct segment *s = l->segments.of[held.segment];
        uint32_t n = table_record_max(&held, out->record.key.n);
        CHECK(s->phase == SEGMENT_USED && n <= RECORD_MAX);
        CHECK(held.offset >= SEGMENT_HEADER);
        /* an entry that compaction has moved is ahead of what is published; `end` is ours then */
        CHECK(held.offset < s->published || held.offset < s->end);
        if (read_cached(l, s, held.offset, n, out))
            return true;
        out->error = reader_ask(&l->reader, out, s, held.offset, n);
        if (out->error)
            return true;
    }
    return false;
}

static bool next_read(struct log *l, struct store_result *out)
{
    struct read_job *job = reader_take(&l->reader);
    if (!job)
        return false;
    *out = job->result;
    CHECK(job->bytes.n <= job->n);
    if (!out->error)
        out->error = table_value(buf_view(&job->bytes), &l->value, out);
    if (out->error == ERR_INCOMPLETE)
        out->error = ERR_CORRUPT; /* the file is shorter than it was */
    if (unreadable(out->error))
        note_damage(l, out, job->segment, job->at);
    return true;
}

/* What the reader has brought comes first: that frees one of the reader's jobs. */
bool log_read(struct log *l, struct store_result *out)
{
    return next_read(l, out) || next_question(l, out);
}
