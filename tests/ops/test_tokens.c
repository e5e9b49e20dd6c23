/* Moving tokens about: patches, visible tokens, the predictor's queries, rows of images, residual branches,
 * and the features of relative positions. */
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safetensors.h"

/* sum of a[i] * b[i] */
static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* <dy, what the forward makes>: the forward is run into a scratch buffer and read back. */
static double loss_of(struct trial *t, void (*forward)(struct trial *t, double *y), int dy)
{
    int64_t count = t->b[dy].rows * t->b[dy].cols;
    double *y = calloc((size_t)count, sizeof *y);
    if (!y) ck_abort_msg("no memory for a test");
    forward(t, y);
    double loss = dot(y, trial_real(t, dy), count);
    free(y);
    return loss;
}

/* ------------------------------------------------------------------ patchify: batch side patch taken */

static const int64_t patchify_shapes[][TRIAL_DIMS] = {
    {1, 1, 1, 1}, {1, 8, 8, 1}, {2, 15, 5, 4}, {3, 24, 4, 14}, {1, 48, 16, 9}, {5, 12, 3, 5}, {2, 32, 8, 7},
};
enum { PATCHIFY_IMAGES, PATCHIFY_INDEX, PATCHIFY_ROWS };
enum { PATCHIFY_ALL = 1 };

static int64_t patchify_taken(const struct trial *t)
{
    int64_t grid = t->n[1] / t->n[2];
    return t->variant & PATCHIFY_ALL ? grid * grid : t->n[3];
}

static void patchify_declare(struct trial *t)
{
    const int64_t batch = t->n[0], side = t->n[1], patch = t->n[2], grid = side / patch,
                  taken = patchify_taken(t);
    trial_input(t, "images", batch * 3 * side * side);
    if (t->variant & PATCHIFY_ALL)
        trial_absent(t, "index");
    else
        trial_index(t, "index", batch, taken, grid * grid);
    trial_act(t, trial_output(t, "rows", batch * taken * 3 * patch * patch));
}

static void patchify_reference(struct trial *t)
{
    const int64_t side = t->n[1], patch = t->n[2], grid = side / patch, taken = patchify_taken(t),
                  area = patch * patch;
    const int32_t *index = trial_indices(t, PATCHIFY_INDEX);
    for (int64_t i = 0; i < t->n[0] * taken * 3 * area; i++) {
        int64_t n = i / (3 * area), c = i / area % 3, y = i / patch % patch, x = i % patch;
        int64_t l = index ? index[n] : n % taken;
        t->b[PATCHIFY_ROWS].want[i] =
            trial_real(t, PATCHIFY_IMAGES)[((n / taken * 3 + c) * side + l / grid * patch + y) * side +
                                           l % grid * patch + x];
    }
}

static void patchify_call(struct trial *t, const struct sim_ops *o)
{
    o->patchify(o, trial_f(t, PATCHIFY_ROWS), trial_f(t, PATCHIFY_IMAGES), trial_i(t, PATCHIFY_INDEX),
                t->n[0], t->n[1], t->n[2], patchify_taken(t));
}

/* ------------------------------------------------------------------ embed_tokens: batch taken dim patches */

static const int64_t embed_shapes[][TRIAL_DIMS] = {
    {1, 1, 1, 1},   {2, 4, 20, 9},   {3, 5, 33, 5},  {1, 78, 48, 196},
    {5, 26, 8, 64}, {65, 3, 40, 16}, {3, 6, 520, 8},
};
enum { EMBED_X, EMBED_CLS, EMBED_POS, EMBED_INDEX, EMBED_OUT };
enum { TOKENS_ALL = 1 }; /* no index: the first patches in order */

