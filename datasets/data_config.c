#include "data_config.h"

#include <math.h>

static const char *const kinds[] = {"procedural", "folder", NULL};
static const char *const bad_images[] = {"error", "skip", NULL};
static const char *const exifs[] = {"ignore", "honour", NULL};
static const char *const normalizations[] = {
    [SIM_NORMALIZE_IMAGENET] = "imagenet", [SIM_NORMALIZE_HALF] = "half", NULL};
static const char *const masks[] = {"none", "random", "blockwise", NULL};
static const char *const filters[] = {"bilinear", "bicubic", NULL};

#define F(name, type, low, high, choices, preset, help)                                                      \
    {                                                                                                        \
#name, type, offsetof(struct SECTION, name), low, high, choices, preset, help                        \
    }

#define SECTION sim_data_config
const struct sim_field sim_data_fields[] = {
    F(kind, SIM_FIELD_CHOICE, 0, 0, kinds, "procedural",
      "the made-up set pw-cls, or image folders, archives of them and packs"),
    F(train, SIM_FIELD_TEXT, 0, 0, NULL, "",
      "training images: CLASS/IMAGE below a folder, ARCHIVE.tar[.gz|.xz|.zst][:FOLDER], or a pack (siameseim "
      "data)"),
    F(val, SIM_FIELD_TEXT, 0, 0, NULL, "", "validation images, in the same forms"),
    F(bad_image, SIM_FIELD_CHOICE, 0, 0, bad_images, "error",
      "a damaged image stops the run, or is passed over and counted"),
    F(exif, SIM_FIELD_CHOICE, 0, 0, exifs, "ignore",
      "which way up a camera says an image is: ignored, as in the paper's pipeline, or the image is turned"),
    F(limit_train, SIM_FIELD_INT, 0, 1e9, NULL, "0",
      "use so many training images, balanced over classes; 0: all"),
    F(limit_val, SIM_FIELD_INT, 0, 1e9, NULL, "0", "use so many validation images; 0: all"),
    F(workers, SIM_FIELD_INT, 0, 256, NULL, "0", "loader threads; 0: as many as compute threads"),
    F(cache_mb, SIM_FIELD_INT, 0, 1e6, NULL, "1024", "decoded source images kept in memory, MiB"),
    F(val_resize, SIM_FIELD_INT, 0, 8192, NULL, "0",
      "shorter side before the centre crop when scoring; 0: img_size * 256 / 224"),
    F(normalize, SIM_FIELD_CHOICE, 0, 0, normalizations, "imagenet",
      "mean and deviation that pixels are normalised by: ImageNet's, or 0.5 and 0.5, to between -1 and 1"),
    F(procedural_seed, SIM_FIELD_INT, 0, 4294967295.0, NULL, "0",
      "which pw-cls set: the images follow from it alone"),
    F(procedural_train_per_class, SIM_FIELD_INT, 1, 1e6, NULL, "200",
      "pw-cls training images of each of 20 classes"),
    F(procedural_val_per_class, SIM_FIELD_INT, 1, 1e6, NULL, "25", "pw-cls validation images of each class"),
    F(procedural_size, SIM_FIELD_INT, 16, 1024, NULL, "96", "side of a pw-cls source image, pixels"),
    F(procedural_shortcut, SIM_FIELD_REAL, 0, 1, NULL, "0.7",
      "probability that a training object wears its class's texture and palette"),
};
#undef SECTION
#define SECTION sim_augment_config
const struct sim_field sim_augment_fields[] = {
    F(crop_min, SIM_FIELD_REAL, 0.001, 1, NULL, "0.08", "smallest share of the image's area in a crop"),
    F(crop_max, SIM_FIELD_REAL, 0.001, 1, NULL, "1", "largest share"),
    F(ratio_min, SIM_FIELD_REAL, 0.01, 1, NULL, "0.75",
      "aspect ratio of a crop is log-uniform in [ratio_min, 1/ratio_min]"),
    F(filter, SIM_FIELD_CHOICE, 0, 0, filters, "bicubic", "resampling filter of the crop"),
    F(flip, SIM_FIELD_REAL, 0, 1, NULL, "0.5", "probability of a horizontal flip, each view"),
    F(flip_last, SIM_FIELD_BOOL, 0, 0, NULL, "false",
      "flip after crop and colours, as MoCo-v3 does; else before the crop, as SiameseIM does"),
    F(same_view, SIM_FIELD_BOOL, 0, 0, NULL, "false", "crop and flip view 2 exactly as view 1"),
    F(same_size, SIM_FIELD_BOOL, 0, 0, NULL, "false",
      "crop view 2 in view 1's size, elsewhere: views differ by a shift (and flip), not in scale"),
    F(same_colour, SIM_FIELD_BOOL, 0, 0, NULL, "false",
      "colour view 2 exactly as view 1; with same_view the two views are the same pixels"),
    F(jitter, SIM_FIELD_REAL, 0, 1, NULL, "0.8", "probability of colour jitter"),
    F(brightness, SIM_FIELD_REAL, 0, 1, NULL, "0.4", "factor is uniform in 1 +- this"),
    F(contrast, SIM_FIELD_REAL, 0, 1, NULL, "0.4", "factor is uniform in 1 +- this"),
    F(saturation, SIM_FIELD_REAL, 0, 1, NULL, "0.2", "factor is uniform in 1 +- this"),
    F(hue, SIM_FIELD_REAL, 0, 0.5, NULL, "0.1", "shift is uniform in +- this, in turns"),
    F(grayscale, SIM_FIELD_REAL, 0, 1, NULL, "0.2", "probability of greyscale"),
    F(blur1, SIM_FIELD_REAL, 0, 1, NULL, "1", "probability of Gaussian blur, view 1"),
    F(blur2, SIM_FIELD_REAL, 0, 1, NULL, "0.1", "probability of Gaussian blur, view 2"),
    F(blur_sigma_min, SIM_FIELD_REAL, 0, 100, NULL, "0.1", "smallest sigma, pixels of the view"),
    F(blur_sigma_max, SIM_FIELD_REAL, 0, 100, NULL, "2", "largest sigma"),
    F(solarize1, SIM_FIELD_REAL, 0, 1, NULL, "0", "probability of solarisation at 128, view 1"),
    F(solarize2, SIM_FIELD_REAL, 0, 1, NULL, "0.2", "probability of solarisation at 128, view 2"),
};
#undef SECTION
#define SECTION sim_mask_config
const struct sim_field sim_mask_fields[] = {
    F(kind, SIM_FIELD_CHOICE, 0, 0, masks, "blockwise", "which patches of view 1 are hidden"),
    F(ratio, SIM_FIELD_REAL, 0, 1, NULL, "0.6",
      "share of patches hidden: round(ratio * patches), when count is 0"),
    F(count, SIM_FIELD_INT, 0, 1e6, NULL, "0",
      "patches hidden, exactly; 0: from ratio (the paper: 118 of 196)"),
    F(min_block, SIM_FIELD_INT, 1, 1e6, NULL, "16", "blockwise: patches of the smallest block"),
    F(min_aspect, SIM_FIELD_REAL, 0.01, 1, NULL, "0.3",
      "blockwise: aspect ratio is log-uniform in [min_aspect, 1/min_aspect]"),
};
#undef SECTION

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
const int sim_data_field_count = COUNT(sim_data_fields), sim_augment_field_count = COUNT(sim_augment_fields),
          sim_mask_field_count = COUNT(sim_mask_fields);

sim_status sim_mask_hidden(const struct sim_mask_config *c, int64_t grid, int64_t *hidden)
{
    int64_t patches = grid * grid;
    *hidden = c->kind == SIM_MASK_NONE ? 0
              : c->count > 0           ? c->count
                                       : (int64_t)rint(c->ratio * (double)patches);
    if (*hidden >= patches)
        return sim_fail(SIM_EINVAL, "mask.%s: %ld hidden patches leave none of the %ld visible",
                        c->count > 0 ? "count" : "ratio", (long)*hidden, (long)patches);
    return SIM_OK;
}
