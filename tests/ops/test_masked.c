/* What masked image modelling needs: tokens back in their places, the loss of predicted pixels. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Patches whose place is not in a list of visible ones are hidden: 0. */
static int fill_places(struct trial *t, int index, const char *name, int64_t batch, int64_t taken,
                       int64_t patches)
{
    const int at = trial_index(t, name, batch, patches, patches);
    int32_t *place = (int32_t *)t->b[at].start;
    memset(place, 0, (size_t)(batch * patches) * sizeof *place);
    for (int64_t n = 0; n < batch * taken; n++)
        place[n / taken * patches + trial_indices(t, index)[n]] = (int32_t)(1 + n % taken);
    return at;
}

/* ------------------------------------------------------------------ restore_tokens: batch taken dim patches
 */

static const int64_t restore_shapes[][TRIAL_DIMS] = {
    {1, 1, 1, 1},  {2, 4, 20, 9},   {3, 5, 33, 5},  {1, 49, 48, 196},
    {5, 1, 8, 64}, {65, 3, 40, 16}, {3, 6, 520, 8},
};
enum { RESTORE_Z, RESTORE_POS, RESTORE_INDEX, RESTORE_PLACE, RESTORE_MASK, RESTORE_OUT };

static void restore_inputs(struct trial *t)
{
    const int64_t batch = t->n[0], taken = t->n[1], dim = t->n[2], patches = t->n[3];
    trial_act(t, trial_input(t, "z", batch * (1 + taken) * dim));
    trial_input(t, "pos", (1 + patches) * dim);
    trial_index(t, "index", batch, taken, patches);
    fill_places(t, RESTORE_INDEX, "place", batch, taken, patches);
    trial_input(t, "mask_token", dim);
}

static void restore_declare(struct trial *t)
{
    restore_inputs(t);
    trial_act(t, trial_output(t, "y", t->n[0] * (1 + t->n[3]) * t->n[2]));
    t->b[RESTORE_OUT].floor = 1;
}

/* By the order of the visible, as the method says it; the operation is told the order of the patches. */
static void restore_true(struct trial *t, double *y)
{
    const int64_t batch = t->n[0], taken = t->n[1], dim = t->n[2], patches = t->n[3];
    const double *z = trial_real(t, RESTORE_Z), *pos = trial_real(t, RESTORE_POS);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t c = 0; c < dim; c++) {
            double *image = y + b * (1 + patches) * dim + c;
            const double *tokens = z + b * (1 + taken) * dim + c;
            image[0] = tokens[0];
            for (int64_t l = 0; l < patches; l++) image[(1 + l) * dim] = trial_real(t, RESTORE_MASK)[c];
            for (int64_t v = 0; v < taken; v++)
                image[(1 + trial_indices(t, RESTORE_INDEX)[b * taken + v]) * dim] = tokens[(1 + v) * dim];
            for (int64_t n = 0; n < 1 + patches; n++) image[n * dim] += pos[n * dim + c];
        }
}

static void restore_reference(struct trial *t)
{
    restore_true(t, t->b[RESTORE_OUT].want);
}

static void restore_call(struct trial *t, const struct sim_ops *o)
{
    o->restore_tokens(o, trial_f(t, RESTORE_OUT), trial_f(t, RESTORE_Z), trial_f(t, RESTORE_POS),
                      trial_i(t, RESTORE_PLACE), trial_f(t, RESTORE_MASK), t->n[0], t->n[1], t->n[3],
                      t->n[2]);
}

enum { RESTORE_DY = RESTORE_OUT, RESTORE_DZ, RESTORE_DMASK };

static void restore_backward_declare(struct trial *t)
{
    restore_inputs(t);
    trial_act(t, trial_input(t, "dy", t->n[0] * (1 + t->n[3]) * t->n[2]));
    trial_gradient(t, "dz", RESTORE_Z, 0);
    trial_gradient(t, "dmask_token", RESTORE_MASK, 0);
    t->b[RESTORE_DMASK].floor = 1;
}

static double restore_loss(struct trial *t)
{
    return trial_loss(t, restore_true, RESTORE_DY);
}

static void restore_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->restore_tokens_backward(o, trial_f(t, RESTORE_DZ), trial_f(t, RESTORE_DMASK), trial_f(t, RESTORE_DY),
                               trial_i(t, RESTORE_INDEX), trial_i(t, RESTORE_PLACE), t->n[0], t->n[1],
                               t->n[3], t->n[2]);
}

/* ------------------------------------------------------------------ pixel_loss: batch side patch taken */

