#include "yaml.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "schema.h"
#include "support.h"

/* ------------------------------------------------------------------ helpers */

static struct test_config config;
static struct sim_yaml_file *file;

static void preset(void)
{
    test_ok(sim_fields_preset(&test_schema, &config));
}

static sim_status parse(const char *text)
{
    sim_yaml_close(file);
    return sim_yaml_parse(&file, text, strlen(text), "f.yaml");
}

static void leave(void)
{
    sim_yaml_close(file);
    file = NULL;
}

static sim_status apply(const char *text)
{
    SIM_TRY(parse(text));
    return sim_yaml_apply(file, sim_yaml_root(file), &test_schema, &config);
}

/* ------------------------------------------------------------------ the tree */

START_TEST(nodes_remember_where_they_stood)
{
    test_ok(parse("# a comment\n"
                  "a: 1\n"
                  "b:\n"
                  "  - x\n"
                  "  - \"\xc3\xbc y\"\n"
                  "\xc3\xbc: {c: d, e: [ ]}\n"));
    const struct sim_yaml *root = sim_yaml_root(file), *a = sim_yaml_find(root, "a"),
                          *b = sim_yaml_find(root, "b"), *u = sim_yaml_find(root, "\xc3\xbc");
    ck_assert_int_eq(root->kind, SIM_YAML_MAP);
    ck_assert_ptr_eq(root->child, a);
    ck_assert_ptr_eq(a->next, b);
    ck_assert_ptr_eq(b->next, u);
    ck_assert_ptr_null(u->next);
    ck_assert_str_eq(a->text, "1");
    ck_assert_int_eq(b->kind, SIM_YAML_LIST);
    ck_assert_ptr_null(b->child->key);
    ck_assert_str_eq(b->child->text, "x");
    ck_assert_str_eq(b->child->next->text, "\xc3\xbc y");
    const struct sim_yaml *e = sim_yaml_find(u, "e");
    ck_assert_int_eq(e->kind, SIM_YAML_LIST);
    ck_assert_ptr_null(e->child);
    ck_assert_ptr_null(sim_yaml_find(root, "absent"));
    ck_assert_ptr_null(sim_yaml_find(b, "x"));

    char where[64];
    sim_yaml_where(file, b->child->next, where, sizeof where);
    ck_assert_str_eq(where, "f.yaml:5:5");
    sim_yaml_where(file, sim_yaml_find(u, "c"), where, sizeof where);
    ck_assert_str_eq(where, "f.yaml:6:8");
    sim_yaml_where_key(file, e, where, sizeof where);
    ck_assert_str_eq(where, "f.yaml:6:11");
}
END_TEST

START_TEST(a_long_path_keeps_its_line)
{
    char path[300], where[64];
    memset(path, 'p', sizeof path);
    strcpy(path + sizeof path - 8, "/f.yaml");
    leave();
    test_ok(sim_yaml_parse(&file, "a: 1", 4, path));
    sim_yaml_where(file, sim_yaml_find(sim_yaml_root(file), "a"), where, sizeof where);
    ck_assert_ptr_nonnull(strstr(where, "pp/f.yaml:1:4"));
}
END_TEST

START_TEST(nothing_is_an_empty_text)
{
    test_ok(parse("a:\nb: ~\nc: null\nd: \"~\"\ne: 'null'\nf: \"\"\n"));
    static const char *const want[] = {"", "", "", "~", "null", ""};
    int i = 0;
    for (const struct sim_yaml *n = sim_yaml_root(file)->child; n; n = n->next)
        ck_assert_str_eq(n->text, want[i++]);
}
END_TEST

START_TEST(empty_files_are_empty_maps)
{
    static const char *const empty[] = {"",      "\n",         "# only a comment\n",
                                        "---\n", "---\n...\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct test_config before = config;
        test_ok(parse(empty[i]));
        ck_assert_int_eq(sim_yaml_root(file)->kind, SIM_YAML_MAP);
        test_ok(sim_yaml_apply(file, sim_yaml_root(file), &test_schema, &config));
        ck_assert_mem_eq(&before, &config, sizeof config);
    }
}
END_TEST

