/* record.h: the unit of data, its version and order, and its form on disk.
 *
 * A record is (key, version, kind, expiry, value), and says all that there is to say of its key: of
 * two records of one key the greater one is the key's, and the other says nothing any more. They
 * are compared as (ordered first, stamp, deletion first, node, digest, expiry stamp, expiry, kind),
 * a total order: so to merge is commutative, associative and idempotent. A kind takes four bits
 * wherever it rests, so nine are free; one that a later release adds comes with a format of the
 * files that hold it. */
#ifndef COVEY_WIRE_RECORD_H
#define COVEY_WIRE_RECORD_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/hlc.h"
#include "base/key.h"
#include "base/limits.h"
#include "base/slice.h"

enum record_kind {
    RECORD_NONE = 0,  /* absent: the answer to a read of an unknown key; never stored */
    RECORD_VALUE = 1, /* a plain string */
    /* no value: a deletion; or, under the version and with the expiry that the value had, what is
     * left of a value that has lapsed (store/table/table_erase.c) */
    RECORD_TOMBSTONE = 2,
    RECORD_ROW = 4, /* what ordered commands will write; nothing makes or merges one yet */
    /* an erasure: a record of that key and version is erased, and with it what is older
     * (store/table/floors.h) */
    RECORD_FLOOR = 5,
    /* plain records at or below the stamp are absent in an area, the value (wire/flush.h); no key,
     * and the version of a deletion */
    RECORD_FLUSH = 6,
    /* of the node itself, outside the ring: identity, incarnation, layout, ballots */
    RECORD_STATE = 7,
    RECORD_KINDS = 16, /* so many have room */
};

struct version {
    /* hybrid logical clock of the value or deletion, STAMP_MAX at most; 0 only for RECORD_NONE */
    uint64_t stamp;
    uint64_t node;         /* the coordinator that stamped it */
    uint64_t digest;       /* XXH3-64 of the value; 0 for a deletion */
    uint64_t expiry_stamp; /* likewise of the expiry; 0 where none was ever set */
    uint8_t deleted;       /* 1 for a deletion */
    /* 1 where the owners of the key agreed on it, one after the other; nothing sets it yet */
    uint8_t ordered;
};

struct record {
    uint8_t kind; /* enum record_kind */
    struct version version;
    uint64_t expiry_ms; /* absolute wall ms; 0 for never */
    struct slice key;   /* with its space (base/key.h); of a state its name, of a flush none */
    struct slice value;
};

/* A record in a log, and its location there: opaque, growing from each record of that log to the
 * next. */
struct located_record {
    uint64_t location;
    struct record record;
};

/* Where a put comes from: how far a store must take what would bring back a key that may have been
 * erased (store/table/floors.h). */
enum put_from {
    /* a client's write, a hint, the repair of a read: nothing at or below the floor */
    PUT_FROM_ANYBODY = 0,
    /* what another owner, one that is not recovering, holds now: values, but no tombstones */
    PUT_FROM_OWNER = 1,
    PUT_FROM_SOURCE = 2, /* the same, while this node is recovering: everything */
};

/* `ticket`, from OWNER and SOURCE alone: that of the own store's list of the vnode in which the
 * record was missing, or older than this one (store_list). What was erased since then may be the
 * very record. */
struct put_origin {
    enum put_from from;
    uint64_t ticket;
};

/* What a GET asks an owner for. */
enum get_wants {
    GET_DIGEST = 0, /* kind, version, expiry and size, answered from memory */
    GET_VALUE = 1,  /* the value too */
};

/* An expiry has a stamp of its own beside that of the value, and the full version is (value,
 * expiry), compared in that order. So a value that is written back with a later expiry is greater
 * than it was, and still lesser than a value that was written meanwhile
 * (core/coord/coord_expire.c). */

/* <0, 0 or >0: the same for the values alone, whatever their expiries. */
int version_value_cmp(const struct version *a, const struct version *b);

/* When a record was written, its expiry counted: the later of its stamps, in wall ms. */
static inline uint64_t version_ms(const struct version *v)
{
    return (v->stamp > v->expiry_stamp ? v->stamp : v->expiry_stamp) >> 16;
}

/* Whether a record's time has come: then it reads as absent. */
static inline bool expiry_passed(uint64_t expiry_ms, uint64_t wall_ms)
{
    return expiry_ms != 0 && expiry_ms <= wall_ms;
}

/* <0, 0 or >0. An ordered version is greater than any plain one, whatever the stamps: once owners
 * have agreed on a key, no stamp of a single coordinator decides about it. Then the stamp, then
 * deletion first (a deletion is the greater of two equal stamps), then node, digest, expiry
 * stamp. */
