#include "bench/figure.h"

#include <stdbool.h>
#include <stdio.h>

void figure_head(const char *title)
{
    printf("%-66s %12s %-14s %s\n", title, "", "", "goal");
}

void figure_print(const struct figure *f)
{
    bool met = f->kind == FIGURE_BELOW ? f->value < f->goal : f->value >= f->goal;
    printf("  %-64s %12.*f %-14s ", f->what, f->decimals, f->value, f->unit);
    if (f->kind == FIGURE_ALONE)
        printf("-\n");
    else
        printf("%s %.*f  %s\n", f->kind == FIGURE_BELOW ? "under" : "at least", f->decimals,
               f->goal, met ? "met" : "missed");
    fflush(stdout);
}
