/* moment.c: see moment.h. */
#include "core/moment.h"

bool moment_lacks(const struct moment *m, uint16_t slot)
{
#ifdef CANARY_RECOVERING_NOT_FOUND
    return false;
#endif
    return m->own.recovering_n > 0 && m->own.recovering[layout_vnode(m->layout, slot)];
}
