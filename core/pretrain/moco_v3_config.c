#include "moco_v3_config.h"

static const char *const schedules[] = SIM_MOMENTUM_SCHEDULE_NAMES;

#define F(name, type, low, high, choices, preset, help)                                                      \
    {                                                                                                        \
#name, type, offsetof(struct sim_moco_v3_config, name), low, high, choices, preset, help             \
    }

const struct sim_field sim_moco_v3_fields[] = {
    F(mlp_dim, SIM_FIELD_INT, 1, 65536, NULL, "384",
      "hidden width of the projector's and the predictor's MLPs; the paper has 4096"),
    F(dim, SIM_FIELD_INT, 1, 8192, NULL, "64", "width of queries and keys; the paper has 256"),
    F(temperature, SIM_FIELD_REAL, 0.001, 100, NULL, "0.2",
      "of the softmax over keys; the loss is times twice it"),
    F(train_patch_embed, SIM_FIELD_BOOL, 0, 0, NULL, "false",
      "train the patch embedding (the paper freezes it)"),
    F(momentum, SIM_FIELD_REAL, 0, 1, NULL, "0.99", "EMA base of the momentum encoder; 0: shared weights"),
    F(momentum_schedule, SIM_FIELD_CHOICE, 0, 0, schedules, "cosine",
      "momentum over the run: cosine to 1, or const"),
};
const int sim_moco_v3_field_count = sizeof sim_moco_v3_fields / sizeof *sim_moco_v3_fields;

sim_status sim_moco_v3_config_check(const struct sim_moco_v3_config *c, const struct sim_vit_config *vit,
                                    int64_t hidden)
{
    (void)c;
    SIM_TRY(sim_vit_config_check(vit));
    if (hidden)
        return sim_fail(SIM_EINVAL,
                        "mask.kind: %ld patches would be hidden, but moco_v3 is shown whole images: none",
                        (long)hidden);
    if (vit->drop_path_rate > 0)
        return sim_fail(SIM_EINVAL, "model.drop_path_rate: moco_v3 trains without drop path; 0, not %g",
                        vit->drop_path_rate);
    return SIM_OK;
}
