/* The published augmentation, as the field table presets it: what tests of views and loaders start from. */
#ifndef SIM_TEST_RECIPE_H
#define SIM_TEST_RECIPE_H

#include "data_config.h"

struct sim_augment_config test_recipe(void);

#endif
