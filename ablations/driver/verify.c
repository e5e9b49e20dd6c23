#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "ranks.h"
#include "step.h"
#include "verify_compare.h"
#include "verify_probe.h"

/* ------------------------------------------------------------------ the run */

struct watch {
    const struct sim_case *c;
    struct sim_verdict *v;
    const struct sim_ops *ops;
    sim_status status;
};

/* Of several ranks each runs its share of the ground truth's batch, `batch` / size images from this one on.
 */
static int64_t first_image(const struct sim_ops *ops, int64_t batch)
{
    return ops->ranks ? batch / ops->ranks->size * ops->ranks->rank : 0;
}

static void take_share(const struct sim_ops *ops, const struct sim_case *c, struct sim_batch *b)
{
    const int64_t first = first_image(ops, b->size), side = c->config.model.img_size,
                  grid = side / c->config.model.patch_size;
    if (!ops->ranks) return;
    b->view1 += first * 3 * side * side;
    if (b->view2) b->view2 += first * 3 * side * side;
    if (b->mask) b->mask += first * grid * grid;
    if (b->geometry) b->geometry += first * 6;
    if (b->target) b->target += first * c->classes;
    const int64_t share = b->size / sim_ranks_size(ops->ranks);
    for (int64_t k = 0; b->keep && k < 2 * c->config.model.depth;
         k++) /* (2 depth, B): rows grow shorter in place */
        memmove(c->keep + k * share, c->keep + k * b->size + first, (size_t)share * sizeof *c->keep);
    b->size = share;
}

static void see(void *context, const char *name, const sim_act *data, const int64_t shape[3])
{
    struct watch *w = context;
    char full[80];
    const struct sim_tensor *t;
    snprintf(full, sizeof full, "act.%s", name);
    if (w->status != SIM_OK) return;
    const int64_t whole[3] = {shape[0] * sim_ranks_size(w->ops->ranks), shape[1], shape[2]};
    const int flat = shape[1] == 1; /* one row of each image: the references leave that dimension out */
    w->status = sim_tensors_expect(w->c->step0, full, SIM_F32, flat ? 2 : 3,
                                   flat ? (const int64_t[]){whole[0], whole[2]} : whole, &t);
    if (w->status != SIM_OK) return;
    const int64_t image = shape[1] * shape[2], count = shape[0] * image;
    const float *truth = (const float *)t->data + first_image(w->ops, whole[0]) * image;
    float *ours = calloc((size_t)count, sizeof *ours);
    if (ours) {
        w->ops->read_act(w->ops, ours, data, count);
        sim_compare_tensor(w->v, w->v, 1, w->c, name, ours, truth, count);
    } else {
        w->status = sim_fail(SIM_ENOMEM, "no memory to read %s", full);
    }
    free(ours);
}

static sim_status compare_gradients(const struct sim_case *c, const struct sim_params *p,
                                    struct sim_verdict *v)
{
    /* rounding of a sum that cancels exactly, against the size of the whole gradient */
    const double unit = p->ops->precision == SIM_PRECISION_FP32 ? 1e-6 : 1e-4;
    int expected = 0, trained = 0;
    SIM_TRY(sim_params_fetch(p, SIM_FETCH_GRADIENTS));
    for (int i = 0; i < sim_tensors_count(c->step0); i++)
        expected += strncmp(sim_tensors_at(c->step0, i)->name, "grad.", 5) == 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        char full[128];
        const struct sim_tensor *t;
        if (row->gradient < 0) continue;
        trained++;
        snprintf(full, sizeof full, "grad.%s", row->name);
        SIM_TRY(sim_tensors_expect(c->step0, full, SIM_F32, row->dims, row->shape, &t));
        sim_compare_tensor(&v[SIM_VERIFY_GRADIENTS], &v[SIM_VERIFY_ZEROS], unit * c->first_norm, c, row->name,
                           p->host.gradient + row->gradient, t->data, row->count);
    }
    if (trained != expected)
        return sim_fail(SIM_EFORMAT,
                        "step0.safetensors has %d gradients, this configuration trains %d tensors", expected,
                        trained);
    return SIM_OK;
}

