/* judge.h: what a story's nodes hold in the end, held against what its clients were told.
 *
 * For a cluster that is whole, with no command under way. First, before any read can repair
 * anything: every write that somebody knows of is held, or superseded, by W owners. Then every key
 * is read through every node at QUORUM, and each answer must be one that the history explains:
 * nothing acknowledged is lost, nothing deleted comes back, nothing refused shows up. Last, after
 * reads at ALL have repaired whoever missed something, all owners hold the same, byte for byte. */
#ifndef COVEY_TEST_E2E_JUDGE_H
#define COVEY_TEST_E2E_JUDGE_H

#include "writers.h"

/* Fails the story when something is wrong; afterwards all owners hold the same. */
void judge(struct writers *w);

/* Only the last: that all owners hold the same, asked without a read that could repair. After a
 * judgement and a restart it says that each owner has kept all that it had, which no quorum would
 * miss. */
void judge_equal(struct writers *w);

#endif