int version_cmp(const struct version *a, const struct version *b);
/* <0, 0 or >0: the order of two records of one key, whatever bytes they come with. Of equal
 * versions the later end is the greater (two coordinators, one moment), and none, 0, the least: any
 * fixed order will do. Of equal ends the greater kind is: what is left of a value that has lapsed
 * is greater than the value, and the erasure is greater than both. */
int record_cmp(const struct record *a, const struct record *b);

/* The marks of a version as one byte, wherever a version travels or rests by itself. */
enum { VERSION_DELETED = 1, VERSION_ORDERED = 2 };

static inline uint8_t version_marks(const struct version *v)
{
    return (uint8_t)((v->deleted ? VERSION_DELETED : 0) | (v->ordered ? VERSION_ORDERED : 0));
}

/* False when the byte has other marks too. */
static inline bool version_set_marks(struct version *v, uint8_t marks)
{
    v->deleted = (marks & VERSION_DELETED) != 0;
    v->ordered = (marks & VERSION_ORDERED) != 0;
    return (marks & ~(VERSION_DELETED | VERSION_ORDERED)) == 0;
}

/* On disk: a fixed header of RECORD_HEADER bytes, the key, the value as stored (lz4 when it pays
 * and the value has RECORD_LZ4_MIN bytes or more). All little-endian:
 *   u64 XXH3-64 of everything after this field | u32 bytes of the whole record
 *   u8 kind | u8 flags (1: lz4, 2: deleted, 4: ordered) | u16 slot
 *   u64 stamp | u64 node | u64 digest | u64 expiry stamp | u64 expiry ms
 *   u32 key bytes | u32 value bytes (uncompressed) */
enum {
    RECORD_HEADER = 64,
    RECORD_LZ4_MIN = 256,
    /* bytes of any value: VALUE_MAX as set by an operator, and what later kinds add to it */
    RECORD_VALUE_MAX = 9 * 1024 * 1024,
    /* bytes of the largest encoded record: the cap before any allocation */
    RECORD_MAX = RECORD_HEADER + KEY_FULL_MAX + RECORD_VALUE_MAX,
};

/* A record as it stands on disk; slices point into the bytes it was read from. */
struct record_view {
    struct record record; /* record.value is the STORED value: compressed when lz4 is set */
    uint32_t size;        /* bytes of the whole encoded record */
    uint32_t value_size;  /* bytes of the value uncompressed */
    uint16_t slot;
    uint8_t lz4;
};

/* Whether the stamps of a version from outside leave room above them (base/hlc.h). */
bool version_valid(const struct version *v);

/* The slot of a record: of its key, or of a state's name, which is hashed the same way. */
static inline uint16_t record_slot(const struct record *r)
{
    return r->kind == RECORD_STATE ? slot_of_name(r->key) : slot_of_key(r->key);
}

/* Whether a record from outside is one at all: a known kind, a key with a space, or a name of at
 * most KEY_FULL_MAX bytes, a value within RECORD_VALUE_MAX, the marks as the kind demands, no value
 * in a tombstone or an erasure, stamps with room above. Both decoders ask this, and
 * record_marks_valid where a record comes without its key. A row is one: so a log with rows is
 * refused as a later release's (table_replay), not taken for a damaged one, and a peer that puts
 * one is answered that it is refused (core/replica), its stream not cut. */
bool record_valid(const struct record *r);
bool record_marks_valid(const struct record *r);

/* Appends the disk form of r. 0, ERR_TOO_BIG or ERR_NO_MEMORY (then nothing was appended). */
int record_encode(struct buf *out, const struct record *r);

/* The same for who knows its record_slot already. */
int record_encode_slot(struct buf *out, const struct record *r, uint16_t slot);

/* Reads the record at the start of bytes. Returns its size, ERR_INCOMPLETE (bytes end before it
 * does), or ERR_CORRUPT (checksum, kind or lengths wrong). Allocates nothing. */
int record_decode(struct slice bytes, struct record_view *out);

/* Whether the lengths in the header of a record, of which the rest may be damaged, can be those of
 * one. */
bool record_lengths_agree(struct slice bytes);

/* The uncompressed value of a view: points into the view's bytes, or into scratch (cleared first;
 * let its max be RECORD_VALUE_MAX) when it was compressed. 0, ERR_CORRUPT, or an error of
 * buf_reserve. */
int record_value(const struct record_view *v, struct buf *scratch, struct slice *value);

#endif
