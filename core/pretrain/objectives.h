/* The objectives there are: one table, through which everything above core/pretrain opens, costs and checks
 * them and finds the keys of their sections.
 *
 * To add one: its section of keys as a member of sim_pretrain_config, its row in objectives.c, and its keys
 * as ground truth names them in ablations/driver/verify_config.c. */
#ifndef SIM_OBJECTIVES_H
#define SIM_OBJECTIVES_H

#include "mae_config.h"
#include "moco_v3_config.h"
#include "objective.h"
#include "siameseim_config.h"
#include "vit_config.h"

/* The key `objective`, and the section of every objective; those of the others lie idle. */
struct sim_pretrain_config {
    int objective; /* index into sim_objective_kinds */
    struct sim_siameseim_config siameseim;
    struct sim_mae_config mae;
    struct sim_moco_v3_config moco_v3;
};

/* What is to be trained. */
struct sim_pretrain_job {
    const struct sim_vit_config *vit;
    const struct sim_pretrain_config *config;
    int64_t batch;  /* images of one step on this rank */
    int64_t hidden; /* patches hidden in view 1, of every image */
};

/* A key of another section ("mask.kind") and what stands there unless a file says otherwise. */
struct sim_key_value {
    const char *key, *value;
};

struct sim_objective_kind {
    const char *name;  /* as `objective:` has it, and the section of its keys */
    const char *about; /* one line */
    const struct sim_field *fields;
    const int *field_count;
    size_t offset;                        /* of its section in sim_pretrain_config */
    int views;                            /* of every image that it is shown: 1 or 2 */
    const struct sim_key_value *defaults; /* of keys that all objectives share; ends with a NULL key */
    /* What the bounds of single keys cannot say; hidden as in sim_pretrain_job.  The sentence begins with the
     * key at fault. */
    sim_status (*check)(const struct sim_pretrain_config *c, const struct sim_vit_config *vit,
                        int64_t hidden);
    /* Weights are initialised from seed. */
    sim_status (*open)(struct sim_objective *out, const struct sim_ops *ops,
                       const struct sim_pretrain_job *job, uint64_t seed);
    /* The cost of the same without allocating it, on a backend with such activations. */
    sim_status (*cost)(struct sim_cost *out, const struct sim_pretrain_job *job, size_t act_bytes);
    /* Every attention of a step; returns how many. */
    int (*attention)(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_pretrain_job *job);
};

enum { SIM_OBJECTIVE_SIAMESEIM, SIM_OBJECTIVE_MAE, SIM_OBJECTIVE_MOCO_V3, SIM_OBJECTIVES };
extern const struct sim_objective_kind sim_objective_kinds[SIM_OBJECTIVES];
/* The key `objective` itself, for a section at pretrain's place in a configuration. */
extern const struct sim_field sim_objective_field;

static inline const struct sim_objective_kind *sim_objective_kind_of(const struct sim_pretrain_config *c)
{
    return &sim_objective_kinds[c->objective];
}

#endif
