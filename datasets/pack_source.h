/* What can be packed: image files with a class each, wherever they lie.
 *
 * Taken are
 *   - a folder of CLASS/IMAGE, an archive of such, or a pack;
 *   - ImageNet as published: ILSVRC2012_img_train.tar, which holds a CLASS.tar for each class (or a folder of
 * these), and ILSVRC2012_img_val.tar, images without classes (or a folder of these), with a list of labels;
 *   - CIFAR-10 and CIFAR-100 ("binary version"), as archive or folder, and MNIST's idx files, plain or gzip:
 * their raw pixels become PNG files. */
#ifndef SIM_PACK_SOURCE_H
#define SIM_PACK_SOURCE_H

#include "catalogue.h"
#include "pack_format.h"

/* Bytes in a buffer that is used again and grows. */
struct sim_bytes {
    uint8_t *data; /* owned */
    size_t count, room;
};
/* Makes room for `room` bytes in all, `what` is for the error. */
sim_status sim_bytes_reserve(struct sim_bytes *b, size_t room, const char *what);
void sim_bytes_close(struct sim_bytes *b);

struct sim_pack_source {
    struct sim_catalogue list; /* finished: sorted, labelled, hashed; sizes are upper bounds where `drawn` */
    int drawn;                 /* files are made of pixels when they are asked for */
    char about[SIM_PACK_SOURCE_BYTES]; /* "class folders of images" */
    void *self;
    /* The file of one image into *out; safe from several threads at once. */
    sim_status (*read)(void *self, const struct sim_member *m, struct sim_bytes *out);
    void (*close)(void *self);
};

struct sim_pack_source_config {
    const char *path;
    int val; /* of a source that holds both: the validation images, not those to train on */
    const char *
        labels; /* list of labels for images without classes (pack_labels.h), or of an idx file; NULL: none */
    const char *synsets; /* class names for a list of numbers; NULL: none */
};

sim_status sim_pack_source_open(struct sim_pack_source *out, const struct sim_pack_source_config *c);
void sim_pack_source_close(struct sim_pack_source *s); /* zeroed struct is legal */

/* The kinds of source that pack_source.c chooses from.  Each sets *is to 0 and leaves *out alone where the
 * path is of another kind. */
sim_status sim_pack_pixels_open(struct sim_pack_source *out, const struct sim_pack_source_config *c, int *is);
sim_status sim_pack_tars_open(struct sim_pack_source *out, const struct sim_pack_source_config *c, int *is);

/* Reads `count` bytes at `offset` of an open file; `what` names them in errors. */
sim_status sim_pack_read_at(int fd, uint64_t offset, uint64_t count, const char *what, struct sim_bytes *out);

#endif
