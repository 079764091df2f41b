/* judge.h: what a story's nodes hold in the end is compared with the replies that its clients got.
 *
 * For a healthy cluster, with no command under way. First, before any read can repair anything:
 * every write that is known is held by W owners, or superseded there. Then every key is read
 * through every node at QUORUM, and the history must explain each reply: nothing acknowledged is
 * lost, nothing deleted comes back, nothing refused shows up. Last, reads at ALL repair the owners
 * that missed something; after that all owners hold the same, byte for byte. */
#ifndef COVEY_TEST_E2E_JUDGE_H
#define COVEY_TEST_E2E_JUDGE_H

#include "writers.h"

/* Fails the story when something is wrong; afterwards all owners hold the same. */
void judge(struct writers *w);

/* The last part alone: all owners hold the same, asked without a read that could repair. After a
 * judgement and a restart it shows that each owner holds all that it held, which no quorum would
 * show. */
void judge_equal(struct writers *w);

#endif
