/* Image folders and archives of them: what is taken, how it is labelled, and archives that were cut, clash or
 * climb. */
#include "images.h"
#include "made_archive.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

/* "label:name" of every image, relative to the set's own prefix. */
static const char *listing(const struct sim_images *s)
{
    static char text[4096];
    text[0] = 0;
    for (int64_t i = 0; i < s->count; i++) {
        char name[512];
        s->name(s->self, i, name, sizeof name);
        const char *class = s->class_name(s->self, s->label(s->self, i)), *at = name + strlen(name);
        size_t n = strlen(class);
        while (at > name && !(strchr("/ ", at[-1]) && strncmp(at, class, n) == 0 && at[n] == '/')) at--;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d:%s", i ? " " : "",
                 (int)s->label(s->self, i), at);
    }
    return text;
}

/* ------------------------------------------------------------------ both forms */

static const struct made_item small_set[] = {
    {"set/", NULL, NULL, NULL},
    {"set/val/zebra/1.png", "PNG", NULL, NULL},
    {"set/train/", NULL, NULL, NULL},
    {"set/train/b/", NULL, NULL, NULL},
    {"set/train/b/2.jpg", "not decoded here", NULL, NULL},
    {"set/train/a-b/9.JPEG", "nor here", NULL, NULL},
    {"set/train/a/y.png", "PNG", NULL, NULL},
    {"set/train/a/deeper/x.png", "PNG", NULL, NULL},
    {"set/train/a/readme.txt", "no image", NULL, NULL},
    {"set/train/a/.hidden.png", "PNG", NULL, NULL},
    {"set/train/a/nameless", "PNG", NULL, NULL},
    {"set/train/stray.png", "PNG", NULL, NULL},
    {"set/LICENSE", "words", NULL, NULL},
};
static const char small_listing[] = "0:a/deeper/x.png 0:a/nameless 0:a/y.png 1:a-b/9.JPEG 2:b/2.jpg";

START_TEST(every_packing_and_the_folder_agree)
{
    char path[700], inside[800];
    const char *folder = test_scratch();
    struct sim_images s;
    made_picture_open();
    made_lay_out(folder, small_set, COUNT(small_set));
    snprintf(path, sizeof path, "%s/set/train/", folder);
    test_ok(sim_folder_open(&s, path));
    char hash[17];
    memcpy(hash, s.manifest_hash, sizeof hash);
    ck_assert_str_eq(listing(&s), small_listing);
    ck_assert_int_eq(s.classes, 3);
    sim_images_close(&s);
    for (int how = 0; how < PACKINGS; how++) {
        snprintf(path, sizeof path, "%s/x.%s", folder, made_endings[how]);
        made_pack(path, (enum packing)how, small_set, COUNT(small_set));
        for (int k = 0; k < 2; k++) {
            snprintf(inside, sizeof inside, "%s:%s", path, k ? "/set//./train/" : "set/train");
            test_ok(sim_archive_open(&s, inside));
            ck_assert_str_eq(listing(&s), small_listing);
            ck_assert_str_eq(s.manifest_hash, hash);
            struct sim_image im;
            test_ok(s.read(s.self, 2, &im));
            ck_assert_int_eq(im.width, 3);
            ck_assert_int_eq(im.height, 2);
            ck_assert_int_eq(im.rgb[15], 250);
            sim_image_close(&im);
            test_fails(s.read(s.self, 4, &im), "b/2.jpg");
            sim_images_close(&s);
        }
    }
}
END_TEST

START_TEST(paths_may_hold_colons)
{
    char path[700], inside[800];
    struct sim_images s;
    made_picture_open();
    snprintf(path, sizeof path, "%s/a:b.tar", test_scratch());
    static const struct made_item items[] = {{"c:d/k/1.png", "PNG", NULL, NULL}};
    made_pack(path, PLAIN, items, 1);
    snprintf(inside, sizeof inside, "%s:c:d", path);
    test_ok(sim_archive_open(&s, inside));
    ck_assert_str_eq(s.class_name(s.self, 0), "k");
    sim_images_close(&s);
}
END_TEST

