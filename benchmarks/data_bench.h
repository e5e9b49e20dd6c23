/* How fast training data are made of a set of real images: the loader from end to end, the same without a
 * loader, and what each stage of an image costs.  Used by bench_data.c. */
#ifndef SIM_DATA_BENCH_H
#define SIM_DATA_BENCH_H

#include "images.h"
#include "loader.h"
#include "run_config.h"

/* What the loader is measured on: `images` again and again, as if there were `count` of them. */
struct sim_data_bench {
    struct sim_images images; /* owned; the first opened_images are different */
    int64_t opened_images;
    struct sim_run_config config; /* published augmentation and mask, 224 pixels, nothing kept decoded */
    int64_t batch;
};

/* `path`: a folder or an archive, as data.train.  repeated_images: how many there are to be. */
sim_status sim_data_bench_open(struct sim_data_bench *b, const char *path, int64_t repeated_images,
                               int64_t batch);
void sim_data_bench_close(struct sim_data_bench *b); /* a zeroed one is legal */

struct sim_data_rate {
    int64_t images;
    double wall_s, cpu_s; /* cpu_s: of all threads of this process */
};

/* Two views of one image after another, in this thread, everything allocated and released for each: the least
 * that can be written. */
sim_status sim_data_bench_simple(const struct sim_data_bench *b, double seconds, struct sim_data_rate *out);
/* The loader with so many worker threads, from its second batch on. */
sim_status sim_data_bench_loader(const struct sim_data_bench *b, int workers, double seconds,
                                 struct sim_data_rate *out);

/* What an epoch's beginning costs. */
struct sim_data_start {
    double open_s, first_batch_s; /* of the loader; of the first batch, nothing being ready */
    double middle_img_s,
        start_img_s; /* images per second within an epoch, and over the batches around its start */
};
sim_status sim_data_bench_start(const struct sim_data_bench *b, int workers, struct sim_data_start *out);

enum { SIM_DATA_MEMORY_POINTS = 10 };
struct sim_data_memory {
    int64_t images[SIM_DATA_MEMORY_POINTS]; /* made so far */
    double rss_mb[SIM_DATA_MEMORY_POINTS];  /* resident memory of the process then, MiB */
};
sim_status sim_data_bench_memory(const struct sim_data_bench *b, int workers, int64_t images,
                                 struct sim_data_memory *out);

/* Seconds of processor time per image (of both views together), by stage. */
enum sim_data_stage {
    SIM_DATA_DECODE,
    SIM_DATA_DRAW, /* of the views' parameters */
    SIM_DATA_RESAMPLE,
    SIM_DATA_COLOUR, /* jitter, greyscale, solarisation */
    SIM_DATA_BLUR,
    SIM_DATA_NORMALIZE,
    SIM_DATA_STAGES
};
extern const char *const sim_data_stage_names[SIM_DATA_STAGES];
/* Each is the best of `rounds` over all images.  What is not a function of its own is the difference between
 * views with it and without it. */
sim_status sim_data_bench_stages(const struct sim_data_bench *b, int rounds, double seconds[SIM_DATA_STAGES]);

#endif
