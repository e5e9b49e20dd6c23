/* A set of labelled source images, by index: procedural, image folder, tar archive, pack.  The loader
 * (loader.h) and the `views` command draw from it.  read() is safe from several threads at once. */
#ifndef SIM_IMAGES_H
#define SIM_IMAGES_H

#include <stdint.h>

#include "data_config.h"
#include "pixels.h"

struct sim_damaged; /* damaged.h */

struct sim_images {
    void *self;
    int64_t count;
    int classes;
    char manifest_hash[17]; /* XXH64 over sorted names, labels and sizes (or over the generator's parameters)
                             */
    char pack_hash[17];     /* of a packed set: covers every byte of it (pack.h); "" of others */
    /* Decodes image i (0 .. count-1); the caller closes *out.  A damaged image is SIM_EFORMAT naming it. */
    sim_status (*read)(void *self, int64_t i, struct sim_image *out);
    /* The same into the memory of *im, an open or zeroed image, where that suffices; after a failure *im is
     * closed. NULL: this set has none. */
    sim_status (*read_into)(void *self, int64_t i, struct sim_image *im);
    int32_t (*label)(void *self, int64_t i);
    /* "n01440764/x.JPEG" or "archive.tar: folder/x.JPEG" or "pw-cls train 17 (gear)"; into name[size]. */
    void (*name)(void *self, int64_t i, char *name, int size);
    const char *(*class_name)(void *self, int label); /* owned by the set */
    /* From now on images are read turned as their EXIF orientation asks (exif.h).  NULL: this set cannot. */
    void (*honour_exif)(void *self);
    struct sim_damaged *damaged; /* images that were passed over; owned; NULL: nobody keeps account */
    void (*close)(void *self);
};

enum sim_split { SIM_TRAIN, SIM_VAL };

/* Opens the split that the configuration names, limits applied (drawn by seed, balanced over classes). */
sim_status sim_images_open(struct sim_images *out, const struct sim_data_config *c, enum sim_split split,
                           uint64_t seed);
void sim_images_close(struct sim_images *s); /* zeroed struct is legal */
/* read_into, or read where a set has only that. */
sim_status sim_images_read_into(const struct sim_images *s, int64_t i, struct sim_image *im);

/* Has a set that was just opened turn its images, where data.exif (enum sim_exif) asks for that; SIM_EINVAL
 * where it cannot. */
sim_status sim_images_take_exif(struct sim_images *s, int exif, const char *key);

/* SIM_EINVAL unless both splits have the same class names, so that a label means the same in both. */
sim_status sim_images_agree(const struct sim_images *train, const struct sim_images *val);

/* The parts it chooses from. */
/* A folder, an archive or a pack at `path`; key: what names it in errors. */
sim_status sim_images_open_path(struct sim_images *out, const char *path, const char *key);
sim_status sim_procedural_open(struct sim_images *out, const struct sim_data_config *c, enum sim_split split);
sim_status sim_folder_open(struct sim_images *out, const char *path); /* directory CLASS/IMAGE */
sim_status sim_archive_open(struct sim_images *out,
                            const char *path); /* ARCHIVE[:FOLDER], members FOLDER/CLASS/IMAGE */

/* Larger files are no images of a set, in a folder or in an archive. */
#define SIM_IMAGE_FILE_BYTES ((size_t)512 << 20)

/* Decodes JPEG or PNG bytes (type by content) to RGB as Pillow's convert("RGB") does.  `name` is for errors.
 * Truncated and corrupt data are SIM_EFORMAT; dimensions beyond 64 megapixels too. */
sim_status sim_decode(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out);
sim_status sim_decode_file(const char *path, struct sim_image *out);
/* The same into the memory of *im, an open or zeroed image, where that suffices; after a failure *im is
 * closed. */
sim_status sim_decode_into(const uint8_t *bytes, size_t count, const char *name, struct sim_image *im);
sim_status sim_decode_file_into(const char *path, struct sim_image *im);
sim_status sim_png_write(const char *path, const uint8_t *rgb, int w, int h); /* 8-bit RGB, atomic */

#endif
