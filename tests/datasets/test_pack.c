/* Packs: the same set as the folder they come from, packings that are cut off at every write, and damage. */
#include "pack_trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "file.h"
#include "progress.h"
#include "support.h"

enum { CLASSES = 3, EACH = 7, IMAGES = CLASSES * EACH };

static char folder[512], set_path[600];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(set_path, sizeof set_path, "%s/set", folder);
    trial_set(set_path, CLASSES, EACH);
    sim_progress_quiet(1);
}

/* Until the name is known to the caller's file. */
static char *at(const char *name)
{
    return strdup(trial_at(folder, name));
}

/* ------------------------------------------------------------------ what is in it */

static void same_image(const struct sim_images *a, const struct sim_images *b, int64_t i)
{
    struct sim_image x, y;
    test_ok(a->read(a->self, i, &x));
    test_ok(b->read(b->self, i, &y));
    ck_assert_int_eq(x.width, y.width);
    ck_assert_int_eq(x.height, y.height);
    ck_assert_int_eq(memcmp(x.rgb, y.rgb, (size_t)x.width * (size_t)x.height * 3), 0);
    sim_image_close(&x);
    sim_image_close(&y);
}

START_TEST(a_pack_is_the_set_of_its_folder)
{
    struct sim_images a, b, sub;
    struct sim_data_config data = {.kind = SIM_DATA_FOLDER, .limit_train = 6};
    char name[2][256], *pack = at("s.pack");
    struct sim_pack_made made = trial_pack(set_path, pack);
    ck_assert_int_eq(made.images, IMAGES);
    ck_assert_int_eq(made.resumed, 0);
    test_ok(sim_images_open_path(&a, set_path, "data.train"));
    test_ok(sim_images_open_path(&b, pack, "data.val"));
    test_ok(sim_images_agree(&a, &b));
    ck_assert_int_eq(a.count, b.count);
    ck_assert_str_eq(a.manifest_hash, b.manifest_hash);
    ck_assert_str_eq(a.pack_hash, "");
    ck_assert_uint_eq(strlen(b.pack_hash), 16);
    for (int64_t i = 0; i < a.count; i++) {
        ck_assert_int_eq(a.label(a.self, i), b.label(b.self, i));
        a.name(a.self, i, name[0], sizeof name[0]);
        b.name(b.self, i, name[1], sizeof name[1]);
        ck_assert_str_eq(name[0] + strlen(set_path) + 1, name[1] + strlen(pack) + 2);
        same_image(&a, &b, i);
    }
    snprintf(data.train, sizeof data.train, "%s", pack);
    test_ok(sim_images_open(&sub, &data, SIM_TRAIN, 1)); /* a part of it is drawn as of a folder */
    ck_assert_int_eq(sub.count, 6);
    ck_assert_str_eq(sub.pack_hash, b.pack_hash);
    sim_images_close(&sub);
    sim_images_close(&a);
    sim_images_close(&b);
    free(pack);
}
END_TEST

START_TEST(packing_is_the_same_whatever_the_threads_and_chunks)
{
    char *one = at("one.pack"), *other = at("other.pack"), *again = at("again.pack");
    struct sim_pack_made made;
    trial_pack(set_path, one);
    struct sim_pack_config c = {.path = other, .chunk_images = 2, .sync_bytes = 1};
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made));
    test_same_files(one, other);
    trial_pack(one, again); /* a pack is a source too, and says what it was made from */
    test_same_files(one, again);
    test_fails(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made),
               "is there already");
    c.anew = 1;
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made));
    test_same_files(one, other);
    free(one);
    free(other);
    free(again);
}
END_TEST

START_TEST(classes_that_differ_are_told)
{
    struct sim_images a, b;
    char *pack = at("other.pack"), other_set[600];
    snprintf(other_set, sizeof other_set, "%s/other", folder);
    trial_set(other_set, CLASSES + 1, 2);
    trial_pack(other_set, pack);
    test_ok(sim_images_open_path(&a, set_path, "data.train"));
    test_ok(sim_images_open_path(&b, pack, "data.val"));
    test_fails(sim_images_agree(&a, &b), "class3");
    sim_images_close(&a);
    sim_images_close(&b);
    free(pack);
}
END_TEST

