/* Every attention of every experiment that comes with the program has a plan on the GPUs described in
 * devices/.  cuDNN plans without one; where it was not compiled in this says how much was left out. */
#include <dlfcn.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "shipped.h"
#include "support.h"
#include "tool.h"

/* The folder with the stub of the driver that is built beside the program, or NULL. */
static const char *stubs(void)
{
    static char folder[1024], file[1100];
    char tool[1024];
    snprintf(tool, sizeof tool, "%s", tool_path());
    snprintf(folder, sizeof folder, "%s/stubs", dirname(tool));
    snprintf(file, sizeof file, "%s/libcuda.so.1", folder);
    return access(file, R_OK) == 0 ? folder : NULL;
}

static int has_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
    if (driver) dlclose(driver);
    return driver != NULL;
}

/* `siameseim plan ... --gflops 100`, its words in `said`; the stub, where asked for, is in sight of this one
 * process. */
static int plan(int with_stub, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int plan(int with_stub, const char *format, ...)
{
    char arguments[7000], path[4000];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    const char *before = getenv("LD_LIBRARY_PATH");
    snprintf(path, sizeof path, "env LD_LIBRARY_PATH=%s%s%s", with_stub && stubs() ? stubs() : "",
             before ? ":" : "", before ? before : "");
    return tool_behind(path, "plan %s --gflops 100", arguments);
}

static const char *const devices[] = {"h200.json", "a100.json"};
static const char *const names[] = {"NVIDIA H200 (sm_90)", "NVIDIA A100-SXM4-80GB (sm_80)"};

static const char *device(int i)
{
    char relative[64];
    snprintf(relative, sizeof relative, "driver/devices/%s", devices[i]);
    return test_path(relative);
}

/* Whether cuDNN can be asked; counted as skipped where not. */
static int can_plan(int shapes)
{
    plan(stubs() != NULL, "%s --device-json %s", smoke_file(), device(0));
    const char *why = strstr(said, "was built without it") ? "the program was built without cuDNN"
                      : strstr(said, "libcuda.so.1") ? "there is neither a driver nor the toolkit's stub"
                                                     : NULL;
    if (why) test_skip("%d plans of attention not made: %s", shapes, why);
    return !why;
}

/* In the words from `from` on. */
static int count_of(const char *from, const char *word)
{
    int count = 0;
    for (const char *at = strstr(said, from); at && (at = strstr(at, word)); at++) count++;
    return count;
}

/* Files of ablations/ itself that are planned by themselves: other objectives, and runs that bear a name of
 * quickstart.yaml's. */
static const struct {
    const char *file;
    int passes;
} alone[] = {{"mae_vit_b.yaml", 5}, {"moco_v3_vit_b.yaml", 4}, {"regress.yaml", 18}};
enum { ALONE = sizeof alone / sizeof *alone };

/* Whether this file is planned by itself, as those of folders are, too; *passes over attention, 0: uncounted.
 */
static int stands_alone(const char *path, int *passes)
{
    const char *file = strstr(path, "/ablations/") + strlen("/ablations/");
    *passes = 0;
    for (int i = 0; i < ALONE; i++)
        if (strcmp(file, alone[i].file) == 0) *passes = alone[i].passes;
    return *passes || strchr(file, '/');
}

/* One seed of each: the others have the same shapes.  passes 0: any number. */
static void assert_planned(const char *files, int passes, int i)
{
    char end[200] = "";
    if (passes) snprintf(end, sizeof end, "%d", passes);
    snprintf(end + strlen(end), sizeof end - strlen(end), " passes over attention, all planned on %s",
             names[i]);
    expect(plan(stubs() != NULL, "--set seed=0 %s --device-json %s", files, device(i)) == 0, end);
}

START_TEST(every_attention_of_every_study_has_a_plan)
{
    int count, passes;
    const char *const *files = shipped_files(&count);
    ck_assert_int_ge(count, ALONE + 4);
    char all[4000] = "";
    for (int i = 0; i < count; i++)
        if (!stands_alone(files[i], &passes))
            snprintf(all + strlen(all), sizeof all - strlen(all), " %s", files[i]);
    int runs = 0;
    ck_assert_msg(plan(0, "--set seed=0 %s", all) == 0, "%s", said);
    sscanf(strstr(said, "\n\n") + 2, "%d run", &runs);
    ck_assert_int_ge(runs, 7);
    /* Five attentions of a step and one of the evaluation; three of them go back.  Without a projector two
     * are missing, one of which goes back. */
    const int bare = count_of("", "projector_depth-0_");
    passes = 9 * runs - 3 * bare;
    if (!can_plan(2 * passes)) return;
    for (int i = 0; i < 2; i++) {
        assert_planned(all, passes, i);
        static const char *const uses[] = {" online encoder ",   " online projector ", " predictor ",
                                           " target projector ", " target encoder ",   " evaluation "};
        for (int u = 0; u < 6; u++)
            ck_assert_int_eq(count_of("Fused attention", uses[u]),
                             strstr(uses[u], "projector") ? runs - bare : runs);
        if (stubs()) expect(1, "no GPU ran any of it");
    }
}
END_TEST

START_TEST(every_attention_of_the_other_files_has_a_plan)
{
    int count, passes;
    const char *file = shipped_files(&count)[_i];
    if (!stands_alone(file, &passes) || !can_plan(2 * passes)) return;
    for (int i = 0; i < 2; i++) assert_planned(file, passes, i);
}
END_TEST

START_TEST(the_published_run_on_sixteen_devices)
{
    const char *file = test_path("../ablations/siameseim_vit_b.yaml");
    if (!can_plan(9)) return;
    expect(plan(1, "%s --ranks 16 --device-json %s", file, device(0)) == 0, "one of 16 ranks");
    const char *predictor = strstr(said, " predictor ");
    ck_assert_ptr_nonnull(predictor);
    int images, tokens, heads, dim, forward, backward;
    char rest[100];
    ck_assert_int_eq(sscanf(predictor, " predictor %d %d %d %d %d %*s %*s %*s %*s %d %99[^\n]", &images,
                            &tokens, &heads, &dim, &forward, &backward, rest),
                     7);
    ck_assert_int_eq(images, 256);
    ck_assert_int_eq(tokens, 275);
    ck_assert_int_eq(heads, 16);
    ck_assert_int_eq(dim, 48);
    ck_assert_ptr_nonnull(
        strstr(rest, "MiB")); /* the deterministic form keeps dP: 256 * 16 * 320 * 384 * 2 bytes */
    double memory = strtod(rest, NULL);
    ck_assert_msg(memory > 900 && memory < 1100, "%g MiB of scratch", memory);
    plan(1, "%s --ranks 16 --device-json %s --set compute.deterministic=false", file, device(0));
    predictor = strstr(said, " predictor ");
    ck_assert_int_eq(sscanf(predictor, " predictor %*d %*d %*d %*d %*d %*s %*s %*s %*s %*d %99[^\n]", rest),
                     1);
    ck_assert_msg(strtod(rest, NULL) < memory / 2, "the fast form takes %s", rest);
}
END_TEST

START_TEST(what_scores_is_planned_too)
{
    if (!can_plan(12)) return;
    const char *tuned = "--set eval.finetune=true --set finetune.batch_size=16";
    expect(plan(1, "%s --device-json %s %s", smoke_file(), device(0), tuned) == 0,
           "12 passes over attention");
    const char *learns = strstr(said, " fine-tuning "), *scored = strstr(said, " validation ");
    int images, tokens;
    ck_assert(learns && scored && strstr(said, " fine-tuning: "));
    ck_assert_int_eq(sscanf(learns, " fine-tuning %d %d", &images, &tokens), 2);
    ck_assert(images == 16 && tokens == 17);
    expect(plan(1,
                "%s --ranks 2 --device-json %s %s --set finetune.batch_size=15 --set finetune.mixup=0 "
                "--set finetune.cutmix=0",
                smoke_file(), device(0), tuned) == 1,
           "finetune.batch_size: 15 images are no multiple of --ranks 2");
}
END_TEST

START_TEST(what_has_no_plan_says_why)
{
    if (!can_plan(3)) return;
    expect(plan(1, "%s --device-json %s --set model.num_heads=8", smoke_file(), device(0)) == 1,
           "8 heads of 4");
    expect(1, "multiples of 8");
    expect(1, "compute.precision: fp32");
    expect(1, "4 of 9 passes");
    /* the engine for sm_80 goes back through heads of at most 128 */
    expect(plan(1, "%s --device-json %s --set model.embed_dim=320", smoke_file(), device(1)) == 1,
           "2 heads of 160");
    expect(1, "no backward plan");
    expect(1, "CUDNN_LOGLEVEL_DBG=2");
    expect(plan(1, "%s --device-json %s --set model.num_heads=8 --set compute.precision=fp32", smoke_file(),
                device(0)) == 0,
           "need no plan");
}
END_TEST

START_TEST(mistakes)
{
    char path[800];
    snprintf(path, sizeof path, "%s/device.json", test_scratch());
    expect(plan(0, "%s --device-json no-such.json", smoke_file()) == 1, "no-such.json");
    expect(plan(0, "%s --ranks 2", smoke_file()) == 1, "--device-json");
    if (!can_plan(4)) return;
    expect(plan(1, "%s --ranks 3 --device-json %s", smoke_file(), device(0)) == 1,
           "no multiple of --ranks 3");
    static const char *const wrong[][2] = {{"{\"deviceName\": ", "JSON"},
                                           {"{\"deviceVer\": 900}", "deviceName"},
                                           {"{\"deviceName\": \"A GPU\", \"deviceVer\": 900}", "understand"}};
    for (int i = 0; i < 3; i++) {
        test_ok(sim_file_write(path, wrong[i][0], strlen(wrong[i][0])));
        expect(plan(1, "%s --device-json %s", smoke_file(), path) == 1, wrong[i][1]);
        expect(1, "device.json");
    }
    if (!has_driver()) expect(plan(0, "%s --device-json %s", smoke_file(), device(0)) == 1, "libcuda.so.1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device_plan");
    TCase *t = tcase_create("plans");
    tcase_set_timeout(t, 600);
    int count;
    shipped_files(&count);
    tcase_add_test(t, every_attention_of_every_study_has_a_plan);
    tcase_add_loop_test(t, every_attention_of_the_other_files_has_a_plan, 0, count);
    tcase_add_test(t, the_published_run_on_sixteen_devices);
    tcase_add_test(t, what_scores_is_planned_too);
    tcase_add_test(t, what_has_no_plan_says_why);
    tcase_add_test(t, mistakes);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
