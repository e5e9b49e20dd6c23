#include "verify_case.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify_config.h"

/* ------------------------------------------------------------------ metadata */

static sim_status read_config(struct sim_case *c, const char *folder)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/steps.safetensors", folder);
    return sim_verify_config(&c->config, sim_tensors_metadata(c->steps, "objective"),
                             sim_tensors_metadata(c->steps, "config"), file);
}

static sim_status number(const struct sim_case *c, const char *folder, const char *key, int which,
                         double *out)
{
    const char *text = sim_tensors_metadata(c->steps, key);
    char *end = NULL;
    for (int i = 0; text && i <= which; i++) {
        errno = 0;
        *out = strtod(text, &end);
        if (end == text || errno || !isfinite(*out))
            text = NULL;
        else
            text = *end == ',' ? end + 1 : i == which ? end : NULL;
    }
    return text ? SIM_OK
                : sim_fail(SIM_EFORMAT, "%s/steps.safetensors: metadata \"%s\" is missing or no number",
                           folder, key);
}

static sim_status read_optimiser(struct sim_case *c, const char *folder)
{
    SIM_TRY(number(c, folder, "weight_decay", 0, &c->config.train.weight_decay));
    c->config.train.clip_grad = 0;
    if (!c->config.eval.finetune) SIM_TRY(number(c, folder, "clip", 0, &c->config.train.clip_grad));
    SIM_TRY(number(c, folder, "betas", 0, &c->config.train.beta1));
    SIM_TRY(number(c, folder, "betas", 1, &c->config.train.beta2));
    return number(c, folder, "eps", 0, &c->config.train.eps);
}

static sim_status read_zeros(struct sim_case *c, const char *folder)
{
    const char *text = sim_tensors_metadata(c->steps, "zero_gradients");
    json_error_t error;
    json_t *list = json_loads(text ? text : "[]", 0, &error);
    size_t n = json_array_size(list);
    c->zero = calloc(n + 1, sizeof *c->zero);
    for (size_t i = 0; c->zero && i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        c->zero[i] = strdup(name ? name : "");
    }
    int good = json_is_array(list) && c->zero;
    json_decref(list);
    return good ? SIM_OK
                : sim_fail(SIM_EFORMAT, "%s/steps.safetensors: metadata \"zero_gradients\" is no JSON list",
                           folder);
}

int sim_case_is_zero(const struct sim_case *c, const char *name)
{
    /* momentum branches by the online branch's name */
    static const char *const branches[][2] = {{"mm_", ""}, {"momentum_encoder.", "base_encoder."}};
    char online[128];
    snprintf(online, sizeof online, "%s", name);
    for (size_t k = 0; k < sizeof branches / sizeof *branches; k++)
        if (strncmp(name, branches[k][0], strlen(branches[k][0])) == 0)
            snprintf(online, sizeof online, "%s%s", branches[k][1], name + strlen(branches[k][0]));
    for (int i = 0; c->zero[i]; i++)
        if (strcmp(c->zero[i], online) == 0) return 1;
    return 0;
}

/* ------------------------------------------------------------------ steps */

static sim_status tensor_of(const struct sim_case *c, const char *name, int64_t s, enum sim_dtype dtype,
                            int dims, const int64_t *shape, const void **data)
{
    char full[32];
    const struct sim_tensor *t;
    snprintf(full, sizeof full, "%s.%ld", name, (long)s);
    SIM_TRY(sim_tensors_expect(c->steps, full, dtype, dims, shape, &t));
    *data = t->data;
    return SIM_OK;
}

/* Of fine-tuning: images, targets, and of every image its factors, block by block, which are kept the other
 * way round here. */
static sim_status classifier_batch(const struct sim_case *c, int64_t s, struct sim_batch *out)
{
    const int64_t side = c->config.model.img_size, branches = 2 * c->config.model.depth;
    const int64_t image[] = {c->batch, 3, side, side}, target[] = {c->batch, c->classes},
                  drop[] = {c->batch, branches};
    const void *x, *t, *d;
    SIM_TRY(tensor_of(c, "x", s, SIM_F32, 4, image, &x));
    SIM_TRY(tensor_of(c, "target", s, SIM_F32, 2, target, &t));
    SIM_TRY(tensor_of(c, "drop_path", s, SIM_F32, 2, drop, &d));
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t k = 0; k < branches; k++)
            c->keep[k * c->batch + b] = ((const float *)d)[b * branches + k];
    *out = (struct sim_batch){.size = c->batch, .view1 = x, .target = t, .keep = c->keep};
    return SIM_OK;
}

sim_status sim_case_batch(const struct sim_case *c, int64_t s, struct sim_batch *out)
{
    if (c->classes) return classifier_batch(c, s, out);
    const int64_t side = c->config.model.img_size, grid = side / c->config.model.patch_size;
    const int64_t image[] = {c->batch, 3, side, side}, mask[] = {c->batch, grid * grid},
                  geom[] = {c->batch, 6};
    const void *v1, *v2, *m, *g;
    SIM_TRY(tensor_of(c, "x1", s, SIM_F32, 4, image, &v1));
    SIM_TRY(tensor_of(c, "x2", s, SIM_F32, 4, image, &v2));
    SIM_TRY(tensor_of(c, "mask", s, SIM_U8, 2, mask, &m));
    SIM_TRY(tensor_of(c, "geom", s, SIM_F32, 2, geom, &g));
    *out = (struct sim_batch){.size = c->batch, .view1 = v1, .view2 = v2, .mask = m, .geometry = g};
    return SIM_OK;
}

