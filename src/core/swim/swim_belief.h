/* swim_belief.h: what becomes of a member's state with each message about it. Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_BELIEF_H
#define COVEY_CORE_SWIM_BELIEF_H

#include "core/swim/swim_table.h"

/* An alive came from s->source. False: it is malformed, and nothing was done. */
bool swim_on_alive(struct swim *s, const struct msg_alive *a);

/* A suspicion came. `counts`: the accuser counts as one more, unlike one that a table repeats. */
void swim_on_suspect(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser,
                     bool counts);

/* A death came; where accuser == id the member itself declared it: it left. */
void swim_on_dead(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser);

/* The member answered us, or a helper of ours. */
void swim_believe_answer(struct swim *s, struct swim_member *m);

/* Our probe of it failed. */
void swim_believe_silence(struct swim *s, struct swim_member *m);

/* Its timer came: a suspect dies; one that is gone is forgotten. (Unverified ones: swim_meet.h.) */
void swim_believe_death(struct swim *s, struct swim_member *m);
void swim_forget(struct swim *s, struct swim_member *m);

/* Lists a member as changed for the rest of the node (swim_changed), if it is shown. */
void swim_announce(struct swim *s, struct swim_member *m);

/* How long a suspicion lasts among n members with that many accusers besides the first. */
uint64_t swim_suspicion_ms(uint32_t period_ms, uint32_t n, unsigned confirmations);

#endif
