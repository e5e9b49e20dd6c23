/* Records as results reads them: the fields that tables, plots and verdicts use, out of records.jsonl.  Every
 * line is checked against the whole list of fields (record_schema.h). */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

#include <stdint.h>

#include "record_schema.h"
#include "status.h"
#include "study.h"

struct sim_curve_point {
    int64_t epoch, step;
    double loss, grad_norm, lr, momentum, images_per_s, seconds; /* NaN where the record says null */
};

struct sim_run_score {
    char *encoder, *name, *metric; /* owned */
    char *classifier; /* of robustness: the head that answered, as its protocol says; else ""; owned */
    int pretrained;   /* 0: of the untrained encoder */
    double value, standard_error; /* in [0, 1] */
    int64_t val_images;
};

struct sim_run_record {
    char *experiment, *name, *status, *reason, *config_hash, *commit, *started, *backend, *device; /* owned */
    char *train_hash;  /* of the data; owned */
    char *precision;   /* "bf16"; "" in records from before there was a choice, which are fp32; owned */
    char *substituted; /* what was not as asked for, sentences joined by "; "; "" for nothing; owned */
    int deterministic; /* 0: a repetition may end in other last digits */
    char *recipe;      /* the configuration without seed and watch, as canonical JSON: equal for runs that are
                          repetitions; owned */
    char *objective; /* "siameseim", also where the configuration is from before there was a choice; owned */
    int64_t epochs;  /* of pre-training, as configured; -1 where the configuration does not say */
    int64_t seed, threads, skipped;
    char *path;    /* of the file it was read from; owned */
    int64_t line;  /* in that file, from 1 */
    int64_t order; /* records read before it */
    double train_s, wall_s, peak_memory_bytes;
    double gflop_per_image, gflop; /* of one image's training step, of all of pre-training */
    struct sim_study study;
    struct sim_curve_point *curve; /* (points) epochs ascending; owned */
    int points;
    struct sim_run_score *scores; /* (score_count) owned */
    int score_count;
};

struct sim_run_records {
    struct sim_run_record *records; /* in the order of the files; owned */
    int count;
    int64_t read;           /* those that were replaced included */
    struct sim_notes notes; /* unknown fields, cut lines, records replaced by different ones */
};

/* Appends the records of one file (or of DIR/records.jsonl) to *out, which starts zeroed.  Where two records
 * have one configuration (hash, experiment, name and seed), the later stands: a run repeated or taken up
 * again. A line cut short (power lost while it was written) is passed over; that, unknown fields and a
 * finished run replaced by one with other results become notes, which are logged too.  Any other damage is an
 * error with file, line and field. */
sim_status sim_run_records_read(struct sim_run_records *out, const char *path);
void sim_run_records_close(struct sim_run_records *r); /* a zeroed struct is legal */

/* Whether the run came to its end: only such runs enter figures. */
int sim_run_is_ok(const struct sim_run_record *r);

#endif
