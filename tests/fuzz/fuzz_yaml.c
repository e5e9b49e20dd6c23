/* YAML and the field table: no text does harm, and what is accepted is dumped so that it reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "seeds.h"
#include "yaml.h"

static const char sample[] = "# every type, both styles\n"
                             "seed: 5\n"
                             "model:\n"
                             "  embed_dim: 384\n"
                             "  depth: \"1\\x32\"\n"
                             "  drop: 0.25\n"
                             "  norm: bn\n"
                             "train: {lr: 2.5e-4, any: -1e300, shift: -3, fast: false, note: 'it''s'}\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const others[] = {
        "a: [x, {b: c}, - ]\n? d\n: |\n  text\n  more\n",
        "--- {a: &b !!str c, d: *b}\n...\n--- second\n",
        "train.note=a=b",
        "model.depth=12",
        "\xef\xbb\xbfmodel:\n\tdepth: 1\n",
    };
    fuzz_seed(*argc, *argv, "sample", sample, sizeof sample - 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char name[] = "0";
        name[0] = (char)('0' + i);
        fuzz_seed(*argc, *argv, name, others[i], strlen(others[i]));
    }
    return 0;
}

static void check_round_trip(const struct test_config *config)
{
    char *text;
    struct sim_yaml_file *f;
    struct test_config back;
    FUZZ_CHECK(sim_fields_dump_yaml(&test_schema, config, 1, &text) == SIM_OK);
    FUZZ_CHECK(sim_yaml_parse(&f, text, strlen(text), "dump") == SIM_OK);
    FUZZ_CHECK(sim_fields_preset(&test_schema, &back) == SIM_OK);
    FUZZ_CHECK(sim_yaml_apply(f, sim_yaml_root(f), &test_schema, &back) == SIM_OK);
    FUZZ_CHECK(memcmp(config, &back, sizeof back) == 0);
    sim_yaml_close(f);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct test_config config;
    struct sim_yaml_file *f;
    FUZZ_CHECK(sim_fields_preset(&test_schema, &config) == SIM_OK);
    if (sim_yaml_parse(&f, (const char *)bytes, count, "input") == SIM_OK) {
        if (sim_yaml_apply(f, sim_yaml_root(f), &test_schema, &config) == SIM_OK) check_round_trip(&config);
        sim_yaml_close(f);
    }
    char *pair = strndup((const char *)bytes, count);
    if (pair && sim_fields_set_pair(&test_schema, &config, pair) == SIM_OK) check_round_trip(&config);
    free(pair);
    return 0;
}
