#include "front/glob.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Matches c against the class that begins at p[i] == '['. *end is the index after the class; a
 * class that is not closed ends with the pattern. */
static bool class_match(struct slice p, size_t i, uint8_t c, size_t *end)
{
    bool inverse = ++i < p.n && p.p[i] == '^';
    bool found = false;

    for (i += inverse; i < p.n && p.p[i] != ']'; i++) {
        if (p.p[i] == '\\' && i + 1 < p.n)
            i++;
        uint8_t low = lower(p.p[i]), high = low;
        if (i + 2 < p.n && p.p[i + 1] == '-' && p.p[i + 2] != ']') {
            high = lower(p.p[i + 2]);
            i += 2;
        }
        found |= (low <= c && c <= high) || (high <= c && c <= low);
    }
    *end = i < p.n ? i + 1 : i;
    return found != inverse;
}

/* Matches one byte against the element at p[i]. *end is the index after the element. */
static bool one_match(struct slice p, size_t i, uint8_t c, size_t *end)
{
    c = lower(c);
    if (p.p[i] == '[')
        return class_match(p, i, c, end);
    if (p.p[i] == '\\' && i + 1 < p.n)
        i++;
    else if (p.p[i] == '?') {
        *end = i + 1;
        return true;
    }
    *end = i + 1;
    return lower(p.p[i]) == c;
}

/* To go back to the last star alone is enough: what an earlier star could take, the last one can
 * take too. So the time is bounded, where a recursion would try every split. */
bool glob_match(struct slice pattern, struct slice text)
{
    size_t i = 0, t = 0, end;
    size_t star = SIZE_MAX, star_text = 0;

    while (t < text.n) {
        if (i < pattern.n && pattern.p[i] == '*') {
            star = ++i;
            star_text = t;
        } else if (i < pattern.n && one_match(pattern, i, text.p[t], &end)) {
            i = end;
            t++;
        } else if (star != SIZE_MAX) {
            i = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (i < pattern.n && pattern.p[i] == '*')
        i++;
    return i == pattern.n;
}
