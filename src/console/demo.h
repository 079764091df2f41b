/* demo.h: `covey demo`: real nodes on loopback, a real data set, a node that is killed and
 * restarted; each claim is checked. */
#ifndef COVEY_CONSOLE_DEMO_H
#define COVEY_CONSOLE_DEMO_H

/* argv[0] is "demo". Flags: --nodes N (1..9, default 3), --base-port P or -p P (node i listens at P
 * + 10 i), --help. At a terminal it ends in the console of the first node. Elsewhere it returns 0
 * only if every check held, else 1; 64 for wrong flags. It leaves no process and no file behind. */
int demo_main(int argc, char **argv);

#endif