static void embed_inputs(struct trial *t)
{
    const int64_t batch = t->n[0], taken = t->n[1], dim = t->n[2], patches = t->n[3];
    trial_act(t, trial_input(t, "x", batch * taken * dim));
    trial_input(t, "cls", dim);
    trial_input(t, "pos", (1 + patches) * dim);
    if (t->variant & TOKENS_ALL)
        trial_absent(t, "index");
    else
        trial_index(t, "index", batch, taken, patches);
}

static void embed_declare(struct trial *t)
{
    embed_inputs(t);
    trial_act(t, trial_output(t, "y", t->n[0] * (1 + t->n[1]) * t->n[2]));
    t->b[EMBED_OUT].floor = 1;
}

static void embed_true(struct trial *t, double *y)
{
    const int64_t batch = t->n[0], taken = t->n[1], dim = t->n[2];
    const int32_t *index = trial_indices(t, EMBED_INDEX);
    const double *pos = trial_real(t, EMBED_POS);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t c = 0; c < dim; c++) {
            double *image = y + b * (1 + taken) * dim + c;
            image[0] = trial_real(t, EMBED_CLS)[c] + pos[c];
            for (int64_t v = 0; v < taken; v++) {
                int64_t l = index ? index[b * taken + v] : v;
                image[(1 + v) * dim] =
                    trial_real(t, EMBED_X)[(b * taken + v) * dim + c] + pos[(1 + l) * dim + c];
            }
        }
}

static void embed_reference(struct trial *t)
{
    embed_true(t, t->b[EMBED_OUT].want);
}

static void embed_call(struct trial *t, const struct sim_ops *o)
{
    o->embed_tokens(o, trial_f(t, EMBED_OUT), trial_f(t, EMBED_X), trial_f(t, EMBED_CLS),
                    trial_f(t, EMBED_POS), trial_i(t, EMBED_INDEX), t->n[0], t->n[1], t->n[2]);
}

enum { EMBED_DY = EMBED_OUT, EMBED_DCLS, EMBED_DX };
enum { EMBED_NO_DX = 1 };

static void embed_backward_declare(struct trial *t)
{
    embed_inputs(t);
    trial_act(t, trial_input(t, "dy", t->n[0] * (1 + t->n[1]) * t->n[2]));
    trial_gradient(t, "dcls", EMBED_CLS, 0);
    if (t->variant & EMBED_NO_DX)
        trial_absent(t, "dx");
    else
        trial_gradient(t, "dx", EMBED_X, 0);
    t->b[EMBED_DCLS].floor = 1;
}

static double embed_loss(struct trial *t)
{
    return loss_of(t, embed_true, EMBED_DY);
}

static void embed_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->embed_tokens_backward(o, trial_f(t, EMBED_DCLS), trial_f(t, EMBED_DX), trial_f(t, EMBED_DY), t->n[0],
                             t->n[1], t->n[2]);
}

/* ------------------------------------------------------------------ join_queries: batch taken dim patches */

enum { JOIN_Z, JOIN_POS, JOIN_INDEX, JOIN_MASK, JOIN_PLACE, JOIN_OUT };

static void join_inputs(struct trial *t)
{
    const int64_t batch = t->n[0], taken = t->n[1], dim = t->n[2], patches = t->n[3];
    trial_act(t, trial_input(t, "z", batch * (1 + taken) * dim));
    trial_input(t, "pos", (1 + patches) * dim);
    if (t->variant & TOKENS_ALL)
        trial_absent(t, "index");
    else
        trial_index(t, "index", batch, taken, patches);
    trial_input(t, "mask_token", dim);
    trial_act(t, trial_input(t, "place", batch * patches * dim));
}

static void join_declare(struct trial *t)
{
    join_inputs(t);
    trial_act(t, trial_output(t, "y", t->n[0] * (1 + t->n[1] + t->n[3]) * t->n[2]));
    t->b[JOIN_OUT].floor = 1;
}

