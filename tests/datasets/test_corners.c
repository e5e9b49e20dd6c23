/* One small file for every corner of JPEG and PNG (datasets/corners, made by reference/corner_images.py),
 * read as a set of images: pixel for pixel what Pillow 9.4 makes of it, as it lies and turned as its EXIF
 * data ask; what Pillow refuses is refused by name. */
#include "exif.h"
#include "images.h"
#include "made_archive.h"
#include "pack_trial.h"
#include "pillow_pixels.h"
#include "support.h"

#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200 };

struct corner {
    char name[64];
    struct pillow_pixels as_is, turned;
    int seen;
};

static int read_table(struct corner table[MOST])
{
    char line[256];
    int count = 0;
    FILE *f = fopen(test_path("datasets/corner_hashes.txt"), "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        struct corner c = {.seen = 0};
        if (line[0] == '#') continue;
        ck_assert_int_lt(count, MOST);
        ck_assert_int_eq(sscanf(line, "%63s %d %d %23s %d %d %23s", c.name, &c.as_is.width, &c.as_is.height,
                                c.as_is.hash, &c.turned.width, &c.turned.height, c.turned.hash),
                         7);
        table[count++] = c;
    }
    fclose(f);
    return count;
}

/* Every image of the set against its line in the table. */
static void check_set(const char *path, int exif)
{
    static struct corner table[MOST];
    int count = read_table(table);
    struct sim_data_config c = {.kind = SIM_DATA_FOLDER, .exif = exif};
    struct sim_images set;
    snprintf(c.train, sizeof c.train, "%s", path);
    test_ok(sim_images_open(&set, &c, SIM_TRAIN, 0));
    ck_assert_int_eq(set.count, count);
    for (int64_t i = 0; i < set.count; i++) {
        char name[1024];
        struct sim_image im;
        set.name(set.self, i, name, sizeof name);
        for (int k = 0; k < count; k++) {
            size_t n = strlen(table[k].name), m = strlen(name);
            if (m <= n || !strchr("/ ", name[m - n - 1]) || strcmp(name + m - n, table[k].name) != 0)
                continue;
            sim_status s = set.read(set.self, i, &im);
            pillow_compare(table[k].name, exif ? &table[k].turned : &table[k].as_is, s, &im);
            table[k].seen = 1;
        }
    }
    for (int k = 0; k < count; k++) ck_assert_msg(table[k].seen, "%s was not read", table[k].name);
    sim_images_close(&set);
}

START_TEST(corners_are_pillows)
{
    check_set(test_path("datasets/corners"), SIM_EXIF_IGNORE);
}
END_TEST

START_TEST(corners_turned_are_pillows)
{
    check_set(test_path("datasets/corners"), SIM_EXIF_HONOUR);
}
END_TEST

/* From an archive too. */
START_TEST(archived_images_are_turned)
{
    static char file[1 << 14];
    char path[700];
    struct sim_images set;
    struct sim_image im;
    FILE *f = fopen(test_path("datasets/corners/jpeg/exif_6.jpg"), "rb");
    ck_assert_ptr_nonnull(f);
    size_t size = fread(file, 1, sizeof file, f);
    fclose(f);
    snprintf(path, sizeof path, "%s/x.tar", test_scratch());
    struct archive *a = made_archive_open(path, PLAIN);
    made_member(a, "a/exif_6.jpg", (int64_t)size);
    ck_assert_int_eq((long)archive_write_data(a, file, size), (long)size);
    made_archive_close(a);
    for (int exif = SIM_EXIF_IGNORE; exif <= SIM_EXIF_HONOUR; exif++) {
        test_ok(sim_archive_open(&set, path));
        test_ok(sim_images_take_exif(&set, exif, "data.train"));
        test_ok(set.read(set.self, 0, &im));
        ck_assert_int_eq(im.width, exif ? 23 : 37);
        sim_image_close(&im);
        sim_images_close(&set);
    }
}
END_TEST

/* A pack keeps the files as they are, EXIF data with them, unless it encodes them anew. */
START_TEST(packed_corners_are_pillows)
{
    char pack[700], source[1024];
    struct sim_images set;
    struct sim_pack_made made;
    snprintf(source, sizeof source, "%s", test_path("datasets/corners"));
    snprintf(pack, sizeof pack, "%s/x.pack", test_scratch());
    trial_pack(source, pack);
    check_set(pack, SIM_EXIF_IGNORE);
    check_set(pack, SIM_EXIF_HONOUR);
    struct sim_pack_config small = {
        .path = pack, .short_side = 8, .quality = 90, .keep_damaged = 1, .anew = 1};
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = source}, &small, &made));
    test_ok(sim_pack_open(&set, pack));
    test_fails(sim_images_take_exif(&set, SIM_EXIF_HONOUR, "data.train"),
               "no image of this set has EXIF data left");
    sim_images_close(&set);
}
END_TEST

/* A set that knows nothing of EXIF says so, where it would be asked for. */
START_TEST(a_set_that_cannot_turn_says_so)
{
    struct sim_data_config c = {
        .procedural_train_per_class = 1, .procedural_val_per_class = 1, .procedural_size = 16};
    struct sim_images set;
    c.exif = SIM_EXIF_HONOUR; /* made-up images have none to honour */
    test_ok(sim_images_open(&set, &c, SIM_TRAIN, 0));
    test_ok(sim_images_take_exif(&set, SIM_EXIF_IGNORE, "data.train"));
    test_fails(sim_images_take_exif(&set, SIM_EXIF_HONOUR, "data.train"),
               "data.train: data.exif: honour cannot be had");
    sim_images_close(&set);
}
END_TEST

/* Whatever the bytes, an orientation from 1 to 8; the sanitizers see to the rest. */
START_TEST(cut_and_damaged_exif)
{
    static const char *const names[] = {"jpeg/exif_6.jpg", "jpeg/exif_big_endian.jpg", "jpeg/exif_long.jpg",
                                        "png/exif_6.png"};
    for (int k = 0; k < 4; k++) {
        static uint8_t file[1 << 14];
        char path[200];
        snprintf(path, sizeof path, "datasets/corners/%s", names[k]);
        FILE *f = fopen(test_path(path), "rb");
        ck_assert_ptr_nonnull(f);
        size_t size = fread(file, 1, sizeof file, f), most = size < 250 ? size : 250;
        fclose(f);
        for (size_t n = 0; n <= most; n++) {
            uint8_t *part =
                malloc(n ? n : 1); /* its own block: reading on is an error under AddressSanitizer */
            memcpy(part, file, n);
            int o = sim_exif_orientation(part, n);
            ck_assert(o >= 1 && o <= 8);
            for (size_t at = 0; at < n && n == most; at++)
                for (int bit = 0; bit < 8; bit++) {
                    part[at] ^= (uint8_t)(1 << bit);
                    o = sim_exif_orientation(part, n);
                    ck_assert(o >= 1 && o <= 8);
                    part[at] ^= (uint8_t)(1 << bit);
                }
            free(part);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("corners");
    TCase *c = tcase_create("corners");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, corners_are_pillows);
    tcase_add_test(c, corners_turned_are_pillows);
    tcase_add_test(c, archived_images_are_turned);
    tcase_add_test(c, packed_corners_are_pillows);
    tcase_add_test(c, a_set_that_cannot_turn_says_so);
    tcase_add_test(c, cut_and_damaged_exif);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
