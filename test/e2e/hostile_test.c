/* hostile_test.c: bytes that no peer and no client of this release would send. The node answers or
 * hangs up, counts, and goes on. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/rng.h"
#include "harness.h"
#include "wire/bytes.h"
#include "wire/frame.h"
#include "wire/packet.h"

/* A socket connected to a node's port. */
static int connect_to(struct cluster *c, unsigned port, int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    e2e_check(c, fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

/* Reads until the node closes the connection; c->text has what it sent. Returns how many bytes that
 * is. */
static size_t until_closed(struct cluster *c, int fd)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        e2e_check(c, poll(&p, 1, E2E_WAIT_MS) == 1);
        ssize_t got = recv(fd, c->text + n, sizeof c->text - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    c->text[n] = '\0';
    close(fd);
    return n;
}

static void random_bytes(struct rng *r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rng_next(r);
}

/* Packets of all lengths: random, and with a header that begins well. */
static void test_hostile_datagrams(void **state)
{
    struct cluster *c = *state;
    struct rng r;
    uint8_t packet[2000];
    rng_init(&r, 1);
    e2e_start_all(c, 3);
    int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_DGRAM);
    for (size_t i = 0; i < 4000; i++) {
        size_t n = rng_below(&r, sizeof packet + 1);
        random_bytes(&r, packet, n);
        if (i % 2 == 0 && n >= 4) {
            memcpy(packet, "CVY", 3);
            packet[3] = (uint8_t)(PACKET_FORMAT - i / 2 % 2); /* the former format, too */
        }
        /* may be dropped when the queue is full: the rest is hostile enough */
        send(fd, packet, n, 0);
    }
    close(fd);
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_await_healthy(c, 3);
    e2e_check(c, nest_running(&c->nest, 0));
}

/* ---- Datagrams that anybody may send, from any port ---- */

/* The id in a group of STATUS. */
static void hex_id(struct cluster *c, unsigned i, const char *group, uint8_t *out, size_t n)
{
    const struct client *client = &c->client[i];
    uint32_t at = client_row(client, group, "id");
    e2e_check(c, at != 0 && client->reply.v[at].text.n == 2 * n);
    for (size_t k = 0; k < n; k++) {
        const char digits[] = {(char)client->reply.v[at].text.p[2 * k],
                               (char)client->reply.v[at].text.p[2 * k + 1], '\0'};
        out[k] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

/* The header that a stranger to the cluster writes, who asked one of the nodes for the cluster's
 * id. */
static struct packet_header stranger(struct cluster *c)
{
    struct packet_header h = {.from = 0xbad,
                              .boot = 1,
                              .epoch = UINT64_MAX,
                              .position = {.end = UINT64_MAX},
                              .wall_ms = UINT64_MAX};
    e2e_ask(c, 0, "STATUS", NULL);
    hex_id(c, 0, "cluster", h.cluster.b, sizeof h.cluster.b);
    return h;
}

static uint64_t id_of(struct cluster *c, unsigned i)
{
    uint8_t b[8];
    uint64_t id = 0;
    e2e_ask(c, i, "STATUS", NULL);
    hex_id(c, i, "node", b, sizeof b);
    for (unsigned k = 0; k < sizeof b; k++)
        id = id << 8 | b[k];
    return id;
}

/* Sends one message to every node, in a datagram of its own. */
static void forge(struct cluster *c, const int *fd, unsigned n, const struct packet_header *h,
                  struct message m)
{
    struct packet p;
    packet_begin(&p, h);
    e2e_check(c, packet_add(&p, &m));
    packet_seal(&p);
    for (unsigned i = 0; i < n; i++)
        e2e_check(c, send(fd[i], p.bytes, p.n, 0) == p.n);
}

/* Says that a member is suspect, is dead, has left and lives, at that incarnation, in so many
 * datagrams. */
static void lie(struct cluster *c, const int *fd, unsigned n, uint64_t subject,
                uint64_t incarnation)
{
    struct packet_header h = stranger(c);
    struct message m = {.kind = MSG_SUSPECT};
    m.suspect =
        (struct msg_suspect){.member = subject, .incarnation = incarnation, .accuser = h.from};
    forge(c, fd, n, &h, m);
    m.kind = MSG_DEAD;
    m.dead = (struct msg_dead){.member = subject, .incarnation = incarnation, .accuser = h.from};
    forge(c, fd, n, &h, m);
    m.dead.accuser = subject;
    forge(c, fd, n, &h, m);
    m.kind = MSG_ALIVE;
    m.alive = (struct msg_alive){.member = subject,
                                 .incarnation = incarnation,
                                 .addr = {.family = 4, .port = 9, .ip = {127, 0, 0, 1}},
                                 .name = SLICE("c")};
    forge(c, fd, n, &h, m);
}

/* What node i holds of a member, if it holds it alive; 0 otherwise. */
static uint64_t incarnation_of(struct cluster *c, unsigned i, const char *name)
{
    const struct client *client = &c->client[i];
    const struct resp_reply *r = &client->reply;
    e2e_ask(c, i, "MEMBERS", NULL);
    uint32_t member = 1;
    for (uint32_t k = 0; client->fd >= 0 && r->v[0].type == RESP_ARRAY && k < r->v[0].count; k++) {
        uint32_t n = client_field(client, member, "name"),
                 s = client_field(client, member, "state");
        if (slice_eq(r->v[n].text, slice_str(name)) && slice_eq(r->v[s].text, SLICE("alive")))
            return (uint64_t)r->v[client_field(client, member, "incarnation")].integer;
        member = resp_after(r, member);
    }
    return 0;
}

/* Until every node holds node 2 alive, past an incarnation. */
static void await_past(struct cluster *c, uint64_t incarnation)
{
    uint64_t until_ms = e2e_now_ms() + E2E_WAIT_MS;
    for (unsigned i = 0; i < 3; i++)
        while (incarnation_of(c, i, "c") <= incarnation)
            e2e_poll(c, __FILE__, __LINE__, until_ms,
                     "every node holds c for alive, above the false number");
}

/* One datagram with such a number used to kill a member for ever: no greater number was left to
 * answer with, and the number was on every disk. The last false number is one that could be true:
 * when it is answered, all before it were received. */
static void test_no_datagram_kills_a_member_for_ever(void **state)
{
    struct cluster *c = *state;
    static const uint64_t number[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
                                      UINT64_C(1) << 62, (UINT64_C(1) << 62) - 1};
    int fd[3];
    e2e_start_all(c, 3);
    uint64_t subject = id_of(c, 2), small = incarnation_of(c, 2, "c") + 5;
    for (unsigned i = 0; i < 3; i++)
        fd[i] = connect_to(c, e2e_port(c, i) + 1u, SOCK_DGRAM);
    for (size_t k = 0; k < sizeof number / sizeof *number; k++)
        lie(c, fd, 3, subject, number[k]);
    lie(c, fd, 3, subject, small);
    await_past(c, small);
    e2e_await_healthy(c, 3);
    e2e_expect(c, 0, "*unbelieved_numbers:20\r*", "INFO", "stats");
    e2e_expect(c, 2, "OK", "SET", "k", "v");
    for (unsigned i = 0; i < 3; i++)
        e2e_kill(c, i);
    for (unsigned i = 0; i < 3; i++)
        e2e_restart(c, i);
    e2e_await_healthy(c, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(incarnation_of(c, i, "c"), small + 1, small + 100);
    e2e_expect(c, 1, "v", "GET", "k");
    for (unsigned i = 0; i < 3; i++)
        close(fd[i]);
}

static unsigned long rejected_packets(struct cluster *c)
{
    const char *at = strstr(e2e_ask(c, 0, "INFO", "stats", NULL), "rejected_packets:");
    return at ? strtoul(at + sizeof "rejected_packets:" - 1, NULL, 10) : 0;
}

/* A datagram that was right when it was sent: one bit of it flips, and it is ignored. */
static void test_a_datagram_with_a_flipped_bit_is_dropped_and_counted(void **state)
{
    struct cluster *c = *state;
    enum { FLIPS = 400, BATCH = 50 }; /* a batch fits the socket's queue */
    struct rng r;
    struct packet p;
    rng_init(&r, 4);
    e2e_start_all(c, 3);
    struct packet_header h = stranger(c);
    uint64_t before = incarnation_of(c, 0, "c"), until_ms = e2e_now_ms() + E2E_WAIT_MS;
    struct message m = {
        .kind = MSG_SUSPECT,
        .suspect = {.member = id_of(c, 2), .incarnation = before, .accuser = h.from}};
    packet_begin(&p, &h);
    e2e_check(c, packet_add(&p, &m));
    packet_seal(&p);
    int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_DGRAM);
    unsigned long rejected = rejected_packets(c);
    for (unsigned i = 0; i < FLIPS; i++) {
        unsigned bit = (unsigned)rng_below(&r, 8u * p.n);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        e2e_check(c, send(fd, p.bytes, p.n, 0) == p.n);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        while (i % BATCH == BATCH - 1 && rejected_packets(c) <= rejected + i)
            e2e_poll(c, __FILE__, __LINE__, until_ms, "every one of them is counted");
    }
    e2e_check(c, incarnation_of(c, 0, "c") == before && incarnation_of(c, 2, "c") == before);
    close(fd);
}

static void test_hostile_peer_streams(void **state)
{
    struct cluster *c = *state;
    struct rng r;
    uint8_t bytes[4096];
    rng_init(&r, 2);
    e2e_start_all(c, 3);
    for (unsigned i = 0; i < 64; i++) {
        int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_STREAM);
        size_t n = 1 + rng_below(&r, sizeof bytes);
        random_bytes(&r, bytes, n);
        if (i % 4 == 1)
            memset(bytes, 0xff, n < 16 ? n : 16); /* the greatest length */
        if (i % 4 == 2)
            memset(bytes, 0, n < 16 ? n : 16);
        send(fd, bytes, n, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        until_closed(c, fd);
    }
    e2e_await_log(c, 0, "event=peer.garbage*addr=");
    e2e_expect(c, 0, "OK", "SET", "k", "v");
    e2e_await_healthy(c, 3);
}

/* ---- Peers of the release before, which spoke protocol version 1 ---- */

/* of its hello: the name and what is kept come in between */
enum { V1_FIXED = 2 + 2 + 8 + 16 + 8 + 8 + 19 + 4 + 8 + 8 + 4 + 8 };

static void send_frame(struct cluster *c, int fd, uint8_t kind, const uint8_t *body, uint32_t n)
{
    uint8_t bytes[512] = {0};
    uint8_t *at = put_u32(bytes, FRAME_HEADER - 4 + MESSAGE_HEADER + n);
    at = put_u32(put_u8(at, 0), 0); /* no flags, channel 0 */
    at = put_bytes(put_u32(put_u8(at, kind), n), body, n);
    e2e_check(c, send(fd, bytes, (size_t)(at - bytes), MSG_NOSIGNAL) == at - bytes);
}

/* Dialled by one, the node says which versions meet, there and in its own log; and it goes on. */
static void test_a_peer_of_protocol_1_is_told_both_versions(void **state)
{
    struct cluster *c = *state;
    static const char sentence[] =
        "this node speaks peer protocol 2 to 2, the other 1 to 1; upgrade the older of the two";
    uint8_t hello[V1_FIXED] = {1, 0, 1, 0};
    e2e_start_all(c, 1);
    int fd = connect_to(c, e2e_port(c, 0) + 1u, SOCK_STREAM);
    send_frame(c, fd, MSG_HELLO, hello, sizeof hello);
    size_t n = until_closed(c, fd);
    e2e_check(c, memmem(c->text, n, sentence, sizeof sentence - 1) != NULL);
    e2e_await_log(
        c, 0,
        "event=peer.refused*speaks peer protocol 2 to 2, the other 1 to 1; upgrade the older");
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

/* Whether a peer of version 1 can read that hello, byte by byte: else it would say that the bytes
 * are bad, and not why. */
static bool version_1_reads(struct slice body)
{
    const size_t name_at = 2 + 2 + 8 + 16 + 8 + 8 + 19;
    if (body.n < V1_FIXED)
        return false;
    size_t name_n = get_u32(body.p + name_at), slack = body.n - V1_FIXED;
    if (name_n > slack)
        return false;
    return get_u32(body.p + name_at + 4 + name_n + 8 + 8) <= slack - name_n;
}

static int listen_as(struct cluster *c, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    e2e_check(c, fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0);
    return fd;
}

/* Reads the hello that a node sends first; its body. */
static struct slice read_hello(struct cluster *c, int fd, uint8_t bytes[1024])
{
    size_t n = 0, want = 4;
    while (n < want) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        e2e_check(c, poll(&p, 1, E2E_WAIT_MS) == 1);
        ssize_t got = recv(fd, bytes + n, want - n, 0);
        e2e_check(c, got > 0);
        n += (size_t)got;
        want = n < 4 ? 4 : 4 + get_u32(bytes);
        e2e_check(c, want <= 1024);
    }
    e2e_check(c, n > FRAME_HEADER + MESSAGE_HEADER && bytes[4] == 0 &&
                     bytes[FRAME_HEADER] == MSG_HELLO);
    return slice_of(bytes + FRAME_HEADER + MESSAGE_HEADER, get_u32(bytes + FRAME_HEADER + 1));
}

/* Dialling one, the node is understood so far that it is refused for its version, and logs what the
 * other says. */
static void test_a_seed_of_protocol_1_tells_both_versions(void **state)
{
    struct cluster *c = *state;
    static const char sentence[] =
        "this node speaks peer protocol 1 to 1, the other 2 to 2; upgrade the older of the two";
    uint8_t bytes[1024], no[8 + sizeof sentence - 1];
    char seed[32];
    put_bytes(put_u32(put_u32(no, (uint32_t)-ERR_BAD_VERSION), sizeof sentence - 1), sentence,
              sizeof sentence - 1);
    int listener = listen_as(c, e2e_port(c, 1) + 1u);
    snprintf(seed, sizeof seed, "127.0.0.1:%u", e2e_port(c, 1));
    e2e_start(c, 0, "--seed", seed, NULL);
    int fd = accept(listener, NULL, NULL);
    struct slice body = read_hello(c, fd, bytes);
    e2e_check(c, version_1_reads(body) && get_u16(body.p) == PROTOCOL_MIN &&
                     get_u16(body.p + 2) == PROTOCOL_MAX);
    send_frame(c, fd, MSG_HELLO_NO, no, sizeof no);
    e2e_await_log(
        c, 0,
        "event=node.seed_wait*the other side answers: this node speaks peer protocol 1 to "
        "1, the other 2 to 2*");
    close(fd);
    close(listener);
}

/* Nobody may hold a peer connection by saying nothing: it is closed when the hello does not
 * come. */
static void test_silent_peer_is_cut(void **state)
{
    struct cluster *c = *state;
    e2e_start_all(c, 1);
    until_closed(c, connect_to(c, e2e_port(c, 0) + 1u, SOCK_STREAM));
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

static void test_hostile_resp(void **state)
{
    struct cluster *c = *state;
    static const struct {
        const char *bytes, *answer;
    } cases[] = {
        {"*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*9999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$abc\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
        {"set \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
    };
    e2e_start_all(c, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        send(fd, cases[i].bytes, strlen(cases[i].bytes), MSG_NOSIGNAL);
        until_closed(c, fd);
        assert_string_equal(c->text, cases[i].answer);
    }
    struct rng r;
    uint8_t bytes[8192];
    rng_init(&r, 3);
    for (unsigned i = 0; i < 64; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        random_bytes(&r, bytes, sizeof bytes);
        if (i % 2 == 0)
            memcpy(bytes, "*3\r\n$3\r\nSET\r\n", 13);
        send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        until_closed(c, fd);
    }
    e2e_expect(c, 0, "OK", "SET", "k", "v");
}

/* Browsers reach loopback: a page must not be able to write. */
static void test_http_on_the_client_port(void **state)
{
    struct cluster *c = *state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k hacked\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX:\r\n\r\nSET k hacked\r\n",
    };
    e2e_start_all(c, 1);
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(c, e2e_port(c, 0), SOCK_STREAM);
        send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
        until_closed(c, fd);
        e2e_match(c, __FILE__, __LINE__, "*-ERR *", c->text);
    }
    e2e_expect(c, 0, "(nil)", "GET", "k");
    e2e_expect(c, 0, "*rejected_requests:[1-9]*", "INFO", "stats");
}

/* Too large is an error and not a disconnection. */
static void test_limits_of_key_and_value(void **state)
{
    struct cluster *c = *state;
    size_t n = VALUE_MAX + 1;
    char *big = malloc(n + 1);
    assert_non_null(big);
    memset(big, 'x', n);
    big[n] = '\0';
    e2e_start_all(c, 3);
    e2e_expect(c, 0, "ERR value is 8388609 bytes, the limit is 8388608*--value-max*", "SET", "k",
               big);
    int fd = c->client[0].fd;
    big[VALUE_MAX] = '\0';
    e2e_expect(c, 0, "OK", "SET", "k", big);
    e2e_expect(c, 1, "8388608", "STRLEN", "k");
    big[KEY_MAX + 1] = '\0';
    e2e_expect(c, 0, "ERR key is 65537 bytes, the limit is 65536*", "SET", big, "v");
    big[KEY_MAX] = '\0';
    e2e_expect(c, 0, "OK", "SET", big, "v");
    e2e_expect(c, 2, "v", "GET", big);
    assert_int_equal(c->client[0].fd, fd); /* still the first connection */
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_datagrams, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_no_datagram_kills_a_member_for_ever, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_datagram_with_a_flipped_bit_is_dropped_and_counted,
                                        e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_peer_streams, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_peer_of_protocol_1_is_told_both_versions, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_a_seed_of_protocol_1_tells_both_versions, e2e_setup,
                                        e2e_teardown),
        cmocka_unit_test_setup_teardown(test_silent_peer_is_cut, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_resp, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_http_on_the_client_port, e2e_setup, e2e_teardown),
        cmocka_unit_test_setup_teardown(test_limits_of_key_and_value, e2e_setup, e2e_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
