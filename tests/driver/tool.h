/* The built program as processes, started as a user starts it: $SIM_TOOL, else build/siameseim; and what its
 * runs leave behind. */
#ifndef SIM_TEST_TOOL_H
#define SIM_TEST_TOOL_H

#include <check.h>
#include <jansson.h>
#include <string.h>
#include <sys/types.h>

const char *tool_path(void);
/* The program of this test is from now on the one over the emulated device ($SIM_TOOL_SHIM); 0, and the test
 * marked as skipped, where there is none. */
int tool_emulated(void);

/* Starts it; words are separated by spaces.  What it says, both streams, is appended to LOG.  `before` stands
 * in front of its path: "", "env NAME=VALUE", "valgrind -q". */
pid_t tool_start(const char *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
pid_t tool_start_behind(const char *before, const char *log, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Waits for its end: the exit status, or 128 + a signal's number. */
int tool_end(pid_t p);
/* The same, and reads what LOG has into `said`. */
int tool_end_said(pid_t p, const char *log);

/* Runs it to its end, likewise; what it said is in `said` then. */
int tool(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tool_behind(const char *before, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern char said[1 << 20];

/* Evaluates `ran` (which fills `said`), then holds both its truth and the word against what was said; of
 * which Check shows the beginning. */
#define expect(ran, word)                                                                                    \
    do {                                                                                                     \
        int right_ = (ran);                                                                                  \
        if (!strstr(said, word)) right_ = 0;                                                                 \
        ck_assert_msg(right_, "%s, or \"%s\" is missing in:\n%.6000s", #ran, word, said);                    \
    } while (0)

/* ------------------------------------------------------------------ runs of ablations/smoke.yaml */

const char *smoke_file(void);
/* A folder as test_scratch makes it, whose path stays valid for seven more. */
const char *fresh(void);

/* Fails the test unless the files of that name in both folders are equal. */
void assert_same_file(const char *folder_a, const char *folder_b, const char *name);
/* Record `index` of a folder, the last for -1; NULL where there are fewer. */
json_t *record_of(const char *folder, int index);
/* Path of the newest checkpoint in a run's folder, as its name says; NULL: there is none yet.  Static
 * buffers, four in rotation. */
const char *newest_checkpoint(const char *folder);
/* Those of the run of that name in both folders are of one step and equal. */
void assert_same_checkpoint(const char *folder_a, const char *folder_b, const char *run);
/* Steps finished at the time of the newest checkpoint, which is whole; -1: there is none yet. */
int steps_of(const char *folder);
/* Until that is of this step or a later one; the program must not end before. */
void wait_for_step(const char *folder, int step, pid_t p);

#endif