static sim_status series(const struct sim_case *c, const char *name, const double **out)
{
    const struct sim_tensor *t;
    SIM_TRY(sim_tensors_expect(c->steps, name, SIM_F64, 1, &c->count, &t));
    *out = t->data;
    return SIM_OK;
}

static sim_status read_classifier_steps(struct sim_case *c, const char *folder)
{
    const struct sim_tensor *loss = sim_tensors_find(c->steps, "loss"),
                            *t = sim_tensors_find(c->steps, "target.0");
    if (!loss || loss->dims != 1 || loss->count < 1 || !t || t->dims != 2 || t->shape[0] < 1 ||
        t->shape[1] < 2)
        return sim_fail(SIM_EFORMAT, "%s/steps.safetensors: needs loss (steps) and target.0 (batch, classes)",
                        folder);
    c->count = loss->count, c->batch = t->shape[0], c->classes = t->shape[1];
    SIM_TRY(sim_vit_config_check(&c->config.model));
    c->keep = calloc((size_t)(2 * c->config.model.depth), (size_t)c->batch * sizeof *c->keep);
    if (!c->keep)
        return sim_fail(SIM_ENOMEM, "%s: no memory for the factors of %ld images", folder, (long)c->batch);
    SIM_TRY(series(c, "loss", &c->loss));
    SIM_TRY(series(c, "lr", &c->lr));
    return SIM_OK;
}

/* All gradients of the first step as one vector. */
static void measure_gradients(struct sim_case *c)
{
    double sum = 0;
    for (int i = 0; i < sim_tensors_count(c->step0); i++) {
        const struct sim_tensor *t = sim_tensors_at(c->step0, i);
        if (strncmp(t->name, "grad.", 5) != 0 || t->dtype != SIM_F32) continue;
        for (int64_t k = 0; k < t->count; k++) sum += pow(((const float *)t->data)[k], 2);
    }
    c->first_norm = sqrt(sum);
}

static sim_status read_steps(struct sim_case *c, const char *folder)
{
    measure_gradients(c);
    if (c->config.eval.finetune) return read_classifier_steps(c, folder);
    const struct sim_tensor *loss = sim_tensors_find(c->steps, "loss"),
                            *x1 = sim_tensors_find(c->steps, "x1.0");
    if (!loss || loss->dims != 1 || loss->count < 1 || !x1 || x1->dims != 4 || x1->shape[0] < 1)
        return sim_fail(SIM_EFORMAT,
                        "%s/steps.safetensors: needs loss (steps) and x1.0 (batch, 3, side, side)", folder);
    c->count = loss->count;
    c->batch = x1->shape[0];
    SIM_TRY(series(c, "loss", &c->loss));
    SIM_TRY(series(c, "grad_norm", &c->grad_norm));
    SIM_TRY(series(c, "lr", &c->lr));
    SIM_TRY(series(c, "momentum", &c->momentum));
    const int64_t grid = c->config.model.img_size / c->config.model.patch_size;
    c->hidden = grid * grid;
    for (int64_t s = 0; s < c->count; s++) {
        struct sim_batch b;
        int64_t hidden = 0;
        SIM_TRY(sim_case_batch(c, s, &b));
        for (int64_t i = 0; i < grid * grid; i++) hidden += b.mask[i] != 0;
        if (hidden < c->hidden) c->hidden = hidden;
    }
    return sim_objective_kind_of(&c->config.pretrain)
        ->check(&c->config.pretrain, &c->config.model, c->hidden);
}

/* ------------------------------------------------------------------ files */

static sim_status open_one(struct sim_tensors **out, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    return sim_tensors_open(out, path);
}

static sim_status open_all(struct sim_case *c, const char *folder)
{
    SIM_TRY(open_one(&c->init, folder, "init"));
    SIM_TRY(open_one(&c->step0, folder, "step0"));
    SIM_TRY(open_one(&c->final, folder, "final"));
    SIM_TRY(read_config(c, folder));
    SIM_TRY(read_optimiser(c, folder));
    SIM_TRY(read_zeros(c, folder));
    return read_steps(c, folder);
}

sim_status sim_case_open(struct sim_case *out, const char *folder, struct sim_tensors *steps)
{
    *out = (struct sim_case){.steps = steps};
    sim_status s = open_all(out, folder);
    if (s != SIM_OK) sim_case_close(out);
    return s;
}

void sim_case_close(struct sim_case *c)
{
    sim_tensors_close(c->init), sim_tensors_close(c->steps);
    sim_tensors_close(c->step0), sim_tensors_close(c->final);
    for (int i = 0; c->zero && c->zero[i]; i++) free(c->zero[i]);
    free(c->zero);
    free(c->keep);
    *c = (struct sim_case){0};
}
