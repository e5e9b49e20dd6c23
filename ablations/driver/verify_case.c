#include "verify_case.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ metadata */

struct reader {
    json_t *config;
    const char *folder;
    sim_status status;
};

static json_t *member(struct reader *r, const char *key)
{
    json_t *v = json_object_get(r->config, key);
    if (!v && r->status == SIM_OK)
        r->status =
            sim_fail(SIM_EFORMAT, "%s/steps.safetensors: the configuration in the metadata lacks \"%s\"",
                     r->folder, key);
    return v;
}

static int64_t whole(struct reader *r, const char *key)
{
    json_t *v = member(r, key);
    if (v && (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1 << 20) &&
        r->status == SIM_OK)
        r->status = sim_fail(SIM_EFORMAT, "%s/steps.safetensors: \"%s\" is no whole number from 0 to 1048576",
                             r->folder, key);
    return json_integer_value(v);
}

static double real(struct reader *r, const char *key)
{
    json_t *v = member(r, key);
    if (v && !json_is_number(v) && r->status == SIM_OK)
        r->status = sim_fail(SIM_EFORMAT, "%s/steps.safetensors: \"%s\" is no number", r->folder, key);
    return json_number_value(v);
}

static int choice(struct reader *r, const char *key, const char *const *names)
{
    json_t *v = member(r, key);
    const char *text = json_is_string(v)  ? json_string_value(v)
                       : json_is_true(v)  ? "true"
                       : json_is_false(v) ? "false"
                                          : "";
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0) return i;
    if (v && r->status == SIM_OK)
        r->status =
            sim_fail(SIM_EFORMAT, "%s/steps.safetensors: \"%s\" is \"%s\", which is none of %s, %s ...",
                     r->folder, key, text, names[0], names[1]);
    return 0;
}

static sim_status read_config(struct sim_case *c, const char *folder)
{
    static const char *const norms[] = {"bn", "ln", NULL}, *const switches[] = {"false", "true", NULL},
                             *const positions[] = {"full", "no_scale", "none", NULL},
                             *const losses[] = {"dense", "global", NULL},
                             *const targets[] = {"ln", "none", NULL};
    const char *objective = sim_tensors_metadata(c->steps, "objective"),
               *text = sim_tensors_metadata(c->steps, "config");
    if (!objective || strcmp(objective, "siameseim") != 0 || !text)
        return sim_fail(
            SIM_EFORMAT, "%s/steps.safetensors: objective \"%s\" %s; this command verifies siameseim", folder,
            objective ? objective : "(none)", text ? "is not known here" : "without a configuration");
    json_error_t error;
    struct reader r = {.config = json_loads(text, 0, &error), .folder = folder};
    if (!json_is_object(r.config)) {
        json_decref(r.config);
        return sim_fail(SIM_EFORMAT, "%s/steps.safetensors: the configuration is no JSON object: %s", folder,
                        error.text);
    }
    c->vit = (struct sim_vit_config){.img_size = whole(&r, "img"),
                                     .patch_size = whole(&r, "patch"),
                                     .embed_dim = whole(&r, "dim"),
                                     .depth = whole(&r, "depth"),
                                     .num_heads = whole(&r, "heads"),
                                     .mlp_ratio = whole(&r, "mlp_ratio"),
                                     .init_values = real(&r, "layer_scale")};
    c->c = (struct sim_siameseim_config){.decoder_embed_dim = whole(&r, "dec_dim"),
                                         .decoder_num_heads = whole(&r, "dec_heads"),
                                         .projector_depth = whole(&r, "projector_depth"),
                                         .predictor_depth = whole(&r, "predictor_depth"),
                                         .projector_norm = choice(&r, "projector_norm", norms),
                                         .predictor_norm = choice(&r, "predictor_norm", norms),
                                         .online_ln = choice(&r, "online_ln", switches),
                                         .train_patch_embed = choice(&r, "train_patch_embed", switches),
                                         .relative_position = choice(&r, "relative_position", positions),
                                         .loss = choice(&r, "loss", losses),
                                         .neg_weight = real(&r, "neg_weight"),
                                         .momentum = 0.995};
    if (json_object_get(r.config, "target_norm")) /* older ground truth knows the paper's only */
        c->c.target_norm = choice(&r, "target_norm", targets);
    json_decref(r.config);
    if (r.status == SIM_OK &&
        (c->vit.img_size < 1 || c->vit.patch_size < 1 || c->vit.embed_dim < 1 || c->vit.num_heads < 1 ||
         c->vit.mlp_ratio < 1 || c->c.decoder_embed_dim < 1 || c->c.decoder_num_heads < 1))
        return sim_fail(SIM_EFORMAT, "%s/steps.safetensors: a size in the configuration is zero", folder);
    if (r.status == SIM_OK && (c->vit.depth < 1 || c->vit.depth > 100 || c->c.projector_depth > 100 ||
                               c->c.predictor_depth > 100 || c->c.predictor_depth < 1))
        return sim_fail(SIM_EFORMAT, "%s/steps.safetensors: a depth in the configuration is outside 1 to 100",
                        folder);
    SIM_TRY(r.status);
    return sim_siameseim_config_check(&c->c, &c->vit);
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
    c->train = (struct sim_train_config){0};
    SIM_TRY(number(c, folder, "weight_decay", 0, &c->train.weight_decay));
    SIM_TRY(number(c, folder, "clip", 0, &c->train.clip_grad));
    SIM_TRY(number(c, folder, "betas", 0, &c->train.beta1));
    SIM_TRY(number(c, folder, "betas", 1, &c->train.beta2));
    return number(c, folder, "eps", 0, &c->train.eps);
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
    if (strncmp(name, "mm_", 3) == 0) name += 3;
    for (int i = 0; c->zero[i]; i++)
        if (strcmp(c->zero[i], name) == 0) return 1;
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

sim_status sim_case_batch(const struct sim_case *c, int64_t s, struct sim_batch *out)
{
    const int64_t grid = c->vit.img_size / c->vit.patch_size;
    const int64_t image[] = {c->batch, 3, c->vit.img_size, c->vit.img_size}, mask[] = {c->batch, grid * grid},
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

static sim_status read_steps(struct sim_case *c, const char *folder)
{
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
    const int64_t grid = c->vit.img_size / c->vit.patch_size;
    for (int64_t s = 0; s < c->count; s++) {
        struct sim_batch b;
        int64_t visible = 0;
        SIM_TRY(sim_case_batch(c, s, &b));
        for (int64_t i = 0; i < grid * grid; i++) visible += !b.mask[i];
        if (visible > c->max_visible) c->max_visible = visible;
    }
    return SIM_OK;
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
    SIM_TRY(open_one(&c->steps, folder, "steps"));
    SIM_TRY(open_one(&c->step0, folder, "step0"));
    SIM_TRY(open_one(&c->final, folder, "final"));
    SIM_TRY(read_config(c, folder));
    SIM_TRY(read_optimiser(c, folder));
    SIM_TRY(read_zeros(c, folder));
    return read_steps(c, folder);
}

sim_status sim_case_open(struct sim_case *out, const char *folder)
{
    *out = (struct sim_case){0};
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
    *c = (struct sim_case){0};
}
