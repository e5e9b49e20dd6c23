#include "fields.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "schema.h"
#include "support.h"
#include "yaml.h"

static struct test_config config;

static void preset(void)
{
    test_ok(sim_fields_preset(&test_schema, &config));
}

static sim_status set(const char *key, const char *text)
{
    return sim_fields_set(&test_schema, &config, key, text, "here:3:4");
}

static const char *hash(void) /* static buffer */
{
    static char out[17];
    test_ok(sim_fields_hash(&test_schema, &config, out));
    ck_assert_uint_eq(strlen(out), 16);
    return out;
}

/* ------------------------------------------------------------------ reading */

START_TEST(presets_fill_everything)
{
    memset(&config, 0xee, sizeof config);
    preset();
    ck_assert_int_eq(config.seed, 7);
    ck_assert_int_eq(config.model.embed_dim, 96);
    ck_assert(config.model.drop == 0.1);
    ck_assert_int_eq(config.model.norm, 1);
    ck_assert(config.train.lr == 1e-3);
    ck_assert_int_eq(config.train.shift, -2);
    ck_assert_int_eq(config.train.fast, 1);
    ck_assert_str_eq(config.train.note, "plain");
}
END_TEST

START_TEST(a_wrong_preset_is_an_error)
{
    static const struct sim_field bad = {"depth", SIM_FIELD_INT, 0, 1, 4, NULL, "5", ""};
    static const struct sim_section section = {"model", &bad, 1, 0, ""};
    static const struct sim_schema schema = {&section, 1, sizeof config};
    test_fails(sim_fields_preset(&schema, &config), "default: model.depth: 5 is out of bounds, 1 to 4");
}
END_TEST

START_TEST(values_are_set_and_their_bounds_are_closed)
{
    test_ok(set("model.embed_dim", "8192"));
    ck_assert_int_eq(config.model.embed_dim, 8192);
    test_ok(set("model.embed_dim", "+1"));
    ck_assert_int_eq(config.model.embed_dim, 1);
    test_ok(set("train.shift", "-5"));
    ck_assert_int_eq(config.train.shift, -5);
    test_ok(set("model.drop", ".99"));
    ck_assert(config.model.drop == 0.99);
    test_ok(set("model.drop", "0"));
    ck_assert(config.model.drop == 0);
    test_ok(set("train.any", "-1.7976931348623157e308"));
    ck_assert(config.train.any == -1.7976931348623157e308);
    test_ok(set("train.fast", "false"));
    ck_assert_int_eq(config.train.fast, 0);
    test_ok(set("model.norm", "bn"));
    ck_assert_int_eq(config.model.norm, 0);
    test_ok(set("seed", "12"));
    ck_assert_int_eq(config.seed, 12);
    test_ok(set("train.note", ""));
    ck_assert_str_eq(config.train.note, "");
    test_ok(set("train.note", "a \"b\" = c: # \xc3\xbc \\"));
    ck_assert_str_eq(config.train.note, "a \"b\" = c: # \xc3\xbc \\");
}
END_TEST

static const struct {
    const char *key, *text, *says;
} wrong[] = {
    {"model.embed_dim", "0", "model.embed_dim: 0 is out of bounds, 1 to 8192"},
    {"model.embed_dim", "8193", "out of bounds"},
    {"model.embed_dim", "12x", "\"12x\" is not a whole number"},
    {"model.embed_dim", "12.0", "not a whole number"},
    {"model.embed_dim", "1e2", "not a whole number"},
    {"model.embed_dim", " 12", "not a whole number"},
    {"model.embed_dim", "12 ", "not a whole number"},
    {"model.embed_dim", "0x10", "not a whole number"},
    {"model.embed_dim", "", "\"\" is not a whole number"},
    {"model.embed_dim", "-", "not a whole number"},
    {"model.embed_dim", "99999999999999999999", "not a whole number"},
    {"model.drop", "-0.001", "-0.001 is out of bounds, 0 to 0.99"},
    {"model.drop", "1", "out of bounds"},
    {"model.drop", "nan", "not a number"},
    {"model.drop", "inf", "not a number"},
    {"model.drop", "infinity", "not a number"},
    {"model.drop", "0x1p-3", "not a number"},
    {"model.drop", "0,5", "not a number"},
    {"model.drop", "0.5.5", "not a number"},
    {"model.drop", "1e", "not a number"},
    {"model.drop", "", "not a number"},
    {"train.any", "1e400", "too large or too small"},
    {"train.any", "-1e400", "too large or too small"},
    {"train.any", "1e-400", "too large or too small"},
    {"train.fast", "1", "\"1\" is neither true nor false"},
    {"train.fast", "True", "neither true nor false"},
    {"train.fast", "yes", "neither true nor false"},
    {"model.norm", "BN", "\"BN\" is none of bn, ln"},
    {"model.norm", "0", "none of bn, ln"},
    {"model.norm", "", "none of bn, ln"},
    {"train.note", "a\nb", "control character"},
    {"train.note", "\xff", "not UTF-8"},
    {"model", "5", "model is a section"},
};