/* What compare_state collects. */
struct state {
    const struct sim_case *c;
    const struct sim_params *p;
    struct sim_verdict *v;
    double zero_bound; /* how far AdamW can carry rounding noise */
    struct sim_heading trained, copies;
};

static sim_status compare_state_tensor(struct state *k, const struct sim_tensor *ours)
{
    const struct sim_tensor *t, *start;
    struct sim_verdict *v = &k->v[SIM_VERIFY_STATE];
    SIM_TRY(sim_tensors_expect(k->c->final, ours->name, ours->dtype, ours->dims, ours->shape, &t));
    if (t->dtype == SIM_I64) {
        sim_verdict_note(v, *(const int64_t *)ours->data == *(const int64_t *)t->data ? 0 : INFINITY,
                         t->name);
        return SIM_OK;
    }
    int row = sim_params_find(k->p, ours->name);
    int copy = k->p->row[row].partner >= 0, moves = copy || k->p->row[row].gradient >= 0;
    if (moves) {
        SIM_TRY(sim_tensors_expect(k->c->init, ours->name, ours->dtype, ours->dims, ours->shape, &start));
        sim_heading_add(copy ? &k->copies : &k->trained, k->c, t->name, ours->data, t->data, start->data,
                        t->count);
    }
    if (!moves || k->p->ops->precision == SIM_PRECISION_FP32)
        sim_compare_tensor(v, &k->v[SIM_VERIFY_ZEROS], k->zero_bound, k->c, t->name, ours->data, t->data,
                           t->count);
    return SIM_OK;
}

static sim_status compare_state(const struct sim_case *c, const struct sim_params *p, struct sim_verdict *v)
{
    struct state k = {.c = c, .p = p, .v = v};
    for (int64_t s = 0; s < c->count; s++) k.zero_bound += c->lr[s];
    struct sim_tensor *ours;
    int count;
    SIM_TRY(sim_params_tensors(p, &ours, &count));
    sim_status status = SIM_OK;
    if (count != sim_tensors_count(c->final))
        status = sim_fail(SIM_EFORMAT, "final.safetensors has %d tensors, this configuration %d",
                          sim_tensors_count(c->final), count);
    for (int i = 0; i < count && status == SIM_OK; i++) status = compare_state_tensor(&k, &ours[i]);
    free(ours);
    sim_verdict_note(&v[SIM_VERIFY_UPDATE], sim_heading_error(&k.trained), "trained weights");
    sim_verdict_note(&v[SIM_VERIFY_UPDATE], sim_heading_error(&k.copies), "momentum copies");
    return status;
}

static sim_status walk(const struct sim_case *c, struct sim_objective *o, struct sim_optimiser *optimiser,
                       struct sim_verdict *v)
{
    struct watch watch = {.c = c, .v = &v[SIM_VERIFY_ACTIVATIONS], .ops = o->ops};
    struct sim_trace trace = {see, &watch};
    if (strcmp(o->name, "moco_v3") == 0) sim_verdicts_moco_v3(v, o->ops->precision);
    SIM_TRY(sim_params_load(o->params, c->init));
    for (int64_t s = 0; s < c->count; s++) {
        struct sim_batch batch;
        struct sim_step_result r;
        char step[32];
        SIM_TRY(sim_case_batch(c, s, &batch));
        take_share(o->ops, c, &batch);
        SIM_TRY(sim_train_step(optimiser, &batch, c->lr[s], c->momentum ? c->momentum[s] : 0, 0,
                               s == 0 ? &trace : NULL, &r));
        snprintf(step, sizeof step, "step %ld", (long)s);
        sim_verdict_note(&v[SIM_VERIFY_LOSS], fabs(r.loss - c->loss[s]) / fabs(c->loss[s]), step);
        const double norm = c->grad_norm ? c->grad_norm[s] : c->first_norm;
        if (c->grad_norm || s == 0)
            sim_verdict_note(&v[SIM_VERIFY_GRAD_NORM], fabs(r.grad_norm - norm) / norm, step);
        SIM_TRY(watch.status);
        if (s == 0) SIM_TRY(compare_gradients(c, o->params, v));
    }
    return compare_state(c, o->params, v);
}

