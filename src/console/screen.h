/* screen.h: the output of a command that takes its time (demo, backup, restore, repair): one line
 * for each step, with a bar while it lasts; 80 columns. */
#ifndef COVEY_CONSOLE_SCREEN_H
#define COVEY_CONSOLE_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

enum { SCREEN_COUNT = 32 };

struct screen {
    bool terminal; /* a terminal: lines are redrawn while a step lasts */
    bool colour;
    bool utf8;  /* bars have blocks, else # */
    bool quiet; /* prints nothing: the result comes as JSON */
    uint64_t drawn_ms;
    uint64_t step_ms; /* when the present step began */
    char label[32];   /* of the present step */
};

void screen_open(struct screen *s);

/* Whether standard output is a terminal that takes ANSI colours. */
bool screen_colour(void);

/* The columns of the terminal on standard output (80 when it does not report them); 0 where there
 * is no terminal: lines have no limit. */
unsigned screen_columns(void);

/* Begins a step. */
void screen_step(struct screen *s, const char *label);

/* Shows how much of a step over `total` records is done; cheap to call often. */
void screen_progress(struct screen *s, uint32_t done, uint32_t total);

/* Ends a step over records with its result. */
void screen_counted(struct screen *s, uint32_t done, uint32_t total, uint64_t us, bool ok);

/* Ends any other step: a few words stand in the place of the bar. */
void screen_done(struct screen *s, const char *words, bool ok);

/* Shows a member's part of the ring: `part` of `whole` as a bar, with words after it. */
void screen_share(const struct screen *s, const char *name, const char *state, uint32_t part,
                  uint32_t whole, const char *words);

/* Writes a number as people do: 34,924. Returns `out`. */
const char *screen_count(uint64_t n, char out[SCREEN_COUNT]);

/* Prints indented lines of at most 80 columns, in the colour of the first word when it has one
 * ("healthy: ..."). */
void screen_note(const struct screen *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
