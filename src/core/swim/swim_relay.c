/* swim_relay.c: the helper's side of an indirect probe (SWIM paper, section 3; the nack is
 * Lifeguard's).
 *
 * A helper pings on behalf of the asker under a number of its own, and answers the asker's number:
 * an ack when its ping is answered, a nack when the time that the asker allowed has passed. The
 * table is small, and a helper whose table is full answers nothing: the asker has other helpers,
 * and a node that probes more than its cluster asks of it would only be an amplifier. */
#include "core/swim/swim_probe.h"

#include "base/check.h"
#include "core/swim/swim_gossip.h"

/* No honest period is longer (wan at the worst local health: 5 s * 9), and no asker may make us
 * remember for hours. */
enum { RELAY_MS_MAX = 60 * 1000 };

static void find_earliest(struct swim *s)
{
    s->relay_ms = UINT64_MAX;
    for (uint32_t i = 0; i < s->relay_n; i++)
        if (s->relay[i].nack_ms < s->relay_ms)
            s->relay_ms = s->relay[i].nack_ms;
}

static void relay_remove(struct swim *s, uint32_t i)
{
    CHECK(i < s->relay_n);
    s->relay[i] = s->relay[--s->relay_n];
    find_earliest(s);
}

static bool send_one(struct swim *s, struct addr to, const struct message *m)
{
    struct packet *p = swim_packet_open(s, to);
    if (!p)
        return false;
    packet_add(p, m);
    swim_packet_close(s, p);
    return true;
}

void swim_relay_ask(struct swim *s, const struct msg_ping_req *ask, struct addr from)
{
    if (s->relay_n == SWIM_RELAYS || ask->target == s->self->id || from.family == 0) {
        s->counters.dropped++;
        return;
    }
    uint64_t wait_ms = ask->timeout_ms < RELAY_MS_MAX ? ask->timeout_ms : RELAY_MS_MAX;
    struct swim_relay relay = {.asker_seq = ask->seq,
                               .seq = rng_next(&s->rng),
                               .nack_ms = s->now_ms + wait_ms,
                               .asker = from};
    struct message ping = {.kind = MSG_PING, .ping = {.seq = relay.seq, .target = ask->target}};
    if (!send_one(s, ask->addr, &ping))
        return;
    s->relay[s->relay_n++] = relay;
    find_earliest(s);
}

bool swim_relay_ack(struct swim *s, uint64_t seq)
{
    for (uint32_t i = 0; i < s->relay_n; i++) {
        if (s->relay[i].seq != seq)
            continue;
        struct message ack = {.kind = MSG_ACK, .ack = {.seq = s->relay[i].asker_seq}};
        send_one(s, s->relay[i].asker, &ack);
        relay_remove(s, i);
        return true;
    }
    return false;
}

void swim_relay_tick(struct swim *s)
{
    for (uint32_t i = 0; i < s->relay_n && s->now_ms >= s->relay_ms;) {
        if (s->now_ms < s->relay[i].nack_ms) {
            i++;
            continue;
        }
        struct message nack = {.kind = MSG_NACK, .nack = {.seq = s->relay[i].asker_seq}};
        if (!send_one(s, s->relay[i].asker, &nack))
            return; /* the rest at the next tick */
        relay_remove(s, i);
    }
}
