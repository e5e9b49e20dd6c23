/* What can be packed, in the forms in which sets are published, and what is wrong with those that cannot. */
#include "pack_trial.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"
#include "progress.h"
#include "support.h"

static char folder[512];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "%s", test_scratch());
    sim_progress_quiet(1);
}

static const char *at(const char *name)
{
    return trial_at(folder, name);
}

static void put_text(const char *name, const char *text)
{
    trial_put(at(name), text, strlen(text));
}

/* "LABEL:CLASS/NAME" of every image of a pack. */
static const char *listing(const char *pack)
{
    static char text[4096];
    char path[256];
    struct sim_pack p;
    test_ok(sim_pack_map(&p, pack));
    text[0] = 0;
    for (int64_t i = 0; i < p.images; i++) {
        sim_pack_path(&p, i, path, sizeof path);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d:%s", i ? " " : "",
                 (int)sim_pack_label(&p, i), path);
    }
    sim_pack_unmap(&p);
    return text;
}

/* Image i of a pack has the bytes of that file. */
static void same_bytes(const char *pack, int64_t i, const char *file)
{
    struct sim_pack p;
    const uint8_t *bytes;
    size_t count, file_bytes;
    char *want;
    test_ok(sim_pack_map(&p, pack));
    test_ok(sim_pack_file(&p, i, &bytes, &count));
    test_ok(sim_file_read(file, 1 << 20, &want, &file_bytes));
    ck_assert_uint_eq(count, file_bytes);
    ck_assert_int_eq(memcmp(bytes, want, count), 0);
    free(want);
    sim_pack_unmap(&p);
}

static void refused(const struct sim_pack_source_config *from, const char *because)
{
    struct sim_pack_source s;
    sim_status status = sim_pack_source_open(&s, from);
    ck_assert_msg(status != SIM_OK, "%s is taken", from->path);
    ck_assert_msg(strstr(sim_error_text(), because) != NULL, "%s: \"%s\", without \"%s\"", from->path,
                  sim_error_text(), because);
}

static void pack_from(const struct sim_pack_source_config *from, const char *pack)
{
    struct sim_pack_config c = {.path = pack, .anew = 1};
    struct sim_pack_made made;
    test_ok(trial_pack_as(from, &c, &made));
}

/* ------------------------------------------------------------------ class folders */

START_TEST(a_folder_and_its_archive_make_one_pack)
{
    char command[2048];
    trial_set(at("set"), 2, 4);
    snprintf(command, sizeof command, "tar -C %s -czf %s set", folder, at("set.tar.gz"));
    ck_assert_int_eq(system(command), 0);
    trial_pack(at("set"), at("a.pack"));
    trial_pack(at("set.tar.gz:set"), at("b.pack"));
    test_same_files(at("a.pack"), at("b.pack"));
    put_text("set/backup.tar", "beside the classes");
    trial_pack(at("set"), at("c.pack"));
    test_same_files(at("a.pack"), at("c.pack"));
    refused(&(struct sim_pack_source_config){.path = at("set"), .val = 1}, "--val is for CIFAR");
    refused(&(struct sim_pack_source_config){.path = at("nowhere")}, "nothing to pack");
}
END_TEST

/* ------------------------------------------------------------------ ImageNet */

/* Three pictures in each of two class tars, and a file that is no picture. */
static void make_class_tars(void)
{
    char name[64];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "in/n0%d/n0%d_%d.JPEG", 2 - k, 2 - k, 10 - i);
            trial_picture(at(name), 30 + i, 20, 3 * k + i);
        }
        snprintf(name, sizeof name, "in/n0%d/notes.txt", 2 - k);
        put_text(name, "no picture");
    }
    test_ok(sim_make_folder(at("tars")));
    trial_tar(at("tars/n01.tar"), at("in/n01"));
    trial_tar(at("tars/n02.tar"), at("in/n02"));
}

