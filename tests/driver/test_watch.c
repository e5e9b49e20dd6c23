/* What can be seen of a run while it trains: event files beside the record, after a kill too. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event_file.h"
#include "images.h"
#include "status.h"
#include "support.h"
#include "tool.h"

#define EPOCHS 8 /* of five steps */
#define LONG                                                                                                 \
    "--threads 1 --set train.epochs=8 --set train.save_every_steps=1 --set watch.every_steps=1 --set "       \
    "watch.views=2"

static struct test_events events_of(const char *folder)
{
    char path[800];
    snprintf(path, sizeof path, "%s/smoke", folder);
    return test_events_read_folder(path);
}

/* Points of a curve that is the same however often the run is cut. */
static void assert_same_curve(const struct test_events *a, const struct test_events *b, const char *tag)
{
    ck_assert_int_eq(test_events_count(a, tag), 5 * EPOCHS);
    ck_assert_int_eq(test_events_count(b, tag), 5 * EPOCHS);
    for (int step = 1; step <= 5 * EPOCHS; step++) {
        const struct test_event *x = test_events_find(a, tag, step), *y = test_events_find(b, tag, step);
        ck_assert_msg(x && y && memcmp(&x->value, &y->value, sizeof x->value) == 0, "%s at step %d", tag,
                      step);
    }
}

START_TEST(a_killed_run_s_curves_are_whole)
{
    static const char *const tags[] = {"train/loss", "train/grad_norm", "train/lr", "train/momentum"};
    const char *whole = fresh(), *cut = fresh();
    char arguments[3000], log[800], run[800];
    ck_assert_int_eq(tool("run %s --out %s " LONG, smoke_file(), whole), 0);
    snprintf(arguments, sizeof arguments, "run %s --out %s " LONG, smoke_file(), cut);
    snprintf(log, sizeof log, "%s/log", cut);
    snprintf(run, sizeof run, "%s/smoke", cut);
    pid_t child = tool_start(log, "%s", arguments);
    wait_for_step(run, 7, child);
    kill(child, SIGKILL);
    ck_assert_int_eq(tool_end(child), 128 + SIGKILL);
    expect(tool("%s", arguments) == 0, "resum");
    struct test_events a = events_of(whole), b = events_of(cut);
    for (int k = 0; k < 4; k++) assert_same_curve(&a, &b, tags[k]);
    ck_assert_int_eq(test_events_count(&b, "epoch/loss"), EPOCHS);
    ck_assert_int_eq(test_events_count(&b, "scores/pretrained/knn"), 1);
    test_events_close(&a), test_events_close(&b);
}
END_TEST

/* The PNG of a view as `siameseim views` draws it. */
static void assert_picture(const struct test_event *e, const char *folder, const char *name)
{
    char path[800];
    struct sim_image shown, drawn;
    ck_assert_msg(e != NULL, "no picture for %s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_decode(e->png, e->png_bytes, "an event's picture", &shown));
    test_ok(sim_decode_file(path, &drawn));
    ck_assert_int_eq(shown.width, e->width);
    ck_assert_int_eq(shown.height, e->height);
    ck_assert_msg(shown.width == drawn.width && shown.height == drawn.height &&
                      memcmp(shown.rgb, drawn.rgb, (size_t)(3 * drawn.width * drawn.height)) == 0,
                  "%s is another picture", name);
    sim_image_close(&shown), sim_image_close(&drawn);
}

START_TEST(curves_scores_and_views_are_the_record_s)
{
    const char *folder = fresh();
    ck_assert_msg(tool("run %s --out %s " LONG, smoke_file(), folder) == 0, "%.3000s", said);
    struct test_events e = events_of(folder);
    json_t *r = record_of(folder, 0), *row;
    size_t i;
    json_array_foreach(json_object_get(r, "curve"), i, row)
    {
        const struct test_event *at =
            test_events_find(&e, "epoch/loss", json_integer_value(json_object_get(row, "step")));
        ck_assert_ptr_nonnull(at);
        ck_assert_float_eq(at->value, (float)json_number_value(json_object_get(row, "loss")));
    }
    json_array_foreach(json_object_get(r, "scores"), i, row)
    {
        char tag[128];
        const char *encoder = json_string_value(json_object_get(row, "encoder"));
        snprintf(tag, sizeof tag, "scores/%s/%s", encoder, json_string_value(json_object_get(row, "name")));
        const struct test_event *at =
            test_events_find(&e, tag, strcmp(encoder, "untrained") ? 5 * EPOCHS : 0);
        ck_assert_msg(at != NULL, "no %s", tag);
        ck_assert_float_eq(at->value, (float)json_number_value(json_object_get(row, "value")));
    }
    json_decref(r);
    ck_assert_int_eq(test_events_count(&e, "views/1/view2"), 4); /* after epochs 1, 2, 4 and 8 */
    ck_assert_int_eq(test_events_count(&e, "views/2/view1"), 0);
    expect(tool("views %s --index 1 --epoch 3 --out %s/views", smoke_file(), folder) == 0, "written");
    char views[800];
    snprintf(views, sizeof views, "%s/views", folder);
    assert_picture(test_events_find(&e, "views/1/view1", 20), views, "view1.png");
    assert_picture(test_events_find(&e, "views/1/view2", 20), views, "view2.png");
    assert_picture(test_events_find(&e, "views/1/mask", 20), views, "mask.png");
    test_events_close(&e);
}
END_TEST

/* An objective that is shown one view; nothing that follows. */
START_TEST(what_an_objective_lacks_is_left_out)
{
    const char *folder = fresh();
    ck_assert_msg(tool("run %s --out %s --threads 1 --set objective=mae --set train.epochs=1 --set "
                       "train.warmup_epochs=0 --set "
                       "mae.decoder_embed_dim=32 --set "
                       "mae.decoder_num_heads=2 --set mae.decoder_depth=1",
                       smoke_file(), folder) == 0,
                  "%.3000s", said);
    struct test_events e = events_of(folder);
    ck_assert_int_eq(test_events_count(&e, "views/0/view1"), 1);
    ck_assert_int_eq(test_events_count(&e, "views/0/mask"), 1);
    ck_assert_int_eq(test_events_count(&e, "views/0/view2"), 0);
    ck_assert_int_eq(test_events_count(&e, "train/momentum"), 0);
    test_events_close(&e);
}
END_TEST

/* Watching is no part of a run: what is recorded is not made again for other keys of it. */
START_TEST(it_can_be_switched_off)
{
    const char *folder = fresh();
    expect(tool("run %s --out %s --threads 1 --set watch.tensorboard=false", smoke_file(), folder) == 0,
           "smoke");
    struct test_events e = events_of(folder);
    ck_assert_int_eq(e.count, 0);
    test_events_close(&e);
    expect(tool("run %s --out %s --threads 1 --set watch.every_steps=3", smoke_file(), folder) == 0,
           "already recorded");
    expect(tool("run %s --out %s --set watch.every_steps=0", smoke_file(), folder) == 1, "watch.every_steps");
    expect(tool("run %s --out %s --set watch.tensorbord=false", smoke_file(), folder) == 1,
           "watch.tensorboard");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_killed_run_s_curves_are_whole);
    tcase_add_test(t, curves_scores_and_views_are_the_record_s);
    tcase_add_test(t, what_an_objective_lacks_is_left_out);
    tcase_add_test(t, it_can_be_switched_off);
    suite_add_tcase(s, t);
    return test_run(s);
}
