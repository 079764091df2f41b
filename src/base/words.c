/* words.c: see words.h. */
#include "base/words.h"

enum {
    GAP = 2,
    RIGHT_LEAST = 24, /* characters: in a narrower column most lines would hold two words */
    HANGING = 6,      /* indent of a meaning that stands below its name */
};

bool words_same(struct slice word, const char *that)
{
    if (word.n != strlen(that))
        return false;
    for (size_t i = 0; i < word.n; i++) {
        uint8_t a = word.p[i], b = (uint8_t)that[i];
        a = a >= 'A' && a <= 'Z' ? a | 0x20 : a;
        b = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
        if (a != b)
            return false;
    }
    return true;
}

enum { WORD_MAX = 24 };

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits that make one short word the other: a letter more, fewer or another, or two neighbours
 * exchanged (Damerau 1964, as the optimal string alignment). row[i][j]: of the first i letters of a
 * and the first j of b. Longer words are never near. */
static unsigned distance(const char *a, const char *b)
{
    size_t an = strlen(a), bn = strlen(b);
    unsigned row[WORD_MAX + 1][WORD_MAX + 1];
    if (an > WORD_MAX || bn > WORD_MAX)
        return WORD_MAX;
    for (unsigned i = 0; i <= an; i++) {
        for (unsigned j = 0; j <= bn; j++) {
            row[i][j] = i + j;
            if (i == 0 || j == 0)
                continue;
            row[i][j] = least_of(row[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                                 least_of(row[i - 1][j], row[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[i][j] = least_of(row[i][j], row[i - 2][j - 2] + 1);
        }
    }
    return row[an][bn];
}

const char *words_nearest(const char *word, const char *const *names, unsigned n)
{
    const char *best = NULL;
    unsigned least = 3;
    for (unsigned i = 0; i < n; i++) {
        unsigned d = distance(word, names[i]);
        /* the start of a name is meant as well: --val for --value-max */
        if (d > 1 && strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0)
            d = 1;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* ---- Text at the edge of the page ---- */

/* Appends the words of text, the first one at character `*at` of a line; those that would pass the
 * edge begin a new line after `indent` blanks. */
static int put_words(struct buf *out, const char *text, unsigned *at, unsigned indent,
                     unsigned width)
{
    bool first = true;
    int error = 0;
    while (*text != '\0' && error == 0) {
        unsigned n = (unsigned)strcspn(text, " ");
        if (!first && width != 0 && *at + 1 + n > width) {
            error = buf_printf(out, "\n%*s", (int)indent, "");
            *at = indent;
        } else if (!first) {
            error = buf_append(out, " ", 1);
            *at += 1;
        }
        error = error ? error : buf_append(out, text, n);
        *at += n;
        text += n + (text[n] == ' ');
        first = false;
    }
    return error;
}

int words_paragraph(struct buf *out, const char *text, unsigned indent,
                    const struct words_page *page)
{
    unsigned at = indent;
    int error = buf_printf(out, "%*s", (int)indent, "");
    error = error ? error : put_words(out, text, &at, indent, page->width);
    return error ? error : buf_append(out, "\n", 1);
}

int words_row(struct buf *out, const char *left, const char *right, const struct words_page *page)
{
    unsigned at = GAP, column = page->left + 2 * GAP;
    int error = buf_printf(out, "%*s", GAP, "");
    bool narrow = page->width != 0 && page->width < column + RIGHT_LEAST;
    column = narrow ? HANGING : column;
    error = error ? error : put_words(out, left, &at, HANGING, page->width);
    if (error || *right == '\0')
        return error ? error : buf_append(out, "\n", 1);
    if (narrow || at > column - GAP)
        error = buf_printf(out, "\n%*s", (int)column, "");
    else
        error = buf_printf(out, "%*s", (int)(column - at), "");
    at = column;
    error = error ? error : put_words(out, right, &at, column, page->width);
    return error ? error : buf_append(out, "\n", 1);
}