START_TEST(a_tar_of_class_tars)
{
    static const char want[] = "0:n01/n01_10.JPEG 0:n01/n01_8.JPEG 0:n01/n01_9.JPEG "
                               "1:n02/n02_10.JPEG 1:n02/n02_8.JPEG 1:n02/n02_9.JPEG";
    make_class_tars();
    trial_tar(at("train.tar"), at("tars"));
    trial_pack(at("train.tar"), at("a.pack"));
    ck_assert_str_eq(listing(at("a.pack")), want);
    same_bytes(at("a.pack"), 4, at("in/n02/n02_8.JPEG"));
    trial_pack(at("tars"), at("b.pack")); /* the outer tar unpacked */
    test_same_files(at("a.pack"), at("b.pack"));
    trial_pack(at("in"), at("c.pack")); /* all of it unpacked: the same set, said to be from elsewhere */
    struct sim_pack a, c;
    test_ok(sim_pack_map(&a, at("a.pack")));
    test_ok(sim_pack_map(&c, at("c.pack")));
    ck_assert_uint_eq(a.header->manifest, c.header->manifest);
    ck_assert_uint_eq(a.header->tables_hash, c.header->tables_hash);
    sim_pack_unmap(&a);
    sim_pack_unmap(&c);
}
END_TEST

START_TEST(a_tar_of_tars_that_was_cut)
{
    char *bytes;
    size_t count;
    make_class_tars();
    trial_tar(at("train.tar"), at("tars"));
    test_ok(sim_file_read(at("train.tar"), 1 << 24, &bytes, &count));
    for (size_t n = 600; n < count - 10240; n += 700) { /* the last block is padding */
        struct sim_pack_source s;
        trial_put(at("cut.tar"), bytes, n);
        const struct sim_pack_source_config from = {.path = at("cut.tar")};
        sim_status status = sim_pack_source_open(&s, &from);
        if (status == SIM_OK) { /* cut between two members, or in the padding of one */
            ck_assert_int_ge(s.list.count, 3);
            sim_pack_source_close(&s);
        } else {
            ck_assert_ptr_nonnull(strstr(sim_error_text(), "cut.tar"));
        }
    }
    free(bytes);
}
END_TEST

static void make_val(void)
{
    char name[64];
    for (int i = 1; i <= 4; i++) {
        snprintf(name, sizeof name, "val/ILSVRC2012_val_0000000%d.JPEG", i);
        trial_picture(at(name), 30, 20 + i, i);
    }
    trial_tar(at("val.tar"), at("val"));
}

START_TEST(images_without_classes_and_a_list)
{
    static const char want[] = "0:n01/ILSVRC2012_val_00000002.JPEG 0:n01/ILSVRC2012_val_00000003.JPEG "
                               "1:n02/ILSVRC2012_val_00000001.JPEG 1:n02/ILSVRC2012_val_00000004.JPEG";
    make_val();
    put_text("order.txt", "n02\nn01\nn01\nn02\n");
    put_text("numbers.txt", "1\n2\n2\n1\n");
    put_text("map_clsloc.txt", "n01 2 fox\nn02 1 cat, of a kind\nn03 3 dog\n");
    put_text("plain.txt", "n02\nn01\n");
    put_text("solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000004,n02 1 2 3 4\n"
                             "ILSVRC2012_val_00000001,n02 85 1\nILSVRC2012_val_00000003,n01 5\n"
                             "ILSVRC2012_val_00000002,n01 6\n");
    put_text("annotations.txt",
             "ILSVRC2012_val_00000001.JPEG\tn02\t0\t1\r\nILSVRC2012_val_00000002.JPEG\tn01\t5\r\n"
             "ILSVRC2012_val_00000003.JPEG\tn01\t0\r\nILSVRC2012_val_00000004.JPEG\tn02\t5");
    static const char *const lists[][2] = {{"order.txt", NULL},
                                           {"numbers.txt", "map_clsloc.txt"},
                                           {"numbers.txt", "plain.txt"},
                                           {"solution.csv", NULL},
                                           {"annotations.txt", NULL}};
    for (int k = 0; k < 5; k++)
        for (int tar = 0; tar < 2; tar++) {
            const struct sim_pack_source_config from = {.path = at(tar ? "val.tar" : "val"),
                                                        .labels = at(lists[k][0]),
                                                        .synsets = lists[k][1] ? at(lists[k][1]) : NULL};
            pack_from(&from, at("v.pack"));
            ck_assert_str_eq(listing(at("v.pack")), want);
            same_bytes(at("v.pack"), 3, at("val/ILSVRC2012_val_00000004.JPEG"));
        }
}
END_TEST

