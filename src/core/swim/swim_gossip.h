/* swim_gossip.h: what is sent, and how often: packets, the news on them, and gossip ticks. Inside
 * SWIM only. */
#ifndef COVEY_CORE_SWIM_GOSSIP_H
#define COVEY_CORE_SWIM_GOSSIP_H

#include "core/swim/swim_table.h"

/* A packet to an address, NULL when this call may send no more, or nothing may be sent yet. */
struct packet *swim_packet_open(struct swim *s, struct addr to);

/* Adds what we believe of a member: its alive, every accusation of a suspect, or its death. False
 * when not even one message fits. */
bool swim_packet_belief(struct packet *p, const struct swim_member *m);

/* Fills the rest with news and counts the packet as sent. */
void swim_packet_close(struct swim *s, struct packet *p);

/* A member's alive as a message; slices live as long as the member's text. */
struct message swim_alive_message(const struct swim_member *m);

/* There is news about a member: it is sent anew, as often as an update is. Replaces older news
 * about it. */
void swim_gossip_news(struct swim *s, struct swim_member *m);

/* Gossip to SWIM_FANOUT members, and to one that died of late, when that is due and there is
 * news. */
void swim_gossip_tick(struct swim *s);
uint64_t swim_gossip_deadline_ms(const struct swim *s);

/* How often an update is sent: SWIM_RETRANSMIT_MULT * ceil(log10(n + 1)). */
unsigned swim_send_limit(uint32_t n);

/* A message on the stream to a peer, to be filled in; NULL when this call may send no more. */
struct message *swim_send(struct swim *s, uint64_t to, struct addr addr, enum message_kind kind);

/* out_trace, unless this call had its share of traces. */
void swim_trace(struct swim *s, enum trace_kind kind, uint64_t node, uint64_t a, uint64_t b,
                struct slice text);

/* Counts and traces something malformed that s->source sent. */
void swim_trace_dropped(struct swim *s, size_t bytes, struct slice what);

#endif