START_TEST(files_are_opened_by_path)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/run.yaml", test_scratch());
    test_ok(sim_file_write(path, "model: {depth: 9}\n", 18));
    leave();
    test_ok(sim_yaml_open(&file, path));
    ck_assert_str_eq(sim_yaml_path(file), path);
    test_ok(sim_yaml_apply(file, sim_yaml_root(file), &test_schema, &config));
    ck_assert_int_eq(config.model.depth, 9);
    leave();
    char *big = malloc(2 << 20);
    memset(big, '\n', 2 << 20);
    test_ok(sim_file_write(path, big, 2 << 20));
    free(big);
    test_fails(sim_yaml_open(&file, path), "run.yaml: larger than");
    ck_assert_ptr_null(file);
    test_fails(sim_yaml_open(&file, "absent.yaml"), "absent.yaml: cannot open");
}
END_TEST

/* ------------------------------------------------------------------ what is no configuration file */

static const struct {
    const char *text, *says;
} broken[] = {
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key \"a\", first on line 1"},
    {"m:\n  x: 1\n  y: {z: 1, 'z': 2}\n", "f.yaml:3:13: duplicate key \"z\", first on line 3"},
    {"a: 1\n\tb: 2\n", "f.yaml:2:1: indent with spaces"},
    {"a:\n\t- 1\n", "f.yaml:2:1: indent with spaces"},
    {"a:\n  b: 1\n  \tc: 2\n", "f.yaml:3:"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here"},
    {"a: &x 1\n", "f.yaml:1:4: anchors and aliases"},
    {"a: &x {b: 1}\n", "f.yaml:1:4: anchors and aliases"},
    {"a: &x [*x]\n", "f.yaml:1:4: anchors and aliases"},
    {"&k a: 1\n", "f.yaml:1:1: anchors and aliases"},
    {"a: *x\n", "f.yaml:1:4: "},
    {"a: 1\n*x : 2\n", "f.yaml:2:1: "},
    {"a: !!str 1\n", "f.yaml:1:4: tags (!)"},
    {"a: !!python/object {}\n", "f.yaml:1:4: tags (!)"},
    {"? [a, b]\n: 1\n", "f.yaml:1:3: a key is one word"},
    {"{[a]: 1}\n", "f.yaml:1:2: a key is one word"},
    {"a: [1, 2\n", "f.yaml:2:1: not valid YAML"},
    {"a: \"open\n", "f.yaml:2:1: not valid YAML"},
    {"a: b: c\n", "f.yaml:1:5: not valid YAML"},
    {"a: 1\n b: 2\n", "f.yaml:2:"},
    {"- a\nb: 1\n", "f.yaml:2:1: not valid YAML"},
    {"a: %\n", "f.yaml:1:4: not valid YAML"},
    {"%YAML 9.9\n---\na: 1\n", "f.yaml:1:1: not valid YAML"},
    {"a: \"x\\0y\"\n", "f.yaml:1:4: a zero byte"},
    {"a: 1\nb: \xff\n", "f.yaml:2:4: not UTF-8"},
    {"a: \xc3\xbc\xc3\n", "f.yaml:1:6: not UTF-8"},
    {"a: \x01\n", "f.yaml:1:4: not UTF-8"},
    {"\xff\xfe"
     "a\0:\0",
     "f.yaml:1:1: not UTF-8"},
};

START_TEST(broken_files_are_refused_with_their_place)
{
    test_fails(parse(broken[_i].text), broken[_i].says);
    ck_assert_ptr_null(file);
}
END_TEST

