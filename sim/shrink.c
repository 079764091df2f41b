/* shrink.c: the steps, and the order in which they are tried.
 *
 * Every step makes a smaller candidate. It is run, and kept if it breaks the same rule as the first
 * run did. It need not be the same key, node or moment: a run is chaotic, so these change as soon
 * as anything is taken away. That is also why the steps are repeated until none helps: what a large
 * run needed a small one seldom needs. The search ends, since each kept step lowers a sum of
 * natural numbers.
 *
 * Faults go first, in large groups, since they cost the reader most; then time, nodes, clients and
 * commands. Small numbers are tried before large ones, since their runs are the quick ones. */
#include "sim/shrink.h"

#include "base/check.h"

#include <setjmp.h>

/* Commands of a client from which the search begins where the first run set no end. A client gives
 * some 30 a second. */
enum { COMMANDS_MAX = 1024 };

/* ---- A run that may end in a broken CHECK ---- */

static jmp_buf leave;
static const char *broken_check;

static void leave_run(const char *file, int line, const char *what)
{
    (void)file, (void)line;
    broken_check = what;
    longjmp(leave, 1);
}

/* The rule that a run breaks; NULL when it holds. */
static const char *rule_broken(const struct run_options *o, struct schedule *drawn)
{
    static struct run_result r; /* not a variable of this call: those are lost in the jump */
    void (*report)(const char *, int, const char *) = check_report;
    check_report = leave_run;
    if (setjmp(leave) == 0) {
        run_seed(o, &r);
        buf_close(&r.why);
    } else {
        r.what = broken_check;
        /* closing a broken world may break a CHECK too: then its memory is given up */
        if (setjmp(leave) == 0)
            run_abandon();
    }
    check_report = report;
    if (drawn)
        *drawn = r.schedule;
    return r.what;
}

/* ---- One step ---- */

static void drop_fault(struct schedule *s, unsigned i)
{
    memmove(&s->fault[i], &s->fault[i + 1], (--s->n - i) * sizeof s->fault[0]);
}

/* Runs a candidate of these options and that schedule, without the faults of nodes that it lacks,
 * and keeps it if it breaks the same rule. */
static bool keeps(struct shrunk *s, const struct run_options *o, const struct schedule *schedule)
{
    struct schedule f = *schedule;
    struct run_options candidate = *o;
    if (s->runs == SHRINK_RUNS_MAX)
        return false;
    for (unsigned i = f.n; i-- > 0;)
        if (!fault_fits(&f.fault[i], o->nodes))
            drop_fault(&f, i);
    candidate.schedule = &f;
    s->runs++;
    const char *what = rule_broken(&candidate, NULL);
    if (!what || strcmp(what, s->what) != 0)
        return false;
    s->o = candidate;
    s->schedule = f;
    s->o.schedule = &s->schedule;
    return true;
}

/* ---- Kinds of steps; each true when it made the run smaller ---- */

static bool fewer_faults(struct shrunk *s)
{
    bool any = false;
    for (unsigned size = s->schedule.n; size > 0; size /= 2)
        for (unsigned from = 0; from < s->schedule.n;) {
            struct schedule f = s->schedule;
            for (unsigned k = 0; k < size && from < f.n; k++)
                drop_fault(&f, from);
            if (keeps(s, &s->o, &f))
                any = true; /* the next group has moved to this index */
            else
                from += size;
        }
    return any;
}

/* Lowers one number of a fault: its length, or its amount. */
static bool weaker(struct shrunk *s, unsigned i, bool amount, uint32_t value)
{
    struct schedule f = s->schedule;
    struct fault *t = &f.fault[i];
    uint32_t *number = amount ? &t->amount : &t->until_ms;
    uint32_t wanted = amount ? value : t->from_ms + value;
    if (value == 0 || wanted >= *number)
        return false;
    *number = wanted;
    return keeps(s, &s->o, &f);
}

static bool weaker_faults(struct shrunk *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->schedule.n; i++) {
        const struct fault *f = &s->schedule.fault[i];
        any |= weaker(s, i, false, 1) || weaker(s, i, false, (f->until_ms - f->from_ms) / 2);
        any |= fault_has_amount(f->kind) &&
               (weaker(s, i, true, 1) || weaker(s, i, true, f->amount / 2));
    }
    return any;
}

/* The numbers of the options that are lowered: the least value, and the unit. */
enum number { TIME, NODES, CLIENTS, COMMANDS, NUMBERS };

static const struct {
    uint32_t least, unit;
} NUMBER[NUMBERS] = {[TIME] = {0, 1000}, [NODES] = {1, 1}, [CLIENTS] = {0, 1}, [COMMANDS] = {1, 1}};

static uint32_t *number_of(struct run_options *o, enum number which)
{
    uint32_t *const at[NUMBERS] = {&o->time_ms, &o->nodes, &o->clients, &o->commands};
    return at[which];
}

static bool lower_to(struct shrunk *s, enum number which, uint32_t value)
{
    struct run_options o = s->o;
    *number_of(&o, which) = value;
    return keeps(s, &o, &s->schedule);
}

/* Lowers a number: the first that still breaks the rule, of the least, the unit, twice the unit and
 * so on; at last one unit less than it is. */
static bool lower(struct shrunk *s, enum number which)
{
    if (which == COMMANDS && s->o.clients == 0)
        return false;
    uint32_t now = *number_of(&s->o, which), least = NUMBER[which].least, unit = NUMBER[which].unit;
    if (which == COMMANDS && now == 0)
        now = COMMANDS_MAX;
    for (uint32_t v = least; v < now; v = v ? v * 2 : unit)
        if (lower_to(s, which, v))
            return true;
    return now >= least + unit && lower_to(s, which, now - unit);
}

static bool lower_numbers(struct shrunk *s)
{
    bool any = false;
    for (unsigned which = 0; which < NUMBERS; which++)
        any |= lower(s, (enum number)which);
    return any;
}

bool shrink(struct shrunk *s, const struct run_options *o)
{
    *s = (struct shrunk){.o = *o, .runs = 1};
    s->o.story = false;
    s->what = rule_broken(&s->o, &s->schedule);
    s->o.schedule = &s->schedule;
    if (!s->what)
        return false;
    bool smaller = true;
    while (smaller && s->runs < SHRINK_RUNS_MAX) {
        smaller = fewer_faults(s);
        smaller |= lower_numbers(s);
        smaller |= weaker_faults(s);
    }
    return true;
}
