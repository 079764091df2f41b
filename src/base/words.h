/* words.h: text for people: the known word that a mistyped one was meant to be, and paragraphs and
 * columns that are broken between words. */
#ifndef COVEY_BASE_WORDS_H
#define COVEY_BASE_WORDS_H

#include "base/buf.h"

/* Whether the two words are the same, whatever their case. */
bool words_same(struct slice word, const char *that);

/* The ending of a noun that is counted: "" for one, else "s". */
static inline const char *words_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* The known word nearest to `word` if it is near enough to be meant (two edits), else NULL. names:
 * n of them. */
const char *words_nearest(const char *word, const char *const *names, unsigned n);

/* A page of two columns: what something is called, and what it means. */
struct words_page {
    unsigned left;  /* characters of the left column; what is longer stands on a line of its own */
    unsigned width; /* characters of a line; 0: no limit */
};

/* Appends a paragraph, every line with `indent` blanks before it, and a newline. A word that is
 * longer than a line is never broken. Errors as buf_reserve. */
int words_paragraph(struct buf *out, const char *text, unsigned indent,
                    const struct words_page *page);

/* Appends both columns, with two blanks before and between them, and a newline. Where the page
 * leaves the right column too narrow, its text stands below the left one. Errors as buf_reserve. */
int words_row(struct buf *out, const char *left, const char *right, const struct words_page *page);

#endif
