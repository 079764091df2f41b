/* rows.c: what the rows of replies mean. See command.h. */
#include "front/command.h"

const struct command_row command_rows[] = {
    {"status", "", "code",
     "what `covey status` exits with: 0 healthy, 1 every key can be read and written, 2 some "
     "cannot"},
    {"status", "cluster", "id", "the cluster's, drawn when it was founded"},
    {"status", "cluster", "members", "members of the layout"},
    {"status", "cluster", "alive", "members that this node's failure detector holds for alive"},
    {"status", "cluster", "recoverers",
     "members that lost records and fetch them from the other owners"},
    {"status", "cluster", "n_wanted", "copies of each record that were asked for"},
    {"status", "cluster", "n", "copies of each record: fewer while there are fewer members"},
    {"status", "cluster", "w", "owners that must store a write before it is acknowledged"},
    {"status", "cluster", "r", "owners that must answer a read"},
    {"status", "cluster", "may_die",
     "how many more members may die, any of them, with every key still read and written"},
    {"status", "cluster", "vnodes", "parts of the ring, each with owners of its own"},
    {"status", "cluster", "degraded",
     "vnodes with an owner that is away, takes no writes, or is recovering"},
    {"status", "cluster", "unreadable",
     "vnodes with fewer than r owners that can be read; at most, while members are recovering"},
    {"status", "cluster", "unwritable", "vnodes with fewer than w owners that take writes"},
    {"status", "cluster", "epoch", "the layout's: how often the layout changed"},
    {"status", "cluster", "forming", "whether a new layout is being agreed"},
    {"status", "node", "id", "this node's, drawn with its data directory"},
    {"status", "node", "keys", "keys that this node holds, deletions not yet erased among them"},
    {"status", "node", "bytes", "bytes that its log takes on the disk"},
    {"status", "node", "disk", "ok; full: no values are taken; fails: no writes are taken"},
    {"status", "node", "disk_free", "bytes left on the file system of its data directory"},
    {"status", "node", "errors",
     "writes that its store failed, or refused for want of room, since the node started"},
    {"status", "node", "memory", "bytes that its process has resident"},
    {"status", "node", "in_flight", "operations of its clients under way"},
    {"status", "node", "hints", "writes that it keeps for members that missed them"},
    {"status", "node", "owed",
     "hints for members that are alive: they should have those writes already"},
    {"status", "node", "recovering", "vnodes in which it may lack records, and answers no reads"},
    {"status", "node", "tombstones", "deletions that it holds, as it counted them last"},
    {"status", "node", "erased", "deletions that it erased for good since it started"},
};

const unsigned command_row_n = sizeof command_rows / sizeof command_rows[0];
