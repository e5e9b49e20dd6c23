/* A small configuration for the tests of fields and YAML: every type, bounds, a top level, two sections. */
#ifndef SIM_TEST_SCHEMA_H
#define SIM_TEST_SCHEMA_H

#include "fields.h"

struct test_model {
    int64_t embed_dim, depth;
    double drop;
    int norm;
};

struct test_train {
    double lr, any;
    int64_t shift;
    int fast;
    char note[SIM_TEXT_BYTES];
};

struct test_config {
    int64_t seed;
    struct test_model model;
    struct test_train train;
};

static const char *const test_norms[] = {"bn", "ln", NULL};

#define M(name) offsetof(struct test_model, name)
#define T(name) offsetof(struct test_train, name)
static const struct sim_field test_top_fields[] = {
    {"seed", SIM_FIELD_INT, offsetof(struct test_config, seed), 0, 1e9, NULL, "7", "where draws begin"},
};
static const struct sim_field test_model_fields[] = {
    {"embed_dim", SIM_FIELD_INT, M(embed_dim), 1, 8192, NULL, "96", "width"},
    {"depth", SIM_FIELD_INT, M(depth), 1, 100, NULL, "4", "blocks"},
    {"drop", SIM_FIELD_REAL, M(drop), 0, 0.99, NULL, "0.1", "share dropped"},
    {"norm", SIM_FIELD_CHOICE, M(norm), 0, 0, test_norms, "ln", "normalisation"},
};
static const struct sim_field test_train_fields[] = {
    {"lr", SIM_FIELD_REAL, T(lr), 0, 1000, NULL, "1e-3", "learning rate"},
    {"any", SIM_FIELD_REAL, T(any), 0, 0, NULL, "0", "a number without bounds"},
    {"shift", SIM_FIELD_INT, T(shift), -5, 5, NULL, "-2", "may be negative"},
    {"fast", SIM_FIELD_BOOL, T(fast), 0, 0, NULL, "true", "a flag"},
    {"note", SIM_FIELD_TEXT, T(note), 0, 0, NULL, "plain", "free text"},
};
#undef M
#undef T
static const struct sim_section test_sections[] = {
    {"", test_top_fields, 1, 0, "the run"},
    {"model", test_model_fields, 4, offsetof(struct test_config, model), "the model"},
    {"train", test_train_fields, 5, offsetof(struct test_config, train), "the optimiser"},
};
static const struct sim_schema test_schema = {test_sections, 3, sizeof(struct test_config)};

#endif
