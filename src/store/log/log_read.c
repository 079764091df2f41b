/* log_read.c: values from the segments.
 *
 * The table answers from memory all but values (table.h). Those come from the cache, from the page
 * cache by a read that must not wait (RWF_NOWAIT), and only else from the disk, by the reader's
 * thread. Questions are answered in order as long as none must wait; those that do come out when
 * they are read.
 *
 * Every value is checked against its record's checksum and against what the index says of it. One
 * that cannot be read puts its slot in doubt, and its segment is gone through for more, and carried
 * out; the read itself is answered ERR_CORRUPT or ERR_IO, never with a record of another
 * version. */
#include "store/log/log_inner.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"

static bool unreadable(int error)
{
    return error == ERR_CORRUPT || error == ERR_IO;
}

/* A record could not be read: its slot is in doubt, and its segment is gone through for more, and
 * carried out. One that is leaving is named by no entry any more, and its slot will be
 * another's. */
static void note_damage(struct log *l, const struct store_result *out, struct segment *s,
                        uint32_t at)
{
    struct lost lost = {
        .slot = slot_of_key(out->record.key), .segment = s->slot, .from = at, .to = at + 1};
    char sentence[256];
    if (s->stage != SEGMENT_USED)
        return;
    snprintf(sentence, sizeof sentence,
             "a record of slot %u cannot be read at offset %u of seg-%08u.log (%s): it is fetched "
             "again from the other owners",
             lost.slot, (unsigned)at, (unsigned)s->number, error_sentence(out->error));
    log_report(l, sentence);
    if (doubt_found(&l->doubt, &lost))
        compact_first(&l->upkeep.compact, s);
}

/* Reads a value that is in the page cache. False when it is not (or the file system cannot
 * tell). */
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
        cache_keep(&l->cache, &out->record.version, out->record.value);
    return true;
}

/* Answers questions until one is complete; what must wait for the disk goes to the reader. */
static bool next_question(struct log *l, struct store_result *out)
{
    while (!reader_full(&l->reader)) {
        struct index_item place;
        struct version expected[INDEX_FETCH];
        cache_fetch(&l->cache, expected, table_expect(&l->table, expected));
        int got = table_question(&l->table, out, &place);
        if (got != 2)
            return got == 1;
        if (cache_find(&l->cache, &out->record.version, out->size, &out->record.value))
            return true;
        struct segment *s = l->segments.slot[place.segment];
        uint32_t n = table_record_max(&place, out->record.key.n);
        if (read_cached(l, s, place.offset, n, out))
            return true;
        out->error = reader_ask(&l->reader, out, s, place.offset, n);
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
    if (!out->error)
        out->error = table_value(buf_view(&job->bytes), &l->value, out);
    if (out->error == ERR_INCOMPLETE)
        out->error = ERR_CORRUPT; /* the file is shorter than it was */
    if (unreadable(out->error))
        note_damage(l, out, job->segment, job->at);
    return true;
}

/* What the reader has brought comes first: its place among the reader's jobs is free then. */
bool log_read(struct log *l, struct store_result *out)
{
    return next_read(l, out) || next_question(l, out);
}
