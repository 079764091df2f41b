/* check.c: see check.h. */
#include "base/check.h"

#include <stdlib.h>

void (*check_report)(const char *file, int line, const char *what);

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    if (check_report)
        check_report(file, line, what);
    abort();
}
