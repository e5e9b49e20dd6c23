/* siameseim data, as a user types it: packing, describing, checking, showing, training from a pack, kills. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "images.h"
#include "support.h"
#include "tool.h"

enum { CLASSES = 2, EACH = 20, SIDE = 40 };

static char folder[512];

static const char *at(const char *name)
{
    static char path[8][700];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* set/{ants,bees}/NN.png, of colours that tell the classes apart. */
static void set_up(void)
{
    static uint8_t rgb[SIDE * SIDE * 3];
    char name[64];
    snprintf(folder, sizeof folder, "%s", fresh());
    for (int k = 0; k < CLASSES; k++) {
        test_ok(sim_make_folder(at(k ? "set/bees" : "set/ants")));
        for (int i = 0; i < EACH; i++) {
            for (int p = 0; p < SIDE * SIDE * 3; p++)
                rgb[p] = (uint8_t)(k * 90 + i * 5 + p % 3 * 20 + p / 3 % SIDE);
            snprintf(name, sizeof name, "set/%s/%02d.png", k ? "bees" : "ants", i);
            test_ok(sim_png_write(at(name), rgb, SIDE, SIDE));
        }
    }
}

static const char *text_of(json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(record, "data"), key));
    ck_assert_msg(text != NULL, "the record has no data.%s", key);
    return text;
}

START_TEST(pack_info_verify_show)
{
    struct sim_image sheet;
    expect(tool("data pack %s %s", at("set"), at("s.pack")) == 0, "40 images of 2 classes");
    expect(tool("data info %s --classes", at("s.pack")) == 0, "40 of 2 classes, 20 to 20 in each");
    ck_assert_ptr_nonnull(strstr(said, "files as they were"));
    ck_assert_ptr_nonnull(strstr(said, "bees"));
    char manifest[32];
    ck_assert_int_eq(sscanf(strstr(said, "manifest") + 8, "%31[ 0-9a-f]", manifest), 1);
    expect(tool("data info %s", at("set")) == 0, manifest); /* the folder's is the same */
    expect(tool("data verify %s --decode --workers 2", at("s.pack")) == 0, "every image can be decoded");
    expect(tool("data show %s %s --size 32 --images 5", at("s.pack"), at("sheet.png")) == 0, "10 images of");
    test_ok(sim_decode_file(at("sheet.png"), &sheet));
    ck_assert_int_eq(sheet.height, 4 + 2 * 36);
    sim_image_close(&sheet);
    expect(tool("data show %s %s", at("set"), at("other.png")) == 0, "16 images of");
    expect(tool("data pack %s %s --short-side 16 --quality 70", at("s.pack"), at("small.pack")) == 0,
           "made smaller: 40 images, to a shorter side of 16 pixels, as JPEG of quality 70");
    expect(tool("data info %s", at("small.pack")) == 0, "JPEG of quality 70");
}
END_TEST

START_TEST(damage_is_named_and_fails)
{
    char *bytes;
    size_t count;
    expect(tool("data pack %s %s", at("set"), at("s.pack")) == 0, "40 images");
    test_ok(sim_file_read(at("s.pack"), 1 << 24, &bytes, &count));
    bytes[256 + 30] ^= 1; /* in the first image */
    test_ok(sim_file_write(at("s.pack"), bytes, count));
    expect(tool("data verify %s", at("s.pack")) == 1, "ants/00.png");
    ck_assert_ptr_nonnull(strstr(said, "1 of 40 images"));
    test_ok(sim_file_write(at("s.pack"), bytes, count / 2));
    expect(tool("data verify %s", at("s.pack")) == 1, "cut short");
    expect(tool("data info %s", at("s.pack")) == 1, "cut short");
    free(bytes);
}
END_TEST

