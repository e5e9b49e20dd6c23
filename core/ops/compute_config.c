#include "compute_config.h"

#include <string.h>

static const char *const precisions[] = {"auto", "fp32", "tf32", "bf16", NULL};

#define F(name, type, choices, preset, help)                                                                 \
    {                                                                                                        \
#name, type, offsetof(struct sim_compute_config, name), 0, 0, choices, preset, help                  \
    }

const struct sim_field sim_compute_fields[] = {
    F(precision, SIM_FIELD_CHOICE, precisions, "auto",
      "of activations and products: auto is fp32 on a CPU, bf16 on a GPU; weights and sums stay fp32"),
    F(deterministic, SIM_FIELD_BOOL, NULL, "true",
      "false: a GPU's faster attention backward, whose last digits vary from run to run"),
    F(cuda_graph, SIM_FIELD_BOOL, NULL, "false",
      "record the step once and repeat it on a GPU; for small models, the results are equal"),
    F(tune, SIM_FIELD_BOOL, NULL, "false",
      "time a GPU library's candidates for every product; a choice that varies moves last digits"),
};
const int sim_compute_field_count = sizeof sim_compute_fields / sizeof *sim_compute_fields;

const char *sim_precision_name(enum sim_precision p)
{
    return precisions[p];
}

sim_status sim_precision_parse(const char *name, const char *where, enum sim_precision *out)
{
    for (int i = 0; precisions[i]; i++)
        if (strcmp(precisions[i], name) == 0) {
            *out = (enum sim_precision)i;
            return SIM_OK;
        }
    return sim_fail(SIM_EINVAL, "%s %.40s: a precision is one of auto, fp32, tf32, bf16", where, name);
}

enum sim_precision sim_precision_on(const char *backend, enum sim_precision asked)
{
    if (asked != SIM_PRECISION_AUTO) return asked;
    return strcmp(backend, "cpu") == 0 ? SIM_PRECISION_FP32 : SIM_PRECISION_BF16;
}

struct sim_device_options sim_compute_options(const struct sim_compute_config *c, int ordinal)
{
    return (struct sim_device_options){.precision = (enum sim_precision)c->precision,
                                       .fast = !c->deterministic,
                                       .graphs = c->cuda_graph,
                                       .tune = c->tune,
                                       .ordinal = ordinal};
}
