/* The promise "one step equals the reference": every golden variant of every objective, inside the bounds of
 * verify.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "support.h"
#include "verify.h"

static const char *const variants[] = {"base",     "layernorm",   "layer_scale", "no_projector",
                                       "no_scale", "no_relative", "global_loss", "shared_target",
                                       "no_mask",  "mae",         "moco_v3",     "finetune"};
enum { VARIANTS = sizeof variants / sizeof *variants };
/* Made by tests/reference/make_fresh.py: other sizes, seeds, head dimensions, batch sizes; and the switches
 * that ablations turn: nine blocks behind the encoder and a target that stands still, no projector or none of
 * what keeps targets apart, a fifth and four fifths hidden in blocks. */
static const char *const fresh[] = {"fresh/head8",       "fresh/odd",           "fresh/one_patch_left",
                                    "fresh/mixed_norms", "fresh/plain_targets", "fresh/deep_still",
                                    "fresh/shared_bare", "fresh/global_bare"};

static void verify_folder(const char *name, const char *folder)
{
    struct sim_ops ops;
    struct sim_verdict v[SIM_VERIFY_QUANTITIES];
    test_ok(sim_ops_open(&ops, "cpu", NULL));
    test_ok(sim_verify(&ops, folder, v));
    for (int i = 0; i < SIM_VERIFY_QUANTITIES; i++) {
        ck_assert_msg(v[i].worst <= v[i].bound, "%s (%s): %s %g past %g at %s", name, ops.isa, v[i].name,
                      v[i].worst, v[i].bound, v[i].where);
        ck_assert_msg(v[i].compared > 0, "%s: nothing compared for %s", name, v[i].name);
    }
    ops.close(&ops);
}

static void verify_named(const char *name)
{
    char relative[128];
    snprintf(relative, sizeof relative, "golden/%s", name);
    verify_folder(name, test_path(relative));
}

START_TEST(golden_variants)
{
    verify_named(variants[_i]);
}
END_TEST

START_TEST(golden_variants_on_avx2)
{
    setenv("SIM_ISA", "avx2", 1);
    verify_named(variants[_i]);
    unsetenv("SIM_ISA");
}
END_TEST

START_TEST(fresh_variants)
{
    verify_named(fresh[_i]);
}
END_TEST

START_TEST(fresh_variants_on_avx2)
{
    setenv("SIM_ISA", "avx2", 1);
    verify_named(fresh[_i]);
    unsetenv("SIM_ISA");
}
END_TEST

/* Where the peers are installed (make peers), the whole table of make_fresh.py is made anew and verified. */
START_TEST(fresh_variants_made_now)
{
    static const char *const names[] = {"head48", "head64", "one_patch_hidden", "everything", "long"};
    const char *python = getenv("SIM_PEERS_PYTHON");
    char command[4096], folder[1024];
    if (!python || access(python, X_OK) != 0) {
        test_skip("no PyTorch (SIM_PEERS_PYTHON; see make peers) to make fresh ground truth with");
        return;
    }
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(command, sizeof command, "'%s' -W ignore -B %s '%s' %s >/dev/null", python,
             test_path("reference/make_fresh.py"), folder, names[_i]);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "%s/%s", folder, names[_i]);
    verify_folder(names[_i], command);
}
END_TEST

/* The head of the linear probe has neither an encoder nor recorded gradients. */
START_TEST(the_linear_probe)
{
    struct sim_ops ops;
    struct sim_verdict v[SIM_VERIFY_QUANTITIES];
    if (_i) setenv("SIM_ISA", "avx2", 1);
    test_ok(sim_ops_open(&ops, "cpu", NULL));
    test_ok(sim_verify(&ops, test_path("golden/linear_probe"), v));
    ck_assert(sim_verify_passes(v));
    ck_assert_int_eq(v[SIM_VERIFY_LOSS].compared, 4);
    ck_assert_int_eq(v[SIM_VERIFY_ACTIVATIONS].compared, 1);
    ck_assert_int_eq(v[SIM_VERIFY_STATE].compared, 4);
    ck_assert_int_eq(v[SIM_VERIFY_UPDATE].compared, 1);
    ops.close(&ops);
    unsetenv("SIM_ISA");
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    char *bytes;
    size_t size;
    test_ok(sim_file_read(from, (size_t)1 << 28, &bytes, &size));
    test_ok(sim_file_write(to, bytes, size));
    free(bytes);
}