/* The model that the case is about: an objective of the table, or the classifier of fine-tuning, which
 * *classifier owns. */
static sim_status open_model(const struct sim_case *c, const struct sim_ops *ops, struct sim_objective *o,
                             struct sim_classifier **classifier)
{
    const int64_t share = c->batch / sim_ranks_size(ops->ranks);
    const struct sim_pretrain_job job = {&c->config.model, &c->config.pretrain, share, c->hidden};
    if (!c->classes) return sim_objective_kind_of(&c->config.pretrain)->open(o, ops, &job, 0);
    struct sim_classifier_shape shape = {.vit = c->config.model,
                                         .classes = c->classes,
                                         .batch = share,
                                         .layer_decay = c->config.finetune.layer_decay,
                                         .training = 1};
    shape.vit.drop_path_rate = 0.5; /* any: the factors are given */
    SIM_TRY(sim_classifier_open(classifier, ops, &shape, 0));
    sim_classifier_objective(*classifier, o);
    return SIM_OK;
}

static sim_status verify_model(const struct sim_ops *ops, const char *folder, struct sim_tensors *steps,
                               struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    sim_verdicts_start(verdict, ops->precision);
    struct sim_case c;
    struct sim_objective o = {0};
    struct sim_classifier *classifier = NULL;
    struct sim_optimiser optimiser = {0};
    SIM_TRY(sim_case_open(&c, folder, steps));
    const int64_t ranks = sim_ranks_size(ops->ranks);
    sim_status s = SIM_OK;
    if (c.batch % ranks)
        s = sim_fail(SIM_EINVAL, "its batch of %ld does not divide by %ld ranks", (long)c.batch, (long)ranks);
    if (s == SIM_OK) s = open_model(&c, ops, &o, &classifier);
    if (s == SIM_OK) s = sim_optimiser_open(&optimiser, &o, &c.config.train);
    if (s == SIM_OK) s = walk(&c, &o, &optimiser, verdict);
    if (s != SIM_OK) s = sim_context(s, "%s", folder);
    sim_optimiser_close(&optimiser);
    if (o.close) o.close(&o);
    sim_classifier_close(classifier);
    sim_case_close(&c);
    return s;
}

sim_status sim_verify(const struct sim_ops *ops, const char *folder,
                      struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    struct sim_tensors *steps;
    char path[4096];
    snprintf(path, sizeof path, "%s/steps.safetensors", folder);
    SIM_TRY(sim_tensors_open(&steps, path));
    if (!sim_verify_is_probe(steps)) return verify_model(ops, folder, steps, verdict);
    sim_status s = sim_verify_probe(folder, steps, verdict);
    sim_tensors_close(steps);
    return s;
}

int sim_verify_passes(const struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++)
        if (!(verdict[i].worst <= verdict[i].bound)) return 0;
    return 1;
}

void sim_verify_merge(struct sim_verdict all[SIM_VERIFY_QUANTITIES],
                      const struct sim_verdict v[SIM_VERIFY_QUANTITIES], const char *folder)
{
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++) {
        int compared = all[i].compared + v[i].compared;
        if (!all[i].name || (v[i].compared && !(v[i].worst <= all[i].worst) && !isnan(all[i].worst))) {
            all[i] = v[i];
            if (v[i].compared) snprintf(all[i].where, sizeof all[i].where, "%s: %s", folder, v[i].where);
        }
        all[i].compared = compared;
    }
}
