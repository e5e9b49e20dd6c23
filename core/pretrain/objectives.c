#include "objectives.h"

#include "siameseim.h"

/* In the order of sim_objective_kinds. */
static const char *const names[SIM_OBJECTIVES + 1] = {[SIM_OBJECTIVE_SIAMESEIM] = "siameseim"};

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
};
