/* Archives of image folders: no bytes do harm, and every image of an accepted archive can be asked for. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "images.h"
#include "progress.h"
#include "seeds.h"

static char *png;
static size_t png_bytes;

/* A 2 x 2 picture as PNG bytes, by way of a file in the corpus folder. */
static void make_png(int argc, char **argv)
{
    static const uint8_t rgb[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    const char *path = fuzz_seed_path(argc, argv, "picture.png");
    if (!path) return;
    FUZZ_CHECK(sim_png_write(path, rgb, 2, 2) == SIM_OK);
    FUZZ_CHECK(sim_file_read(path, 4096, &png, &png_bytes) == SIM_OK);
}

/* Two classes with an image each, a link to one of them, and a file that is no image. */
static void seed_archive(int argc, char **argv, const char *name, int filter, int format)
{
    static const char *const names[] = {"set/cat/1.png", "set/dog/2.png", "set/cat/3.png", "set/readme.txt"};
    const char *path = fuzz_seed_path(argc, argv, name);
    if (!path || !png) return;
    struct archive *a = archive_write_new();
    archive_write_add_filter(a, filter);
    archive_write_set_format(a, format);
    archive_write_set_bytes_in_last_block(a, 1); /* no padding to ten kilobytes */
    FUZZ_CHECK(archive_write_open_filename(a, path) == ARCHIVE_OK);
    for (int i = 0; i < 4; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, names[i]);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        if (i == 2)
            archive_entry_set_hardlink(e, names[0]);
        else
            archive_entry_set_size(e, (la_int64_t)png_bytes);
        FUZZ_CHECK(archive_write_header(a, e) == ARCHIVE_OK);
        if (i != 2) archive_write_data(a, png, png_bytes);
        archive_entry_free(e);
    }
    FUZZ_CHECK(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    sim_progress_quiet(1);
    make_png(*argc, *argv);
    seed_archive(*argc, *argv, "plain.tar", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_USTAR);
    seed_archive(*argc, *argv, "pax.tar", ARCHIVE_FILTER_NONE, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
    seed_archive(*argc, *argv, "gnu.tar.gz", ARCHIVE_FILTER_GZIP, ARCHIVE_FORMAT_TAR_GNUTAR);
    seed_archive(*argc, *argv, "plain.tar.xz", ARCHIVE_FILTER_XZ, ARCHIVE_FORMAT_TAR_USTAR);
    seed_archive(*argc, *argv, "plain.tar.zst", ARCHIVE_FILTER_ZSTD, ARCHIVE_FORMAT_TAR_USTAR);
    free(png);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[FUZZ_PATH_BYTES];
    struct sim_images set = {0};
    int fd = fuzz_memory_file(bytes, count, path);
    if (sim_archive_open(&set, path) == SIM_OK) fuzz_read_all(&set);
    sim_images_close(&set);
    close(fd);
    return 0;
}
