/* backup.h: BACKUP, which no node can answer because it has no disk: between clients and the store (store/archive/backup.h). */
#ifndef COVEY_RT_BACKUP_H
#define COVEY_RT_BACKUP_H

#include "core/event.h"

struct world;

/* Begins one, or says how it goes: answers an OP_BACKUP or OP_BACKUP_STATUS. */
void backup_request(struct world *w, const struct request *r);

/* Logs the end of one. Cheap: after each look at the store's results. */
void backup_look(struct world *w);

#endif
