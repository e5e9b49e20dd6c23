/* A made-up set whose pixels tell their index, with damage where a test wants it, and what a loader over it
 * is asked for. */
#ifndef SIM_TEST_MADE_SET_H
#define SIM_TEST_MADE_SET_H

#include "loader.h"

struct fake {
    const char *damaged; /* damaged[i] == 'x': image i is damaged; NULL: none */
    int unreadable;      /* this image fails with SIM_EIO; -1: none */
    int slow;            /* reading takes a while, differently for each image */
    int square;          /* pixels a side of every image; 0: sizes differ */
    _Atomic int reads;
};

struct bench {
    struct fake fake;
    struct sim_images images;
    struct sim_data_config data;
    struct sim_augment_config augment;
    struct sim_mask_config mask;
    struct sim_loader_config loader;
};

/* `images` images in batches of `batch`, the published augmentation with larger crops; whatever the test
 * wants otherwise it changes before it opens a loader. */
void bench_open(struct bench *b, int64_t images, int64_t batch, int workers);

#endif
