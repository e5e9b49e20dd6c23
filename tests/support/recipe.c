#include "recipe.h"

#include "status.h"
#include "support.h"

struct sim_augment_config test_recipe(void)
{
    const struct sim_section section = {
        .prefix = "augment", .fields = sim_augment_fields, .count = sim_augment_field_count, .help = ""};
    struct sim_augment_config c;
    test_ok(sim_fields_preset(&(struct sim_schema){&section, 1, sizeof c}, &c));
    return c;
}
