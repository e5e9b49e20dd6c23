#include "watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "events.h"
#include "progress.h"
#include "run_views.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_watch_config, name), low, high, NULL, preset, help                  \
    }
const struct sim_field sim_watch_fields[] = {
    F(tensorboard, SIM_FIELD_BOOL, 0, 1, "true", "event files for TensorBoard, in the run's folder"),
    F(every_steps, SIM_FIELD_INT, 1, 1000000000, "20", "steps between the points of their curves"),
    F(views, SIM_FIELD_INT, 0, 64, "1",
      "training images whose views they show, after epochs 1, 2, 4, 8 ... and the last"),
};
const int sim_watch_field_count = sizeof sim_watch_fields / sizeof *sim_watch_fields;

/* ------------------------------------------------------------------ event files */

/* Whether events are to be written; the file is made when the first is. */
static int is_open(struct sim_watch *w, int64_t first_step)
{
    if (!w->writes || !w->run->config.watch.tensorboard || w->given_up) return 0;
    if (w->events) return 1;
    if (sim_events_open(&w->events, w->folder, first_step) == SIM_OK) return 1;
    w->given_up = 1;
    sim_log("nothing for TensorBoard will be written: %s", sim_error_text());
    return 0;
}

static void take(struct sim_watch *w, sim_status status)
{
    if (status == SIM_OK) return;
    w->given_up = 1;
    sim_log("nothing more for TensorBoard will be written: %s", sim_error_text());
    sim_events_close(&w->events);
}

static void put_picture(struct sim_watch *w, int64_t step, int64_t index, const char *name,
                        const struct sim_image *im)
{
    void *png;
    size_t count;
    char tag[64];
    snprintf(tag, sizeof tag, "views/%lld/%s", (long long)index, name);
    sim_status status = sim_png_encode(im->rgb, im->width, im->height, &png, &count);
    if (status == SIM_OK && is_open(w, step))
        take(w, sim_events_put_png(w->events, step, tag, png, count, im->width, im->height));
    free(png);
}

/* Those that the objective is shown of image `index` in the epoch that has ended.  An image that cannot be
 * read, which training may pass over, is passed over here too. */
static void put_views(struct sim_watch *w, const struct sim_epoch_stats *e, int64_t index)
{
    const struct sim_run_config *c = &w->run->config;
    struct sim_run_views v;
    struct sim_image view[2], masked;
    if (sim_run_views_open(&v, c, w->images, index, e->epoch - 1) != SIM_OK) return;
    if (sim_views_pictures(&v.drawing, view, &masked) == SIM_OK) {
        put_picture(w, e->step, index, "view1", &view[0]);
        if (sim_objective_kind_of(&c->pretrain)->views > 1) put_picture(w, e->step, index, "view2", &view[1]);
        if (v.hidden > 0) put_picture(w, e->step, index, "mask", &masked);
    }
    for (int k = 0; k < 2; k++) sim_image_close(&view[k]);
    sim_image_close(&masked);
    sim_run_views_close(&v);
}

/* Few however long the run. */
static int shows_views(const struct sim_watch *w, int64_t epoch)
{
    return (epoch & (epoch - 1)) == 0 || epoch == w->run->config.train.epochs;
}

/* ------------------------------------------------------------------ training */

void sim_watch_step(void *watch, const struct sim_step_stats *s)
{
    struct sim_watch *w = watch;
    const struct sim_run_config *c = &w->run->config;
    const double now_s = sim_now_s();
    const int is_first = w->window_s <= 0;
    if (is_first || s->step % c->watch.every_steps == 0) {
        const double images = (double)((s->step - w->window_step) * c->train.batch_size);
        struct sim_event_value v[5] = {
            {"train/loss", s->loss}, {"train/grad_norm", s->grad_norm}, {"train/lr", s->lr}};
        int count = 3;
        if (w->has_momentum) v[count++] = (struct sim_event_value){"train/momentum", s->momentum};
        if (!is_first)
            v[count++] = (struct sim_event_value){"train/images_per_s", images / (now_s - w->window_s)};
        if (is_open(w, s->step)) take(w, sim_events_put_values(w->events, s->step, v, count));
        w->window_step = s->step, w->window_s = now_s;
    }
}

static void say_epoch(const struct sim_watch *w, const struct sim_epoch_stats *e)
{
    char took[32], share[48] = "", momentum[32] = "";
    sim_format_duration(e->seconds, took, sizeof took);
    if (e->gemm_share > 0) snprintf(share, sizeof share, " (%.0f %% of products)", 100 * e->gemm_share);
    if (w->has_momentum) snprintf(momentum, sizeof momentum, "momentum %.5f  ", e->momentum);
    sim_log("epoch %lld/%lld  loss %.4f  norm %.3f  lr %.2e  %s"
            "%.0f img/s  %.1f GFLOP/s%s  %s",
            (long long)e->epoch, (long long)w->run->config.train.epochs, e->loss, e->grad_norm, e->lr,
            momentum, e->images_per_s, e->gflops, share, took);
}

sim_status sim_watch_epoch(void *watch, struct sim_epoch_stats *e)
{
    struct sim_watch *w = watch;
    if (!w->quiet) say_epoch(w, e);
    const struct sim_event_value v[] = {
        {"epoch/loss", e->loss}, {"epoch/grad_norm", e->grad_norm}, {"epoch/images_per_s", e->images_per_s}};
    if (is_open(w, e->step)) take(w, sim_events_put_values(w->events, e->step, v, 3));
    for (int64_t i = 0; i < w->run->config.watch.views && i < w->images->count; i++)
        if (shows_views(w, e->epoch) && is_open(w, e->step)) put_views(w, e, i);
    return SIM_OK;
}

void sim_watch_scores(struct sim_watch *w, const struct sim_scored *scores, int count, int64_t steps)
{
    for (int i = 0; i < count; i++) {
        const struct sim_score *s = &scores[i].score;
        char tag[128];
        snprintf(tag, sizeof tag, "scores/%s/%s", scores[i].encoder, s->name);
        const int64_t step = strcmp(scores[i].encoder, "untrained") ? steps : 0;
        if (is_open(w, steps + 1))
            take(w, sim_events_put_values(w->events, step, &(struct sim_event_value){tag, s->value}, 1));
    }
}

void sim_watch_end(struct sim_watch *w)
{
    sim_events_close(&w->events);
}