START_TEST(wrong_values_are_refused)
{
    struct test_config before = config;
    test_fails(set(wrong[_i].key, wrong[_i].text), wrong[_i].says);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "here:3:4: "));
    ck_assert_ptr_nonnull(strstr(sim_error_text(), wrong[_i].key));
    ck_assert_mem_eq(&before, &config, sizeof config);
}
END_TEST

START_TEST(text_has_a_longest_length)
{
    char text[SIM_TEXT_BYTES + 1];
    memset(text, 'x', SIM_TEXT_BYTES);
    text[SIM_TEXT_BYTES] = '\0';
    test_fails(set("train.note", text), "512 bytes of text, at most 511 fit");
    text[SIM_TEXT_BYTES - 1] = '\0';
    test_ok(set("train.note", text));
    ck_assert_str_eq(config.train.note, text);
}
END_TEST

static const struct {
    const char *key, *nearest;
} typos[] = {
    {"model.embed_dmi", "\"model.embed_dim\""},
    {"modle.depth", "\"model.depth\""},
    {"train.depht", "\"train.shift\""},
    {"depth", "\"model.depth\""},
    {"fast", "\"train.fast\""},
    {"model.lr", "\"model.drop\""},
    {"sed", "\"seed\""},
    {"trian", "\"train\""},
    {"train.Note", "\"train.note\""},
    {"model.embed_dim.x", "\"model.embed_dim\""},
    {"qqqqqqqqqqqqqqqqqqqqqqqq", "none is near it"},
    {"", "unknown key \"\""},
};

START_TEST(unknown_keys_name_the_nearest)
{
    test_fails(set(typos[_i].key, "1"), typos[_i].nearest);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "here:3:4: unknown key \""));
}
END_TEST

START_TEST(pairs_of_the_command_line)
{
    test_ok(sim_fields_set_pair(&test_schema, &config, "model.depth=12"));
    ck_assert_int_eq(config.model.depth, 12);
    test_ok(sim_fields_set_pair(&test_schema, &config, "train.note=a=b"));
    ck_assert_str_eq(config.train.note, "a=b");
    test_ok(sim_fields_set_pair(&test_schema, &config, "train.note="));
    ck_assert_str_eq(config.train.note, "");
    test_fails(sim_fields_set_pair(&test_schema, &config, "model.depth"),
               "--set model.depth: wants KEY=VALUE");
    test_fails(sim_fields_set_pair(&test_schema, &config, "=3"), "wants KEY=VALUE");
    test_fails(sim_fields_set_pair(&test_schema, &config, "model.depht=3"),
               "--set: unknown key \"model.depht\"");
    test_fails(sim_fields_set_pair(&test_schema, &config, "model.depth=0"),
               "--set: model.depth: 0 is out of bounds");
}
END_TEST