/* ------------------------------------------------------------------ the devkit's meta.mat */

/* A MATLAB 5 file being written, an element after the other. */
struct mat {
    uint8_t bytes[8192];
    size_t count;
};

static void put_element(struct mat *m, uint32_t type, const void *data, uint32_t bytes)
{
    const uint32_t tag[2] = {type, bytes};
    ck_assert_uint_le(m->count + bytes + 16, sizeof m->bytes);
    memcpy(m->bytes + m->count, tag, 8);
    if (bytes) memcpy(m->bytes + m->count + 8, data, bytes);
    m->count += 8 + (bytes + 7) / 8 * 8;
}

/* Flags, dimensions and name of a matrix. */
static void begin_matrix(struct mat *m, uint32_t class, int32_t rows, int32_t columns, const char *name)
{
    const uint32_t flags[2] = {class, 0};
    const int32_t dims[2] = {rows, columns};
    put_element(m, 6, flags, 8);
    put_element(m, 5, dims, 8);
    put_element(m, 1, name, (uint32_t)strlen(name));
}

static void put_matrix(struct mat *to, const struct mat *contents)
{
    put_element(to, 14, contents->bytes, (uint32_t)contents->count);
}

/* `synsets` of two: numbers as MATLAB keeps small ones (in the tag) and as doubles, text in both its forms.
 */
static void make_meta(struct mat *file, int compressed)
{
    static const char fields[3][16] = {"ILSVRC2012_ID", "WNID", "words"};
    static const uint16_t wide[3] = {'n', '0', '1'};
    const uint32_t length[2] = {4u << 16 | 5, 16};
    struct mat synsets = {.count = 0}, all = {.count = 0};
    begin_matrix(&synsets, 2, 2, 1, "synsets");
    memcpy(synsets.bytes + synsets.count, length, 8); /* a small element */
    synsets.count += 8;
    put_element(&synsets, 1, fields, sizeof fields);
    for (int k = 0; k < 2; k++) {
        struct mat id = {.count = 0}, wnid = {.count = 0}, words = {.count = 0};
        const uint32_t small[2] = {1u << 16 | 2, 1};
        const double two = 2;
        begin_matrix(&id, 6, 1, 1, "");
        if (k == 0) {
            memcpy(id.bytes + id.count, small, 8);
            id.count += 8;
        } else {
            put_element(&id, 9, &two, 8);
        }
        begin_matrix(&wnid, 4, 1, 3, "");
        if (k == 0)
            put_element(&wnid, 16, "n02", 3);
        else
            put_element(&wnid, 4, wide, 6);
        begin_matrix(&words, 4, 0, 0, "");
        put_element(&words, 16, "", 0);
        put_matrix(&synsets, &id);
        put_matrix(&synsets, &wnid);
        put_matrix(&synsets, &words);
    }
    memset(file->bytes, ' ', 128);
    memcpy(file->bytes, "MATLAB 5.0 MAT-file", 19);
    memcpy(file->bytes + 124, "\0\1IM", 4);
    file->count = 128;
    if (!compressed) {
        put_matrix(file, &synsets);
        return;
    }
    uint8_t packed[8192];
    uLongf n = sizeof packed;
    put_matrix(&all, &synsets);
    ck_assert_int_eq(compress(packed, &n, all.bytes, all.count), Z_OK);
    put_element(file, 15, packed, (uint32_t)n);
    file->count = 128 + 8 + n; /* these are not padded */
}

