/* options.h: the flags of `covey start`, from one table: parsing, the configuration file, and the
 * help text all come from it.
 *
 * A configuration file has lines `name value` with the flags' names; blank lines and lines that
 * begin with # are skipped. Flags win over the file, wherever --config stands; seeds of both add
 * up. Every error names what was given, and the remedy. */
#ifndef COVEY_RT_OPTIONS_H
#define COVEY_RT_OPTIONS_H

#include "base/buf.h"
#include "covey.h"

enum {
    OPTIONS_KEPT_MAX = 64 * 1024, /* bytes of a configuration file: its values are kept */
    PORT_DEFAULT = 7400,
};

/* As parsed; numbers are 0 where the default applies, texts NULL. */
struct options {
    const char *name, *data, *bind, *client_bind, *advertise, *zone, *config;
    const char *seed[COVEY_SEEDS_MAX];
    uint64_t seed_n;
    uint64_t port, weight, value_max_bytes, clients_max, ops_max, replicas, hint_age_ms,
        erase_age_ms;
    /* indices of the choices, in the order of covey.h's enums */
    uint64_t profile, durability, log_level;
    bool found, console, help;
    char *kept; /* the configuration file's text, which the fields above point into */
};

/* Parses the arguments after the subcommand (argv[0] is the first). The texts are borrowed from
 * argv, or kept until options_close. 0, or ERR_REFUSED with a sentence in why (why_n bytes). Call
 * options_close in either case. */
int options_parse(struct options *o, int argc, char **argv, char *why, size_t why_n);
void options_close(struct options *o);

/* The same as the embedding API wants it; texts stay borrowed from o. Seeds point into o. */
void options_embed(const struct options *o, struct covey_options *out);

/* Appends the table as text, one flag after another, in lines of `width` characters (0: no limit).
 * Errors as buf_reserve. */
int options_help(struct buf *out, unsigned width);

#endif