START_TEST(smaller_images_keep_their_shape_and_small_ones_their_bytes)
{
    struct sim_pack p;
    struct sim_pack_made made;
    struct sim_image im;
    char *pack = at("small.pack"), *kept = at("kept.pack");
    struct sim_pack_config c = {.path = pack, .short_side = 24, .quality = 80};
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made));
    test_ok(sim_pack_map(&p, pack));
    ck_assert_uint_eq(p.header->short_side, 24);
    ck_assert_uint_eq(p.header->quality, 80);
    ck_assert_uint_eq(p.header->recoded, (uint64_t)made.recoded);
    int64_t recoded = 0;
    for (int64_t i = 0; i < p.images; i++) {
        const uint8_t *bytes;
        size_t count;
        int w = 20 + 7 * (int)(i % EACH % 4), h = 24 + 5 * (int)(i % EACH % 3), shorter = w < h ? w : h;
        test_ok(sim_pack_file(&p, i, &bytes, &count));
        test_ok(sim_decode(bytes, count, "packed", &im));
        ck_assert_int_eq(im.width, shorter > 24 ? w * 24 / shorter : w);
        ck_assert_int_eq(im.height, shorter > 24 ? h * 24 / shorter : h);
        recoded += shorter > 24;
        sim_image_close(&im);
    }
    ck_assert_int_gt(recoded, 0);
    ck_assert_int_eq(recoded, made.recoded);
    sim_pack_unmap(&p);
    /* One that cannot be decoded ends it, or goes in as it is. */
    trial_put(trial_at(set_path, "class1/broken.jpg"), "no JPEG", 7);
    c.path = kept;
    test_fails(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made),
               "class1/broken.jpg");
    ck_assert_int_ne(access(kept, F_OK), 0);
    c.keep_damaged = 1;
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made));
    ck_assert_int_eq(made.damaged, 1);
    ck_assert_int_eq(made.resumed, 0); /* another form: what the attempt before left is not taken over */
    free(pack);
    free(kept);
}
END_TEST

/* ------------------------------------------------------------------ cut off */

/* Packs in a process of its own, which may be killed by a fault; the exit status, or 128 + the signal. */
static int pack_in_child(const char *pack, enum test_fault kind, int64_t n)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct sim_pack_made made;
        struct sim_pack_config c = {.path = pack, .chunk_images = 2, .sync_bytes = 4000};
        test_fault_at(kind, n);
        sim_status s = trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made);
        _exit(s != SIM_OK ? 1 : made.resumed > 0 ? 2 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Every write, sync and rename fails, or is where the process or the power ends; the same command then makes
 * the same pack, and never is there half of one under its name. */
START_TEST(a_packing_cut_off_anywhere_goes_on)
{
    char *whole = at("whole.pack"), *pack = at("p.pack");
    const enum test_fault kind = (enum test_fault)_i;
    int resumed = 0, cut = 0;
    trial_pack(set_path, whole);
    for (int64_t n = 1;; n++) {
        int code = pack_in_child(pack, kind, n), there = access(pack, F_OK) == 0;
        if (code == 0) break; /* n is beyond the last call */
        if (there) test_same_files(whole, pack);
        cut++;
        ck_assert_int_eq(code, kind == TEST_FAULT_KILL || kind == TEST_FAULT_POWER ? 128 + SIGKILL : 1);
        code = there ? 0 : pack_in_child(pack, TEST_FAULT_NONE, 0);
        ck_assert_msg(code == 0 || code == 2, "call %ld: the second start fails", (long)n);
        resumed += code == 2;
        test_same_files(whole, pack);
        ck_assert_int_ne(access(trial_at(folder, "p.pack.partial"), F_OK), 0);
        unlink(pack);
        unlink(trial_at(folder, "p.pack.journal"));
    }
    ck_assert_msg(cut > 15 && resumed > 5, "cut %d, resumed %d", cut, resumed);
    free(whole);
    free(pack);
}
END_TEST

START_TEST(short_writes_change_nothing)
{
    char *whole = at("whole.pack"), *pack = at("p.pack");
    trial_pack(set_path, whole);
    for (int64_t n = 1; n <= 30; n++) {
        ck_assert_int_eq(pack_in_child(pack, TEST_FAULT_SHORT, n), 0);
        test_same_files(whole, pack);
        unlink(pack);
    }
    free(whole);
    free(pack);
}
END_TEST

START_TEST(what_another_source_left_is_not_taken_over)
{
    char *whole = at("whole.pack"), *pack = at("p.pack");
    trial_pack(set_path, whole);
    ck_assert_int_eq(pack_in_child(pack, TEST_FAULT_KILL, 16), 128 + SIGKILL);
    ck_assert_int_eq(access(trial_at(folder, "p.pack.partial"), F_OK), 0);
    trial_picture(trial_at(set_path, "class0/aaa.png"), 9, 9, 99); /* comes first */
    ck_assert_int_eq(pack_in_child(pack, TEST_FAULT_NONE, 0), 0);
    struct sim_pack p;
    test_ok(sim_pack_map(&p, pack));
    ck_assert_int_eq(p.images, IMAGES + 1);
    sim_pack_unmap(&p);
    free(whole);
    free(pack);
}
END_TEST

START_TEST(a_full_disk_is_told_before_anything_is_written)
{
    char *pack = at("p.pack");
    struct sim_pack_config c = {.path = pack};
    struct sim_pack_made made;
    test_fault_room(3000);
    test_fails(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made), "want of room");
    test_fault_room(-1);
    ck_assert_int_ne(access(trial_at(folder, "p.pack.partial"), F_OK), 0);
    test_ok(trial_pack_as(&(struct sim_pack_source_config){.path = set_path}, &c, &made));
    free(pack);
}
END_TEST

