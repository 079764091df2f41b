/* swim_packet.h: what a received datagram does. Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_PACKET_H
#define COVEY_CORE_SWIM_PACKET_H

#include "core/swim/swim_table.h"

/* Takes every message of a datagram from s->source, then answers its pings in one packet. */
void swim_packet_take(struct swim *s, struct slice messages);

#endif
