/* complete.h: what the Tab key offers, from the command table. */
#ifndef COVEY_CONSOLE_COMPLETE_H
#define COVEY_CONSOLE_COMPLETE_H

#include "base/slice.h"

enum { COMPLETIONS_MAX = 128 };

struct completions {
    struct slice prefix;               /* the word that is being typed, as far as it goes */
    const char *word[COMPLETIONS_MAX]; /* the words that it may become */
    unsigned n;
    size_t common; /* bytes that all of them begin with, in any case */
};

/* What may stand at the end of `text`: a command, or a word of `more` (ends with NULL); after a
 * command a subcommand or an option. Keys and values are not completed. The prefix points into the
 * text. */
struct completions complete(struct slice text, const char *const *more);

#endif
