/* Tokens and where they lie: images cut into patches, visible tokens with their positions, the predictor's
 * queries, and the features of relative positions. */
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "safetensors.h"

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
    return trial_loss(t, embed_true, EMBED_DY);
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
    return trial_loss(t, join_true, JOIN_DY);
}

static void join_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->join_queries_backward(o, trial_f(t, JOIN_DZ), trial_f(t, JOIN_DMASK), trial_f(t, JOIN_DPLACE),
                             trial_f(t, JOIN_DY), t->n[0], t->n[1], t->n[3], t->n[2]);
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

static const struct operation operations[] = {
    {.name = "patchify",
     .dims = "batch side patch taken",
     TRIAL_SHAPES(patchify_shapes),
     .variants = 2,
     .declare = patchify_declare,
     .reference = patchify_reference,
     .call = patchify_call,
     .exact = 1},
    {.name = "embed_tokens",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(embed_shapes),
     .variants = 2,
     .declare = embed_declare,
     .reference = embed_reference,
     .call = embed_call,
     .exact = 1},
    {.name = "embed_tokens_backward",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(embed_shapes),
     .variants = 2,
     .declare = embed_backward_declare,
     .loss = embed_loss,
     .call = embed_backward_call},
    {.name = "join_queries",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(embed_shapes),
     .variants = 2,
     .declare = join_declare,
     .reference = join_reference,
     .call = join_call,
     .exact = 1},
    {.name = "join_queries_backward",
     .dims = "batch taken dim patches",
     TRIAL_SHAPES(embed_shapes),
     .variants = 1,
     .declare = join_backward_declare,
     .loss = join_loss,
     .call = join_backward_call},
    {.name = "relative_features",
     .dims = "batch grid dim",
     TRIAL_SHAPES(features_shapes),
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

int main(void)
{
    Suite *s = suite_create("tokens");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, relative_features_equal_golden);
    suite_add_tcase(s, c);
    return test_run(s);
}
