/* restore_main.h: `covey restore`: the records of backups into a running cluster, or into a new
 * data directory. It brings the store and the console together, which do not know each other. */
#ifndef COVEY_RESTORE_MAIN_H
#define COVEY_RESTORE_MAIN_H

/* argv[0] is "restore". 0; 1 when it is refused or fails, 64 for bad usage, with a sentence on
 * stderr. */
int restore_main(int argc, char **argv);

#endif
