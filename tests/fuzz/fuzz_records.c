/* Records: no lines do harm, and every figure of an accepted record is within the bounds that the schema
 * promises. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "records.h"
#include "seeds.h"

static const char whole[] =
    "{\"schema\": 1, \"experiment\": \"e\", \"name\": \"full\", \"seed\": 3, \"status\": \"ok\", \"reason\": "
    "\"\", "
    "\"config_hash\": \"aa\", \"config\": {\"seed\": 3, \"model\": {\"img_size\": 64}}, \"commit\": \"c\", "
    "\"started\": \"2026-11-23T07:00:00Z\", \"backend\": \"cpu\", \"device\": \"d\", \"driver\": \"\", "
    "\"precision\": \"fp32\", \"deterministic\": true, \"substituted\": [\"a\", \"b\"], \"ranks\": 1, "
    "\"transport\": \"\", \"threads\": 2, \"libraries\": {\"x\": \"1\"}, "
    "\"study\": {\"question\": \"q\", \"paper\": \"p\", \"scale\": \"mini\", \"axes\": {\"a.b\": 0.5}, "
    "\"claims\": [{\"id\": \"i\", \"text\": \"t\", \"score\": \"knn lift\", \"higher\": \"full\", "
    "\"lower\": {\"a.b\": 0}}]}, "
    "\"data\": {\"train_hash\": \"1\", \"val_hash\": \"2\", \"train_images\": 10, \"val_images\": 5, "
    "\"classes\": 2, \"skipped\": 1}, "
    "\"model\": {\"parameters\": 1, \"trainable\": 1, \"gflop_per_image\": null, \"memory_bytes\": 1}, "
    "\"curve\": [{\"epoch\": 1, \"step\": 5, \"loss\": null, \"grad_norm\": 1.0, \"lr\": 1e-3, "
    "\"momentum\": 0.9, \"images_per_s\": 100, \"gflops\": 1, \"gemm_share\": 0, \"seconds\": 1.0}], "
    "\"scores\": [{\"encoder\": \"pretrained\", \"name\": \"knn\", \"metric\": \"top1\", \"value\": 0.5, "
    "\"standard_error\": 0.1, \"train_images\": 10, \"val_images\": 5, \"protocol\": {}}], "
    "\"cost\": {\"wall_s\": 9, \"train_s\": 8.5, \"gflop\": 1, \"peak_memory_bytes\": 1}}\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char twice[2 * sizeof whole];
    int length = snprintf(twice, sizeof twice, "%s\n%s", whole, whole);
    sim_progress_quiet(1);
    fuzz_seed(*argc, *argv, "whole", whole, sizeof whole - 1);
    fuzz_seed(*argc, *argv, "twice", twice, (size_t)length);
    fuzz_seed(*argc, *argv, "cut", whole, sizeof whole / 2);
    fuzz_seed(*argc, *argv, "other", "[]\n{\"schema\": 2}\n", 18);
    return 0;
}

static void check(const struct sim_run_record *r)
{
    for (int i = 0; i < r->score_count; i++) {
        FUZZ_CHECK(r->scores[i].value <= 1 && r->scores[i].name[0]);
        FUZZ_CHECK(r->scores[i].standard_error >= 0 && r->scores[i].standard_error <= 1);
    }
    for (int i = 1; i < r->points; i++) FUZZ_CHECK(r->curve[i].epoch > r->curve[i - 1].epoch);
    FUZZ_CHECK(r->seed >= 0 && r->skipped >= 0 && r->name[0] && r->recipe[0] == '{');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[FUZZ_PATH_BYTES];
    struct sim_run_records all = {0};
    int fd = fuzz_memory_file(bytes, count, path);
    if (sim_run_records_read(&all, path) == SIM_OK)
        FUZZ_CHECK(all.read >= all.count);
    else
        FUZZ_CHECK(strstr(sim_error_text(), path) != NULL);
    for (int i = 0; i < all.count; i++) check(&all.records[i]);
    sim_run_records_close(&all);
    close(fd);
    return 0;
}