START_TEST(missing_and_pointless_paths_are_named)
{
    char path[700], inside[800];
    const char *folder = test_scratch();
    struct sim_images s;
    made_picture_open();
    snprintf(path, sizeof path, "%s/x.tar", folder);
    made_pack(path, PLAIN, small_set, COUNT(small_set));
    snprintf(inside, sizeof inside, "%s:set/trian", path);
    test_fails(sim_archive_open(&s, inside), "no folder 'set/trian'");
    snprintf(inside, sizeof inside, "%s:../set", path);
    test_fails(sim_archive_open(&s, inside), "..");
    snprintf(inside, sizeof inside, "%s/y.tar:set", folder);
    test_fails(sim_archive_open(&s, inside), "no archive");
    static const struct made_item nested[] = {{"only/train/a/1.png", "PNG", NULL, NULL},
                                              {"only/val/a/1.png", "PNG", NULL, NULL}};
    made_pack(path, PLAIN, nested, COUNT(nested));
    test_fails(sim_archive_open(&s, path), "only/train"); /* says where the classes probably are */
    static const struct made_item empty_class[] = {
        {"a/1.png", "PNG", NULL, NULL}, {"b/", NULL, NULL, NULL}, {"c/n.txt", "n", NULL, NULL}};
    made_pack(path, PLAIN, empty_class, COUNT(empty_class));
    test_fails(sim_archive_open(&s, path), "class folder 'b'");
    char scratch[600];
    snprintf(scratch, sizeof scratch, "%s", test_scratch());
    made_lay_out(scratch, empty_class, COUNT(empty_class));
    test_fails(sim_folder_open(&s, scratch), "class folder 'b'");
    made_pack(path, PLAIN, NULL, 0);
    test_fails(sim_archive_open(&s, path), "no JPEG or PNG");
    snprintf(scratch, sizeof scratch, "%s", test_scratch());
    test_fails(sim_folder_open(&s, scratch), "no JPEG or PNG");
    made_put(scratch, "stray.png", made_picture, made_picture_bytes);
    test_fails(sim_folder_open(&s, scratch), "stray.png");
    snprintf(inside, sizeof inside, "%s/absent", scratch);
    test_fails(sim_folder_open(&s, inside), "absent");
    made_put(scratch, "a/1.png", made_picture, made_picture_bytes);
    snprintf(inside, sizeof inside, "%s/a", scratch);
    if (geteuid() != 0) {
        chmod(inside, 0);
        test_fails(sim_folder_open(&s, scratch), "cannot read the folder");
        chmod(inside, 0700);
    }
    snprintf(path, sizeof path, "%s/loop", inside);
    ck_assert_int_eq(symlink(inside, path), 0);
    test_fails(sim_folder_open(&s, scratch), "loop");
}
END_TEST

/* ------------------------------------------------------------------ odd members */

START_TEST(clashes_links_and_climbing_names)
{
    char path[700];
    struct sim_images s;
    made_picture_open();
    snprintf(path, sizeof path, "%s/odd.tar", test_scratch());
    static const struct made_item items[] = {
        {"a/1.png", "old bytes", NULL, NULL},
        {"./a/2.png", "PNG", NULL, NULL},
        {"a/link.png", NULL, "a/2.png", NULL},
        {"a/far.png", NULL, "elsewhere/2.png", NULL},
        {"a/soft.png", NULL, NULL, "/etc/passwd"},
        {"../a/up.png", "PNG", NULL, NULL},
        {"b/../../c/up.png", "PNG", NULL, NULL},
        {"/b/rooted.png", "PNG", NULL, NULL},
        {"a/1.png", "PNG", NULL, NULL},
        {".git/x.png", "PNG", NULL, NULL},
    };
    made_pack(path, PLAIN, items, COUNT(items));
    test_ok(sim_archive_open(&s, path));
    ck_assert_str_eq(listing(&s), "0:a/1.png 0:a/2.png 0:a/link.png 1:b/rooted.png");
    for (int64_t i = 0; i < s.count; i++) { /* the second a/1.png won, the link leads to the picture */
        struct sim_image im;
        test_ok(s.read(s.self, i, &im));
        ck_assert_int_eq(im.width, 3);
        sim_image_close(&im);
    }
    sim_images_close(&s);
}
END_TEST

