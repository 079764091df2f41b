/* id.c: node ids, cluster ids and addresses as text, without asking the OS (see id.h).
 *
 * IPv6 is written as RFC 5952 wants it: lower case, no leading zeros, the longest run of two or
 * more zero groups (the first of equals) as "::", and the last 32 bits of an IPv4-mapped address as
 * a dotted quad. It is read as RFC 4291 allows it. */
#include "base/id.h"

#include <stdio.h>

#include "base/check.h"
#include "base/error.h"

enum { GROUPS = 8 }; /* of 16 bits in an IPv6 address */

/* ---- To text ---- */

/* Text that grows in a caller's array of ADDR_TEXT bytes. */
struct text {
    char *p;
    size_t n;
};

static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);
    CHECK(t->n + n < ADDR_TEXT);
    memcpy(t->p + t->n, s, n + 1);
    t->n += n;
}

static void put_number(struct text *t, const char *format, unsigned value)
{
    char digits[8];
    snprintf(digits, sizeof digits, format, value);
    put(t, digits);
}

static void put_quad(struct text *t, const uint8_t ip[4])
{
    for (int i = 0; i < 4; i++)
        put_number(t, i ? ".%u" : "%u", ip[i]);
}

static unsigned group(const uint8_t ip[16], int i)
{
    return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The zero groups that become "::": the longest run, the first of equals. Its length, *at its
 * start; 0 when no run has two. */
static int longest_zeros(const uint8_t ip[16], int *at)
{
    int best = 1, run = 0;
    *at = -1;
    for (int i = 0; i < GROUPS; i++) {
        run = group(ip, i) ? 0 : run + 1;
        if (run > best) {
            best = run;
            *at = i - run + 1;
        }
    }
    return *at < 0 ? 0 : best;
}

static bool is_mapped(const uint8_t ip[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, prefix, sizeof prefix) == 0;
}

static void put_ipv6(struct text *t, const uint8_t ip[16])
{
    if (is_mapped(ip)) {
        put(t, "::ffff:");
        put_quad(t, ip + 12);
        return;
    }
    int at, zeros = longest_zeros(ip, &at);
    for (int i = 0; i < GROUPS;) {
        if (i == at) {
            put(t, "::");
            i += zeros;
            continue;
        }
        put_number(t, i && i != at + zeros ? ":%x" : "%x", group(ip, i));
        i++;
    }
}

const char *addr_text(struct addr a, char out[ADDR_TEXT])
{
    struct text t = {out, 0};
    if (a.family == 4) {
        put_quad(&t, a.ip);
    } else if (a.family == 6) {
        put(&t, "[");
        put_ipv6(&t, a.ip);
        put(&t, "]");
    } else {
        put(&t, "none");
        return out;
    }
    put_number(&t, ":%u", a.port);
    return out;
}

const char *node_id_text(uint64_t id, char out[ADDR_TEXT])
{
    snprintf(out, ADDR_TEXT, "%016llx", (unsigned long long)id);
    return out;
}

const char *cluster_id_text(struct cluster_id id, char out[ADDR_TEXT])
{
    struct text t = {out, 0};
    for (size_t i = 0; i < sizeof id.b; i++)
        put_number(&t, "%02x", id.b[i]);
    return out;
}

/* ---- From text. The readers below advance *in over what they took and say whether it was well
 * formed. ---- */

static bool take(struct slice *in, char c)
{
    if (in->n == 0 || in->p[0] != (uint8_t)c)
        return false;
    *in = slice_of(in->p + 1, in->n - 1);
    return true;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* A number of at most digits_max digits (5 or fewer, so nothing overflows) and at most
 * value_max. */
static bool take_number(struct slice *in, int base, size_t digits_max, unsigned value_max,
                        unsigned *value)
{
    size_t n = 0;
    *value = 0;
    while (n < in->n && n < digits_max && digit_of(in->p[n]) < base)
        *value = *value * (unsigned)base + (unsigned)digit_of(in->p[n++]);
    if (n == 0 || *value > value_max)
        return false;
    if (base == 10 && n > 1 && in->p[0] == '0')
        return false; /* some readers take 010 for 8: refuse what can be misread */
    *in = slice_of(in->p + n, in->n - n);
    return true;
}

static bool take_quad(struct slice *in, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned byte;
        if ((i && !take(in, '.')) || !take_number(in, 10, 3, 255, &byte))
            return false;
        ip[i] = (uint8_t)byte;
    }
    return true;
}

/* Groups until something else comes: how many stand in ip, or -1. A dotted quad counts as two and
 * must end the address. */
static int take_groups(struct slice *in, int max, uint8_t ip[16])
{
    for (int n = 0;; n++) {
        struct slice quad = *in;
        if (n + 2 <= max && take_quad(&quad, ip + 2 * n) && quad.n && quad.p[0] == ']') {
            *in = quad;
            return n + 2;
        }
        unsigned value;
        if (n == max || !take_number(in, 16, 4, 0xffff, &value))
            return -1;
        ip[2 * n] = (uint8_t)(value >> 8);
        ip[2 * n + 1] = (uint8_t)value;
        if (in->n < 2 || in->p[0] != ':' || in->p[1] == ':')
            return n + 1; /* what follows, "::" or the end, is the caller's */
        take(in, ':');
    }
}

static bool take_ipv6(struct slice *in, uint8_t ip[16])
{
    uint8_t head[16] = {0}, tail[16] = {0};
    int head_n = 0, tail_n = 0;
    bool gap_first = in->n >= 2 && in->p[0] == ':' && in->p[1] == ':';
    if (!gap_first && (head_n = take_groups(in, GROUPS, head)) < 0)
        return false;
    memcpy(ip, head, 16);
    if (head_n == GROUPS)
        return true;
    if (!take(in, ':') || !take(in, ':'))
        return false;
    /* "::" stands for at least one group. After it comes another group, or the address ends. */
    if (in->n && in->p[0] != ']' && (tail_n = take_groups(in, GROUPS - 1 - head_n, tail)) < 0)
        return false;
    memcpy(ip + 16 - 2 * tail_n, tail, (size_t)(2 * tail_n));
    return true;
}

int addr_parse(struct slice text, struct addr *out)
{
    struct addr a = {0};
    unsigned port;
    if (take(&text, '[')) {
        a.family = 6;
        if (!take_ipv6(&text, a.ip) || !take(&text, ']'))
            return ERR_BAD_ADDRESS;
    } else {
        a.family = 4;
        if (!take_quad(&text, a.ip))
            return ERR_BAD_ADDRESS;
    }
    if (!take(&text, ':') || !take_number(&text, 10, 5, 65535, &port) || port == 0 || text.n)
        return ERR_BAD_ADDRESS;
    a.port = (uint16_t)port;
    *out = a;
    return 0;
}
