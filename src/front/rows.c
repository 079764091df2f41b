/* rows.c: what the rows of replies mean. See command.h. */
#include "front/command.h"

const struct command_row command_rows[] = {
    {"status", "", "code",
     "what `covey status` exits with: 0 healthy, 1 every key can be read and written, 2 some "
     "cannot"},
    {"status", "cluster", "id", "of the cluster, drawn when it was founded"},
    {"status", "cluster", "members", "of the layout"},
    {"status", "cluster", "alive", "of these, held alive by the failure detector of this node"},
    {"status", "cluster", "recoverers",
     "of these, that lost records and fetch them from the others"},
    {"status", "cluster", "n_wanted", "copies of each record that were asked for"},
    {"status", "cluster", "n", "copies there are: fewer while there are fewer members"},
    {"status", "cluster", "w", "owners that must store a write before it is acknowledged"},
    {"status", "cluster", "r", "owners that must answer a read"},
    {"status", "cluster", "may_die",
     "how many more members may die, any of them, with every key still read and written"},
    {"status", "cluster", "vnodes", "arcs of the ring, each with owners of its own"},
    {"status", "cluster", "degraded",
     "vnodes of which some owner is away, takes no writes, or is recovering"},
    {"status", "cluster", "unreadable",
     "vnodes with fewer than r owners that can be read; at most, while members are recovering"},
    {"status", "cluster", "unwritable", "vnodes with fewer than w owners that take writes"},
    {"status", "cluster", "epoch", "of the layout: how often it changed"},
    {"status", "cluster", "forming", "whether a new layout is being agreed"},
    {"status", "node", "id", "of this node, born with its data directory"},
    {"status", "node", "keys", "held by this node, deletions that are not erased yet among them"},
    {"status", "node", "bytes", "of its log on the disk"},
    {"status", "node", "disk", "ok; full: no values are taken; fails: no writes are taken"},
    {"status", "node", "disk_free", "bytes left on the file system of its data directory"},
    {"status", "node", "errors",
     "of its store since it started: each write that it failed or refused for want of room"},
    {"status", "node", "memory", "bytes that its process has resident"},
    {"status", "node", "in_flight", "operations of its clients under way"},
    {"status", "node", "hints", "writes that it keeps for members that missed them"},
    {"status", "node", "owed",
     "of these, for members that are alive: they should have them already"},
    {"status", "node", "recovering", "vnodes in which it may lack records, and answers no reads"},
    {"status", "node", "tombstones", "deletions that it holds, as of the last look through them"},
    {"status", "node", "erased", "of such, that went for good since it started"},
};

const unsigned command_row_n = sizeof command_rows / sizeof command_rows[0];
