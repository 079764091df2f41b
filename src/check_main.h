/* check_main.h: `covey check`: looks through the data of a stopped node, or a backup. */
#ifndef COVEY_CHECK_MAIN_H
#define COVEY_CHECK_MAIN_H

/* argv[0] is "check". 0: clean; 1: damage; 2: it cannot be read; 64: the command line is wrong. */
int check_main(int argc, char **argv);

#endif
