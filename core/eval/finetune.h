/* Fine-tuning as a score (method.md 3.3): the encoder with a fresh head is trained whole on the labelled
 * images and names the classes of others. */
#ifndef SIM_FINETUNE_H
#define SIM_FINETUNE_H

#include "classifier.h"
#include "finetune_config.h"
#include "scores.h"

struct sim_finetune_job {
    const struct sim_ops *ops;
    const struct sim_vit_config *vit;
    const struct sim_params
        *encoder; /* rows named as timm's ViT; not read where config->encoder names a file */
    const struct sim_labelled *train, *val; /* val NULL on ranks other than the first, which alone scores */
    const struct sim_finetune_config *config;
    uint64_t seed;
    double gemm_gflops; /* the machine's measured rate, of all ranks; 0: unknown */
    const volatile sig_atomic_t *stop;
    /* Kept in FOLDER/finetune_ENCODER/: checkpoints and curve.json, from which the same identity
     * goes on, and at the end classifier.safetensors, the fine-tuned weights; folder NULL: nothing is kept.
     */
    const char *folder, *encoder_name, *identity;
    int resume; /* 0: whatever is there is begun anew */
    int quiet;  /* 1: nothing is said of single epochs */
};

/* Trains, scores on the first rank (out is left alone on the others), and writes the protocol: every key, the
 * best epoch's accuracy, which the paper reports, beside the last one's, which is the value.  *skipped:
 * damaged images, of training and validation.  Of several ranks (job->ops->ranks) all call this alike.  What
 * can be said against the configuration is said before the first image is read. */
sim_status sim_score_finetune(const struct sim_finetune_job *job, struct sim_score *out, int64_t *skipped);

#endif
