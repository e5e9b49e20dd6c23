#include "pack_trial.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encode.h"
#include "file.h"
#include "support.h"

const char *trial_at(const char *folder, const char *name)
{
    static char path[8][1024];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

void trial_put(const char *path, const void *bytes, size_t count)
{
    char folder[1024];
    snprintf(folder, sizeof folder, "%.*s", (int)(basename(path) - path) - 1, path);
    test_ok(sim_make_folder(folder));
    unlink(
        path); /* ext4 writes a file that is cut and filled again to the disk at once: tests make thousands */
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    fclose(f);
}

void trial_picture(const char *path, int w, int h, int seed)
{
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3), *jpeg = NULL;
    void *png = NULL;
    size_t count;
    for (int i = 0; i < w * h * 3; i++)
        rgb[i] = (uint8_t)(i / 3 % w * 5 + i / 3 / w * 3 + seed * (17 + i % 3));
    if (strstr(path, ".png"))
        test_ok(sim_png_encode(rgb, w, h, &png, &count));
    else
        test_ok(sim_jpeg_encode(rgb, w, h, 90, &jpeg, &count));
    trial_put(path, png ? png : jpeg, count);
    free(png);
    free(jpeg);
    free(rgb);
}

void trial_set(const char *folder, int classes, int each)
{
    char name[64];
    for (int k = 0; k < classes; k++)
        for (int i = 0; i < each; i++) {
            snprintf(name, sizeof name, "class%d/%02d.%s", k, i, i % 3 ? "JPEG" : "png");
            trial_picture(trial_at(folder, name), 20 + 7 * (i % 4), 24 + 5 * (i % 3), k * each + i);
        }
}

static int plain(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

void trial_tar(const char *tar, const char *folder)
{
    struct dirent **list;
    int n = scandir(folder, &list, plain, alphasort);
    struct archive *a = archive_write_new();
    ck_assert_int_gt(n, 0);
    archive_write_set_format_gnutar(a);
    ck_assert_int_eq(archive_write_open_filename(a, tar), ARCHIVE_OK);
    for (int i = 0; i < n; i++) {
        char *bytes;
        size_t count;
        struct archive_entry *e = archive_entry_new();
        test_ok(sim_file_read(trial_at(folder, list[i]->d_name), 1 << 24, &bytes, &count));
        archive_entry_set_pathname(e, list[i]->d_name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)count);
        ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
        ck_assert_int_eq((long)archive_write_data(a, bytes, count), (long)count);
        archive_entry_free(e);
        free(bytes);
        free(list[i]);
    }
    free(list);
    ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

sim_status trial_pack_as(const struct sim_pack_source_config *from, struct sim_pack_config *c,
                         struct sim_pack_made *made)
{
    struct sim_pack_source source;
    SIM_TRY(sim_pack_source_open(&source, from));
    c->source = &source;
    c->workers = 2;
    sim_status status = sim_pack_write(c, made);
    sim_pack_source_close(&source);
    return status;
}

struct sim_pack_made trial_pack(const char *source, const char *pack)
{
    struct sim_pack_config c = {.path = pack};
    struct sim_pack_made made;
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = source}, &c, &made));
    return made;
}
