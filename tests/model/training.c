#include "training.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "file.h"
#include "progress.h"
#include "saves.h"

/* ------------------------------------------------------------------ a made-up source */

static void fake_name(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, "image %ld", (long)i);
}

static sim_status fake_next(void *self, int64_t epoch, int64_t step, const struct sim_batch **out)
{
    struct fake *f = self;
    int64_t at = epoch * STEPS_PER_EPOCH + step;
    if (at == f->broken_at) return sim_fail(SIM_EIO, "the made-up disk is gone");
    small_batch_close(f->batch);
    f->batch = small_batch(&f->s, (uint64_t)at);
    float *view = (float *)f->batch->view1;
    for (int64_t i = 0; at == f->nan_at && i < 3 * f->s.vit.img_size * f->s.vit.img_size; i++) view[i] = NAN;
    if (at == f->stop_at) f->stop = 1;
    *out = f->batch;
    return SIM_OK;
}

/* ------------------------------------------------------------------ a run */

struct plan plan_of(const struct small *s, const char *folder)
{
    return (struct plan){.s = *s,
                         .c = small_training(s),
                         .steps_per_epoch = STEPS_PER_EPOCH,
                         .threads = 1,
                         .folder = folder,
                         .hash = "0123456789abcdef",
                         .fake = {.s = *s, .nan_at = -1, .broken_at = -1, .stop_at = -1}};
}

sim_status train(struct plan *p, struct sim_train_result *result)
{
    sim_progress_quiet(1);
    struct sim_ops ops = small_ops();
    omp_set_num_threads(p->threads);
    struct sim_objective o = small_open(&ops, &p->s, 7);
    struct sim_source source = {.self = &p->fake,
                                .images = p->steps_per_epoch * p->s.batch,
                                .steps_per_epoch = p->steps_per_epoch,
                                .next = fake_next,
                                .name = fake_name};
    struct sim_train_job job = {.objective = &o,
                                .config = &p->c,
                                .source = &source,
                                .folder = p->folder,
                                .config_hash = p->hash,
                                .seed = 7,
                                .resume = p->resume,
                                .stop = &p->fake.stop,
                                .on_epoch = p->on_epoch,
                                .context = p->context};
    sim_status s = sim_train_run(&job, result);
    small_batch_close(p->fake.batch);
    p->fake.batch = NULL;
    o.close(&o);
    ops.close(&ops);
    return s;
}

int train_well(struct plan *p, struct sim_epoch_stats curve[EPOCHS])
{
    struct sim_train_result r;
    test_ok(train(p, &r));
    if (curve) memcpy(curve, r.curve, (size_t)r.epochs * sizeof *curve);
    free(r.curve);
    ck_assert(!r.diverged);
    return r.epochs;
}

const char *file_in(const char *folder, const char *name)
{
    static char path[4][700];
    static int turn;
    char *p = path[turn++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

const char *checkpoint_of(const char *folder, int64_t step)
{
    static char path[4][SIM_SAVES_PATH_BYTES];
    static int turn;
    char *p = path[turn++ & 3];
    test_ok(sim_saves_path(p, folder, step));
    return p;
}

int64_t saved_step(const char *folder)
{
    struct sim_tensors *file;
    char path[SIM_SAVES_PATH_BYTES];
    int64_t step = -1;
    test_ok(sim_saves_open(&file, path, folder, NULL));
    ck_assert_ptr_nonnull(file);
    test_ok(sim_checkpoint_step(file, path, &step));
    sim_tensors_close(file);
    return step;
}

void same_checkpoints(const char *one, const char *other)
{
    int64_t step = saved_step(one);
    ck_assert_int_eq(step, saved_step(other));
    test_same_files(checkpoint_of(one, step), checkpoint_of(other, step));
}

const char *fresh_folder(void)
{
    return strdup(test_scratch());
}

void copy_file(const char *from, const char *to)
{
    size_t size;
    char *bytes = small_read(from, &size);
    test_ok(sim_file_write(to, bytes, size));
    free(bytes);
}

void same_curves(const struct sim_epoch_stats *a, const struct sim_epoch_stats *b, int count)
{
    for (int i = 0; i < count; i++) { /* all but the timings */
        ck_assert_int_eq(a[i].epoch, b[i].epoch);
        ck_assert_int_eq(a[i].step, b[i].step);
        ck_assert_double_eq(a[i].loss, b[i].loss);
        ck_assert_double_eq(a[i].grad_norm, b[i].grad_norm);
        ck_assert_double_eq(a[i].lr, b[i].lr);
        ck_assert_double_eq(a[i].momentum, b[i].momentum);
    }
}

struct small everything_on(void)
{
    struct small s = small_model();
    s.vit.drop_path_rate = 0.3, s.vit.init_values = 0.1, s.c.train_patch_embed = 1;
    return s;
}