START_TEST(fields_and_sections_are_found)
{
    ck_assert_str_eq(sim_fields_find(&test_schema, "train.lr")->key, "lr");
    ck_assert_str_eq(sim_fields_find(&test_schema, "seed")->key, "seed");
    ck_assert_ptr_null(sim_fields_find(&test_schema, "lr"));
    ck_assert_ptr_null(sim_fields_find(&test_schema, ".seed"));
    ck_assert_ptr_null(sim_fields_find(&test_schema, "train"));
    ck_assert(sim_fields_is_section(&test_schema, "train"));
    ck_assert(!sim_fields_is_section(&test_schema, ""));
    ck_assert(!sim_fields_is_section(&test_schema, "seed"));
}
END_TEST

/* ------------------------------------------------------------------ writing */

START_TEST(json_is_canonical)
{
    char *text;
    test_ok(sim_fields_dump_json(&test_schema, &config, &text));
    ck_assert_str_eq(text,
                     "{\"seed\":7,\"model\":{\"embed_dim\":96,\"depth\":4,\"drop\":0.1,\"norm\":\"ln\"},"
                     "\"train\":{\"lr\":0.001,\"any\":0,\"shift\":-2,\"fast\":true,\"note\":\"plain\"}}");
    free(text);
    test_ok(set("train.note", "\"\\\xc3\xbc"));
    test_ok(sim_fields_dump_json(&test_schema, &config, &text));
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(json, "train"), "note")),
                     "\"\\\xc3\xbc");
    json_decref(json);
    free(text);
}
END_TEST

/* Sections that share a prefix make one object, and so one YAML map. */
START_TEST(sections_of_one_prefix_are_joined)
{
    static const struct sim_section sections[] = {
        {"a", test_model_fields, 2, offsetof(struct test_config, model), "one"},
        {"a", test_train_fields, 1, offsetof(struct test_config, train), "two"},
        {"", test_top_fields, 1, 0, NULL},
    };
    static const struct sim_schema schema = {sections, 3, sizeof config};
    char *text;
    test_ok(sim_fields_preset(&schema, &config));
    test_ok(sim_fields_dump_json(&schema, &config, &text));
    ck_assert_str_eq(text, "{\"a\":{\"embed_dim\":96,\"depth\":4,\"lr\":0.001},\"seed\":7}");
    free(text);
    test_ok(sim_fields_dump_yaml(&schema, &config, 0, &text));
    ck_assert_str_eq(text, "a:\n  embed_dim: 96\n  depth: 4\n  lr: 0.001\nseed: 7\n");
    free(text);
    test_ok(sim_fields_set(&schema, &config, "a.lr", "2", ""));
    ck_assert(config.train.lr == 2);
}
END_TEST

static void check_yaml_rereads(int with_help)
{
    char *text;
    struct sim_yaml_file *f;
    struct test_config back;
    test_ok(sim_fields_dump_yaml(&test_schema, &config, with_help, &text));
    test_ok(sim_yaml_parse(&f, text, strlen(text), "dump.yaml"));
    test_ok(sim_fields_preset(&test_schema, &back));
    test_ok(sim_yaml_apply(f, sim_yaml_root(f), &test_schema, &back));
    ck_assert_mem_eq(&config, &back, sizeof back);
    sim_yaml_close(f);
    free(text);
}

START_TEST(dumps_can_be_read_again)
{
    check_yaml_rereads(0);
    static const char *const notes[] = {
        "",   "null", "~",  "true", "12",   "a: b # c", "- x", "\"q\"", "\xf0\x9f\x98\x80\\n",
        "{}", "*a",   "&a", "!t",   " lead"};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        test_ok(set("train.note", notes[i]));
        check_yaml_rereads(0);
        check_yaml_rereads(1);
    }
    test_ok(set("model.norm", "bn"));
    test_ok(set("train.any", "-1.2345678901234567e-300"));
    test_ok(set("train.lr", "1e-05"));
    test_ok(set("train.fast", "false"));
    check_yaml_rereads(1);
}
END_TEST

START_TEST(real_numbers_are_short_and_exact)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {1, "1"},
                 {0.1, "0.1"},
                 {1e-5, "1e-05"},
                 {6.25e-5, "6.25e-05"},
                 {64, "64"},
                 {1e22, "1e+22"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "4.94065645841247e-324"},
                 {1.0 / 3, "0.3333333333333333"}};
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sim_fields_format_real(cases[i].value, out);
        ck_assert_str_eq(out, cases[i].text);
    }
    struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        double v = ldexp(sim_rng_normal(&r), (int)sim_rng_below(&r, 600) - 300);
        sim_fields_format_real(v, out);
        ck_assert(strtod(out, NULL) == v);
    }
}
END_TEST

