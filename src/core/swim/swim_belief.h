/* swim_belief.h: what a node believes when it hears something about a member. Inside SWIM only. */
#ifndef COVEY_CORE_SWIM_BELIEF_H
#define COVEY_CORE_SWIM_BELIEF_H

#include "core/swim/swim_table.h"

/* Somebody (s->source) says that a member is alive. False: malformed, nothing was done. */
bool swim_hear_alive(struct swim *s, const struct msg_alive *a);

/* Somebody suspects a member. `counts`: as an accuser of its own, not as what a table repeats. */
void swim_hear_suspect(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser,
                       bool counts);

/* Somebody declared a member dead; it did so itself when accuser == id: it left. */
void swim_hear_dead(struct swim *s, uint64_t id, uint64_t incarnation, uint64_t accuser);

/* The member answered: to us, or to a helper of ours. */
void swim_believe_answer(struct swim *s, struct swim_member *m);

/* Our probe of it failed. */
void swim_believe_silence(struct swim *s, struct swim_member *m);

/* Its timer came: a suspect dies, the gone are forgotten. (Unverified members: swim_meet.h.) */
void swim_believe_death(struct swim *s, struct swim_member *m);
void swim_forget(struct swim *s, struct swim_member *m);

/* Tells the rest of the node that a member changed, if it may see it. */
void swim_announce(struct swim *s, struct swim_member *m);

/* How long a suspicion lasts among n members with that many accusers besides the first. */
uint64_t swim_suspicion_ms(uint32_t period_ms, uint32_t n, unsigned confirmations);

#endif
