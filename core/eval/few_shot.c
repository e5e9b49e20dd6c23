/* The few-shot score: the paper's logistic regression on a few labelled images. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "logreg.h"
#include "protocol.h"

#define NO_DIRECTION 1e-10 /* a row shorter than this after centring has none */

/* Every row minus its own mean, at length 1; returns how many have no direction: they become zero, where the
 * published tool puts a random vector. */
static int64_t centre_rows(struct sim_features *f)
{
    int64_t zero = 0;
    for (int64_t i = 0; i < f->count; i++) {
        float *x = f->x + i * f->dim;
        double mean = 0, squares = 0;
        for (int j = 0; j < f->dim; j++) mean += (double)x[j] / f->dim;
        for (int j = 0; j < f->dim; j++) squares += (x[j] - mean) * (x[j] - mean);
        double length = sqrt(squares);
        zero += length <= NO_DIRECTION;
        for (int j = 0; j < f->dim; j++) x[j] = length > NO_DIRECTION ? (float)((x[j] - mean) / length) : 0;
    }
    return zero;
}

struct answers {
    int64_t train_right, val_right, zero;
    int32_t *said; /* (rows of the larger set) */
};

static sim_status fit(struct sim_logreg *m, const struct sim_features *train, const struct sim_features *val,
                      const struct sim_eval_config *c, const volatile sig_atomic_t *stop, struct answers *a)
{
    SIM_TRY(sim_logreg_fit(m, &(struct sim_logreg_problem){.x = train->x,
                                                           .y = train->label,
                                                           .n = train->count,
                                                           .dim = train->dim,
                                                           .classes = train->classes,
                                                           .l2 = c->few_shot_l2 / (double)train->count,
                                                           .tolerance = c->few_shot_tolerance,
                                                           .max_iter = c->few_shot_max_iter,
                                                           .label = "few-shot regression",
                                                           .stop = stop}));
    SIM_TRY(sim_logreg_predict(m, train->x, train->count, a->said));
    a->train_right = sim_score_count_right(a->said, train->label, train->count);
    SIM_TRY(sim_logreg_predict(m, val->x, val->count, a->said));
    a->val_right = sim_score_count_right(a->said, val->label, val->count);
    return SIM_OK;
}

sim_status sim_score_few_shot(struct sim_features *train, struct sim_features *val,
                              const struct sim_eval_config *c, const char *split,
                              const volatile sig_atomic_t *stop, struct sim_score *out)
{
    struct sim_logreg m = {0};
    struct answers a = {0};
    SIM_TRY(sim_features_check(train, val, "few_shot"));
    size_t rows = (size_t)(train->count > val->count ? train->count : val->count);
    a.zero = centre_rows(train) + centre_rows(val);
    a.said = sim_calloc_aligned(rows, sizeof *a.said);
    sim_status status = a.said ? fit(&m, train, val, c, stop, &a)
                               : sim_fail(SIM_ENOMEM, "few_shot: no memory for %zu rows", rows);
    if (status == SIM_OK) {
        sim_score_fill(out, "few_shot", a.val_right, train->count, val->count);
        snprintf(
            out->protocol, sizeof out->protocol,
            "{\"features\": \"%s\", \"resample\": \"bilinear\", \"rows\": \"centred, length 1\", "
            "\"intercept\": false, \"l2_times_images\": %.9g, \"tolerance\": %.3g, %s, \"iterations\": %lld, "
            "\"stopped\": \"%s\", \"objective\": %.12g, \"weight_norm\": %.9g, \"train_top1\": %.6g, "
            "\"train_classes\": %d, \"zero_rows\": %lld}",
            sim_feature_name((enum sim_feature)c->few_shot_feature), c->few_shot_l2, c->few_shot_tolerance,
            split, (long long)m.iterations, m.stopped, m.objective, m.weight_norm,
            (double)a.train_right / (double)train->count, m.present, (long long)a.zero);
    }
    sim_logreg_close(&m);
    free(a.said);
    return status;
}
