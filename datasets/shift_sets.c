#include "shift_sets.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache.h"
#include "centre_crop.h"
#include "damaged.h"
#include "images.h"
#include "loader.h"
#include "procedural_shift.h"

struct sets {
    struct sim_shift_config shift;
    struct sim_data_config data;
    uint64_t seed;
    int side, workers, jpeg_quality;
    enum sim_constants constants;
    struct sim_images val;   /* opened with the first corruption that is made */
    struct sim_cache *crops; /* of val, side x side */
    struct sim_corrupt_job job;
    struct sim_images images; /* of the set that is open */
};

/* ------------------------------------------------------------------ corrupted images */

/* The image before its corruption, of side x side pixels. */
static sim_status read_crop(struct sets *s, int64_t i, struct sim_image *out)
{
    const size_t bytes = (size_t)s->side * (size_t)s->side * 3;
    struct sim_image whole, crop;
    const struct sim_image *ready = sim_cache_find(s->crops, i);
    SIM_TRY(sim_image_open(out, s->side, s->side));
    if (ready) {
        memcpy(out->rgb, ready->rgb, bytes);
        return SIM_OK;
    }
    sim_status status = s->val.read(s->val.self, i, &whole);
    if (status == SIM_OK) {
        status = sim_centre_crop(&whole, (int)sim_centre_resize(s->data.val_resize, s->side), s->side,
                                 SIM_RESAMPLE_BILINEAR, out->rgb);
        sim_image_close(&whole);
    }
    if (status != SIM_OK) {
        sim_image_close(out);
        return status;
    }
    if (sim_image_open(&crop, s->side, s->side) != SIM_OK) return SIM_OK; /* it is not kept, then */
    memcpy(crop.rgb, out->rgb, bytes);
    if (!sim_cache_offer(s->crops, i, &crop)) sim_image_close(&crop);
    return SIM_OK;
}

static sim_status corrupted_read(void *self, int64_t i, struct sim_image *out)
{
    struct sets *s = self;
    struct sim_corrupt_job job = s->job;
    job.index = (uint64_t)i;
    SIM_TRY(read_crop(s, i, out));
    sim_status status = sim_corrupt(&job, out);
    if (status == SIM_OK && s->jpeg_quality) status = sim_jpeg_round_trip(out, s->jpeg_quality);
    if (status != SIM_OK) sim_image_close(out);
    return status;
}

static int32_t corrupted_label(void *self, int64_t i)
{
    const struct sets *s = self;
    return s->val.label(s->val.self, i);
}

static void corrupted_name(void *self, int64_t i, char *name, int size)
{
    const struct sets *s = self;
    int n =
        snprintf(name, (size_t)size, "%s %d of ", sim_corruption_name(s->job.corruption), s->job.severity);
    if (n < size) s->val.name(s->val.self, i, name + n, size - n);
}

static const char *corrupted_class_name(void *self, int label)
{
    const struct sets *s = self;
    return s->val.class_name(s->val.self, label);
}

static void corrupted_close(void *self)
{
    (void)self; /* the validation images stay open for the next corruption */
}

static sim_status open_made(struct sets *s, const struct sim_shift *which)
{
    if (!s->val.self) {
        struct sim_data_config data = s->data;
        if (s->shift.limit_val) data.limit_val = s->shift.limit_val;
        SIM_TRY(sim_images_open(&s->val, &data, SIM_VAL, s->seed));
        SIM_TRY(sim_cache_open(&s->crops, s->val.count, s->data.cache_mb << 20));
    }
    s->job = (struct sim_corrupt_job){.corruption = which->corruption,
                                      .severity = which->severity,
                                      .constants = s->constants,
                                      .seed = (uint64_t)s->shift.seed};
    s->images = (struct sim_images){.self = s,
                                    .count = s->val.count,
                                    .classes = s->val.classes,
                                    .read = corrupted_read,
                                    .label = corrupted_label,
                                    .name = corrupted_name,
                                    .class_name = corrupted_class_name,
                                    .close = corrupted_close};
    return SIM_OK;
}

/* ------------------------------------------------------------------ sets that are read */

static sim_status open_corruption_folder(struct sets *s, const struct sim_shift *which)
{
    char path[SIM_TEXT_BYTES + 64];
    struct stat there;
    snprintf(path, sizeof path, "%s/%s/%d", s->shift.c, sim_corruption_name(which->corruption),
             which->severity);
    if (stat(path, &there) != 0 || !S_ISDIR(there.st_mode))
        return sim_fail(
            SIM_EIO, "shift.c: there is no folder %s; the layout is CORRUPTION/SEVERITY/CLASS/IMAGE", path);
    SIM_TRY(sim_folder_open(&s->images, path));
    return sim_images_take_exif(&s->images, s->data.exif, "shift.c");
}

