/* The batches of fine-tuning: labelled images in the order of an epoch, augmented, mixed, with the
 * distributions that the classifier is to learn. */
#ifndef SIM_FINETUNE_SOURCE_H
#define SIM_FINETUNE_SOURCE_H

#include "batch.h"
#include "finetune_config.h"

struct sim_finetune_source {
    const struct sim_labelled *train; /* borrowed; outlives the source */
    const struct sim_finetune_config *config;
    int side; /* of the images, pixels */
    uint64_t seed;
    int rank, ranks; /* each makes its share of every batch: batch_size / ranks rows from rank * share on */
};

/* Every batch is a function of (seed, epoch, step), whatever the number of ranks: the order of an epoch is
 * one permutation, and lambda is drawn for groups of sim_finetune_group images, which a share holds whole
 * numbers of.  A damaged image's row repeats the next good one of its group, or, where nothing is mixed, of
 * its rank's share.  An epoch's last short batch is dropped. */
sim_status sim_finetune_source_open(struct sim_source *out, const struct sim_finetune_source *c);

#endif
