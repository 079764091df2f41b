/* json_valid.h: whether a text is JSON (RFC 8259), for tests: a parser that keeps nothing, and
 * shares no code with what is tried. */
#ifndef COVEY_TEST_JSON_VALID_H
#define COVEY_TEST_JSON_VALID_H

#include <stdbool.h>
#include <string.h>

/* Each of these takes what its name says from the start of a text: the rest of it, or NULL where it
 * is something else. */
static inline const char *json_value(const char *p, unsigned depth);

static inline const char *json_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

static inline const char *json_word(const char *p, const char *word)
{
    return strncmp(p, word, strlen(word)) == 0 ? p + strlen(word) : NULL;
}

static inline const char *json_digits(const char *p)
{
    size_t n = strspn(p, "0123456789");
    return n > 0 ? p + n : NULL;
}

static inline const char *json_number(const char *p)
{
    p += *p == '-';
    bool zero = *p == '0';
    const char *rest = json_digits(p);
    if (!rest || (zero && rest != p + 1))
        return NULL;
    if (*rest == '.')
        rest = json_digits(rest + 1);
    if (rest && (*rest == 'e' || *rest == 'E')) {
        rest++;
        rest += *rest == '+' || *rest == '-';
        rest = json_digits(rest);
    }
    return rest;
}

/* Bytes of one character of UTF-8 without an escape, by RFC 3629's table; 0 for what is none. */
static inline size_t json_character(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20;
    size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned char least = p[0] == 0xe0   ? 0xa0
                          : p[0] == 0xf0 ? 0x90
                                         : 0x80,
                  most = p[0] == 0xed   ? 0x9f
                         : p[0] == 0xf4 ? 0x8f
                                        : 0xbf;
    bool valid = p[0] >= 0xc2 && p[0] <= 0xf4 && p[1] >= least && p[1] <= most;
    for (size_t i = 2; i < n && valid; i++)
        valid = p[i] >= 0x80 && p[i] <= 0xbf;
    return valid ? n : 0;
}

static inline const char *json_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    while (*p != '"') {
        size_t n = json_character((const unsigned char *)p);
        if (*p == '\\')
            n = p[1] == 'u' && strspn(p + 2, "0123456789abcdefABCDEF") >= 4 ? 6
                : p[1] != 0 && strchr("\"\\/bfnrt", p[1])                   ? 2
                                                                            : 0;
        if (n == 0)
            return NULL;
        p += n;
    }
    return p + 1;
}

/* Members of an object, or elements of an array, up to and with the closing bracket. */
static inline const char *json_inside(const char *p, char close, unsigned depth)
{
    p = json_blanks(p);
    if (*p == close)
        return p + 1;
    for (;;) {
        if (close == '}') {
            p = json_string(json_blanks(p));
            p = p ? json_word(json_blanks(p), ":") : NULL;
        }
        p = p ? json_value(p, depth + 1) : NULL;
        p = p ? json_blanks(p) : NULL;
        if (!p || *p == close)
            return p ? p + 1 : NULL;
        if (*p++ != ',')
            return NULL;
    }
}

static inline const char *json_value(const char *p, unsigned depth)
{
    p = json_blanks(p);
    if (depth > 64)
        return NULL;
    switch (*p) {
    case '{':
    case '[':
        return json_inside(p + 1, *p == '{' ? '}' : ']', depth);
    case '"':
        return json_string(p);
    case 't':
        return json_word(p, "true");
    case 'f':
        return json_word(p, "false");
    case 'n':
        return json_word(p, "null");
    default:
        return json_number(p);
    }
}

/* One value and nothing else. */
static inline bool json_valid(const char *text)
{
    const char *rest = json_value(text, 0);
    return rest && *json_blanks(rest) == 0;
}

#endif
