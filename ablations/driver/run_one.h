/* One run from images to record: what `siameseim run` does for each run of its files. */
#ifndef SIM_RUN_ONE_H
#define SIM_RUN_ONE_H

#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "backend.h"
#include "experiment.h"
#include "images.h"
#include "machine.h"
#include "ranks.h"

/* How results are drawn.  main.c puts the functions of results/report.h here; this room knows nothing of
 * plots. */
struct sim_drawing {
    /* The plots of one run, from its last record, into `folder`. */
    sim_status (*run)(const char *records, const char *experiment, const char *name, int64_t seed,
                      const char *folder);
    /* Table and plots of all records into `folder`; the table and the paths also to `terminal`. */
    sim_status (*all)(const char *const *records, int count, const char *folder, const char *only_experiment,
                      FILE *terminal);
};
void sim_run_set_drawing(const struct sim_drawing *drawing); /* borrowed; NULL: nothing is drawn */

/* The image sets that are open; kept from one run to the next where both ask for the same. */
struct sim_run_images {
    struct sim_images train, val;
    struct sim_data_config of; /* what they were opened for */
    int64_t seed;
    int open, scored; /* scored: val is open too */
};

/* What the runs of one command share. */
struct sim_session {
    const char *out;            /* --out */
    char records[PATH_MAX];     /* OUT/records.jsonl */
    int fresh;                  /* start again, whatever is recorded or half done */
    int quiet;                  /* only errors are said */
    struct sim_ranks *ranks;    /* those that train together; NULL: alone */
    struct sim_backend backend; /* --device */
    struct sim_ops ops;         /* open for `compute`, or zeroed */
    struct sim_compute_config compute;
    int used; /* by a run: what it says of itself is that run's */
    struct sim_machine machine;
    struct sim_run_images images;
    const struct sim_drawing *drawing;
    volatile sig_atomic_t *stop; /* set by signals, and when a claim is lost */
};

/* A line to the log, unless the session is quiet. */
#define sim_session_say(s, ...) ((s)->quiet ? (void)0 : sim_log(__VA_ARGS__))

/* Opens the session's device for this configuration, unless it is open for it and unused. */
sim_status sim_session_open_device(struct sim_session *s, const struct sim_compute_config *c);
void sim_session_close_device(struct sim_session *s);

/* SKIPPED: recorded before.  LEFT: another process is at it. */
enum sim_outcome { SIM_RUN_OK, SIM_RUN_SKIPPED, SIM_RUN_DIVERGED, SIM_RUN_LEFT };

/* Trains, scores, writes OUT/FOLDER/{config.yaml, encoder.safetensors, checkpoint-STEP.safetensors,
 * status.json}, appends the record and draws.  A recorded run is skipped; a checkpoint of the same
 * configuration is resumed; one of another configuration is an error that names --fresh; a run whose folder
 * another process has claimed is left to it.  A run that fails is recorded as failed, with the sentence, and
 * fails here too.  SIM_EINTERRUPT: stopped by the user, or taken over by another process, nothing recorded,
 * the checkpoint stands.
 *
 * Of several ranks all call this with the same run: each loads and trains its share, rank 0 looks around,
 * scores and writes, and a failure of one is a failure of all. */
sim_status sim_run_one(struct sim_session *s, const struct sim_run *run, enum sim_outcome *outcome);

void sim_run_images_close(struct sim_run_images *i); /* a zeroed struct is legal */

#endif
