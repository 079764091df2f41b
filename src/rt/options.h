/* options.h: the flags of `covey start`, from one table: the parser, the configuration file and the
 * help text all use it.
 *
 * A configuration file has lines `name value` with the names of the flags. Blank lines, and lines
 * that begin with #, are skipped. Flags win over the file, wherever --config stands; seeds of both
 * add up. Every error names what was given, and the remedy. */
#ifndef COVEY_RT_OPTIONS_H
#define COVEY_RT_OPTIONS_H

#include "base/buf.h"
#include "covey.h"

enum {
    OPTIONS_FILE_MAX = 64 * 1024, /* bytes of a configuration file */
    PORT_DEFAULT = 7400,
};

/* Options as parsed. A number is 0, and a text NULL, where the default applies. */
struct options {
    const char *name, *data, *bind, *client_bind, *advertise, *zone, *config;
    const char *seed[COVEY_SEEDS_MAX];
    uint64_t seed_n;
    uint64_t port, weight, value_max_bytes, clients_max, ops_max, replicas, hint_age_ms,
        erase_age_ms;
    /* indices of choices, in the order of covey.h's enums */
    uint64_t profile, durability, log_level;
    bool found, console, help;
    char *file_text; /* the configuration file: texts above point into it */
};

/* Parses the arguments after the subcommand (argv[0] is the first). Texts point into argv, or live
 * until options_close. 0, or ERR_REFUSED with a sentence in why (why_n bytes). Call options_close
 * in either case. */
int options_parse(struct options *o, int argc, char **argv, char *why, size_t why_n);
void options_close(struct options *o);

/* Makes the options of the embedding API of them. Texts and seeds stay borrowed from o. */
void options_embed(const struct options *o, struct covey_options *out);

/* Appends the help: one flag after another, in lines of `width` columns (0: no limit). Errors as
 * buf_reserve. */
int options_help(struct buf *out, unsigned width);

#endif
