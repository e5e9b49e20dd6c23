/* How long it takes to open a pack of as many images as ImageNet has, and to find one of them.
 *
 *     bench_pack FOLDER [IMAGES]
 *
 * Makes a pack of IMAGES (1,281,167) small made-up files in 1,000 classes in FOLDER (170 MB there, removed
 * again), and one of a thousand images for comparison.  Prints a line for each and, last, one line of JSON.
 *
 *   open, cached    medians over ROUNDS of opening, file in the system's memory
 *   open, dropped   the same after the system was told to drop the file's pages
 *   file            one image's bytes with its checksum, drawn at random, file in memory */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pack.h"
#include "pack_write.h"
#include "progress.h"
#include "rng.h"

enum { CLASSES = 1000, FILE_BYTES = 100, ROUNDS = 9, FINDS = 200000, FEW = 1000, IMAGENET = 1281167 };

struct result {
    int64_t images;
    double cached_s, dropped_s, file_s;
    double made_img_s; /* packing rate */
};

/* ---------------------------------------------------------------- a made-up set */

static sim_status make_file(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    (void)self;
    SIM_TRY(sim_bytes_reserve(out, FILE_BYTES, m->path));
    memset(out->data, 0, FILE_BYTES);
    memcpy(out->data, m->path, strnlen(m->path, FILE_BYTES));
    out->count = FILE_BYTES;
    return SIM_OK;
}

static sim_status make_pack(const char *path, struct result *r)
{
    struct sim_pack_source source = {.about = "made up", .read = make_file};
    struct sim_pack_config c = {.source = &source, .path = path, .workers = 2, .anew = 1};
    struct sim_pack_made made;
    sim_status status = SIM_OK;
    for (int64_t i = 0; i < r->images && status == SIM_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "n%08d/n%08d_%lld.JPEG", (int)(i % CLASSES), (int)(i % CLASSES),
                 (long long)i);
        status = sim_catalogue_add(&source.list, name, FILE_BYTES, NULL);
    }
    if (status == SIM_OK) status = sim_catalogue_finish(&source.list, path);
    double start = sim_now_s();
    if (status == SIM_OK) status = sim_pack_write(&c, &made);
    r->made_img_s = (double)r->images / (sim_now_s() - start);
    sim_pack_source_close(&source);
    return status;
}

/* ---------------------------------------------------------------- measuring */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of an opening; drop: the file's pages leave the system's memory first. */
static sim_status time_open(const char *path, int drop, double *median_s)
{
    double s[ROUNDS];
    for (int k = 0; k < ROUNDS; k++) {
        struct sim_images set;
        int fd = drop ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
        }
        double start = sim_now_s();
        SIM_TRY(sim_pack_open(&set, path));
        s[k] = sim_now_s() - start;
        sim_images_close(&set);
    }
    qsort(s, ROUNDS, sizeof *s, compare);
    *median_s = s[ROUNDS / 2];
    return SIM_OK;
}

static sim_status time_files(const char *path, double *file_s)
{
    struct sim_pack p;
    const uint8_t *bytes;
    size_t count;
    SIM_TRY(sim_pack_map(&p, path));
    sim_status status = SIM_OK;
    for (int64_t i = 0; i < p.images && status == SIM_OK; i++) status = sim_pack_file(&p, i, &bytes, &count);
    struct sim_rng r = sim_rng_make(0, SIM_PURPOSE_TEST, 0, 0, 0);
    double start = sim_now_s();
    for (int k = 0; k < FINDS && status == SIM_OK; k++)
        status = sim_pack_file(&p, sim_rng_below(&r, (uint32_t)p.images), &bytes, &count);
    *file_s = (sim_now_s() - start) / FINDS;
    sim_pack_unmap(&p);
    return status;
}

static sim_status measure(const char *folder, struct result *r)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/bench-%lld.pack", folder, (long long)r->images) >= (int)sizeof path)
        return sim_fail(SIM_EINVAL, "%s: this path is too long", folder);
    sim_status status = make_pack(path, r);
    if (status == SIM_OK) status = time_open(path, 0, &r->cached_s);
    if (status == SIM_OK) status = time_open(path, 1, &r->dropped_s);
    if (status == SIM_OK) status = time_files(path, &r->file_s);
    unlink(path);
    return status;
}

int main(int argc, char **argv)
{
    struct result few = {.images = FEW}, many = {.images = argc > 2 ? atoll(argv[2]) : IMAGENET};
    if (argc < 2 || argc > 3 || many.images < CLASSES) {
        fprintf(stderr, "usage: bench_pack FOLDER [IMAGES, at least %d]\n", (int)CLASSES);
        return 2;
    }
    struct result *results[] = {&few, &many};
    printf("%10s  %14s  %14s  %12s  %14s\n", "images", "open, cached", "open, dropped", "file", "packed");
    for (int k = 0; k < 2; k++) {
        struct result *r = results[k];
        if (measure(argv[1], r) != SIM_OK) {
            fprintf(stderr, "bench_pack: %s\n", sim_error_text());
            return 1;
        }
        printf("%10lld  %11.3f ms  %11.3f ms  %9.3f us  %9.0f img/s\n", (long long)r->images,
               r->cached_s * 1e3, r->dropped_s * 1e3, r->file_s * 1e6, r->made_img_s);
    }
    printf("{\"images\": %lld, \"open_cached_s\": %.6f, \"open_dropped_s\": %.6f, \"file_s\": %.9f}\n",
           (long long)many.images, many.cached_s, many.dropped_s, many.file_s);
    return 0;
}
