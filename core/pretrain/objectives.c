#include "objectives.h"

#include "mae.h"
#include "moco_v3.h"
#include "siameseim.h"

/* In the order of sim_objective_kinds. */
static const char *const names[SIM_OBJECTIVES + 1] = {
    [SIM_OBJECTIVE_SIAMESEIM] = "siameseim",
    [SIM_OBJECTIVE_MAE] = "mae",
    [SIM_OBJECTIVE_MOCO_V3] = "moco_v3",
};

const struct sim_field sim_objective_field = {"objective",
                                              SIM_FIELD_CHOICE,
                                              offsetof(struct sim_pretrain_config, objective),
                                              0,
                                              0,
                                              names,
                                              "siameseim",
                                              "what is pre-trained; the section of this name has its keys"};

static const struct sim_key_value none[] = {{NULL, NULL}};

/* ------------------------------------------------------------------ siameseim */

static int64_t visible_of(const struct sim_pretrain_job *job)
{
    const int64_t grid = job->vit->img_size / job->vit->patch_size;
    return grid * grid - job->hidden;
}

static sim_status siameseim_check(const struct sim_pretrain_config *c, const struct sim_vit_config *vit,
                                  int64_t hidden)
{
    (void)hidden; /* any number, none among them */
    return sim_siameseim_config_check(&c->siameseim, vit);
}

static sim_status siameseim_open(struct sim_objective *out, const struct sim_ops *ops,
                                 const struct sim_pretrain_job *job, uint64_t seed)
{
    return sim_siameseim_open(out, ops, job->vit, &job->config->siameseim, job->batch, visible_of(job), seed);
}

static sim_status siameseim_cost(struct sim_cost *out, const struct sim_pretrain_job *job, size_t act_bytes)
{
    return sim_siameseim_cost(out, job->vit, &job->config->siameseim, job->batch, visible_of(job), act_bytes);
}

static int siameseim_attention(struct sim_attention_use out[SIM_ATTENTION_USES],
                               const struct sim_pretrain_job *job)
{
    return sim_siameseim_attention(out, job->vit, &job->config->siameseim, job->batch, visible_of(job));
}

/* ------------------------------------------------------------------ mae */

/* The official recipe where it is another than SiameseIM's: one view without colours, three quarters hidden.
 */
static const struct sim_key_value mae_defaults[] = {
    {"mask.kind", "random"},
    {"mask.ratio", "0.75"},
    {"augment.crop_min", "0.2"},
    {"augment.jitter", "0"},
    {"augment.grayscale", "0"},
    {"augment.blur1", "0"},
    {"augment.blur2", "0"},
    {"augment.solarize2", "0"},
    {"train.blr", "1.5e-4"},
    {"train.clip_grad", "0"},
    {NULL, NULL},
};

static sim_status mae_check(const struct sim_pretrain_config *c, const struct sim_vit_config *vit,
                            int64_t hidden)
{
    return sim_mae_config_check(&c->mae, vit, hidden);
}

static sim_status mae_open(struct sim_objective *out, const struct sim_ops *ops,
                           const struct sim_pretrain_job *job, uint64_t seed)
{
    return sim_mae_open(out, ops, job->vit, &job->config->mae, job->batch, job->hidden, seed);
}

static sim_status mae_cost(struct sim_cost *out, const struct sim_pretrain_job *job, size_t act_bytes)
{
    return sim_mae_cost(out, job->vit, &job->config->mae, job->batch, job->hidden, act_bytes);
}

static int mae_attention(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_pretrain_job *job)
{
    return sim_mae_attention(out, job->vit, &job->config->mae, job->batch, job->hidden);
}

/* ------------------------------------------------------------------ moco_v3 */

/* The official recipe where it is another than SiameseIM's: whole images, other views, another optimiser. */
static const struct sim_key_value moco_v3_defaults[] = {
    {"mask.kind", "none"},         {"augment.filter", "bilinear"},
    {"augment.flip_last", "true"}, {"train.blr", "1.5e-4"},
    {"train.weight_decay", "0.1"}, {"train.beta2", "0.999"},
    {"train.clip_grad", "0"},      {NULL, NULL},
};

static sim_status moco_v3_check(const struct sim_pretrain_config *c, const struct sim_vit_config *vit,
                                int64_t hidden)
{
    return sim_moco_v3_config_check(&c->moco_v3, vit, hidden);
}

static sim_status moco_v3_open(struct sim_objective *out, const struct sim_ops *ops,
                               const struct sim_pretrain_job *job, uint64_t seed)
{
    return sim_moco_v3_open(out, ops, job->vit, &job->config->moco_v3, job->batch, seed);
}

static sim_status moco_v3_cost(struct sim_cost *out, const struct sim_pretrain_job *job, size_t act_bytes)
{
    return sim_moco_v3_cost(out, job->vit, &job->config->moco_v3, job->batch, act_bytes);
}

static int moco_v3_attention(struct sim_attention_use out[SIM_ATTENTION_USES],
                             const struct sim_pretrain_job *job)
{
    return sim_moco_v3_attention(out, job->vit, job->batch);
}

/* ------------------------------------------------------------------ the table */

const struct sim_objective_kind sim_objective_kinds[SIM_OBJECTIVES] = {
    [SIM_OBJECTIVE_SIAMESEIM] = {.name = "siameseim",
                                 .about = "SiameseIM: what a slow copy sees in another view, patch by patch",
                                 .fields = sim_siameseim_fields,
                                 .field_count = &sim_siameseim_field_count,
                                 .offset = offsetof(struct sim_pretrain_config, siameseim),
                                 .views = 2,
                                 .defaults = none,
                                 .check = siameseim_check,
                                 .open = siameseim_open,
                                 .cost = siameseim_cost,
                                 .attention = siameseim_attention},
    [SIM_OBJECTIVE_MAE] = {.name = "mae",
                           .about = "MAE: the pixels of hidden patches",
                           .fields = sim_mae_fields,
                           .field_count = &sim_mae_field_count,
                           .offset = offsetof(struct sim_pretrain_config, mae),
                           .views = 1,
                           .defaults = mae_defaults,
                           .check = mae_check,
                           .open = mae_open,
                           .cost = mae_cost,
                           .attention = mae_attention},
    [SIM_OBJECTIVE_MOCO_V3] = {.name = "moco_v3",
                               .about = "MoCo-v3: which image of the batch is the same one, seen anew",
                               .fields = sim_moco_v3_fields,
                               .field_count = &sim_moco_v3_field_count,
                               .offset = offsetof(struct sim_pretrain_config, moco_v3),
                               .views = 2,
                               .defaults = moco_v3_defaults,
                               .check = moco_v3_check,
                               .open = moco_v3_open,
                               .cost = moco_v3_cost,
                               .attention = moco_v3_attention},
};