static void join_true(struct trial *t, double *y)
{
    const int64_t taken = t->n[1], dim = t->n[2], patches = t->n[3], tokens = 1 + taken + patches;
    const int32_t *index = trial_indices(t, JOIN_INDEX);
    for (int64_t i = 0; i < t->n[0] * tokens * dim; i++) {
        int64_t b = i / (tokens * dim), n = i / dim % tokens, c = i % dim;
        if (n <= taken) {
            int64_t l = n == 0 ? -1 : index ? index[b * taken + n - 1] : n - 1;
            y[i] = trial_real(t, JOIN_Z)[(b * (1 + taken) + n) * dim + c] +
                   trial_real(t, JOIN_POS)[(1 + l) * dim + c];
        } else {
            y[i] = trial_real(t, JOIN_MASK)[c] +
                   trial_real(t, JOIN_PLACE)[(b * patches + n - 1 - taken) * dim + c];
        }
    }
}

static void join_reference(struct trial *t)
{
    join_true(t, t->b[JOIN_OUT].want);
}

static void join_call(struct trial *t, const struct sim_ops *o)
{
    o->join_queries(o, trial_f(t, JOIN_OUT), trial_f(t, JOIN_Z), trial_f(t, JOIN_POS), trial_i(t, JOIN_INDEX),
                    trial_f(t, JOIN_MASK), trial_f(t, JOIN_PLACE), t->n[0], t->n[1], t->n[3], t->n[2]);
}

enum { JOIN_DY = JOIN_OUT, JOIN_DZ, JOIN_DMASK, JOIN_DPLACE };

static void join_backward_declare(struct trial *t)
{
    join_inputs(t);
    trial_act(t, trial_input(t, "dy", t->n[0] * (1 + t->n[1] + t->n[3]) * t->n[2]));
    trial_gradient(t, "dz", JOIN_Z, 0);
    trial_gradient(t, "dmask_token", JOIN_MASK, 0);
    trial_gradient(t, "dplace", JOIN_PLACE, 0);
    t->b[JOIN_DMASK].floor = 1;
}

static double join_loss(struct trial *t)
{
    return loss_of(t, join_true, JOIN_DY);
}

static void join_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->join_queries_backward(o, trial_f(t, JOIN_DZ), trial_f(t, JOIN_DMASK), trial_f(t, JOIN_DPLACE),
                             trial_f(t, JOIN_DY), t->n[0], t->n[1], t->n[3], t->n[2]);
}

/* ------------------------------------------------------------------ take, put, mean of rows: batch tokens
 * first count dim */

static const int64_t rows_shapes[][TRIAL_DIMS] = {
    {1, 1, 0, 1, 1},      {2, 5, 0, 5, 20},      {3, 5, 1, 4, 33}, {2, 79, 1, 78, 8},
    {5, 129, 128, 1, 48}, {1, 275, 79, 196, 40}, {4, 6, 2, 3, 64}, {65, 4, 0, 1, 7},
};
enum { ROWS_X, ROWS_Y, ROWS_DX };

static int64_t rows_whole(const struct trial *t)
{
    return t->n[0] * t->n[1] * t->n[4];
}

static int64_t rows_part(const struct trial *t)
{
    return t->n[0] * t->n[3] * t->n[4];
}

/* Where element i of the part lies in the whole. */
static int64_t rows_place(const struct trial *t, int64_t i)
{
    int64_t image = t->n[3] * t->n[4];
    return i / image * t->n[1] * t->n[4] + t->n[2] * t->n[4] + i % image;
}

static void take_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_whole(t)));
    trial_act(t, trial_output(t, "y", rows_part(t)));
}

static void take_reference(struct trial *t)
{
    for (int64_t i = 0; i < rows_part(t); i++) t->b[ROWS_Y].want[i] = trial_real(t, ROWS_X)[rows_place(t, i)];
}

static void take_call(struct trial *t, const struct sim_ops *o)
{
    o->take_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void put_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_part(t)));
    trial_act(t, trial_output(t, "y", rows_whole(t)));
}

