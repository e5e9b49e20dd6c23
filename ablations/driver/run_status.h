/* How far a run is: OUT/FOLDER/status.json, replaced whole every half second or so while the run is at work.
 * The sweep's view and `siameseim status` read it; nothing else depends on it. */
#ifndef SIM_RUN_STATUS_H
#define SIM_RUN_STATUS_H

#include <limits.h>
#include <stdint.h>

#include "progress.h"
#include "status.h"

struct sim_run_status {
    char state[16];   /* "running", or how it ended: "ok", "diverged", "failed", "interrupted"; "": unknown */
    char stage[64];   /* of a running one: "training", "features of the training images", "" */
    char note[128];   /* "epoch 3/10, loss 0.7123" */
    char unit[16];    /* "img" */
    char reason[512]; /* of a failed or diverged one */
    int64_t done, total; /* units of the stage; total 0: unknown */
    double rate, left_s; /* units per second; seconds to the stage's end; NaN: unknown */
    double updated_s;    /* seconds since 1970, by the clock of the machine that wrote it */
};

/* Who writes it: one run at work. */
struct sim_run_status_writer {
    char path[PATH_MAX], temporary[PATH_MAX]; /* "" path: nothing is written */
    struct sim_run_status now;
};

/* From now on progress (progress.h) goes to FOLDER/status.json.  What cannot be written is left unwritten: a
 * status is no result. */
void sim_run_status_begin(struct sim_run_status_writer *w, const char *folder);
/* How it ended; watches no more.  A zeroed struct is legal.  state NULL: nothing is written, the folder is
 * another's. */
void sim_run_status_end(struct sim_run_status_writer *w, const char *state, const char *reason);

/* FOLDER/status.json; state "" where there is none that can be read. */
void sim_run_status_read(const char *folder, struct sim_run_status *out);

/* "training 43 %, epoch 3/10, loss 0.7123, 220 img/s, ETA 1 min 05 s" */
void sim_run_status_say(const struct sim_run_status *s, char *out, int size);

#endif
