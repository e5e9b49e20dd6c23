/* A pack as a set of images. */
#include <stdio.h>
#include <stdlib.h>

#include "exif.h"
#include "pack.h"

struct set {
    struct sim_pack pack; /* first: a set is its pack */
    int upright;          /* images are turned as their EXIF data ask */
};

static sim_status pack_read_into(void *self, int64_t i, struct sim_image *im)
{
    const struct sim_pack *p = self;
    const uint8_t *bytes;
    size_t count;
    char name[512];
    sim_status status = sim_pack_file(p, i, &bytes, &count);
    if (status != SIM_OK) {
        sim_image_close(im);
        return status;
    }
    int n = snprintf(name, sizeof name, "%.*s: ", (int)sizeof name / 2, p->path);
    sim_pack_path(p, i, name + n, (int)sizeof name - n);
    status = sim_decode_into(bytes, count, name, im);
    if (status == SIM_OK && ((const struct set *)self)->upright)
        status = sim_exif_turn(im, sim_exif_orientation(bytes, count));
    sim_pack_release(p, bytes, count);
    return status;
}

static sim_status pack_read(void *self, int64_t i, struct sim_image *out)
{
    *out = (struct sim_image){0};
    return pack_read_into(self, i, out);
}

static int32_t pack_label(void *self, int64_t i)
{
    return sim_pack_label(self, i);
}

static void pack_name(void *self, int64_t i, char *name, int size)
{
    const struct sim_pack *p = self;
    int n = snprintf(name, (size_t)size, "%s: ", p->path);
    if (n < size) sim_pack_path(p, i, name + n, size - n);
}

static const char *pack_class_name(void *self, int label)
{
    return sim_pack_class_name(self, label);
}

static void pack_honour_exif(void *self)
{
    ((struct set *)self)->upright = 1;
}

static void pack_close(void *self)
{
    sim_pack_unmap(self);
    free(self);
}

sim_status sim_pack_open(struct sim_images *out, const char *path)
{
    *out = (struct sim_images){0};
    struct set *s = calloc(1, sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "%s: no memory to open it", path);
    const struct sim_pack *p = &s->pack;
    sim_status status = sim_pack_map(&s->pack, path);
    if (status != SIM_OK) {
        free(s);
        return status;
    }
    /* What was encoded anew lost its EXIF data. */
    *out = (struct sim_images){.self = s,
                               .count = p->images,
                               .classes = p->class_count,
                               .read = pack_read,
                               .read_into = pack_read_into,
                               .label = pack_label,
                               .name = pack_name,
                               .class_name = pack_class_name,
                               .honour_exif = p->header->short_side ? NULL : pack_honour_exif,
                               .close = pack_close};
    snprintf(out->manifest_hash, sizeof out->manifest_hash, "%016llx",
             (unsigned long long)p->header->manifest);
    sim_pack_hash(p, out->pack_hash);
    return SIM_OK;
}