START_TEST(numbers_and_the_devkit)
{
    static struct mat file;
    make_val();
    put_text("order.txt", "n02\nn01\nn01\nn02\n");
    put_text("numbers.txt", "1\n2\n2\n1\n");
    const struct sim_pack_source_config by_name = {.path = at("val"), .labels = at("order.txt")};
    pack_from(&by_name, at("a.pack"));
    for (int compressed = 0; compressed < 2; compressed++) {
        make_meta(&file, compressed);
        trial_put(at("meta.mat"), file.bytes, file.count);
        const struct sim_pack_source_config from = {
            .path = at("val"), .labels = at("numbers.txt"), .synsets = at("meta.mat")};
        pack_from(&from, at("b.pack"));
        test_same_files(at("a.pack"), at("b.pack"));
        /* Cut or with any byte changed it is read or refused, and harms nothing. */
        for (size_t i = 0; i < file.count; i++) {
            struct sim_pack_source s;
            trial_put(at("meta.mat"), file.bytes, i);
            ck_assert_int_ne(sim_pack_source_open(&s, &from), SIM_OK);
            for (int bit = 1; bit < 256; bit *= 7) {
                file.bytes[i] ^= (uint8_t)bit;
                trial_put(at("meta.mat"), file.bytes, file.count);
                if (sim_pack_source_open(&s, &from) == SIM_OK) sim_pack_source_close(&s);
                file.bytes[i] ^= (uint8_t)bit;
            }
        }
    }
}
END_TEST

