/* Where images come from and how views are drawn from them. */
#ifndef SIM_DATA_CONFIG_H
#define SIM_DATA_CONFIG_H

#include "fields.h"
#include "pixels.h"

enum sim_data_kind { SIM_DATA_PROCEDURAL, SIM_DATA_FOLDER };
enum sim_bad_image { SIM_BAD_ERROR, SIM_BAD_SKIP };
enum sim_exif { SIM_EXIF_IGNORE, SIM_EXIF_HONOUR };
enum sim_mask_kind { SIM_MASK_NONE, SIM_MASK_RANDOM, SIM_MASK_BLOCKWISE };
enum sim_filter { SIM_FILTER_BILINEAR, SIM_FILTER_BICUBIC };

struct sim_data_config {
    int kind;                   /* enum sim_data_kind */
    char train[SIM_TEXT_BYTES]; /* folder, archive, archive:folder/inside, or pack */
    char val[SIM_TEXT_BYTES];
    int bad_image;                  /* enum sim_bad_image */
    int exif;                       /* enum sim_exif */
    int64_t limit_train, limit_val; /* use so many images, balanced over classes, drawn by seed; 0: all */
    int64_t workers;                /* loader threads; 0: as many as compute threads */
    int64_t cache_mb;               /* decoded source images kept in memory */
    int normalize;                  /* enum sim_normalize: what every network is shown of a pixel */
    int64_t val_resize; /* shorter side before the centre crop when scoring; 0: img_size * 256 / 224 */
    /* procedural set (pw-cls) */
    int64_t procedural_seed, procedural_train_per_class, procedural_val_per_class, procedural_size;
    double procedural_shortcut; /* probability of the class's preferred texture and palette in train */
};

struct sim_augment_config {
    double crop_min, crop_max, ratio_min; /* area share; aspect ratio in [ratio_min, 1/ratio_min] */
    int filter;                           /* enum sim_filter */
    double flip;                          /* probability, each view */
    int flip_last;                        /* flips come after crop and colours, not before the crop */
    int same_view;                        /* view 2 is cropped and flipped exactly as view 1 */
    int same_size;                        /* view 2's crop has view 1's size, at a place of its own */
    int same_colour;                      /* view 2 takes view 1's jitter, grayscale, blur and solarize */
    double jitter, brightness, contrast, saturation, hue; /* probability; half-widths of the factors */
    double grayscale;
    double blur1, blur2, blur_sigma_min, blur_sigma_max;
    double solarize1, solarize2;
};

struct sim_mask_config {
    int kind;          /* enum sim_mask_kind */
    double ratio;      /* share of patches hidden, used when count is 0: round(ratio * L) */
    int64_t count;     /* patches hidden exactly; 0: from ratio */
    int64_t min_block; /* blockwise: smallest block, patches */
    double min_aspect; /* blockwise: aspect log-uniform in [min_aspect, 1/min_aspect] */
};

extern const struct sim_field sim_data_fields[], sim_augment_fields[], sim_mask_fields[];
extern const int sim_data_field_count, sim_augment_field_count, sim_mask_field_count;

/* Patches hidden in view 1 on a grid of `grid` x `grid`: 0 for kind none.  At least one stays visible. */
sim_status sim_mask_hidden(const struct sim_mask_config *c, int64_t grid, int64_t *hidden);

#endif
