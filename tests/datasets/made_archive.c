#include "made_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "images.h"
#include "support.h"

const char *const made_endings[PACKINGS] = {"tar", "tar.gz", "tar.xz", "tar.zst"};
uint8_t made_picture[4096];
size_t made_picture_bytes;

void made_picture_open(void)
{
    static const uint8_t rgb[18] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 40, 50, 60, 250, 251, 252};
    char path[600];
    snprintf(path, sizeof path, "%s/p.png", test_scratch());
    test_ok(sim_png_write(path, rgb, 3, 2));
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    made_picture_bytes = fread(made_picture, 1, sizeof made_picture, f);
    fclose(f);
    ck_assert(made_picture_bytes > 50 && made_picture_bytes < sizeof made_picture);
}

static const void *contents(const struct made_item *i, size_t *size)
{
    int real = i->text && strcmp(i->text, "PNG") == 0;
    *size = real ? made_picture_bytes : i->text ? strlen(i->text) : 0;
    return real ? (const void *)made_picture : i->text;
}

struct archive *made_archive_open(const char *path, enum packing how)
{
    struct archive *a = archive_write_new();
    if (how == GZIP) archive_write_add_filter_gzip(a);
    if (how == XZ) archive_write_add_filter_xz(a);
    if (how == ZSTD) archive_write_add_filter_zstd(a);
    archive_write_set_format_pax_restricted(a);
    archive_write_set_bytes_in_last_block(a, 1);
    ck_assert_int_eq(archive_write_open_filename(a, path), ARCHIVE_OK);
    return a;
}

void made_member(struct archive *a, const char *name, int64_t size)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, size);
    ck_assert_msg(archive_write_header(a, e) == ARCHIVE_OK, "%s", archive_error_string(a));
    archive_entry_free(e);
}

void made_archive_close(struct archive *a)
{
    ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

void made_pack(const char *path, enum packing how, const struct made_item *items, int count)
{
    struct archive *a = made_archive_open(path, how);
    for (int k = 0; k < count; k++) {
        size_t size;
        const void *data = contents(&items[k], &size);
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, items[k].name);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_filetype(e, items[k].name[strlen(items[k].name) - 1] == '/' ? AE_IFDIR : AE_IFREG);
        if (items[k].soft) {
            archive_entry_set_filetype(e, AE_IFLNK);
            archive_entry_set_symlink(e, items[k].soft);
        }
        if (items[k].hard) archive_entry_set_hardlink(e, items[k].hard);
        archive_entry_set_size(e, (la_int64_t)size);
        ck_assert_msg(archive_write_header(a, e) >= ARCHIVE_WARN, "%s", archive_error_string(a));
        if (size) ck_assert_int_eq((long)archive_write_data(a, data, size), (long)size);
        archive_entry_free(e);
    }
    made_archive_close(a);
}

void made_put(const char *folder, const char *name, const void *data, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    if (path[strlen(path) - 1] == '/') return;
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    if (size) ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    fclose(f);
}

void made_lay_out(const char *folder, const struct made_item *items, int count)
{
    for (int k = 0; k < count; k++) {
        size_t size;
        const void *data = contents(&items[k], &size);
        made_put(folder, items[k].name, data, size);
    }
}
