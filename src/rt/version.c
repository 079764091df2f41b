/* version.c: the release and the commit. A file of its own, so that another commit recompiles
 * nothing else. */
#include "build/commit.h"
#include "covey.h"

const char *covey_version(void)
{
    return "0.1.0";
}

const char *covey_commit(void)
{
    return COVEY_COMMIT;
}
