/* The experiment files that come with the program: those of ablations/ and of the folders in it, but for
 * presets/.  A file that is added is found by itself. */
#ifndef SIM_TEST_SHIPPED_H
#define SIM_TEST_SHIPPED_H

/* In the order of their names, folder by folder; *count of them, valid to the end of the process.  Also
 * for main, before any test runs: finding none is left to the caller. */
const char *const *shipped_files(int *count);

#endif
