/* The question that a run is part of, as its record states it: `study` holds what the experiment's file says
 * (question, paper, scale, claims) and the values that this run has on the experiment's axes. */
#ifndef SIM_STUDY_H
#define SIM_STUDY_H

#include <jansson.h>
#include <stdint.h>

#include "status.h"

struct sim_axis_value {
    char *key;     /* "siameseim.momentum"; owned */
    char *text;    /* "0.99", "cosine", "true"; owned */
    double number; /* NaN where the value is none */
};

/* Whom one side of a claim speaks of: runs by name, or all runs with these values on these axes. */
struct sim_side {
    char **runs; /* (run_count) owned */
    int run_count;
    struct sim_axis_value *values; /* (value_count) owned; used where run_count is 0 */
    int value_count;
};

/* "HIGHER scores higher than LOWER". */
struct sim_claim {
    char *id, *text, *why; /* why: "" where the record gives no reason; owned */
    char *score;           /* "logistic", "logistic pretrained", "knn untrained", "knn lift"; owned */
    struct sim_side higher, lower;
};

struct sim_study {
    char *question, *paper, *scale; /* "" where the record does not say; owned */
    struct sim_axis_value *axes;    /* (axis_count) owned */
    int axis_count;
    struct sim_claim *claims; /* (claim_count) owned */
    int claim_count;
};

/* Reads the record's `study`, which sim_record_check has passed; all empty where there is none.  Fails only
 * for want of memory, and where two claims share an id.  *out is to be closed either way. */
sim_status sim_study_read(struct sim_study *out, const json_t *record, const char *path, int64_t line);
void sim_study_close(struct sim_study *s); /* a zeroed struct is legal */

/* Whether a run of this name and study belongs to the side. */
int sim_side_has(const struct sim_side *side, const char *run, const struct sim_study *study);
/* The run's value on an axis, or NULL. */
const struct sim_axis_value *sim_study_axis(const struct sim_study *s, const char *key);

#endif
