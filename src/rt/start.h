/* start.h: `covey start`: the flags, the process, one node. */
#ifndef COVEY_RT_START_H
#define COVEY_RT_START_H

/* argv[0] is "start". Runs until SIGTERM or SIGINT, and returns 0. Or prints to stderr what went
 * wrong, with the remedy, and returns 64 (a flag, or a line of the configuration file) or 1. width:
 * columns of the help text; 0: no limit. */
int start_main(int argc, char **argv, unsigned width);

#endif
