/* Which images a trained classifier is tested on beyond those like its training's (eval.robustness). */
#ifndef SIM_SHIFT_CONFIG_H
#define SIM_SHIFT_CONFIG_H

#include "corrupt.h"
#include "fields.h"

struct sim_shift_config {
    char c[SIM_TEXT_BYTES]; /* folder in ImageNet-C's layout; "": made */
    char a[SIM_TEXT_BYTES], r[SIM_TEXT_BYTES],
        sketch[SIM_TEXT_BYTES];       /* folders or archives; "": the made-up set's */
    char corruptions[SIM_TEXT_BYTES]; /* "all", "none", or names */
    char severities[SIM_TEXT_BYTES];  /* "1,2,3,4,5" */
    int constants;                    /* 0: by the image's side, else 1 + enum sim_constants */
    int64_t jpeg_quality;             /* -1: as the constants' set was stored; 0: no JPEG */
    int64_t seed;                     /* of corruptions that are drawn: not the run's */
    int64_t limit_val;                /* validation images that are corrupted; 0: all */
    int64_t procedural_per_class;     /* images of each class in pw-A, -R and -Sketch */
};

extern const struct sim_field sim_shift_fields[];
extern const int sim_shift_field_count;

/* What the lists ask for: 1 where the corruption, or severity k + 1, is among them.  Names and numbers stand
 * between commas; an unknown corruption, a severity outside 1 .. 5 and an empty list are errors that begin
 * with the key. */
sim_status sim_shift_lists(const struct sim_shift_config *c, int corruptions[SIM_CORRUPTIONS],
                           int severities[SIM_SEVERITIES]);

#endif
