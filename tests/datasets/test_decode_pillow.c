/* Every file of the shared image archives, decoded as Pillow 9.4 decodes it: datasets/pillow_hashes.txt holds
 * size and XXH64 of each (made by reference/pillow_hashes.py), or "error" where the file must be refused. */
#include "images.h"
#include "pillow_pixels.h"
#include "support.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expected {
    char archive[64], member[256];
    struct pillow_pixels pixels;
    int seen;
};

/* The lines of the table that concern one archive; the caller frees. */
static struct expected *read_table(const char *archive, int *count)
{
    FILE *f = fopen(test_path("datasets/pillow_hashes.txt"), "r");
    ck_assert_ptr_nonnull(f);
    struct expected *table = NULL, e = {0};
    char line[512];
    *count = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        ck_assert_int_eq(sscanf(line, "%63s %255s %d %d %23s", e.archive, e.member, &e.pixels.width,
                                &e.pixels.height, e.pixels.hash),
                         5);
        if (strcmp(e.archive, archive)) continue;
        table = realloc(table, ((size_t)*count + 1) * sizeof e);
        table[(*count)++] = e;
    }
    fclose(f);
    return table;
}

static void check(struct expected *e, const uint8_t *bytes, size_t size)
{
    struct sim_image im;
    sim_status s = sim_decode(bytes, size, e->member, &im);
    e->seen = 1;
    pillow_compare(e->member, &e->pixels, s, &im);
}

static void check_archive(const char *name)
{
    char shared[80];
    snprintf(shared, sizeof shared, "data/%s", name);
    const char *path = test_shared(shared);
    if (!path) return;
    int count;
    struct expected *table = read_table(name, &count);
    ck_assert_int_gt(count, 0);
    struct archive *a = archive_read_new();
    archive_read_support_filter_all(a);
    archive_read_support_format_tar(a);
    ck_assert_msg(archive_read_open_filename(a, path, 1 << 16) == ARCHIVE_OK, "%s: %s", path,
                  archive_error_string(a));
    for (struct archive_entry *entry; archive_read_next_header(a, &entry) == ARCHIVE_OK;) {
        const char *member = archive_entry_pathname(entry);
        size_t size = (size_t)archive_entry_size(entry);
        for (int i = 0; i < count; i++) {
            if (strcmp(table[i].member, member)) continue;
            uint8_t *bytes = malloc(size + 1);
            ck_assert_int_eq(archive_read_data(a, bytes, size), (la_ssize_t)size);
            check(&table[i], bytes, size);
            free(bytes);
        }
    }
    archive_read_free(a);
    for (int i = 0; i < count; i++) ck_assert_msg(table[i].seen, "%s without %s", path, table[i].member);
    free(table);
}

START_TEST(odd_and_damaged_jpegs)
{
    check_archive("jpeg.tar.xz");
}
END_TEST

START_TEST(every_kind_of_png)
{
    check_archive("pngsuite.tar.xz");
}
END_TEST

START_TEST(photos)
{
    check_archive("imagenet_samples.tar.xz");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode_pillow");
    TCase *c = tcase_create("archives");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, odd_and_damaged_jpegs);
    tcase_add_test(c, every_kind_of_png);
    tcase_add_test(c, photos);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