/* A copy of the base variant with one file replaced by another's. */
static const char *altered(const char *file, const char *other_variant)
{
    static const char *const files[] = {"init", "steps", "step0", "final"};
    static char folder[600];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    for (int i = 0; i < 4; i++) {
        char from[256], to[700];
        snprintf(from, sizeof from, "golden/%s/%s.safetensors",
                 strcmp(files[i], file) == 0 ? other_variant : "base", files[i]);
        snprintf(to, sizeof to, "%s/%s.safetensors", folder, files[i]);
        copy_file(test_path(from), to);
    }
    return folder;
}

/* A test that cannot fail proves nothing: another variant's truth must be refused. */
START_TEST(wrong_truth_is_noticed)
{
    struct sim_ops ops;
    struct sim_verdict v[SIM_VERIFY_QUANTITIES];
    test_ok(sim_ops_open(&ops, "cpu", NULL));
    /* init is the same for both, and the configuration comes with steps: the losses agree, what follows does
     * not */
    test_ok(sim_verify(&ops, altered("steps", "no_scale"), v));
    ck_assert(!sim_verify_passes(v));
    ck_assert(v[SIM_VERIFY_LOSS].worst <= SIM_BOUND_LOSS);
    ck_assert(v[SIM_VERIFY_ACTIVATIONS].worst > SIM_BOUND_ACTIVATIONS);
    ck_assert(v[SIM_VERIFY_GRADIENTS].worst > SIM_BOUND_GRADIENTS);
    test_ok(sim_verify(&ops, altered("init", "shared_target"), v)); /* the same weights */
    ck_assert(sim_verify_passes(v));
    test_ok(sim_verify(&ops, altered("final", "no_scale"), v));
    ck_assert(!sim_verify_passes(v));
    ck_assert(v[SIM_VERIFY_LOSS].worst <= SIM_BOUND_LOSS);
    ck_assert(v[SIM_VERIFY_STATE].worst > SIM_BOUND_STATE);
    test_fails(sim_verify(&ops, altered("init", "no_projector"), v), "projector_decoder_blocks.0");
    test_fails(sim_verify(&ops, altered("step0", "no_projector"), v), "step0.safetensors");
    test_fails(sim_verify(&ops, altered("steps", "mae"), v), "norm.weight");
    test_fails(sim_verify(&ops, altered("steps", "finetune"), v), "blocks.2.norm1.weight");
    char steps[700];
    snprintf(steps, sizeof steps, "%s/steps.safetensors", altered("steps", "base"));
    copy_file(test_path("golden/positions.safetensors"), steps); /* names no objective */
    *strrchr(steps, '/') = 0;
    test_fails(sim_verify(&ops, steps, v), "siameseim, mae");
    test_fails(sim_verify(&ops, test_path("golden/nowhere"), v), "nowhere");
    ops.close(&ops);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify");
    TCase *c = tcase_create("golden");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, golden_variants, 0, VARIANTS);
    tcase_add_loop_test(c, golden_variants_on_avx2, 0, VARIANTS);
    tcase_add_loop_test(c, fresh_variants, 0, 8);
    tcase_add_loop_test(c, fresh_variants_on_avx2, 0, 8);
    tcase_add_loop_test(c, fresh_variants_made_now, 0, 5);
    tcase_add_loop_test(c, the_linear_probe, 0, 2);
    tcase_add_test(c, wrong_truth_is_noticed);
    suite_add_tcase(s, c);
    return test_run(s);
}
