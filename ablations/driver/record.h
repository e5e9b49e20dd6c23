/* One JSON line per run (results/README.md holds the schema). */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "experiment.h"
#include "images.h"
#include "loop.h"
#include "machine.h"
#include "ranks.h"
#include "scores.h"

#define SIM_MAX_SCORES 32

struct sim_scored {
    const char *encoder; /* "pretrained" or "untrained" */
    struct sim_score score;
};

struct sim_record {
    const struct sim_run *run; /* borrowed, like everything below */
    const struct sim_machine *machine;
    const struct sim_ranks *ranks;     /* NULL: alone */
    const char *status;                /* "ok", "diverged" or "failed" */
    const char *reason;                /* "" for ok */
    char started[32];                  /* UTC */
    char train_hash[17], val_hash[17]; /* of the data sets; val_hash "" where nothing was scored */
    char train_pack[17],
        val_pack[17]; /* of packs, over every byte; "" where the images come from elsewhere */
    int64_t train_images, val_images, skipped;
    const struct sim_images *sets[2]; /* train, val: the accounts of their damaged images (damaged.h) */
    int classes;
    int64_t parameters, trainable, memory_bytes;
    double gflop_per_image;
    const struct sim_epoch_stats *curve;
    int epochs;
    struct sim_scored scores[SIM_MAX_SCORES];
    int score_count;
    double wall_s, train_s, gflop;
};

/* The record as one line of JSON; the caller frees *line. */
sim_status sim_record_write(const struct sim_record *r, char **line);

/* Appends it to the file at `path`: whole or not at all. */
sim_status sim_record_append(const struct sim_record *r, const char *path);

/* What the file says last of the run of this name and configuration. */
struct sim_recorded {
    char status[16]; /* "": nothing */
    char reason[512];
};

/* Reads it.  A missing file holds nothing; a line that is no JSON (a cut-off write) is passed over. */
sim_status sim_record_find(const char *path, const char *name, const char *config_hash,
                           struct sim_recorded *out);

/* Whether the run need not be made again: it is done, or it diverged, which it would do again with the same
 * bytes.  A failed one is tried again: data, memory and machines change. */
int sim_recorded_is_final(const struct sim_recorded *r);

/* Appends the record to OUT/records.jsonl while holding that file's claim, so that several processes, also
 * over NFS, append one after the other; but not where a record stands already that makes this one idle: a
 * final one, unless `again`, or the same failure.  *appended (or NULL) says so. */
sim_status sim_record_commit(const struct sim_record *r, const char *out, int again, int *appended);

#endif