/* ------------------------------------------------------------------ damage */

static int told_count, told_tables;
static int64_t told_image;

static void tell(void *context, int64_t i, const char *what)
{
    (void)context;
    ck_assert_uint_gt(strlen(what), 0);
    told_count++;
    told_tables |= i < 0;
    if (i >= 0) told_image = i;
}

static sim_status verify(const char *path)
{
    told_count = told_tables = 0, told_image = -1;
    struct sim_pack_check c = {.path = path, .workers = 2, .decode = 1, .tell = tell};
    return sim_pack_verify(&c);
}

/* Opens, and where that works, asks for everything. */
static int read_all(const char *path)
{
    struct sim_images set;
    int bad = 0;
    char name[128];
    if (sim_pack_open(&set, path) != SIM_OK) {
        ck_assert_ptr_nonnull(strstr(sim_error_text(), path));
        return -1;
    }
    for (int64_t i = 0; i < set.count; i++) {
        struct sim_image im = {0};
        int32_t label = set.label(set.self, i);
        ck_assert(label >= 0 && label < set.classes);
        ck_assert_ptr_nonnull(set.class_name(set.self, label));
        set.name(set.self, i, name, sizeof name);
        sim_status status = set.read(set.self, i, &im);
        ck_assert(status == SIM_OK || status == SIM_EFORMAT);
        bad += status != SIM_OK;
        sim_image_close(&im);
    }
    sim_images_close(&set);
    return bad;
}

/* One bit of any byte: it is told at the opening, or one image is, or verify finds it. */
START_TEST(a_changed_bit_is_noticed)
{
    char *pack = at("p.pack"), *bytes;
    size_t count;
    trial_pack(set_path, pack);
    test_ok(verify(pack));
    test_ok(sim_file_read(pack, 1 << 20, &bytes, &count));
    for (size_t i = 0; i < count; i += i < SIM_PACK_HEADER_BYTES ? 1 : i > count - 1500 ? 3 : 97) {
        if (i >= sizeof(struct sim_pack_header) && i < SIM_PACK_HEADER_BYTES)
            continue; /* nothing stands there */
        bytes[i] ^= 0x10;
        trial_put(pack, bytes, count);
        int bad = read_all(pack);
        ck_assert_msg(bad <= 1, "byte %zu: %d images", i, bad);
        test_fails(verify(pack), "p.pack");
        if (bad >= 0) ck_assert_msg(told_tables || told_image >= 0, "byte %zu", i);
        bytes[i] ^= 0x10;
    }
    free(bytes);
    free(pack);
}
END_TEST