static void put_reference(struct trial *t)
{
    for (int64_t i = 0; i < rows_part(t); i++) t->b[ROWS_Y].want[rows_place(t, i)] = trial_real(t, ROWS_X)[i];
}

static void put_call(struct trial *t, const struct sim_ops *o)
{
    o->put_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void mean_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_whole(t)));
    trial_act(t, trial_output(t, "y", t->n[0] * t->n[4]));
    t->b[ROWS_Y].floor = 1;
}

static void mean_true(struct trial *t, double *y)
{
    for (int64_t i = 0; i < rows_part(t); i++)
        y[i / (t->n[3] * t->n[4]) * t->n[4] + i % t->n[4]] +=
            trial_real(t, ROWS_X)[rows_place(t, i)] / (double)t->n[3];
}

static void mean_reference(struct trial *t)
{
    mean_true(t, t->b[ROWS_Y].want);
}

static void mean_call(struct trial *t, const struct sim_ops *o)
{
    o->mean_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void mean_backward_declare(struct trial *t)
{
    t->n[2] = 0, t->n[3] = t->n[1]; /* the backward is that of all rows */
    trial_act(t, trial_hidden(t, "x", rows_whole(t)));
    trial_act(t, trial_input(t, "dy", t->n[0] * t->n[4]));
    trial_gradient(t, "dx", ROWS_X, 0);
}

static double mean_loss(struct trial *t)
{
    return loss_of(t, mean_true, ROWS_Y);
}

static void mean_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->mean_rows_backward(o, trial_f(t, ROWS_DX), trial_f(t, ROWS_Y), t->n[0], t->n[1], t->n[4]);
}

/* ------------------------------------------------------------------ scale_residual: batch tokens dim */

static const int64_t residual_shapes[][TRIAL_DIMS] = {
    {1, 1, 1}, {2, 5, 20}, {3, 5, 33}, {4, 79, 8}, {1, 275, 48}, {65, 2, 64},
};
enum { RESIDUAL_X, RESIDUAL_BRANCH, RESIDUAL_GAMMA, RESIDUAL_KEEP, RESIDUAL_Y };
enum { RESIDUAL_NO_GAMMA = 1, RESIDUAL_NO_KEEP = 2, RESIDUAL_IN_PLACE = 4, RESIDUAL_VARIANTS = 8 };

static void residual_inputs(struct trial *t)
{
    trial_act(t, trial_input(t, "x", t->n[0] * t->n[1] * t->n[2]));
    trial_act(t, trial_input(t, "branch", t->n[0] * t->n[1] * t->n[2]));
    if (t->variant & RESIDUAL_NO_GAMMA)
        trial_absent(t, "gamma");
    else
        trial_input(t, "gamma", t->n[2]);
    if (t->variant & RESIDUAL_NO_KEEP)
        trial_absent(t, "keep");
    else
        trial_input(t, "keep", t->n[0]);
    for (int64_t b = 0; !(t->variant & RESIDUAL_NO_KEEP) && b < t->n[0]; b++)
        trial_set(t, RESIDUAL_KEEP, b, b % 3 == 1 ? 0 : 1 / 0.8);
}

static void residual_declare(struct trial *t)
{
    residual_inputs(t);
    trial_act(t, trial_output(t, "y", t->n[0] * t->n[1] * t->n[2]));
    if (t->variant & RESIDUAL_IN_PLACE) trial_alias(t, RESIDUAL_Y, RESIDUAL_X);
    t->b[RESIDUAL_Y].floor = 1;
}

static void residual_true(struct trial *t, double *y)
{
    for (int64_t i = 0; i < t->n[0] * t->n[1] * t->n[2]; i++) {
        double gamma = t->variant & RESIDUAL_NO_GAMMA ? 1 : trial_real(t, RESIDUAL_GAMMA)[i % t->n[2]];
        double keep =
            t->variant & RESIDUAL_NO_KEEP ? 1 : trial_real(t, RESIDUAL_KEEP)[i / (t->n[1] * t->n[2])];
        y[i] = trial_real(t, RESIDUAL_X)[i] + keep * gamma * trial_real(t, RESIDUAL_BRANCH)[i];
    }
}

