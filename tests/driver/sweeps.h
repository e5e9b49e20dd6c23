/* Sweeps of the built program as real processes, for tests that disturb them. */
#ifndef SIM_TEST_SWEEPS_H
#define SIM_TEST_SWEEPS_H

#include <jansson.h>
#include <sys/types.h>

/* A small experiment file under `folder` with two runs of two seeds, a checkpoint after every step. */
const char *sweep_file(const char *folder, const char *more_runs);

int sweep_running(pid_t p);        /* it has not ended */
char *sweep_said(const char *log); /* all it said; the caller frees it */
int sweep_count(const char *text, const char *word);
int sweep_children(pid_t p, pid_t *out, int most); /* living ones */
void sweep_nap(double seconds);

/* Records by "NAME SEED": the last of each; *lines: of the file, *oks: among them with status ok. */
json_t *sweep_records(const char *out, int *lines, int *oks);

/* Fails the test unless both folders hold the same results: configurations, statuses, curves, scores. */
void sweep_same(const char *out_a, const char *out_b);

#endif
