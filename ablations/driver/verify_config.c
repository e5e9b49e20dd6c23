#include "verify_config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY = -1, FINETUNE = -2 };

/* What a reference calls a key of ours.  objective: of a table's row, EVERY reference's, or that of FINETUNE
 * alone. */
struct name {
    int objective;
    const char *reference, *key;
    int optional; /* older ground truth knows the default only */
};

static const struct name names[] = {
    {EVERY, "img", "model.img_size", 0},
    {EVERY, "patch", "model.patch_size", 0},
    {EVERY, "dim", "model.embed_dim", 0},
    {EVERY, "depth", "model.depth", 0},
    {EVERY, "heads", "model.num_heads", 0},
    {EVERY, "mlp_ratio", "model.mlp_ratio", 0},
    {FINETUNE, "layer_decay", "finetune.layer_decay", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "layer_scale", "model.init_values", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "dec_dim", "siameseim.decoder_embed_dim", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "dec_heads", "siameseim.decoder_num_heads", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "projector_depth", "siameseim.projector_depth", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "predictor_depth", "siameseim.predictor_depth", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "projector_norm", "siameseim.projector_norm", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "predictor_norm", "siameseim.predictor_norm", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "online_ln", "siameseim.online_ln", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "train_patch_embed", "siameseim.train_patch_embed", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "relative_position", "siameseim.relative_position", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "loss", "siameseim.loss", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "neg_weight", "siameseim.neg_weight", 0},
    {SIM_OBJECTIVE_SIAMESEIM, "target_norm", "siameseim.target_norm", 1},
    {SIM_OBJECTIVE_MAE, "dec_dim", "mae.decoder_embed_dim", 0},
    {SIM_OBJECTIVE_MAE, "dec_depth", "mae.decoder_depth", 0},
    {SIM_OBJECTIVE_MAE, "dec_heads", "mae.decoder_num_heads", 0},
    {SIM_OBJECTIVE_MAE, "norm_pix_loss", "mae.norm_pix_loss", 0},
    {SIM_OBJECTIVE_MOCO_V3, "proj_hidden", "moco_v3.mlp_dim", 0},
    {SIM_OBJECTIVE_MOCO_V3, "proj_dim", "moco_v3.dim", 0},
    {SIM_OBJECTIVE_MOCO_V3, "temperature", "moco_v3.temperature", 0},
    {SIM_OBJECTIVE_MOCO_V3, "train_patch_embed", "moco_v3.train_patch_embed", 0},
};

static sim_status set(struct sim_run_config *out, const struct name *name, const json_t *value,
                      const char *file)
{
    char where[4200];
    snprintf(where, sizeof where, "%s: \"%s\"", file, name->reference);
    char *dumped =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    sim_status status = text ? sim_fields_set(sim_run_schema(), out, name->key, text, where)
                             : sim_fail(SIM_ENOMEM, "%s: no memory to read it", where);
    free(dumped);
    return status == SIM_EINVAL ? sim_fail(SIM_EFORMAT, "%s", sim_error_text()) : status;
}

static sim_status set_all(struct sim_run_config *out, const json_t *config, const char *file)
{
    const int objective = out->eval.finetune ? FINETUNE : out->pretrain.objective;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct name *n = &names[i];
        const json_t *value = json_object_get(config, n->reference);
        if (n->objective != EVERY && n->objective != objective) continue;
        if (value)
            SIM_TRY(set(out, n, value, file));
        else if (!n->optional)
            return sim_fail(SIM_EFORMAT, "%s: the configuration in the metadata lacks \"%s\"", file,
                            n->reference);
    }
    return SIM_OK;
}

sim_status sim_verify_config(struct sim_run_config *out, const char *objective, const char *json,
                             const char *file)
{
    const int finetune = objective && strcmp(objective, "finetune") == 0;
    char known[200] = "";
    int kind = finetune ? 0 : -1;
    for (int i = 0; i < SIM_OBJECTIVES; i++) {
        if (objective && strcmp(objective, sim_objective_kinds[i].name) == 0) kind = i;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 sim_objective_kinds[i].name);
    }
    if (kind < 0)
        return sim_fail(SIM_EFORMAT,
                        "%s: the objective in the metadata is \"%s\"; this command verifies %s, finetune",
                        file, objective ? objective : "", known);
    SIM_TRY(sim_run_config_preset(out, kind));
    out->eval.finetune = finetune;
    json_error_t error = {.text = "there is none"};
    json_t *config = json ? json_loads(json, 0, &error) : NULL;
    sim_status status =
        json_is_object(config)
            ? set_all(out, config, file)
            : sim_fail(SIM_EFORMAT, "%s: the configuration in the metadata is no JSON object: %s", file,
                       error.text);
    json_decref(config);
    return status;
}