/* Nine lines that would stand for a thousand million words, and a file that is larger than any experiment. */
START_TEST(growth_is_bounded)
{
    static char text[(1 << 20) + 2];
    char path[600];
    strcpy(text, "a: &a [w,w,w,w,w,w,w,w,w,w]\n");
    for (char c = 'b'; c < 'j'; c++)
        for (int i = 0; i < 12; i++) {
            char word[32];
            snprintf(word, sizeof word,
                     i == 0    ? "%c: &%c ["
                     : i == 11 ? "]\n"
                               : "*%c,",
                     i == 0 ? c : c - 1, c);
            strcat(text, word);
        }
    test_fails(parse(text), "f.yaml:1:4: anchors and aliases");
    memset(text, '#', sizeof text - 1);
    snprintf(path, sizeof path, "%s/large.yaml", test_scratch());
    test_ok(sim_file_write(path, text, 1 << 20));
    test_ok(sim_yaml_open(&file, path));
    leave();
    test_ok(sim_file_write(path, text, (1 << 20) + 1));
    test_fails(sim_yaml_open(&file, path), "large.yaml: larger than the 1048576 bytes");
}
END_TEST

static void nest(char *text, int depth, const char *open, const char *close)
{
    text[0] = '\0';
    for (int i = 0; i < depth; i++) strcat(text, open);
    for (int i = 0; i < depth; i++) strcat(text, close);
}

START_TEST(depth_is_bounded)
{
    static char text[16000];
    nest(text, 64, "[", "]");
    test_ok(parse(text));
    nest(text, 65, "[", "]");
    test_fails(parse(text), "f.yaml:1:65: nested deeper than 64 levels");
    nest(text, 3000, "[", "");
    test_fails(parse(text), "nested deeper than 64 levels");
    nest(text, 65, "{a: ", "}");
    test_fails(parse(text), "nested deeper than 64 levels");
    nest(text, 3000, "- ", "");
    test_fails(parse(text), "nested deeper than 64 levels");
    nest(text, 3000, "? ", "");
    test_fails(parse(text), "f.yaml:1:3: a key is one word");
}
END_TEST

/* A hundred thousand keys, the last one twice: found without comparing each with each. */
START_TEST(many_keys_are_quick)
{
    enum { KEYS = 100000 };
    char *text = malloc(KEYS * 10 + 32), *p = text;
    for (int i = 0; i < KEYS; i++) p += sprintf(p, "k%d:\n", i);
    test_ok(parse(text));
    strcpy(p, "k99999:\n");
    test_fails(parse(text), "f.yaml:100001:1: duplicate key \"k99999\", first on line 100000");
    free(text);
}
END_TEST

START_TEST(files_cut_anywhere_do_no_harm)
{
    static const char text[] =
        "seed: 3\nmodel:\n  depth: \"1\\x32\" # twelve\n  norm: bn\ntrain: {lr: 0.5, note: 'it''s'}\n";
    for (size_t n = 0; n < sizeof text; n++) {
        char *exact = malloc(n + 1);
        memcpy(exact, text, n);
        leave();
        if (sim_yaml_parse(&file, exact, n, "f.yaml") == SIM_OK)
            (void)!sim_yaml_apply(file, sim_yaml_root(file), &test_schema, &config);
        free(exact);
    }
    test_ok(apply(text));
    ck_assert_int_eq(config.model.depth, 12);
    ck_assert_str_eq(config.train.note, "it's");
}
END_TEST

/* ------------------------------------------------------------------ configuration */

START_TEST(nested_keys_are_applied)
{
    test_ok(apply("seed: 5\n"
                  "model:\n"
                  "  embed_dim: 384\n"
                  "  norm: bn\n"
                  "train: {lr: 2.5e-4, fast: false, note: \"a: b\"}\n"));
    ck_assert_int_eq(config.seed, 5);
    ck_assert_int_eq(config.model.embed_dim, 384);
    ck_assert_int_eq(config.model.depth, 4);
    ck_assert_int_eq(config.model.norm, 0);
    ck_assert(config.train.lr == 2.5e-4);
    ck_assert_int_eq(config.train.fast, 0);
    ck_assert_str_eq(config.train.note, "a: b");
    test_ok(apply("train:\n  note:\nmodel:\n"));
    ck_assert_str_eq(config.train.note, "");
    ck_assert_int_eq(config.model.embed_dim, 384);
}
END_TEST

