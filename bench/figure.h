/* figure.h: a row of the table that `ninja bench` ends with: what was measured, beside its goal.
 * Each program prints its own rows; their widths make one table of them. A missed goal is printed
 * as missed and is no failure: figures decide nothing. */
#ifndef COVEY_BENCH_FIGURE_H
#define COVEY_BENCH_FIGURE_H

enum figure_goal { FIGURE_ALONE, FIGURE_BELOW, FIGURE_ABOVE };

struct figure {
    const char *what;
    double value;
    int decimals; /* of value and goal */
    const char *unit;
    enum figure_goal kind; /* which side of the goal is good */
    double goal;
};

/* The line above the rows. */
void figure_head(const char *title);

void figure_print(const struct figure *f);

#endif
