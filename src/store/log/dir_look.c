/* dir_look.c: what stands in a directory before anything is made in it. See dir.h.
 *
 * A start makes the lock, then the first file of the log, and only then the other files of a node.
 * So a directory that has the lock alone, or the lock and an unfinished first file, is that of a
 * start that was cut short: nothing was ever stored in it. A directory that has other files of a
 * node, and no log, is what is left of a member. */
#include "store/log/dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/archive/manifest.h"
#include "store/log/segment.h"

/* Whether the name says nothing about the directory. "lost+found" stands in the root of a file
 * system. */
static bool is_nothing(const char *name)
{
    static const char *const nothing[] = {".", "..", "lost+found", "lock", "seg-00000001.new"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        if (strcmp(name, nothing[i]) == 0)
            return true;
    return false;
}

/* Whether the name begins like one that a node makes beside its log. */
static bool is_remains(const char *name)
{
    static const char *const made[] = {"reserve", "hints", "snapshot", "seg-", "damaged-"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (strncmp(name, made[i], strlen(made[i])) == 0)
            return true;
    return false;
}

static void add_name(char names[DIR_NAMES], const char *name)
{
    size_t n = strlen(names);
    if (n + strlen(", ") + strlen(name) + sizeof ", ..." > DIR_NAMES)
        name = "...";
    if (n < 3 || strcmp(names + n - 3, "...") != 0)
        snprintf(names + n, DIR_NAMES - n, "%s%s", n ? ", " : "", name);
}

enum dir_holds dir_look(const char *path, char names[DIR_NAMES])
{
    bool log = false, backup = false, remains = false;
    DIR *d = opendir(path);
    names[0] = 0;
    if (!d)
        return errno == ENOENT ? DIR_NOTHING : DIR_UNKNOWN;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        log |= segment_number(e->d_name) != 0;
        backup |= strcmp(e->d_name, MANIFEST_NAME) == 0;
        if (is_nothing(e->d_name))
            continue;
        remains |= is_remains(e->d_name);
        add_name(names, e->d_name);
    }
    closedir(d);
    return backup     ? DIR_BACKUP
           : log      ? DIR_LOG
           : remains  ? DIR_REMAINS
           : names[0] ? DIR_FOREIGN
                      : DIR_NOTHING;
}
