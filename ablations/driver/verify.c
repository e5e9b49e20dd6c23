#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step.h"
#include "verify_case.h"

/* ------------------------------------------------------------------ comparing */

static void note(struct sim_verdict *v, double error, const char *where)
{
    v->compared++;
    if (v->compared > 1 && error <= v->worst) return; /* a NaN is never <=, and so is kept */
    if (isnan(v->worst)) return;
    v->worst = error;
    snprintf(v->where, sizeof v->where, "%s", where);
}

/* |a - b| / |b| in L2; |a - b| where b is zero. */
static double relative(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static double largest_difference(const float *a, const float *b, int64_t count)
{
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static double norm_of(const float *a, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)a[i];
    return sqrt(sum);
}

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

struct compare {
    const struct sim_case *c;
    struct sim_verdict *v, *zeros;
    double zero_bound; /* what counts as rounding where the truth is zero */
};

/* Compares one tensor.  Where the truth is exactly zero (softmax does not see a constant added to every key:
 * the key third of a qkv bias; the tensors that the ground truth lists) rounding noise has no relative size:
 * those parts are held to an absolute bound, recorded as a fraction of it. */
static void compare_tensor(struct compare *k, const char *name, const float *ours, const float *truth,
                           int64_t count)
{
    char where[128];
    if (sim_case_is_zero(k->c, name)) {
        note(k->zeros, largest_difference(ours, truth, count) / k->zero_bound, name);
        return;
    }
    if (ends_with(name, "attn.qkv.bias")) {
        int64_t third = count / 3;
        snprintf(where, sizeof where, "%s (key third)", name);
        note(k->zeros, largest_difference(ours + third, truth + third, third) / k->zero_bound, where);
        note(k->v, relative(ours, truth, third), name);
        note(k->v, relative(ours + 2 * third, truth + 2 * third, third), name);
        return;
    }
    if (ends_with(name, "running_mean") && norm_of(truth, count) < 1e-6 * sqrt((double)count)) {
        note(k->zeros, largest_difference(ours, truth, count) / k->zero_bound, name);
        return;
    }
    note(k->v, relative(ours, truth, count), name);
}

/* ------------------------------------------------------------------ the run */

struct watch {
    const struct sim_case *c;
    struct sim_verdict *v;
    const struct sim_ops *ops;
    sim_status status;
};

static void see(void *context, const char *name, const sim_act *data, const int64_t shape[3])
{
    struct watch *w = context;
    char full[80];
    const struct sim_tensor *t;
    snprintf(full, sizeof full, "act.%s", name);
    if (w->status != SIM_OK) return;
    w->status = sim_tensors_expect(w->c->step0, full, SIM_F32, 3, shape, &t);
    if (w->status != SIM_OK) return;
    float *ours = calloc((size_t)t->count, sizeof *ours);
    if (ours) {
        w->ops->read_act(w->ops, ours, data, t->count);
        note(w->v, relative(ours, t->data, t->count), name);
    } else {
        w->status = sim_fail(SIM_ENOMEM, "no memory to read %s", full);
    }
    free(ours);
}

static sim_status compare_gradients(const struct sim_case *c, const struct sim_params *p,
                                    struct sim_verdict *v)
{
    /* rounding of a sum that cancels exactly, against the size of the whole gradient */
    struct compare k = {.c = c,
                        .v = &v[SIM_VERIFY_GRADIENTS],
                        .zeros = &v[SIM_VERIFY_ZEROS],
                        .zero_bound = 1e-6 * c->grad_norm[0]};
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
        compare_tensor(&k, row->name, p->host.gradient + row->gradient, t->data, row->count);
    }
    if (trained != expected)
        return sim_fail(SIM_EFORMAT,
                        "step0.safetensors has %d gradients, this configuration trains %d tensors", expected,
                        trained);
    return SIM_OK;
}

