/* start.h: `covey start`: the flags, the process, one node. */
#ifndef COVEY_RT_START_H
#define COVEY_RT_START_H

/* argv[0] is "start". Runs until SIGTERM or SIGINT (exit code 0), or prints to stderr what went wrong, with the remedy
 * (1). */
int start_main(int argc, char **argv);

/* The flags as text, on stdout. */
void start_help(void);

#endif
