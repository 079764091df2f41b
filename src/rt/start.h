/* start.h: `covey start`: the flags, the process, one node. */
#ifndef COVEY_RT_START_H
#define COVEY_RT_START_H

/* argv[0] is "start". Runs until SIGTERM or SIGINT (exit code 0), or prints to stderr what went
 * wrong, with the remedy: 64 for a flag or a line of the configuration file, else 1. width:
 * characters of the help's lines; 0: no limit. */
int start_main(int argc, char **argv, unsigned width);

#endif