START_TEST(mistakes_are_told)
{
    expect(tool("data") == 1, "pack, info, verify or show");
    expect(tool("data pakc a b.pack") == 1, "nearest: pack");
    expect(tool("data pack %s", at("set")) == 1, "SRC and OUT.pack");
    expect(tool("data pack %s %s", at("set"), at("s.tar")) == 1, "ends in .pack");
    expect(tool("data pack %s %s --quality 80", at("set"), at("s.pack")) == 1, "--short-side N is missing");
    expect(tool("data pack %s %s --keep-damaged", at("set"), at("s.pack")) == 1,
           "--short-side none is decoded");
    expect(tool("data pack %s %s --synsets x", at("set"), at("s.pack")) == 1, "--labels FILE is missing");
    expect(tool("data pack %s %s", at("set"), at("no/such/s.pack")) == 1, "no/such");
    expect(tool("data pack %s %s", at("set"), at("s.pack")) == 0, "40 images");
    expect(tool("data pack %s %s", at("set"), at("s.pack")) == 1, "is there already");
    expect(tool("data pack %s %s --anew", at("set"), at("s.pack")) == 0, "40 images");
    expect(tool("data show %s %s --classes 0", at("s.pack"), at("x.png")) == 1, "--classes 0");
    expect(tool("data verify %s", at("set")) == 1, "set");
    expect(tool("data --help") == 0, "usage: siameseim data pack");
    expect(tool("--help") == 0, "pack a set of images into one file");
}
END_TEST

/* A run from the pack is the run from the folder, and its record says both what the set is and which pack it
 * was. */
START_TEST(training_from_a_pack)
{
    const char *from_folder = fresh(), *from_pack = fresh();
    expect(tool("data pack %s %s", at("set"), at("s.pack")) == 0, "40 images");
    for (int k = 0; k < 2; k++) { /* under one name, which stands in the configuration */
        const char *source = at("source");
        unlink(source);
        ck_assert_int_eq(symlink(at(k ? "s.pack" : "set"), source), 0);
        expect(
            tool("run %s --threads 1 --out %s --set data.kind=folder --set data.train=%s --set data.val=%s",
                 smoke_file(), k ? from_pack : from_folder, source, source) == 0,
            "1 done");
    }
    assert_same_file(from_folder, from_pack, "smoke/encoder.safetensors");
    json_t *a = record_of(from_folder, -1), *b = record_of(from_pack, -1);
    ck_assert_str_eq(text_of(a, "train_hash"), text_of(b, "train_hash"));
    ck_assert_str_eq(text_of(a, "train_pack"), "");
    expect(tool("data info %s", at("s.pack")) == 0, text_of(b, "train_pack"));
    ck_assert_str_eq(text_of(b, "train_pack"), text_of(b, "val_pack"));
    ck_assert_uint_eq(strlen(text_of(b, "val_pack")), 16);
    json_decref(a);
    json_decref(b);
}
END_TEST

/* Killed at moments a few milliseconds apart, started again and again until it is done. */
START_TEST(killed_and_started_again)
{
    char log[700];
    int kills = 0;
    snprintf(log, sizeof log, "%s", at("log"));
    expect(tool("data pack %s %s", at("set"), at("whole.pack")) == 0, "40 images");
    for (long wait_ms = 5; access(at("s.pack"), F_OK) != 0; wait_ms += 7) {
        struct timespec t = {.tv_nsec = wait_ms * 1000000};
        pid_t p = tool_start(log, "data pack %s %s --short-side 20", at("set"), at("s.pack"));
        nanosleep(&t, NULL);
        kill(p, SIGKILL);
        kills += tool_end(p) == 128 + SIGKILL;
        ck_assert_int_lt(wait_ms, 900);
    }
    ck_assert_int_gt(kills, 0);
    expect(tool("data pack %s %s --short-side 20", at("set"), at("other.pack")) == 0, "made smaller: 40");
    test_same_files(at("s.pack"), at("other.pack"));
    expect(tool("data verify %s --decode", at("s.pack")) == 0, "whole");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data command");
    TCase *t = tcase_create("data command");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, pack_info_verify_show);
    tcase_add_test(t, damage_is_named_and_fails);
    tcase_add_test(t, mistakes_are_told);
    tcase_add_test(t, training_from_a_pack);
    tcase_add_test(t, killed_and_started_again);
    suite_add_tcase(s, t);
    return test_run(s);
}
