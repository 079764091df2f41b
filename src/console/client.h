/* client.h: a RESP3 connection to one node, for the console, the one-shots and the demo.
 *
 * It is an ordinary Redis client: it connects, sends HELLO 3, sends arrays of bulk strings and
 * reads replies in order. Requests gather in `out` until client_write: a pipeline is many
 * client_send and one client_write. Every wait has a deadline. After an error `why` has a sentence
 * for the operator that names the node and the remedy. */
#ifndef COVEY_CONSOLE_CLIENT_H
#define COVEY_CONSOLE_CLIENT_H

#include "base/buf.h"
#include "wire/resp.h"

enum {
    /* more than a node's own deadline for an operation, which is 2 s */
    CLIENT_TIMEOUT_MS = 5000,
    /* the largest reply: an MGET of sixty of the largest values */
    CLIENT_BUFFER_MAX = 512 * 1024 * 1024,
    CLIENT_PORT_DEFAULT = 7400,
    CLIENT_HOST_MAX = 256, /* bytes of a host name or address, with a NUL */
};

struct client {
    int fd; /* -1 when not connected */
    struct buf in, out;
    size_t at;               /* bytes of `in` that were returned as replies */
    struct resp_reply reply; /* the last reply; its texts live until the next call */
    char where[320];         /* "127.0.0.1 port 7400" */
    char why[512];           /* after an error: what failed and what to do */
};

/* Sets a client that is not connected and has nothing allocated; client_close is allowed. */
void client_init(struct client *c);

/* Connects to a host (name, IPv4 or IPv6 address) and switches to RESP3. 0, ERR_IO (nobody answers
 * there) or ERR_BAD_MESSAGE (something else than covey does). A client that is connected is closed
 * first. */
int client_open(struct client *c, const char *host, uint16_t port);

/* Connects without the HELLO: for tests that speak otherwise. */
int client_connect(struct client *c, const char *host, uint16_t port);

void client_close(struct client *c);

/* Appends a command to the pipeline. ERR_TOO_BIG or ERR_NO_MEMORY. */
int client_send(struct client *c, const struct slice *arg, uint32_t arg_n);

/* Sends the pipeline, and reads meanwhile what comes back, so that the two sides do not wait for
 * each other. ERR_CLOSED, ERR_IO, ERR_INCOMPLETE (the node took nothing for CLIENT_TIMEOUT_MS). */
int client_write(struct client *c);

/* Reads the next reply (or push) into c->reply. ERR_INCOMPLETE when none came within timeout_ms (0:
 * only what is there already), ERR_CLOSED, ERR_IO, ERR_BAD_MESSAGE. All but ERR_INCOMPLETE end the
 * connection. */
int client_receive(struct client *c, int timeout_ms);

/* Sends one command and reads its reply, skipping pushes. A reply that does not come in time ends
 * the connection, since a later reply would be taken for it. An error reply is a reply: 0. */
int client_call(struct client *c, const struct slice *arg, uint32_t arg_n);

/* The same for a command of words that end with NULL. */
int client_ask(struct client *c, const char *const *word);

/* The index in c->reply of the value of a field of the map at index `map`; 0 when that is no map or
 * has no such field. */
uint32_t client_field(const struct client *c, uint32_t map, const char *name);

/* The same for a field of a map inside the reply's map: of STATUS, "cluster" and "members". */
uint32_t client_row(const struct client *c, const char *group, const char *name);

/* The integer, or yes or no, in a field of the last reply, which is a map; 0 when there is no such
 * field. */
int64_t client_number(const struct client *c, const char *name);

/* Parses a port, 1 to 65535. False: it is none. */
bool client_port(const char *text, uint16_t *port);

/* Parses HOST:PORT, the host perhaps in brackets. False: it is none. */
bool client_address(struct slice text, char host[CLIENT_HOST_MAX], uint16_t *port);

#endif
