/* check.h: assertions that stay on in release builds.
 *
 * A broken invariant aborts: going on would replicate the damage to the other owners. Bad input and
 * failed I/O are errors, never checks. */
#ifndef COVEY_BASE_CHECK_H
#define COVEY_BASE_CHECK_H

/* Called with the place and the text of the broken invariant just before the abort; a world sets it
 * to print them (base itself does no I/O). NULL by default. */
extern void (*check_report)(const char *file, int line, const char *what);

_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#endif