/* `taken` patches of an image count: those hidden. */
static const int64_t pixel_shapes[][TRIAL_DIMS] = {
    {1, 1, 1, 1}, {1, 8, 8, 1}, {2, 15, 5, 4}, {3, 24, 4, 27}, {1, 48, 16, 9}, {5, 12, 3, 5}, {2, 32, 8, 7},
};
enum { PIXEL_P, PIXEL_IMAGES, PIXEL_INDEX, PIXEL_PLACE, PIXEL_DP, PIXEL_TARGET };
enum { PIXEL_PLAIN = 1, PIXEL_WITH_TARGET = 2, PIXEL_IN_PLACE = 4 };

static int64_t pixel_patches(const struct trial *t)
{
    return t->n[1] / t->n[2] * (t->n[1] / t->n[2]);
}

static void pixel_declare(struct trial *t)
{
    const int64_t batch = t->n[0], side = t->n[1], patch = t->n[2], patches = pixel_patches(t),
                  seen = patches - t->n[3], all = batch * patches * 3 * patch * patch;
    trial_act(t, trial_input(t, "p", all));
    trial_input(t, "images", batch * 3 * side * side);
    trial_index(t, "index", batch, seen > 0 ? seen : 1, patches);
    fill_places(t, PIXEL_INDEX, "place", batch, seen, patches);
    trial_gradient(t, "dp", PIXEL_P, 0);
    if (t->variant & PIXEL_IN_PLACE) trial_alias(t, PIXEL_DP, PIXEL_P);
    if (t->variant & PIXEL_WITH_TARGET)
        t->b[trial_act(t, trial_output(t, "target", all))].floor = 1;
    else
        trial_absent(t, "target");
    t->b[PIXEL_DP].floor = 2 / (double)(batch * t->n[3] * 3 * patch * patch);
}

/* Element k of patch l of image b, as the loss wants it. */
static double pixel_target(const struct trial *t, int64_t b, int64_t l, int64_t k)
{
    const int64_t side = t->n[1], patch = t->n[2], grid = side / patch, width = 3 * patch * patch;
    const double *image = t->b[PIXEL_IMAGES].real + b * 3 * side * side;
    double all[3 * 16 * 16], mean = 0, variance = 0;
    for (int64_t i = 0; i < width; i++) {
        const int64_t y = l / grid * patch + i / 3 / patch, x = l % grid * patch + i / 3 % patch;
        all[i] = image[(i % 3 * side + y) * side + x];
        mean += all[i] / (double)width;
    }
    if (t->variant & PIXEL_PLAIN) return all[k];
    for (int64_t i = 0; i < width; i++) variance += (all[i] - mean) * (all[i] - mean) / (double)(width - 1);
    return (all[k] - mean) / sqrt(variance + 1e-6);
}

static double pixel_true_loss(struct trial *t)
{
    const int64_t patches = pixel_patches(t), width = 3 * t->n[2] * t->n[2];
    double sum = 0;
    for (int64_t n = 0; n < t->n[0] * patches; n++)
        for (int64_t k = 0; k < width && trial_indices(t, PIXEL_PLACE)[n] == 0; k++) {
            const double d =
                trial_real(t, PIXEL_P)[n * width + k] - pixel_target(t, n / patches, n % patches, k);
            sum += d * d / (double)(t->n[0] * t->n[3] * width);
        }
    return sum;
}

static void pixel_reference(struct trial *t)
{
    const int64_t patches = pixel_patches(t), width = 3 * t->n[2] * t->n[2];
    t->want_result = pixel_true_loss(t);
    for (int64_t i = 0; t->variant & PIXEL_WITH_TARGET && i < t->n[0] * patches * width; i++)
        t->b[PIXEL_TARGET].want[i] = pixel_target(t, i / width / patches, i / width % patches, i % width);
}

static void pixel_call(struct trial *t, const struct sim_ops *o)
{
    o->pixel_loss(o, &t->scalars->loss, trial_f(t, PIXEL_DP), trial_f(t, PIXEL_TARGET), trial_f(t, PIXEL_P),
                  trial_f(t, PIXEL_IMAGES), trial_i(t, PIXEL_PLACE), t->n[0], t->n[1], t->n[2], t->n[3],
                  !(t->variant & PIXEL_PLAIN));
}

/* ------------------------------------------------------------------ the table */

static const struct operation operations[] = {
    {.name = "restore_tokens",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(restore_shapes),
     .variants = 1,
     .declare = restore_declare,
     .reference = restore_reference,
     .call = restore_call,
     .exact = 1},
    {.name = "restore_tokens_backward",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(restore_shapes),
     .variants = 1,
     .declare = restore_backward_declare,
     .loss = restore_loss,
     .call = restore_backward_call},
    {.name = "pixel_loss",
     .dims = "batch side patch taken",
     TRIAL_SHAPES(pixel_shapes),
     .variants = 8,
     .declare = pixel_declare,
     .reference = pixel_reference,
     .loss = pixel_true_loss,
     .call = pixel_call},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("masked");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    suite_add_tcase(s, c);
    return test_run(s);
}
