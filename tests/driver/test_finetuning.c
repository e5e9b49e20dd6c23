/* Fine-tuning through the built program: in record and table, beside training from scratch, scored again from
 * its file, and what is said of what does not fit. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "images.h"
#include "support.h"
#include "tool.h"

#define FROZEN_OFF "--set eval.knn=false --set eval.logistic=false "
#define FINETUNE                                                                                             \
    "--set eval.finetune=true --set finetune.epochs=2 --set finetune.warmup_epochs=1 --set "                 \
    "finetune.batch_size=16 --set finetune.lr=1e-3 "

/* The score of that name and encoder in a record; NULL where there is none. */
static json_t *score_of(json_t *record, const char *name, const char *encoder)
{
    size_t i;
    json_t *score;
    json_array_foreach(
        json_object_get(record, "scores"), i,
        score) if (!strcmp(json_string_value(json_object_get(score, "name")), name) &&
                   !strcmp(json_string_value(json_object_get(score, "encoder")), encoder)) return score;
    return NULL;
}

static double number_of(json_t *score, const char *key)
{
    json_t *protocol = json_object_get(score, "protocol");
    ck_assert_msg(json_is_number(json_object_get(protocol, key)), "no %s", key);
    return json_number_value(json_object_get(protocol, key));
}

static int smoke(const char *folder, const char *settings)
{
    return tool("run %s --threads 1 --out %s %s", smoke_file(), folder, settings);
}

/* FOLDER/two/{a,b}/0.png */
static void make_two_classes(const char *folder)
{
    static const uint8_t grey[40 * 40 * 3];
    char path[900];
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/two/%c", folder, 'a' + k);
        test_ok(sim_make_folder(path));
        strcat(path, "/0.png");
        test_ok(sim_png_write(path, grey, 40, 40));
    }
}

START_TEST(stands_in_record_and_table_and_is_scored_again)
{
    const char *folder = fresh(), *other = fresh();
    char settings[2000], path[900];
    expect(smoke(folder, FROZEN_OFF FINETUNE) == 0, "1 done");
    expect(1, "finetune %");
    expect(1, "fine-tuning untrained: epoch 2/2");
    json_t *r = record_of(folder, -1), *tuned = score_of(r, "finetune", "pretrained"),
           *scratch = score_of(r, "finetune", "untrained");
    ck_assert_ptr_nonnull(tuned);
    ck_assert_ptr_nonnull(scratch);
    ck_assert_uint_eq(json_array_size(json_object_get(r, "scores")), 2);
    ck_assert_double_eq(number_of(tuned, "steps"), 10);
    ck_assert_double_eq(number_of(tuned, "mix_group"), 16);
    ck_assert_double_eq(number_of(tuned, "layer_decay"), 0.65);
    ck_assert_int_eq(json_integer_value(json_object_get(tuned, "val_images")), 40);
    ck_assert_double_ne(number_of(tuned, "val_loss"), number_of(scratch, "val_loss"));

    /* the fine-tuned weights by themselves say the same */
    snprintf(path, sizeof path, "%s/smoke/finetune_pretrained/classifier.safetensors", folder);
    ck_assert_int_eq(access(path, R_OK), 0);
    snprintf(settings, sizeof settings,
             FROZEN_OFF "--set eval.finetune=true --set finetune.epochs=0 --set finetune.batch_size=16 --set "
                        "train.epochs=0 --set finetune.encoder=%s",
             path);
    expect(smoke(other, settings) == 0, "1 done");
    json_t *again = record_of(other, -1), *same = score_of(again, "finetune", "pretrained");
    ck_assert_ptr_nonnull(same);
    ck_assert_ptr_null(score_of(again, "finetune", "untrained"));
    ck_assert_double_eq(json_number_value(json_object_get(same, "value")),
                        json_number_value(json_object_get(tuned, "value")));
    ck_assert_double_eq_tol(number_of(same, "val_loss"), number_of(tuned, "val_loss"), 1e-6);
    json_decref(r), json_decref(again);

    /* weights of another width, a head of other classes, none at all */
    char wrong[3000];
    snprintf(wrong, sizeof wrong, "%s --fresh --set model.embed_dim=64", settings);
    expect(smoke(other, wrong) == 1, "classifier.safetensors");
    expect(1, "cls_token");
    make_two_classes(other);
    snprintf(wrong, sizeof wrong,
             "%s --fresh --set data.kind=folder --set data.train=%s/two --set data.val=%s/two "
             "--set train.batch_size=2 --set finetune.batch_size=2",
             settings, other, other);
    expect(smoke(other, wrong) == 1, "its head tells 20 classes apart, these images are of 2");
    snprintf(wrong, sizeof wrong, "%s --fresh --set finetune.encoder=%s/smoke/encoder.safetensors", settings,
             folder);
    expect(smoke(other, wrong) == 1, "an encoder without a head");
}
END_TEST

/* The number of threads changes no byte; without from_scratch the untrained encoder is left alone. */
START_TEST(one_number_of_threads_or_two)
{
    const char *one = fresh(), *two = fresh();
    expect(tool("run %s --threads 1 --out %s " FROZEN_OFF FINETUNE "--set finetune.from_scratch=false",
                smoke_file(), one) == 0,
           "1 done");
    expect(tool("run %s --threads 2 --out %s " FROZEN_OFF FINETUNE "--set finetune.from_scratch=false",
                smoke_file(), two) == 0,
           "1 done");
    ck_assert_ptr_null(strstr(said, "fine-tuning untrained"));
    assert_same_file(one, two, "smoke/finetune_pretrained/classifier.safetensors");
}
END_TEST

START_TEST(what_does_not_fit)
{
    const char *folder = fresh();
    expect(smoke(folder, FINETUNE "--set finetune.batch_size=1") == 1,
           "mixup and cutmix mix every image with another");
    expect(smoke(folder, FINETUNE "--set finetune.batch_size=96") == 1,
           "finetune.batch_size: a batch of 96 is larger than the 80 images");
    expect(smoke(folder, FINETUNE "--set finetune.mix_group=6") == 1, "do not divide finetune.batch_size 16");
    expect(smoke(folder, FINETUNE "--set finetune.encoder=x.safetensors") == 1, "set train.epochs to 0");
    expect(smoke(folder, FINETUNE "--set finetune.epochs=0") == 1, "finetune.epochs: 0 leaves the head");
    expect(smoke(folder, FINETUNE "--set train.epochs=0 --set finetune.encoder=none.safetensors") == 1,
           "none.safetensors");
    expect(smoke(folder, "--set finetune.mixpu=1") == 1, "finetune.mixup");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fine-tuning");
    TCase *t = tcase_create("fine-tuning");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, stands_in_record_and_table_and_is_scored_again);
    tcase_add_test(t, one_number_of_threads_or_two);
    tcase_add_test(t, what_does_not_fit);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
