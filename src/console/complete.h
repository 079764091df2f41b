/* complete.h: what the Tab key offers, from the command table. */
#ifndef COVEY_CONSOLE_COMPLETE_H
#define COVEY_CONSOLE_COMPLETE_H

#include "base/slice.h"

enum { COMPLETIONS_MAX = 128 };

struct completions {
    struct slice prefix;               /* the word that is being typed, as far as it is */
    const char *word[COMPLETIONS_MAX]; /* all that it may become */
    unsigned n;
    size_t common; /* bytes that all of them begin with, in whatever case */
};

/* What may stand at the end of `text`: a command, or a word of `more` (ends with NULL); after a
 * command a subcommand or an option of it, where one may stand. Keys and values are not ours to
 * guess. The prefix points into the text. */
struct completions complete(struct slice text, const char *const *more);

#endif