static const struct {
    const char *text, *says;
} wrong[] = {
    {"model:\n  embed_dmi: 3\n",
     "f.yaml:2:3: unknown key \"model.embed_dmi\"; the nearest known one is \"model.embed_dim\""},
    {"modle:\n  depth: 3\n", "f.yaml:1:1: unknown key \"modle\"; the nearest known one is \"model\""},
    {"modle: {}\n", "f.yaml:1:1: unknown key \"modle\""},
    {"depth: 3\n", "f.yaml:1:1: unknown key \"depth\"; the nearest known one is \"model.depth\""},
    {"model: {lr: 3}\n", "f.yaml:1:9: unknown key \"model.lr\""},
    {"model: {depth: {x: 1}}\n", "f.yaml:1:16: model.depth: one value belongs here, not a map"},
    {"model:\n  depth: [1, 2]\n", "f.yaml:2:10: model.depth: one value belongs here, not a list"},
    {"seed: {a: 1}\n", "f.yaml:1:7: seed: one value belongs here, not a map"},
    {"model: 5\n", "f.yaml:1:8: model: a map of keys belongs here, not a single value"},
    {"model: [depth]\n", "f.yaml:1:8: model: a map of keys belongs here, not a list"},
    {"- model\n", "f.yaml:1:1: a map of configuration keys belongs here"},
    {"model\n", "f.yaml:1:1: a map of configuration keys belongs here"},
    {"model.depth: 3\n", "f.yaml:1:1: write \"model.depth\" as two nested keys"},
    {"model:\n  depth: 101\n", "f.yaml:2:10: model.depth: 101 is out of bounds, 1 to 100"},
    {"model:\n  depth: four\n", "f.yaml:2:10: model.depth: \"four\" is not a whole number"},
    {"model:\n  depth:\n", "model.depth: \"\" is not a whole number"},
    {"model:\n  norm: gn\n", "f.yaml:2:9: model.norm: \"gn\" is none of bn, ln"},
    {"train: {fast: yes}\n", "f.yaml:1:15: train.fast: \"yes\" is neither true nor false"},
    {"train: {lr: .inf}\n", "f.yaml:1:13: train.lr: \".inf\" is not a number"},
    {"train: {note: \"a\\nb\"}\n", "f.yaml:1:15: train.note: the text holds a control character"},
};

START_TEST(wrong_configurations_are_refused_with_their_place)
{
    test_fails(apply(wrong[_i].text), wrong[_i].says);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("yaml");
    TCase *c = tcase_create("tree");
    tcase_add_checked_fixture(c, preset, leave);
    tcase_add_test(c, nodes_remember_where_they_stood);
    tcase_add_test(c, a_long_path_keeps_its_line);
    tcase_add_test(c, nothing_is_an_empty_text);
    tcase_add_test(c, empty_files_are_empty_maps);
    tcase_add_test(c, files_are_opened_by_path);
    suite_add_tcase(s, c);
    c = tcase_create("broken");
    tcase_add_checked_fixture(c, preset, leave);
    tcase_add_loop_test(c, broken_files_are_refused_with_their_place, 0, sizeof broken / sizeof *broken);
    tcase_add_test(c, growth_is_bounded);
    tcase_add_test(c, depth_is_bounded);
    tcase_add_test(c, many_keys_are_quick);
    tcase_add_test(c, files_cut_anywhere_do_no_harm);
    suite_add_tcase(s, c);
    c = tcase_create("configuration");
    tcase_add_checked_fixture(c, preset, leave);
    tcase_add_test(c, nested_keys_are_applied);
    tcase_add_loop_test(c, wrong_configurations_are_refused_with_their_place, 0,
                        sizeof wrong / sizeof *wrong);
    suite_add_tcase(s, c);
    return test_run(s);
}
