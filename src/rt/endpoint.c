/* endpoint.c: see endpoint.h. */
#include "rt/endpoint.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"

static int parse_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    size_t n = strlen(text);
    if (n == 0 || n > 5)
        return ERR_BAD_ADDRESS;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_BAD_ADDRESS;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port == 0 || port > PORT_MAX)
        return ERR_BAD_ADDRESS;
    *out = (uint16_t)port;
    return 0;
}

/* A host is copied into log lines and resolver calls: it has no blanks, control bytes or stray
 * brackets. */
static bool host_ok(const char *host, size_t n)
{
    if (n == 0 || n > HOST_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (host[i] <= ' ' || host[i] >= 0x7f || strchr("[]/@\"", host[i]))
            return false;
    return true;
}

int endpoint_parse(const char *text, struct endpoint *out)
{
    bool bracketed = text[0] == '[';
    const char *host = text + bracketed;
    const char *end = bracketed ? strchr(host, ']') : strrchr(host, ':');
    if (!end || !host_ok(host, (size_t)(end - host)))
        return ERR_BAD_ADDRESS;
    /* a colon inside a host without brackets: an IPv6 address whose end is unclear */
    if (!bracketed && memchr(host, ':', (size_t)(end - host)))
        return ERR_BAD_ADDRESS;
    if (bracketed && end[1] != ':')
        return ERR_BAD_ADDRESS;
    memset(out, 0, sizeof *out);
    memcpy(out->host, host, (size_t)(end - host));
    return parse_port(end + 1 + bracketed, &out->port);
}

int endpoint_literal(const char *host, uint16_t port, struct addr *out)
{
    memset(out, 0, sizeof *out);
    out->port = port;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    out->family = 4;
    if (inet_pton(AF_INET, host, out->ip) == 1)
        return 0;
    out->family = 6;
    return inet_pton(AF_INET6, host, out->ip) == 1 ? 0 : ERR_BAD_ADDRESS;
}

bool endpoint_loopback(struct addr a)
{
    static const uint8_t one[16] = {[15] = 1};
    return (a.family == 4 && a.ip[0] == 127) ||
           (a.family == 6 && memcmp(a.ip, one, sizeof one) == 0);
}

void endpoint_sockaddr(struct addr a, unsigned offset, struct sockaddr_storage *sa)
{
    memset(sa, 0, sizeof *sa);
    uint16_t port = htons((uint16_t)(a.port + offset));
    if (a.family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        memcpy(&in6->sin6_addr, a.ip, 16);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)sa;
        in->sin_family = AF_INET;
        in->sin_port = port;
        memcpy(&in->sin_addr, a.ip, 4);
    }
}

struct addr endpoint_addr(const struct sockaddr *sa, unsigned offset)
{
    struct addr a = {0};
    uint16_t port;
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        port = ntohs(in6->sin6_port);
        memcpy(a.ip, &in6->sin6_addr, 16);
        a.family = 6;
    } else if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        port = ntohs(in->sin_port);
        memcpy(a.ip, &in->sin_addr, 4);
        a.family = 4;
    } else {
        return a;
    }
    if (port <= offset)
        return (struct addr){0};
    a.port = (uint16_t)(port - offset);
    return a;
}