static const char *path_of(const struct sim_shift_config *c, enum sim_shift_set set)
{
    return set == SIM_SHIFT_C ? c->c : set == SIM_SHIFT_A ? c->a : set == SIM_SHIFT_R ? c->r : c->sketch;
}

static sim_status open_other(struct sets *s, enum sim_shift_set set)
{
    static const char *const keys[SIM_SHIFT_SETS] = {
        [SIM_SHIFT_A] = "shift.a", [SIM_SHIFT_R] = "shift.r", [SIM_SHIFT_SKETCH] = "shift.sketch"};
    const char *path = path_of(&s->shift, set);
    if (!*path) return sim_procedural_shift_open(&s->images, &s->data, set, s->shift.procedural_per_class);
    SIM_TRY(sim_images_open_path(&s->images, path, keys[set]));
    SIM_TRY(sim_images_take_exif(&s->images, s->data.exif, keys[set]));
    return sim_damaged_open(&s->images);
}

/* ------------------------------------------------------------------ the interface */

static sim_status sets_open(void *self, const struct sim_shift *which, struct sim_labelled *out)
{
    struct sets *s = self;
    struct sim_data_config data = s->data;
    sim_images_close(&s->images);
    if (which->set != SIM_SHIFT_C)
        SIM_TRY(open_other(s, which->set));
    else if (s->shift.c[0])
        SIM_TRY(open_corruption_folder(s, which));
    else
        SIM_TRY(open_made(s, which));
    data.cache_mb = 0; /* each image is shown once */
    if (which->set == SIM_SHIFT_C) data.val_resize = s->side;
    return sim_loader_open_labelled(
        out, &(struct sim_loader_config){
                 .images = &s->images, .data = &data, .img_size = s->side, .workers = s->workers});
}

static void sets_close(void *self)
{
    struct sets *s = self;
    if (!s) return;
    sim_images_close(&s->images);
    sim_images_close(&s->val);
    sim_cache_close(s->crops);
    free(s);
}

/* `"images": "PATH"` with the path as JSON has it. */
static sim_status write_path(const char *path, char *out, size_t size)
{
    json_t *string = json_string(path);
    char *text = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    int n = text ? snprintf(out, size, "\"images\": %s", text) : -1;
    free(text);
    json_decref(string);
    if (n >= 0 && (size_t)n < size) return SIM_OK;
    return sim_fail(SIM_EINVAL, "shift: the path %s is no UTF-8, or too long for a record", path);
}

static sim_status write_facts(const struct sets *s, struct sim_shifted *out)
{
    for (int set = 0; set < SIM_SHIFT_SETS; set++) {
        char *facts = out->facts[set];
        const size_t size = sizeof out->facts[set];
        const char *path = path_of(&s->shift, (enum sim_shift_set)set);
        if (*path)
            SIM_TRY(write_path(path, facts, size));
        else if (set == SIM_SHIFT_C)
            snprintf(facts, size,
                     "\"images\": \"made\", \"constants\": \"%s\", \"jpeg_quality\": %d, \"seed\": %lld, "
                     "\"frost\": \"procedural\"",
                     sim_constants_name(s->constants), s->jpeg_quality, (long long)s->shift.seed);
        else
            snprintf(facts, size, "\"images\": \"made\", \"seed\": %lld", (long long)s->data.procedural_seed);
    }
    return SIM_OK;
}

sim_status sim_shift_sets_open(struct sim_shifted *out, const struct sim_shift_sets_config *c)
{
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_shift_lists(c->shift, out->corruptions, out->severities));
    for (int i = 0; i < SIM_CORRUPTIONS; i++) out->has[SIM_SHIFT_C] |= out->corruptions[i];
    for (int set = SIM_SHIFT_A; set < SIM_SHIFT_SETS; set++)
        out->has[set] = path_of(c->shift, (enum sim_shift_set)set)[0] || c->data->kind == SIM_DATA_PROCEDURAL;
    struct sets *s = calloc(1, sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory to open the shifted sets");
    *s = (struct sets){.shift = *c->shift,
                       .data = *c->data,
                       .seed = c->seed,
                       .side = (int)c->img_size,
                       .workers = c->workers,
                       .constants = c->shift->constants ? (enum sim_constants)(c->shift->constants - 1)
                                                        : sim_constants_for((int)c->img_size)};
    s->jpeg_quality = c->shift->jpeg_quality >= 0        ? (int)c->shift->jpeg_quality
                      : s->constants == SIM_CONSTANTS_32 ? 0
                                                         : 85;
    sim_status status = write_facts(s, out);
    if (status != SIM_OK) {
        sets_close(s);
        return status;
    }
    out->self = s, out->open = sets_open, out->close = sets_close;
    return SIM_OK;
}