static sim_status compare_state(const struct sim_case *c, const struct sim_params *p, struct sim_verdict *v)
{
    struct compare k = {.c = c, .v = &v[SIM_VERIFY_STATE], .zeros = &v[SIM_VERIFY_ZEROS]};
    for (int64_t s = 0; s < c->count; s++)
        k.zero_bound += c->lr[s]; /* how far AdamW can carry rounding noise */
    struct sim_tensor *ours;
    int count;
    SIM_TRY(sim_params_tensors(p, &ours, &count));
    sim_status status = SIM_OK;
    if (count != sim_tensors_count(c->final))
        status = sim_fail(SIM_EFORMAT, "final.safetensors has %d tensors, this configuration %d",
                          sim_tensors_count(c->final), count);
    for (int i = 0; i < count && status == SIM_OK; i++) {
        const struct sim_tensor *t;
        status = sim_tensors_expect(c->final, ours[i].name, ours[i].dtype, ours[i].dims, ours[i].shape, &t);
        if (status != SIM_OK) break;
        if (t->dtype == SIM_I64)
            note(k.v, *(const int64_t *)ours[i].data == *(const int64_t *)t->data ? 0 : INFINITY, t->name);
        else
            compare_tensor(&k, t->name, ours[i].data, t->data, t->count);
    }
    free(ours);
    return status;
}

static sim_status walk(const struct sim_case *c, struct sim_objective *o, struct sim_optimiser *optimiser,
                       struct sim_verdict *v)
{
    struct watch watch = {.c = c, .v = &v[SIM_VERIFY_ACTIVATIONS], .ops = o->ops};
    struct sim_trace trace = {see, &watch};
    SIM_TRY(sim_params_load(o->params, c->init));
    for (int64_t s = 0; s < c->count; s++) {
        struct sim_batch batch;
        struct sim_step_result r;
        char step[32];
        SIM_TRY(sim_case_batch(c, s, &batch));
        SIM_TRY(sim_train_step(optimiser, &batch, c->lr[s], c->momentum[s], 0,
                               s == 0 ? &trace : NULL, &r));
        snprintf(step, sizeof step, "step %ld", (long)s);
        note(&v[SIM_VERIFY_LOSS], fabs(r.loss - c->loss[s]) / fabs(c->loss[s]), step);
        note(&v[SIM_VERIFY_GRAD_NORM], fabs(r.grad_norm - c->grad_norm[s]) / fabs(c->grad_norm[s]), step);
        SIM_TRY(watch.status);
        if (s == 0) SIM_TRY(compare_gradients(c, o->params, v));
    }
    return compare_state(c, o->params, v);
}

sim_status sim_verify(const struct sim_ops *ops, const char *folder,
                      struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    static const struct sim_verdict blank[SIM_VERIFY_QUANTITIES] = {
        [SIM_VERIFY_LOSS] = {.name = "loss", .bound = SIM_BOUND_LOSS},
        [SIM_VERIFY_GRAD_NORM] = {.name = "gradient norm", .bound = SIM_BOUND_GRAD_NORM},
        [SIM_VERIFY_ACTIVATIONS] = {.name = "activations", .bound = SIM_BOUND_ACTIVATIONS},
        [SIM_VERIFY_GRADIENTS] = {.name = "gradients", .bound = SIM_BOUND_GRADIENTS},
        [SIM_VERIFY_STATE] = {.name = "final state", .bound = SIM_BOUND_STATE},
        [SIM_VERIFY_ZEROS] = {.name = "exact zeros", .bound = 1},
    };
    memcpy(verdict, blank, sizeof blank);
    struct sim_case c;
    struct sim_objective o = {0};
    struct sim_optimiser optimiser = {0};
    SIM_TRY(sim_case_open(&c, folder));
    sim_status s = sim_siameseim_open(&o, ops, &c.vit, &c.c, c.batch, c.max_visible, 0);
    if (s == SIM_OK) s = sim_optimiser_open(&optimiser, &o, &c.train);
    if (s == SIM_OK) s = walk(&c, &o, &optimiser, verdict);
    if (s != SIM_OK) s = sim_context(s, "%s", folder);
    sim_optimiser_close(&optimiser);
    if (o.close) o.close(&o);
    sim_case_close(&c);
    return s;
}

int sim_verify_passes(const struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++)
        if (!(verdict[i].worst <= verdict[i].bound)) return 0;
    return 1;
}