START_TEST(a_pack_cut_anywhere_is_refused)
{
    char *pack = at("p.pack"), *bytes;
    size_t count;
    trial_pack(set_path, pack);
    test_ok(sim_file_read(pack, 1 << 20, &bytes, &count));
    for (size_t n = 0; n < count; n += n < 300 || n > count - 60 ? 1 : 211) {
        trial_put(pack, bytes, n);
        ck_assert_int_eq(read_all(pack), -1);
    }
    bytes = realloc(bytes, count + 1);
    trial_put(pack, bytes, count + 1);
    ck_assert_int_eq(read_all(pack), -1);
    test_fails(sim_pack_open(&(struct sim_images){0}, trial_at(folder, "none.pack")), "none.pack");
    free(bytes);
    free(pack);
}
END_TEST

/* The header again, as a hostile one would have it: its own hash in order. */
static void seal(char *bytes, size_t bytes_there)
{
    struct sim_pack_header *h = (void *)bytes;
    struct sim_pack_places p;
    if (!sim_pack_place(h, &p) || p.index > bytes_there) return;
    uint64_t data_end = SIM_PACK_HEADER_BYTES + h->data_bytes;
    h->hash = sim_pack_header_hash(h, (uint8_t *)bytes + data_end, (size_t)(p.index - data_end));
}

/* Entries and tables that lie, under hashes that are right, lead nowhere but to an error. */
START_TEST(lies_under_a_right_hash_do_no_harm)
{
    static const uint64_t values[] = {0,         1, 255, 256, 1 << 20, UINT32_MAX, INT64_MAX, UINT64_MAX - 7,
                                      UINT64_MAX};
    char *pack = at("p.pack"), *bytes, *copy;
    size_t count;
    struct sim_pack_places p;
    trial_pack(set_path, pack);
    test_ok(sim_file_read(pack, 1 << 20, &bytes, &count));
    copy = malloc(count);
    ck_assert(sim_pack_place((void *)bytes, &p));
    size_t words[64], n = 0;
    for (size_t i = 8; i < offsetof(struct sim_pack_header, source); i += 8) words[n++] = i;
    for (size_t i = p.classes; i < p.class_names; i += 8) words[n++] = i;
    for (size_t i = p.index; i < p.index + 9 * 8; i += 8) words[n++] = i;
    for (size_t w = 0; w < n; w++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            memcpy(copy, bytes, count);
            memcpy(copy + words[w], &values[v], 8);
            seal(copy, count);
            trial_put(pack, copy, count);
            read_all(pack);
            (void)verify(pack);
        }
    free(copy);
    free(bytes);
    free(pack);
}
END_TEST

/* A class is a folder's name, or labels and names would not go together where the pack is packed again. */
START_TEST(classes_that_no_folder_could_be_are_refused)
{
    static const char first[] = {0, '/'};
    char one[600], *pack = at("one.pack"), *bytes;
    size_t count;
    struct sim_pack_places p;
    snprintf(one, sizeof one, "%s/one", folder);
    trial_set(one, 1, 2);
    trial_pack(one, pack);
    test_ok(sim_file_read(pack, 1 << 20, &bytes, &count));
    ck_assert(sim_pack_place((void *)bytes, &p));
    for (size_t k = 0; k < sizeof first; k++) {
        bytes[p.class_names] = first[k];
        seal(bytes, count);
        trial_put(pack, bytes, count);
        test_fails(sim_pack_open(&(struct sim_images){0}, pack), "table of classes");
        test_fails(verify(pack), "table of classes");
    }
    free(bytes);
    free(pack);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pack");
    TCase *t = tcase_create("pack");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_pack_is_the_set_of_its_folder);
    tcase_add_test(t, packing_is_the_same_whatever_the_threads_and_chunks);
    tcase_add_test(t, classes_that_differ_are_told);
    tcase_add_test(t, smaller_images_keep_their_shape_and_small_ones_their_bytes);
    tcase_add_loop_test(t, a_packing_cut_off_anywhere_goes_on, TEST_FAULT_ENOSPC, TEST_FAULTS);
    tcase_add_test(t, short_writes_change_nothing);
    tcase_add_test(t, what_another_source_left_is_not_taken_over);
    tcase_add_test(t, a_full_disk_is_told_before_anything_is_written);
    tcase_add_test(t, a_changed_bit_is_noticed);
    tcase_add_test(t, a_pack_cut_anywhere_is_refused);
    tcase_add_test(t, lies_under_a_right_hash_do_no_harm);
    tcase_add_test(t, classes_that_no_folder_could_be_are_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
