/* siameseim views: what the loader makes of one training image, as pictures. */
#include <stdio.h>

#include "command.h"
#include "experiment.h"
#include "file.h"
#include "images.h"
#include "options.h"
#include "run_views.h"

static const char help[] =
    "usage: siameseim views FILE.yaml --index N --out DIR [options]\n"
    "\n"
    "Draws both augmented views of one training image, the mask over view 1, and how view 2 lies in view 1, "
    "exactly as\n"
    "a run of FILE sees them in that epoch, and prints the numbers that were drawn.\n"
    "\n"
    "  --index N         image of the training set, from 0\n"
    "  --out DIR         gets view1.png, view2.png (small ones enlarged too), mask.png, geometry.png\n"
    "  --epoch E         epoch, from 0 (default 0)\n"
    "  --scale SCALE     mini, small or paper, where the file has scales (default: its first)\n"
    "  --run NAME        run of the file (default: the first)\n"
    "  --set KEY=VALUE   change a key, such as augment.same_view=true; may be repeated\n"
    "\n"
    "geometry.png: left the source with both crops (view 1 orange, view 2 blue; the wedge marks the corner "
    "of a view's\n"
    "first patch, so a flipped view has it on the right); middle view 2 with its patch centres as dots; "
    "right view 1 in\n"
    "its own frame, and every dot where the geometry tuple tells the predictor that this patch lies.\n"
    "\n"
    "example: siameseim views ablations/quickstart.yaml --index 7 --out views\n";

static void print_view(const struct sim_view *v, int number)
{
    static const char *const names[] = {"brightness", "contrast", "saturation", "hue"};
    printf("view %d: %scrop %d x %d at row %d, column %d", number, v->flip ? "flipped, " : "", v->w, v->h,
           v->i, v->j);
    for (int k = 0; v->jitter && k < 4; k++)
        printf("%s %s %.3g", k ? "," : "; jitter", names[v->order[k]], v->factor[v->order[k]]);
    if (v->grayscale) printf("; greyscale");
    if (v->blur) printf("; blur %.3g", v->sigma);
    if (v->solarize) printf("; solarised");
    printf("\n");
}

/* Draws image `index` of an open set. */
static sim_status draw_image(const struct sim_run_config *c, const struct sim_images *images, int64_t index,
                             int64_t epoch, const char *folder)
{
    struct sim_run_views v;
    char name[1024];
    if (index >= images->count)
        return sim_fail(SIM_EINVAL, "--index %ld: the training set has images 0 to %ld", (long)index,
                        (long)images->count - 1);
    SIM_TRY(sim_make_folder(folder));
    SIM_TRY(sim_run_views_open(&v, c, images, index, epoch));
    sim_status status = sim_draw_views(&v.drawing, folder);
    if (status == SIM_OK) {
        const float *g = v.drawing.geometry;
        const int64_t patches = (int64_t)v.drawing.grid * v.drawing.grid;
        images->name(images->self, index, name, sizeof name);
        printf("%s, %d x %d pixels, class %s, epoch %ld, seed %ld\n", name, v.source.width, v.source.height,
               images->class_name(images->self, images->label(images->self, index)), (long)epoch,
               (long)c->seed);
        for (int k = 0; k < 2; k++) print_view(&v.drawing.view[k], k + 1);
        printf("geometry: di %.4g, dj %.4g, sh %.4g, sw %.4g, flip %g, fj %.4g\n", (double)g[0], (double)g[1],
               (double)g[2], (double)g[3], (double)g[4], (double)g[5]);
        printf("mask: %ld of %ld patches hidden\n", (long)v.hidden, (long)patches);
        const struct sim_objective_kind *kind = sim_objective_kind_of(&c->pretrain);
        if (kind->views == 1) printf("%s is shown view 1 alone\n", kind->name);
        printf("written: %s/{view1,view2,mask,geometry}.png\n", folder);
    }
    sim_run_views_close(&v);
    return status;
}

static sim_status draw_from_file(const char *file, const char *scale, const char *name,
                                 const struct sim_words *sets, int64_t index, int64_t epoch,
                                 const char *folder)
{
    struct sim_experiment experiment;
    struct sim_images images = {0};
    const struct sim_run *run;
    SIM_TRY(sim_experiment_open(&experiment, &file, 1, scale, sets->word, sets->count));
    sim_status status = sim_experiment_find(&experiment, name, &run);
    if (status == SIM_OK)
        status = sim_images_open(&images, &run->config.data, SIM_TRAIN, (uint64_t)run->config.seed);
    if (status == SIM_OK) status = draw_image(&run->config, &images, index, epoch, folder);
    sim_images_close(&images);
    sim_experiment_close(&experiment);
    return status;
}

static int run_views_command(int argc, char **argv)
{
    struct sim_words files = {0}, sets = {0};
    const char *name = NULL, *scale = NULL, *folder = NULL, *index_text = NULL, *epoch_text = NULL;
    int64_t index = 0, epoch = 0;
    const struct sim_option options[] = {{"--index", NULL, &index_text, NULL}, {"--out", NULL, &folder, NULL},
                                         {"--epoch", NULL, &epoch_text, NULL}, {"--run", NULL, &name, NULL},
                                         {"--scale", NULL, &scale, NULL},      {"--set", NULL, NULL, &sets}};
    sim_status status = sim_options_parse(argc, argv, options, 6, &files);
    if (status == SIM_OK && (files.count != 1 || !index_text || !folder))
        status = sim_fail(SIM_EINVAL, "one FILE, --index N and --out DIR are needed; see --help");
    if (status == SIM_OK) status = sim_options_whole("--index", index_text, 0, UINT32_MAX, &index);
    if (status == SIM_OK && epoch_text)
        status = sim_options_whole("--epoch", epoch_text, 0, UINT32_MAX, &epoch);
    if (status == SIM_OK) status = draw_from_file(files.word[0], scale, name, &sets, index, epoch, folder);
    sim_words_close(&files);
    sim_words_close(&sets);
    return status == SIM_OK ? 0 : sim_command_failed("views");
}

const struct sim_command sim_command_views = {
    "views", "draw both views, the mask and the geometry of one image", help, run_views_command};
