/* swim_probe.h: the failure detector: one probe a period, with helpers and a stream. Inside SWIM
 * only. */
#ifndef COVEY_CORE_SWIM_PROBE_H
#define COVEY_CORE_SWIM_PROBE_H

#include "core/swim/swim_table.h"

/* Takes the probe to its next phase when that is due. */
void swim_probe_tick(struct swim *s);
uint64_t swim_probe_deadline_ms(const struct swim *s);

/* Plans the next probe, if none is planned and there is a member to probe. */
void swim_probe_wake(struct swim *s);

/* An ack, by packet or stream, from any member; and a helper's nack. */
void swim_probe_ack(struct swim *s, uint64_t seq);
void swim_probe_nack(struct swim *s, uint64_t from, uint64_t seq);

/* This process stood still: drops the probe under way without judging its target, and the probes
 * for others. */
void swim_probe_abandon(struct swim *s);

/* As a helper: probes ask->target for the asker at `from`. */
void swim_relay_ask(struct swim *s, const struct msg_ping_req *ask, struct addr from);

/* Passes an ack of a relayed probe on. False: it is no such ack. */
bool swim_relay_ack(struct swim *s, uint64_t seq);

/* Sends the nacks that are due. */
void swim_relay_tick(struct swim *s);

#endif