static void residual_reference(struct trial *t)
{
    residual_true(t, t->b[RESIDUAL_Y].want);
}

static void residual_call(struct trial *t, const struct sim_ops *o)
{
    o->scale_residual(o, trial_f(t, RESIDUAL_Y), trial_f(t, RESIDUAL_X), trial_f(t, RESIDUAL_BRANCH),
                      trial_f(t, RESIDUAL_GAMMA), trial_f(t, RESIDUAL_KEEP), t->n[0], t->n[1], t->n[2]);
}

enum { RESIDUAL_DY = RESIDUAL_Y, RESIDUAL_DBRANCH, RESIDUAL_DGAMMA };
enum { RESIDUAL_NO_DGAMMA = 4 };

static void residual_backward_declare(struct trial *t)
{
    residual_inputs(t);
    trial_act(t, trial_input(t, "dy", t->n[0] * t->n[1] * t->n[2]));
    trial_gradient(t, "dbranch", RESIDUAL_BRANCH, 0);
    if (t->variant & (RESIDUAL_NO_GAMMA | RESIDUAL_NO_DGAMMA))
        trial_absent(t, "dgamma");
    else
        trial_gradient(t, "dgamma", RESIDUAL_GAMMA, 0);
    t->b[RESIDUAL_DGAMMA].floor = 1;
}

static double residual_loss(struct trial *t)
{
    return loss_of(t, residual_true, RESIDUAL_DY);
}

static void residual_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->scale_residual_backward(o, trial_f(t, RESIDUAL_DBRANCH), trial_f(t, RESIDUAL_DGAMMA),
                               trial_f(t, RESIDUAL_DY), trial_f(t, RESIDUAL_BRANCH),
                               trial_f(t, RESIDUAL_GAMMA), trial_f(t, RESIDUAL_KEEP), t->n[0], t->n[1],
                               t->n[2]);
}

/* ------------------------------------------------------------------ relative_features: batch grid dim */

static const int64_t features_shapes[][TRIAL_DIMS] = {
    {1, 1, 4}, {2, 3, 20}, {5, 8, 48}, {3, 14, 12}, {2, 3, 300}};
enum { FEATURES_GEOMETRY, FEATURES_OUT };

static void features_declare(struct trial *t)
{
    trial_input(t, "geometry", t->n[0] * 6);
    for (int64_t i = 0; i < t->n[0]; i++) { /* scales of crops, flips of 0 or 1 */
        for (int64_t k = 2; k < 4; k++)
            trial_set(t, FEATURES_GEOMETRY, 6 * i + k,
                      exp(0.5 * trial_real(t, FEATURES_GEOMETRY)[6 * i + k]));
        trial_set(t, FEATURES_GEOMETRY, 6 * i + 4, (double)(i % 2));
    }
    trial_act(t, trial_output(t, "features", t->n[0] * t->n[1] * t->n[1] * 2 * t->n[2]));
}

static void features_reference(struct trial *t)
{
    const int64_t grid = t->n[1], quarter = t->n[2] / 4;
    double *to = t->b[FEATURES_OUT].want;
    for (int64_t n = 0; n < t->n[0] * grid * grid; n++) {
        const double *g = trial_real(t, FEATURES_GEOMETRY) + n / (grid * grid) * 6;
        double u = (double)(n / grid % grid) + 0.5, v = (double)(n % grid) + 0.5, side = (double)grid;
        double at[4] = {g[2] * u + side * g[0] - 0.5, g[3] * v + side * g[1] - 0.5, 10 * log(g[2]),
                        10 * log(g[3])};
        if (g[4] == 1) at[1] = -g[3] * v + side * g[5] - 0.5;
        if (t->variant == SIM_FEATURES_NO_SCALE) at[2] = at[3] = 0;
        if (t->variant == SIM_FEATURES_NONE) at[0] = u - 0.5, at[1] = v - 0.5, at[2] = at[3] = 0;
        for (int part = 0; part < 4; part++)
            for (int64_t k = 0; k < quarter; k++) {
                double angle = at[part] * pow(10000, -(double)k / (double)quarter);
                to[n * 8 * quarter + part * 2 * quarter + k] = sin(angle);
                to[n * 8 * quarter + part * 2 * quarter + quarter + k] = cos(angle);
            }
    }
}

