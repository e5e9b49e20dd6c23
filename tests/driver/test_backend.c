/* --device, compute.*, and what they make of a run's identity. */
#include <string.h>

#include "backend.h"
#include "experiment.h"
#include "facts.h"
#include "file.h"
#include "support.h"

START_TEST(devices_are_named)
{
    struct sim_backend b;
    test_ok(sim_backend_parse(NULL, &b));
    ck_assert_str_eq(b.name, "cpu");
    test_ok(sim_backend_parse("cuda", &b));
    ck_assert_str_eq(b.name, "cuda");
    ck_assert_int_eq(b.ordinal, 0);
    test_ok(sim_backend_parse("cuda:3", &b));
    ck_assert_str_eq(b.name, "cuda");
    ck_assert_int_eq(b.ordinal, 3);
    test_fails(sim_backend_parse("gpu", &b), "cpu, cuda or cuda:N");
    test_fails(sim_backend_parse("", &b), "cpu, cuda or cuda:N");
    test_fails(sim_backend_parse("cpu:0", &b), "no number");
    test_fails(sim_backend_parse("cuda:", &b), "whole number");
    test_fails(sim_backend_parse("cuda:-1", &b), "whole number");
    test_fails(sim_backend_parse("cuda:1x", &b), "whole number");
}
END_TEST

START_TEST(the_cpu_computes_in_fp32)
{
    struct sim_backend b;
    struct sim_ops o;
    struct sim_compute_config c = {.precision = SIM_PRECISION_BF16, .deterministic = 1};
    test_ok(sim_backend_parse("cpu", &b));
    test_fails(sim_backend_open(&o, &b, &c, NULL), "fp32");
    c.precision = SIM_PRECISION_AUTO;
    test_ok(sim_backend_open(&o, &b, &c, NULL));
    ck_assert_int_eq(o.precision, SIM_PRECISION_FP32);
    ck_assert_int_eq(o.deterministic, 1);
    o.close(&o);
}
END_TEST

START_TEST(precisions_are_named)
{
    enum sim_precision p;
    test_ok(sim_precision_parse("tf32", "--precision", &p));
    ck_assert_int_eq(p, SIM_PRECISION_TF32);
    ck_assert_str_eq(sim_precision_name(p), "tf32");
    test_fails(sim_precision_parse("fp16", "--precision", &p), "--precision fp16");
    ck_assert_int_eq(sim_precision_on("cuda", SIM_PRECISION_AUTO), SIM_PRECISION_BF16);
    ck_assert_int_eq(sim_precision_on("cpu", SIM_PRECISION_AUTO), SIM_PRECISION_FP32);
    ck_assert_int_eq(sim_precision_on("cuda", SIM_PRECISION_FP32), SIM_PRECISION_FP32);
}
END_TEST

static void hash_of(const char *set, const char *device, char out[17])
{
    static char path[600];
    struct sim_experiment e;
    const char *const files[] = {path}, *const sets[] = {set};
    snprintf(path, sizeof path, "%s/e.yaml", test_scratch());
    test_ok(sim_file_write(path, "name: e\n", 8));
    test_ok(sim_experiment_open(&e, files, 1, NULL, sets, set ? 1 : 0));
    test_ok(sim_experiment_resolve(&e, device));
    ck_assert_int_ne(e.runs[0].config.compute.precision, SIM_PRECISION_AUTO);
    memcpy(out, e.runs[0].config_hash, 17);
    sim_experiment_close(&e);
}

/* What changes the result is part of a run's identity, and nothing else is. */
START_TEST(identity)
{
    char plain[17], other[17];
    hash_of(NULL, "cpu", plain);
    hash_of("compute.precision=fp32", "cpu", other);
    ck_assert_str_eq(plain, other);
    hash_of("compute.precision=fp32", "cuda", other);
    ck_assert_str_eq(plain, other);
    hash_of("compute.tune=true", "cpu", other);
    ck_assert_str_eq(plain, other);
    hash_of("compute.cuda_graph=true", "cpu", other);
    ck_assert_str_eq(plain, other);
    hash_of(NULL, "cuda", other);
    ck_assert_str_ne(plain, other);
    hash_of("compute.deterministic=false", "cpu", other);
    ck_assert_str_ne(plain, other);
}
END_TEST

START_TEST(options_of_a_configuration)
{
    const struct sim_compute_config c = {
        .precision = SIM_PRECISION_TF32, .deterministic = 0, .cuda_graph = 1};
    const struct sim_device_options o = sim_compute_options(&c, 2);
    ck_assert_int_eq(o.precision, SIM_PRECISION_TF32);
    ck_assert_int_eq(o.fast, 1);
    ck_assert_int_eq(o.graphs, 1);
    ck_assert_int_eq(o.tune, 0);
    ck_assert_int_eq(o.ordinal, 2);
}
END_TEST

START_TEST(a_list_of_facts_is_bounded)
{
    struct sim_ops_facts f = {0};
    for (int i = 0; i < 100; i++)
        sim_facts_substitute(&f, "sentence %d", i), sim_facts_library(&f, "library %d", i);
    sim_facts_substitute(&f, "sentence 3"); /* known: not dropped */
    sim_facts_substitute(&f, "%s", "");
    ck_assert_int_eq(f.substituted_count, SIM_FACTS_SUBSTITUTED);
    ck_assert_int_eq(f.dropped, 100 - SIM_FACTS_SUBSTITUTED);
    ck_assert_int_eq(f.library_count, SIM_FACTS_LIBRARIES);
    sim_facts_built_in(&f);
    ck_assert_int_ge(f.library_count, 1);
    ck_assert_ptr_nonnull(strstr(f.libraries[0], "onednn "));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend");
    TCase *all = tcase_create("all");
    tcase_add_test(all, devices_are_named);
    tcase_add_test(all, the_cpu_computes_in_fp32);
    tcase_add_test(all, precisions_are_named);
    tcase_add_test(all, identity);
    tcase_add_test(all, options_of_a_configuration);
    tcase_add_test(all, a_list_of_facts_is_bounded);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