START_TEST(lists_that_do_not_fit)
{
    make_val();
    put_text("short.txt", "n02\nn01\n");
    put_text("numbers.txt", "1\n2\n2\n1\n");
    put_text("words.txt", "n02\nn01\nn01\nn02\n");
    put_text("sorted.txt", "n01 fox\nn02 cat\n");
    put_text("few.txt", "n02 1\n");
    put_text("twice.txt", "n02 1\nn01 1\n");
    put_text("one_missing.txt", "ILSVRC2012_val_00000001 n02\nILSVRC2012_val_00000002 n01\n");
    put_text("climb.txt", "n02\n../n01\nn01\nn02\n");
    put_text("empty.txt", "\n \n");
    put_text("mixed.txt", "ILSVRC2012_val_00000001 n02\nalone\n");
    static const struct {
        const char *labels, *synsets, *because;
    } cases[] = {{"short.txt", NULL, "2 labels for 4 images"},
                 {"numbers.txt", NULL, "--synsets"},
                 {"numbers.txt", "sorted.txt", "CLASS NUMBER"},
                 {"numbers.txt", "few.txt", "does not name class 2"},
                 {"numbers.txt", "twice.txt", "two classes have number 1"},
                 {"words.txt", "few.txt", "no numbers"},
                 {"one_missing.txt", NULL, "no label for the image ILSVRC2012_val_00000003.JPEG"},
                 {"climb.txt", NULL, "cannot be a class"},
                 {"empty.txt", NULL, "empty"},
                 {"mixed.txt", NULL, "stands alone"},
                 {"absent.txt", NULL, "absent.txt"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        refused(&(struct sim_pack_source_config){.path = at("val.tar"),
                                                 .labels = at(cases[k].labels),
                                                 .synsets = cases[k].synsets ? at(cases[k].synsets) : NULL},
                cases[k].because);
    refused(&(struct sim_pack_source_config){.path = at("val.tar")}, "no JPEG or PNG");
}
END_TEST

/* ------------------------------------------------------------------ CIFAR and MNIST */

enum { RECORDS = 6 };

static uint8_t pixel(int image, int channel, int place)
{
    return (uint8_t)(image * 40 + channel * 70 + place * 3);
}

/* RECORDS images whose labels count down, with `labels` label bytes each, the last of which counts. */
static void put_cifar(const char *name, int labels, int classes)
{
    const size_t record = (size_t)labels + 3072;
    uint8_t *bytes = calloc(RECORDS, record);
    for (int i = 0; i < RECORDS; i++) {
        bytes[(size_t)i * record + (size_t)labels - 1] = (uint8_t)(classes - 1 - i % classes);
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < 1024; p++)
                bytes[(size_t)i * record + (size_t)labels + (size_t)(c * 1024 + p)] = pixel(i, c, p);
    }
    trial_put(at(name), bytes, RECORDS * record);
    free(bytes);
}

/* The decoded image `number` of part `part` of a pack shows the pixels of put_cifar. */
static void check_pixels(const char *pack, const char *path)
{
    struct sim_pack p;
    struct sim_image im;
    char name[256];
    int found = 0, image = atoi(strrchr(path, '-') + 1);
    test_ok(sim_pack_map(&p, pack));
    for (int64_t i = 0; i < p.images; i++) {
        const uint8_t *bytes;
        size_t count;
        sim_pack_path(&p, i, name, sizeof name);
        if (strcmp(name, path) != 0) continue;
        found = 1;
        test_ok(sim_pack_file(&p, i, &bytes, &count));
        test_ok(sim_decode(bytes, count, name, &im));
        ck_assert_int_eq(im.width, 32);
        ck_assert_int_eq(im.height, 32);
        for (int k = 0; k < 3072; k++) ck_assert_int_eq(im.rgb[k], pixel(image, k % 3, k / 3));
        sim_image_close(&im);
    }
    ck_assert_msg(found, "%s is missing", path);
    sim_pack_unmap(&p);
}

START_TEST(cifar_10_as_folder_and_archive)
{
    char command[2048], name[64];
    for (int k = 1; k <= 5; k++) {
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", k);
        put_cifar(name, 1, 3);
    }
    put_cifar("cifar-10-batches-bin/test_batch.bin", 1, 2);
    put_text("cifar-10-batches-bin/batches.meta.txt", "airplane\nautomobile\nbird\n\n");
    snprintf(command, sizeof command, "tar -C %s -czf %s cifar-10-batches-bin", folder,
             at("cifar-10-binary.tar.gz"));
    ck_assert_int_eq(system(command), 0);
    trial_pack(at("cifar-10-binary.tar.gz"), at("a.pack"));
    trial_pack(at("cifar-10-batches-bin"), at("b.pack"));
    test_same_files(at("a.pack"), at("b.pack"));
    ck_assert_ptr_nonnull(strstr(listing(at("a.pack")), "0:airplane/data_batch_1-00002.png "));
    check_pixels(at("a.pack"), "bird/data_batch_5-00003.png");
    const struct sim_pack_source_config val = {.path = at("cifar-10-binary.tar.gz"), .val = 1};
    pack_from(&val, at("v.pack"));
    ck_assert_str_eq(listing(at("v.pack")),
                     "0:airplane/test_batch-00001.png 0:airplane/test_batch-00003.png "
                     "0:airplane/test_batch-00005.png 1:automobile/test_batch-00000.png "
                     "1:automobile/test_batch-00002.png 1:automobile/test_batch-00004.png");
}
END_TEST

START_TEST(cifar_100_takes_the_fine_labels)
{
    put_cifar("c/train.bin", 2, 2);
    put_text("c/fine_label_names.txt", "apple\r\naquarium_fish\r\n");
    trial_pack(at("c"), at("a.pack"));
    check_pixels(at("a.pack"), "apple/train-00001.png");
    refused(&(struct sim_pack_source_config){.path = at("c"), .val = 1}, "lacks test.bin");
    put_text("c/fine_label_names.txt", "apple\n");
    refused(&(struct sim_pack_source_config){.path = at("c")}, "names 1 classes");
    put_text("c/train.bin", "cut");
    refused(&(struct sim_pack_source_config){.path = at("c")}, "no multiple");
}
END_TEST

static void put_big_endian(uint8_t *to, uint32_t value)
{
    for (int b = 0; b < 4; b++) to[b] = (uint8_t)(value >> (24 - 8 * b));
}

/* `count` images of 5 x 4 pixels and their labels, plain or gzip. */
static void put_idx(const char *images, const char *labels, uint32_t count, int gzip)
{
    uint8_t bytes[16 + 20 * 16] = {0, 0, 8, 3}, label[8 + 16] = {0, 0, 8, 1};
    put_big_endian(bytes + 4, count);
    put_big_endian(bytes + 8, 4);
    put_big_endian(bytes + 12, 5);
    put_big_endian(label + 4, count);
    for (uint32_t i = 0; i < 20 * count; i++) bytes[16 + i] = (uint8_t)(i * 7);
    for (uint32_t i = 0; i < count; i++) label[8 + i] = (uint8_t)(9 - i % 3);
    if (!gzip) {
        trial_put(at(images), bytes, 16 + 20 * count);
        trial_put(at(labels), label, 8 + count);
        return;
    }
    gzFile f = gzopen(at(images), "wb");
    ck_assert_int_gt(gzwrite(f, bytes, 16 + 20 * count), 0);
    gzclose(f);
    f = gzopen(at(labels), "wb");
    ck_assert_int_gt(gzwrite(f, label, 8 + count), 0);
    gzclose(f);
}

START_TEST(mnist_plain_and_gzip)
{
    struct sim_pack p;
    struct sim_image im;
    const uint8_t *bytes;
    size_t count;
    test_ok(sim_make_folder(at("m")));
    put_idx("m/train-images-idx3-ubyte.gz", "m/train-labels-idx1-ubyte.gz", 5, 1);
    put_idx("m/t10k-images-idx3-ubyte", "m/t10k-labels-idx1-ubyte", 3, 0);
    trial_pack(at("m/train-images-idx3-ubyte.gz"), at("a.pack"));
    ck_assert_str_eq(listing(at("a.pack")),
                     "0:7/train-images-idx3-ubyte-00002.png 1:8/train-images-idx3-ubyte-00001.png "
                     "1:8/train-images-idx3-ubyte-00004.png 2:9/train-images-idx3-ubyte-00000.png "
                     "2:9/train-images-idx3-ubyte-00003.png");
    test_ok(sim_pack_map(&p, at("a.pack")));
    test_ok(sim_pack_file(&p, 1, &bytes, &count));
    test_ok(sim_decode(bytes, count, "idx", &im));
    ck_assert_int_eq(im.width, 5);
    ck_assert_int_eq(im.height, 4);
    for (int k = 0; k < 60; k++) ck_assert_int_eq(im.rgb[k], (uint8_t)((20 + k / 3) * 7));
    sim_image_close(&im);
    sim_pack_unmap(&p);
    const struct sim_pack_source_config val = {.path = at("m"), .val = 1};
    pack_from(&val, at("v.pack"));
    ck_assert_int_eq((int)strlen(listing(at("v.pack"))) > 0, 1);
    /* What does not belong together. */
    put_idx("m/t10k-images-idx3-ubyte", "other-labels", 4, 0);
    refused(&val, "has 4 images");
    const struct sim_pack_source_config named = {.path = at("m"), .val = 1, .labels = at("other-labels")};
    pack_from(&named, at("v.pack"));
    put_text("m/t10k-images-idx3-ubyte", "not idx");
    refused(&val, "no whole idx file");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pack sources");
    TCase *t = tcase_create("pack sources");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_folder_and_its_archive_make_one_pack);
    tcase_add_test(t, a_tar_of_class_tars);
    tcase_add_test(t, a_tar_of_tars_that_was_cut);
    tcase_add_test(t, images_without_classes_and_a_list);
    tcase_add_test(t, numbers_and_the_devkit);
    tcase_add_test(t, lists_that_do_not_fit);
    tcase_add_test(t, cifar_10_as_folder_and_archive);
    tcase_add_test(t, cifar_100_takes_the_fine_labels);
    tcase_add_test(t, mnist_plain_and_gzip);
    suite_add_tcase(s, t);
    return test_run(s);
}
