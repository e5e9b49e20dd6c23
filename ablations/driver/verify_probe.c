#include "verify_probe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linear_head.h"
#include "verify_compare.h"

struct probe {
    const struct sim_tensors *steps;
    struct sim_tensors *init, *final;
    struct sim_linear_head head;
    struct sim_verdict *v;
    int64_t count; /* steps */
    const double *loss, *lr;
    int32_t *label;
    uint32_t *order;
    float *logits;
};

int sim_verify_is_probe(const struct sim_tensors *steps)
{
    const char *objective = sim_tensors_metadata(steps, "objective");
    return objective && strcmp(objective, "linear_probe") == 0;
}

static sim_status number(const struct probe *p, const char *key, double *out)
{
    const char *text = sim_tensors_metadata(p->steps, key);
    char *end = NULL;
    errno = 0;
    *out = text ? strtod(text, &end) : 0;
    if (text && end != text && !*end && !errno && isfinite(*out)) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "steps.safetensors: metadata \"%s\" is missing or no number", key);
}

static sim_status open_head(struct probe *p)
{
    const struct sim_tensor *loss = sim_tensors_find(p->steps, "loss"),
                            *x = sim_tensors_find(p->steps, "feature.0"),
                            *w = sim_tensors_find(p->init, "fc.weight"), *t;
    struct sim_linear_head_shape shape = {0};
    if (!loss || loss->dims != 1 || loss->count < 1 || !x || x->dims != 2 || !w || w->dims != 2)
        return sim_fail(SIM_EFORMAT,
                        "needs loss (steps), feature.0 (batch, width) and init's fc.weight (classes, width)");
    p->count = loss->count;
    shape.batch = x->shape[0], shape.dim = x->shape[1], shape.classes = w->shape[0];
    SIM_TRY(number(p, "momentum", &shape.momentum));
    SIM_TRY(number(p, "trust", &shape.trust));
    SIM_TRY(number(p, "weight_decay", &shape.weight_decay));
    SIM_TRY(sim_tensors_expect(p->steps, "loss", SIM_F64, 1, &p->count, &t));
    p->loss = t->data;
    SIM_TRY(sim_tensors_expect(p->steps, "lr", SIM_F64, 1, &p->count, &t));
    p->lr = t->data;
    SIM_TRY(sim_linear_head_open(&p->head, &shape, 0));
    p->label = calloc((size_t)shape.batch, sizeof *p->label);
    p->order = calloc((size_t)shape.batch, sizeof *p->order);
    p->logits = calloc((size_t)shape.batch, (size_t)shape.classes * sizeof *p->logits);
    if (!p->label || !p->order || !p->logits)
        return sim_fail(SIM_ENOMEM, "no memory for batches of %ld rows", (long)shape.batch);
    for (int64_t i = 0; i < shape.batch; i++) p->order[i] = (uint32_t)i;
    return SIM_OK;
}

/* The head's tensors by the reference's names: copied in from `from`, or compared with it. */
static sim_status each_tensor(struct probe *p, const struct sim_tensors *from, int compare)
{
    const struct sim_linear_head *h = &p->head;
    const int64_t d = h->shape.dim, c = h->shape.classes;
    const struct {
        const char *name;
        int dims;
        int64_t shape[2];
        float *ours;
    } all[] = {{"fc.weight", 2, {c, d}, h->w},
               {"fc.bias", 1, {c}, h->b},
               {"bn.running_mean", 1, {d}, h->running_mean},
               {"bn.running_var", 1, {d}, h->running_var}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct sim_tensor *t;
        SIM_TRY(sim_tensors_expect(from, all[i].name, SIM_F32, all[i].dims, all[i].shape, &t));
        if (compare)
            sim_verdict_note(&p->v[SIM_VERIFY_STATE], sim_distance_relative(all[i].ours, t->data, t->count),
                             t->name);
        else
            memcpy(all[i].ours, t->data, (size_t)t->count * sizeof(float));
    }
    return SIM_OK;
}

