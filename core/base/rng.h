/* Randomness is a function, not a state (DESIGN.md, decision 4): Philox4x32-10 (Salmon et al., SC'11),
 * keyed by the run's seed, counted by (purpose, epoch, global sample index, view, draw number).
 * Nothing is saved or restored, and nothing depends on threads, workers or ranks. */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdint.h>

/* What the numbers are for: streams of different purposes never meet.  Append only: the number is
 * part of every recorded run's meaning. */
enum sim_purpose {
    SIM_PURPOSE_INIT = 1,   /* weight initialisation; index = row of the parameter table */
    SIM_PURPOSE_SHUFFLE,    /* order of the training images in an epoch */
    SIM_PURPOSE_VIEW,       /* flip, crop, colour of one view */
    SIM_PURPOSE_MASK,       /* patches hidden in view 1 */
    SIM_PURPOSE_DROP_PATH,  /* residual branches dropped; index = sample, view = branch */
    SIM_PURPOSE_PROCEDURAL, /* the images of the procedural sets */
    SIM_PURPOSE_SUBSET,     /* which images a limited run uses */
    SIM_PURPOSE_TEST,
    SIM_PURPOSE_SIGN_FLIP,  /* of a permutation test; index = number of differences */
    SIM_PURPOSE_PROBE_VIEW, /* crop and flip of an image that a probe is trained on */
    SIM_PURPOSE_PROBE,      /* of a trained probe: view 0 its weights, 1 the order of the rows in an epoch */
    SIM_PURPOSE_FEW_SHOT,   /* which images a few-shot score is fitted to */
    SIM_PURPOSE_FINETUNE,   /* of fine-tuning: view 0 the order of the images in an epoch */
    SIM_PURPOSE_FINETUNE_VIEW, /* of an image: view 0 crop and flip, 1 RandAugment, 2 what is erased, 3 with
                                  what */
    SIM_PURPOSE_MIX,           /* how a group of images is mixed; index = group of the epoch */
    SIM_PURPOSE_CORRUPTION     /* of a test image; epoch = corruption and severity, index = the image */
};

struct sim_rng {
    uint32_t key[2], counter[4], word[4];
    int left; /* words of `word` not yet handed out */
};

/* The stream of one (seed, purpose, epoch, index, view).  index uses 48 bits, view 8. */
struct sim_rng sim_rng_make(uint64_t seed, enum sim_purpose purpose, uint32_t epoch, uint64_t index,
                            uint32_t view);

uint32_t sim_rng_u32(struct sim_rng *r);
double sim_rng_uniform(struct sim_rng *r);                              /* [0, 1), 53 bits */
double sim_rng_between(struct sim_rng *r, double low, double high);     /* low + (high - low) * uniform */
double sim_rng_normal(struct sim_rng *r);                               /* mean 0, variance 1 (Box-Muller) */
double sim_rng_beta(struct sim_rng *r, double a, double b);             /* in [0, 1]; a, b > 0 */
uint32_t sim_rng_below(struct sim_rng *r, uint32_t n);                  /* 0..n-1 without bias; n >= 1 */
void sim_rng_permutation(struct sim_rng *r, uint32_t n, uint32_t *out); /* Fisher-Yates over 0..n-1 */

/* The raw block function, for tests against published vectors. */
void sim_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