static void features_call(struct trial *t, const struct sim_ops *o)
{
    o->relative_features(o, trial_f(t, FEATURES_OUT), trial_f(t, FEATURES_GEOMETRY), t->n[0], t->n[1],
                         t->n[2], (enum sim_features_mode)t->variant);
}

#define SHAPES(list) .shapes = list, .shape_count = TRIAL_COUNT(list)
static const struct operation operations[] = {
    {.name = "patchify",
     .dims = "batch side patch taken",
     SHAPES(patchify_shapes),
     .variants = 2,
     .declare = patchify_declare,
     .reference = patchify_reference,
     .call = patchify_call,
     .exact = 1},
    {.name = "embed_tokens",
     .dims = "batch taken dim patches",
     SHAPES(embed_shapes),
     .variants = 2,
     .declare = embed_declare,
     .reference = embed_reference,
     .call = embed_call,
     .exact = 1},
    {.name = "embed_tokens_backward",
     .dims = "batch taken dim patches",
     SHAPES(embed_shapes),
     .variants = 2,
     .declare = embed_backward_declare,
     .loss = embed_loss,
     .call = embed_backward_call},
    {.name = "join_queries",
     .dims = "batch taken dim patches",
     SHAPES(embed_shapes),
     .variants = 2,
     .declare = join_declare,
     .reference = join_reference,
     .call = join_call,
     .exact = 1},
    {.name = "join_queries_backward",
     .dims = "batch taken dim patches",
     SHAPES(embed_shapes),
     .variants = 1,
     .declare = join_backward_declare,
     .loss = join_loss,
     .call = join_backward_call},
    {.name = "take_rows",
     .dims = "batch tokens first count dim",
     SHAPES(rows_shapes),
     .variants = 1,
     .declare = take_declare,
     .reference = take_reference,
     .call = take_call,
     .exact = 1},
    {.name = "put_rows",
     .dims = "batch tokens first count dim",
     SHAPES(rows_shapes),
     .variants = 1,
     .declare = put_declare,
     .reference = put_reference,
     .call = put_call,
     .exact = 1},
    {.name = "mean_rows",
     .dims = "batch tokens first count dim",
     SHAPES(rows_shapes),
     .variants = 1,
     .declare = mean_declare,
     .reference = mean_reference,
     .call = mean_call},
    {.name = "mean_rows_backward",
     .dims = "batch tokens first count dim",
     SHAPES(rows_shapes),
     .variants = 1,
     .declare = mean_backward_declare,
     .loss = mean_loss,
     .call = mean_backward_call},
    {.name = "scale_residual",
     .dims = "batch tokens dim",
     SHAPES(residual_shapes),
     .variants = RESIDUAL_VARIANTS,
     .declare = residual_declare,
     .reference = residual_reference,
     .call = residual_call},
    {.name = "scale_residual_backward",
     .dims = "batch tokens dim",
     SHAPES(residual_shapes),
     .variants = RESIDUAL_VARIANTS,
     .declare = residual_backward_declare,
     .loss = residual_loss,
     .call = residual_backward_call},
    {.name = "relative_features",
     .dims = "batch grid dim",
     SHAPES(features_shapes),
     .variants = 3,
     .declare = features_declare,
     .reference = features_reference,
     .call = features_call,
     .max = 1e-6},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* The reference's own tables, in the three modes. */
START_TEST(relative_features_equal_golden)
{
    static const char *const modes[] = {"full", "no_scale", "none"};
    struct sim_tensors *file;
    const struct sim_tensor *geometry, *want;
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    test_ok(sim_tensors_open(&file, test_path("golden/positions.safetensors")));
    test_ok(sim_tensors_expect(file, "geom", SIM_F32, 2, (const int64_t[]){4, 6}, &geometry));
    for (int mode = 0; mode < 3; mode++) {
        char name[64];
        snprintf(name, sizeof name, "relative.%s.14.96", modes[mode]);
        test_ok(sim_tensors_expect(file, name, SIM_F32, 3, (const int64_t[]){4, 196, 192}, &want));
        float *features = calloc((size_t)want->count, sizeof *features);
        if (!features) ck_abort_msg("no memory for a test");
        for (int s = 0; s < count; s++) {
            const struct sim_ops *o = &subjects[s].ops;
            float *in = subject_floats(&subjects[s], geometry->data, geometry->count),
                  *out = subject_empty_acts(&subjects[s], want->count);
            o->relative_features(o, out, in, 4, 14, 96, (enum sim_features_mode)mode);
            subject_read_acts(&subjects[s], features, out, want->count);
            for (int64_t i = 0; i < want->count; i++) {
                double is = features[i], be = ((const float *)want->data)[i],
                       bound = subjects[s].bf16 ? 1.0 / 512 + 1e-6 : 1e-6;
                ck_assert_msg(fabs(is - be) <= bound, "%s [%lld]: %.9g, not %.9g", name, (long long)i, is,
                              be);
            }
            subject_release(&subjects[s], in), subject_release(&subjects[s], out);
        }
        free(features);
    }
    sim_tensors_close(file);
    subjects_close(subjects, count);
}
END_TEST

/* take after put gives back what was put; put is take's transpose: <take x, y> = <x, put y>. */
START_TEST(put_is_the_transpose_of_take)
{
    enum {
        BATCH = 3,
        TOKENS = 11,
        FIRST = 2,
        COUNT = 7,
        DIM = 5,
        WHOLE = BATCH * TOKENS * DIM,
        PART = BATCH * COUNT * DIM
    };
    float x[WHOLE], y[PART], taken[PART], put[WHOLE];
    struct sim_rng rng = sim_rng_make(9, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < WHOLE; i++) x[i] = (float)sim_rng_below(&rng, 256) - 128; /* exact in any type */
    for (int i = 0; i < PART; i++) y[i] = (float)sim_rng_below(&rng, 256) - 128;
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        double left = 0, right = 0;
        float *whole = subject_acts(&subjects[s], x, WHOLE), *part = subject_acts(&subjects[s], y, PART),
              *out = subject_empty_acts(&subjects[s], PART), *back = subject_empty_acts(&subjects[s], WHOLE);
        o->take_rows(o, out, whole, BATCH, TOKENS, FIRST, COUNT, DIM);
        o->put_rows(o, back, part, BATCH, TOKENS, FIRST, COUNT, DIM);
        subject_read_acts(&subjects[s], taken, out, PART);
        subject_read_acts(&subjects[s], put, back, WHOLE);
        for (int i = 0; i < PART; i++) left += (double)taken[i] * y[i];
        for (int i = 0; i < WHOLE; i++) right += (double)x[i] * put[i];
        ck_assert(left == right);
        o->take_rows(o, out, back, BATCH, TOKENS, FIRST, COUNT, DIM);
        subject_read_acts(&subjects[s], taken, out, PART);
        ck_assert_mem_eq(taken, y, sizeof y);
        float *const all[] = {whole, part, out, back};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokens");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, relative_features_equal_golden);
    tcase_add_test(c, put_is_the_transpose_of_take);
    suite_add_tcase(s, c);
    return test_run(s);
}
