/* A run under way: what its halves share.  run_one.c finds out what there is, opens the images and keeps what
 * comes out; run_train.c has the objective and its training; run_scores.c has the scores. */
#ifndef SIM_RUN_WORK_H
#define SIM_RUN_WORK_H

#include "claim.h"
#include "loader.h"
#include "loop.h"
#include "record.h"
#include "run_one.h"
#include "run_status.h"
#include "watch.h"

/* What was there before the run. */
enum sim_found { SIM_FOUND_NOTHING, SIM_FOUND_DONE, SIM_FOUND_DIVERGED, SIM_FOUND_IN_OTHER_HANDS };

struct sim_work {
    struct sim_session *session;
    const struct sim_run *run;
    char folder[PATH_MAX];
    struct sim_claim *claim;       /* of the folder; NULL: not held */
    char who[SIM_CLAIM_WHO_BYTES]; /* holds it instead */
    struct sim_loader_config loader;
    struct sim_objective objective; /* zeroed while it is closed */
    struct sim_params encoder;      /* what is kept of the objective then */
    struct sim_train_result result;
    struct sim_record record;
    double started_s;
    struct sim_run_status_writer status;
    struct sim_watch watch;
    enum sim_found found;
};

int sim_work_stopped(const struct sim_work *w);
/* FOLDER/NAME; a path that is too long is an error. */
sim_status sim_work_path(char out[PATH_MAX], const char *folder, const char *name);

/* ------------------------------------------------------------------ run_train.c; every rank calls these
 * alike */

/* The objective with the seed's weights. */
sim_status sim_work_open_objective(struct sim_work *w);
/* What it costs, to the record and the log. */
void sim_work_describe_objective(struct sim_work *w);
/* Trains it, from its checkpoint where there is one; opened again where it was closed.  A loss that stops
 * being a number is a result: the record is then one of a run that diverged. */
sim_status sim_work_train(struct sim_work *w);
/* Closes the objective but for its encoder's weights, which w->encoder holds from now on: what comes after
 * may have its memory.  Closed already, nothing changes. */
sim_status sim_work_keep_encoder(struct sim_work *w);

/* ------------------------------------------------------------------ run_scores.c */

/* Scores the objective's encoder, frozen, where this rank scores; to the record as those of `encoder_name`.
 */
sim_status sim_work_score(struct sim_work *w, const char *encoder_name);
/* Fine-tunes the weights of w->encoder, or those of a file, on all ranks; rank 0 adds the scores to the
 * record. */
sim_status sim_work_finetune(struct sim_work *w, const char *encoder_name);

#endif