START_TEST(long_and_foreign_names)
{
    char path[700], name[400];
    struct sim_images s;
    made_picture_open();
    snprintf(path, sizeof path, "%s/long.tar", test_scratch());
    memset(name, 'n', sizeof name);
    memcpy(name, "k/", 2);
    memcpy(name + 300, ".png", 5);
    const struct made_item items[] = {{name, "PNG", NULL, NULL},
                                      {"kl\xc3\xa4sse/\xe7\x8c\xab.png", "PNG", NULL, NULL}};
    made_pack(path, PLAIN, items, COUNT(items));
    test_ok(sim_archive_open(&s, path));
    ck_assert_int_eq(s.count, 2);
    ck_assert_str_eq(s.class_name(s.self, 0), "k");
    ck_assert_str_eq(s.class_name(s.self, 1), "kl\xc3\xa4sse");
    sim_images_close(&s);
}
END_TEST

/* ------------------------------------------------------------------ damage */

static uint8_t *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size);
    ck_assert_uint_eq(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

/* Cut anywhere, an archive is an error that names it; after a few members, the last whole one too.  Only
 * padding behind plain tar's end may be missing. */
START_TEST(archives_cut_short)
{
    static const struct made_item items[] = {{"a/", NULL, NULL, NULL},
                                             {"a/1.png", "PNG", NULL, NULL},
                                             {"a/2.png", "PNG", NULL, NULL},
                                             {"b/readme", "words that nobody reads", NULL, NULL},
                                             {"b/3.png", "PNG", NULL, NULL}};
    char whole[700], cut[700];
    made_picture_open();
    for (int how = 0; how < PACKINGS; how++) {
        const char *folder = test_scratch();
        snprintf(whole, sizeof whole, "%s/whole.%s", folder, made_endings[how]);
        snprintf(cut, sizeof cut, "%s/cut.%s", folder, made_endings[how]);
        made_pack(whole, (enum packing)how, items, COUNT(items));
        size_t size, named = 0;
        uint8_t *bytes = slurp(whole, &size);
        struct sim_images s;
        test_ok(sim_archive_open(&s, whole));
        ck_assert_int_eq(s.count, 3);
        sim_images_close(&s);
        for (size_t n = 0; n < size; n += how == PLAIN ? 64 : 1) {
            made_put(folder, strrchr(cut, '/') + 1, bytes, n);
            sim_status status = sim_archive_open(&s, cut);
            if (how == PLAIN && n + 512 >= size) { /* one closing block of the two still stands */
                ck_assert_msg(status == SIM_OK, "plain tar cut at %zu of %zu: %s", n, size, sim_error_text());
                sim_images_close(&s);
                continue;
            }
            ck_assert_msg(status == SIM_EFORMAT, "%s cut at %zu of %zu is taken (%d)", made_endings[how], n,
                          size, status);
            ck_assert_msg(strstr(sim_error_text(), cut) != NULL, "%s", sim_error_text());
            named += strstr(sim_error_text(), "last whole member is 'a/2.png'") != NULL;
        }
        if (how == PLAIN) ck_assert_uint_ge(named, 8);
        free(bytes);
    }
}
END_TEST

/* Bytes changed in the middle: an error or a set, never a crash (run under the sanitizers too). */
START_TEST(archives_with_flipped_bytes)
{
    char path[700];
    made_picture_open();
    for (int how = 0; how < PACKINGS; how++) {
        const char *folder = test_scratch();
        snprintf(path, sizeof path, "%s/x.%s", folder, made_endings[how]);
        made_pack(path, (enum packing)how, small_set, COUNT(small_set));
        size_t size;
        uint8_t *bytes = slurp(path, &size);
        for (size_t n = 0; n < size; n += 1 + size / 150) {
            bytes[n] ^= (uint8_t)(1 + n % 255);
            made_put(folder, strrchr(path, '/') + 1, bytes, size);
            struct sim_images s;
            if (sim_archive_open(&s, path) == SIM_OK) {
                for (int64_t i = 0; i < s.count; i++) {
                    struct sim_image im = {0};
                    if (s.read(s.self, i, &im) == SIM_OK) sim_image_close(&im);
                }
                sim_images_close(&s);
            }
            bytes[n] ^= (uint8_t)(1 + n % 255);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(what_is_no_archive)
{
    char path[700];
    const char *folder = test_scratch();
    struct sim_images s;
    snprintf(path, sizeof path, "%s/x.tar", folder);
    static const char *const junk[] = {"", "x", "hello, this is a letter and no archive at all\n"};
    for (int k = 0; k < 3; k++) {
        made_put(folder, "x.tar", junk[k], strlen(junk[k]));
        test_fails(sim_archive_open(&s, path), "x.tar");
        ck_assert_msg(strstr(sim_error_text(), "no tar archive"), "%s", sim_error_text());
    }
    uint8_t noise[20000];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(i * i * 31 >> 3);
    made_put(folder, "x.tar", noise, sizeof noise);
    test_fails(sim_archive_open(&s, path), "x.tar");
}
END_TEST

/* ------------------------------------------------------------------ choosing, limiting, agreeing */

START_TEST(limits_are_balanced_and_nested)
{
    const char *folder = test_scratch();
    char path[600];
    snprintf(path, sizeof path, "%s", folder);
    made_picture_open();
    static const int sizes[] = {3, 20, 11};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < sizes[k]; i++) {
            char name[64];
            snprintf(name, sizeof name, "class%d/%03d.png", k, i);
            made_put(path, name, made_picture, made_picture_bytes);
        }
    struct sim_data_config c = {.kind = SIM_DATA_FOLDER};
    snprintf(c.train, sizeof c.train, "%s", path);
    snprintf(c.val, sizeof c.val, "%s", path);
    static const struct {
        int limit, want[3];
    } cases[] = {{9, {3, 3, 3}}, {15, {3, 6, 6}}, {27, {3, 13, 11}}, {34, {3, 20, 11}}, {0, {3, 20, 11}}};
    char before[4096] = "";
    for (int k = 0; k < COUNT(cases); k++) {
        struct sim_images s;
        c.limit_train = cases[k].limit;
        test_ok(sim_images_open(&s, &c, SIM_TRAIN, 7));
        int met[3] = {0};
        for (int64_t i = 0; i < s.count; i++) met[s.label(s.self, i)]++;
        ck_assert_int_eq(s.count, cases[k].limit ? cases[k].limit : 34);
        for (int j = 0; j < 3; j++) ck_assert_int_eq(met[j], cases[k].want[j]);
        if (k == 1) { /* the smaller draw is part of the larger */
            char copy[4096];
            snprintf(copy, sizeof copy, "%s", before);
            for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
                ck_assert_msg(strstr(listing(&s), word) != NULL, "%s of the smaller draw is absent", word);
        }
        snprintf(before, sizeof before, "%s", listing(&s));
        sim_images_close(&s);
    }
    struct sim_images a, b;
    char first[4096], hash[17];
    c.limit_train = c.limit_val = 10;
    test_ok(sim_images_open(&a, &c, SIM_TRAIN, 7));
    snprintf(first, sizeof first, "%s", listing(&a));
    memcpy(hash, a.manifest_hash, sizeof hash);
    sim_images_close(&a);
    test_ok(sim_images_open(&a, &c, SIM_TRAIN, 7));
    ck_assert_str_eq(listing(&a), first);
    ck_assert_str_eq(a.manifest_hash, hash);
    test_ok(sim_images_open(&b, &c, SIM_TRAIN, 8));
    ck_assert_str_ne(listing(&b), first);
    ck_assert_str_ne(b.manifest_hash, hash);
    sim_images_close(&a);
    sim_images_close(&b);
    c.limit_train = 35;
    test_fails(sim_images_open(&a, &c, SIM_TRAIN, 7), "34");
}
END_TEST

START_TEST(splits_must_agree)
{
    char path[700];
    const char *folder = test_scratch();
    struct sim_data_config c = {.kind = SIM_DATA_FOLDER};
    struct sim_images train, val;
    made_picture_open();
    snprintf(path, sizeof path, "%s/x.tar", folder);
    static const struct made_item items[] = {
        {"train/a/1.png", "PNG", NULL, NULL}, {"train/b/1.png", "PNG", NULL, NULL},
        {"same/a/2.png", "PNG", NULL, NULL},  {"same/b/2.png", "PNG", NULL, NULL},
        {"less/a/2.png", "PNG", NULL, NULL},  {"other/a/2.png", "PNG", NULL, NULL},
        {"other/c/2.png", "PNG", NULL, NULL}};
    made_pack(path, ZSTD, items, COUNT(items));
    snprintf(c.train, sizeof c.train, "%s/x.tar:train", folder);
    test_ok(sim_images_open(&train, &c, SIM_TRAIN, 0));
    static const char *const vals[] = {"same", "less", "other"};
    for (int k = 0; k < 3; k++) {
        snprintf(c.val, sizeof c.val, "%s/x.tar:%s", folder, vals[k]);
        test_ok(sim_images_open(&val, &c, SIM_VAL, 0));
        if (k == 0)
            test_ok(sim_images_agree(&train, &val));
        else
            test_fails(sim_images_agree(&train, &val),
                       k == 1 ? "absent in val" : "'b' in train and 'c' in val");
        sim_images_close(&val);
    }
    sim_images_close(&train);
    c.val[0] = 0;
    test_fails(sim_images_open(&val, &c, SIM_VAL, 0), "data.val is empty");
    snprintf(c.val, sizeof c.val, "%s/nothing", folder);
    test_fails(sim_images_open(&val, &c, SIM_VAL, 0), "data.val");
}
END_TEST

START_TEST(cifar10_straight_from_its_archive)
{
    const char *path = test_shared("data/cifar10.tar.xz");
    if (!path) return;
    struct sim_data_config c = {.kind = SIM_DATA_FOLDER, .limit_train = 1000};
    struct sim_images train, val;
    snprintf(c.train, sizeof c.train, "%s:cifar10/train", path);
    snprintf(c.val, sizeof c.val, "%s:cifar10/val", path);
    test_ok(sim_images_open(&train, &c, SIM_TRAIN, 0));
    test_ok(sim_images_open(&val, &c, SIM_VAL, 0));
    test_ok(sim_images_agree(&train, &val));
    ck_assert_int_eq(train.count, 1000);
    ck_assert_int_eq(val.count, 5000);
    ck_assert_str_eq(train.class_name(train.self, 0), "airplane");
    ck_assert_str_eq(train.class_name(train.self, 9), "truck");
    for (int64_t i = 0; i < train.count; i += 37) {
        struct sim_image im;
        test_ok(train.read(train.self, i, &im));
        ck_assert(im.width == 32 && im.height == 32);
        sim_image_close(&im);
    }
    sim_images_close(&train);
    sim_images_close(&val);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *reading = tcase_create("reading"), *damage = tcase_create("damage"), *sets = tcase_create("sets");
    tcase_set_timeout(reading, 60);
    tcase_set_timeout(damage, 120);
    tcase_set_timeout(sets, 120);
    tcase_add_test(reading, every_packing_and_the_folder_agree);
    tcase_add_test(reading, paths_may_hold_colons);
    tcase_add_test(reading, missing_and_pointless_paths_are_named);
    tcase_add_test(reading, clashes_links_and_climbing_names);
    tcase_add_test(reading, long_and_foreign_names);
    tcase_add_test(damage, archives_cut_short);
    tcase_add_test(damage, archives_with_flipped_bytes);
    tcase_add_test(damage, what_is_no_archive);
    tcase_add_test(sets, limits_are_balanced_and_nested);
    tcase_add_test(sets, splits_must_agree);
    tcase_add_test(sets, cifar10_straight_from_its_archive);
    suite_add_tcase(suite, reading);
    suite_add_tcase(suite, damage);
    suite_add_tcase(suite, sets);
    return test_run(suite);
}