static sim_status take_step(struct probe *p, int64_t s)
{
    const struct sim_linear_head_shape *shape = &p->head.shape;
    const struct sim_tensor *x, *y;
    char name[32];
    double loss;
    snprintf(name, sizeof name, "feature.%ld", (long)s);
    SIM_TRY(sim_tensors_expect(p->steps, name, SIM_F32, 2, (int64_t[]){shape->batch, shape->dim}, &x));
    snprintf(name, sizeof name, "label.%ld", (long)s);
    SIM_TRY(sim_tensors_expect(p->steps, name, SIM_I64, 1, &shape->batch, &y));
    for (int64_t i = 0; i < shape->batch; i++) {
        const int64_t label = ((const int64_t *)y->data)[i];
        if (label < 0 || label >= shape->classes)
            return sim_fail(SIM_EFORMAT, "%s holds %ld; there are %ld classes", name, (long)label,
                            (long)shape->classes);
        p->label[i] = (int32_t)label;
    }
    SIM_TRY(sim_linear_head_step(&p->head, x->data, p->label, p->order, p->lr[s], &loss));
    snprintf(name, sizeof name, "step %ld", (long)s);
    sim_verdict_note(&p->v[SIM_VERIFY_LOSS], fabs(loss - p->loss[s]) / fabs(p->loss[s]), name);
    return SIM_OK;
}

static sim_status walk(struct probe *p)
{
    const struct sim_linear_head_shape *shape = &p->head.shape;
    const struct sim_tensor *x, *truth, *start, *end;
    struct sim_heading update = {0};
    SIM_TRY(each_tensor(p, p->init, 0));
    for (int64_t s = 0; s < p->count; s++) SIM_TRY(take_step(p, s));
    SIM_TRY(each_tensor(p, p->final, 1));
    SIM_TRY(sim_tensors_expect(p->init, "fc.weight", SIM_F32, 2, (int64_t[]){shape->classes, shape->dim},
                               &start));
    SIM_TRY(
        sim_tensors_expect(p->final, "fc.weight", SIM_F32, 2, (int64_t[]){shape->classes, shape->dim}, &end));
    sim_heading_add_all(&update, p->head.w, end->data, start->data, end->count);
    sim_verdict_note(&p->v[SIM_VERIFY_UPDATE], sim_heading_error(&update), "fc.weight");
    SIM_TRY(sim_tensors_expect(p->steps, "feature.0", SIM_F32, 2, (int64_t[]){shape->batch, shape->dim}, &x));
    SIM_TRY(sim_tensors_expect(p->steps, "eval_logits.0", SIM_F32, 2,
                               (int64_t[]){shape->batch, shape->classes}, &truth));
    SIM_TRY(sim_linear_head_logits(&p->head, x->data, shape->batch, p->logits));
    sim_verdict_note(&p->v[SIM_VERIFY_ACTIVATIONS],
                     sim_distance_relative(p->logits, truth->data, truth->count), "eval_logits.0");
    return SIM_OK;
}

static sim_status open_file(struct sim_tensors **out, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    return sim_tensors_open(out, path);
}

sim_status sim_verify_probe(const char *folder, const struct sim_tensors *steps,
                            struct sim_verdict verdict[SIM_VERIFY_QUANTITIES])
{
    struct probe p = {.steps = steps, .v = verdict};
    sim_verdicts_start(verdict, SIM_PRECISION_FP32);
    sim_status s = open_file(&p.init, folder, "init");
    if (s == SIM_OK) s = open_file(&p.final, folder, "final");
    if (s == SIM_OK) s = open_head(&p);
    if (s == SIM_OK) s = walk(&p);
    free(p.label), free(p.order), free(p.logits);
    sim_linear_head_close(&p.head);
    sim_tensors_close(p.init), sim_tensors_close(p.final);
    return s == SIM_OK ? SIM_OK : sim_context(s, "%s", folder);
}
