/* The threaded loader: turns a set of images into training batches and scoring batches (core/train/batch.h).
 */
#ifndef SIM_LOADER_H
#define SIM_LOADER_H

#include "batch.h"
#include "images.h"
#include "views.h"

struct sim_loader_config {
    const struct sim_images *images; /* borrowed; outlives the source */
    const struct sim_data_config *data;
    const struct sim_augment_config *augment;
    const struct sim_mask_config *mask;
    int64_t batch_size, img_size, patch_size;
    uint64_t seed;
    /* Of several ranks each makes its share of every batch, batch_size / ranks rows from rank * share on:
     * together they are the batch that one would make.  batch_size must divide.  Both 0: alone. */
    int rank, ranks;
    int workers;  /* >= 1 threads */
    int one_view; /* objectives that ask for one view */
    int jobs;     /* batches carry jobs (view_jobs.h) instead of views, for a backend that has make_views */
};

/* What can be said against a configuration for training before it is opened. */
sim_status sim_loader_check(const struct sim_loader_config *c);

/* Order of images: a permutation per epoch, by (seed, epoch).  Same bytes for any number of workers.  The end
 * of the permutation that fills no batch is left out of that epoch (drop_last); every other image is used
 * once, by one rank.  A batch larger than the set is SIM_EINVAL.  Under policy `skip` a damaged image is
 * replaced by the next one of the permutation that decodes; under `error` the batch fails with the image's
 * name.
 *
 * Memory is bounded: two or three batches, data.cache_mb of decoded images, for each worker an image and a
 * view of at most 2 MiB each beside the one at work (of batches that carry jobs: an image of each row), and
 * some 20 bytes for each image of the set.  Pixels are decoded, cut and coloured in memory that is used
 * again; what is allocated for an image is what libjpeg and, from folders, its file's bytes take. */
sim_status sim_loader_open(struct sim_source *out, const struct sim_loader_config *c);
/* Scoring, one image at a time or several: read by `workers` threads; data.cache_mb of decoded images are
 * kept. */
sim_status sim_loader_open_labelled(struct sim_labelled *out, const struct sim_loader_config *c);

#endif