START_TEST(equal_values_have_equal_hashes)
{
    char before[17];
    strcpy(before, hash());
    static const struct {
        const char *key, *texts[5];
    } same[] = {
        {"train.lr", {"1e-3", "0.001", "1.0E-3", "+.001", "0.00100"}},
        {"train.any", {"0", "-0", "0.0", "0e5", "-0.0"}},
        {"model.depth", {"4", "04", "+4", "004", "4"}},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (int t = 0; t < 5; t++) {
            test_ok(set(same[i].key, same[i].texts[t]));
            ck_assert_str_eq(hash(), before);
        }
    test_ok(set("train.note", "a longer text than before"));
    test_ok(set("train.note", "plain")); /* nothing of the old text is left over */
    ck_assert_str_eq(hash(), before);
    /* The hash stands in committed records, so it never changes for an unchanged table. */
    ck_assert_str_eq(before, "cf8c8831142fa895");
}
END_TEST

START_TEST(every_field_changes_the_hash)
{
    static const char *const changes[][2] = {
        {"seed", "8"},           {"model.embed_dim", "97"},
        {"model.depth", "5"},    {"model.drop", "0.1000000000000001"},
        {"model.norm", "bn"},    {"train.lr", "1e-4"},
        {"train.any", "1e-300"}, {"train.shift", "2"},
        {"train.fast", "false"}, {"train.note", "plain "},
    };
    enum { CHANGES = sizeof changes / sizeof *changes };
    char seen[CHANGES + 1][17];
    for (int i = 0; i <= CHANGES; i++) {
        preset();
        if (i < CHANGES) test_ok(set(changes[i][0], changes[i][1]));
        strcpy(seen[i], hash());
        for (int j = 0; j < i; j++) ck_assert_str_ne(seen[i], seen[j]);
    }
}
END_TEST

START_TEST(help_lists_every_key)
{
    char *text;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    sim_fields_print_help(&test_schema, to);
    fclose(to);
    ck_assert_ptr_nonnull(strstr(text, "the model\n"));
    ck_assert_ptr_nonnull(strstr(text, "width (whole number, 1 to 8192; default 96)"));
    ck_assert_ptr_nonnull(strstr(text, "normalisation (bn | ln; default ln)"));
    ck_assert_ptr_nonnull(strstr(text, "a flag (true | false; default true)"));
    ck_assert_ptr_nonnull(strstr(text, "a number without bounds (number; default 0)"));
    ck_assert_ptr_nonnull(strstr(text, "  train.note "));
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fields");
    TCase *c = tcase_create("reading");
    tcase_add_checked_fixture(c, preset, NULL);
    tcase_add_test(c, presets_fill_everything);
    tcase_add_test(c, a_wrong_preset_is_an_error);
    tcase_add_test(c, values_are_set_and_their_bounds_are_closed);
    tcase_add_loop_test(c, wrong_values_are_refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(c, text_has_a_longest_length);
    tcase_add_loop_test(c, unknown_keys_name_the_nearest, 0, sizeof typos / sizeof *typos);
    tcase_add_test(c, pairs_of_the_command_line);
    tcase_add_test(c, fields_and_sections_are_found);
    suite_add_tcase(s, c);
    c = tcase_create("writing");
    tcase_add_checked_fixture(c, preset, NULL);
    tcase_add_test(c, json_is_canonical);
    tcase_add_test(c, sections_of_one_prefix_are_joined);
    tcase_add_test(c, dumps_can_be_read_again);
    tcase_add_test(c, real_numbers_are_short_and_exact);
    tcase_add_test(c, equal_values_have_equal_hashes);
    tcase_add_test(c, every_field_changes_the_hash);
    tcase_add_test(c, help_lists_every_key);
    suite_add_tcase(s, c);
    return test_run(s);
}
