/* The logistic score: multinomial regression on frozen features, standardised or as they are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "logreg.h"
#include "protocol.h"

/* Mean and reciprocal deviation (biased) of every column; a constant column becomes zero: scale 0, for its
 * deviation is rounding noise that would be blown up. */
static void column_moments(const struct sim_features *f, double *mean, double *scale)
{
    for (int64_t i = 0; i < f->count; i++)
        for (int j = 0; j < f->dim; j++) mean[j] += f->x[i * f->dim + j];
    for (int j = 0; j < f->dim; j++) mean[j] /= (double)f->count;
    for (int64_t i = 0; i < f->count; i++)
        for (int j = 0; j < f->dim; j++) {
            double d = f->x[i * f->dim + j] - mean[j];
            scale[j] += d * d;
        }
    for (int j = 0; j < f->dim; j++) {
        double deviation = sqrt(scale[j] / (double)f->count);
        scale[j] = deviation > 1e-9 * fabs(mean[j]) ? 1 / deviation : 0;
    }
}

static sim_status fit_and_score(const struct sim_features *train, const struct sim_features *val,
                                const struct sim_eval_config *c, const volatile sig_atomic_t *stop,
                                double *mean, double *scale, int32_t *said, struct sim_logreg *keep,
                                struct sim_score *out)
{
    struct sim_logreg model;
    if (c->logistic_standardize) column_moments(train, mean, scale);
    SIM_TRY(
        sim_logreg_fit(&model, &(struct sim_logreg_problem){.x = train->x,
                                                            .y = train->label,
                                                            .n = train->count,
                                                            .dim = train->dim,
                                                            .classes = train->classes,
                                                            .shift = c->logistic_standardize ? mean : NULL,
                                                            .scale = c->logistic_standardize ? scale : NULL,
                                                            .intercept = 1,
                                                            .l2 = c->logistic_l2,
                                                            .tolerance = c->logistic_tolerance,
                                                            .max_iter = c->logistic_max_iter,
                                                            .label = "logistic",
                                                            .stop = stop}));
    sim_status status = sim_logreg_predict(&model, train->x, train->count, said);
    double fitted = (double)sim_score_count_right(said, train->label, train->count) / (double)train->count;
    if (status == SIM_OK) status = sim_logreg_predict(&model, val->x, val->count, said);
    if (status == SIM_OK) {
        sim_score_fill(out, "logistic", sim_score_count_right(said, val->label, val->count), train->count,
                       val->count);
        snprintf(out->protocol, sizeof out->protocol,
                 "{\"features\": \"mean_patch\", \"standardized\": %s, \"intercept\": true, \"l2\": %.9g, "
                 "\"tolerance\": %.3g, \"iterations\": %lld, \"stopped\": \"%s\", \"objective\": %.9g, "
                 "\"train_top1\": %.6g, \"train_classes\": %d}",
                 c->logistic_standardize ? "true" : "false", c->logistic_l2, c->logistic_tolerance,
                 (long long)model.iterations, model.stopped, model.objective, fitted, model.present);
    }
    if (status == SIM_OK && keep)
        *keep = model;
    else
        sim_logreg_close(&model);
    return status;
}

sim_status sim_score_logistic(const struct sim_features *train, const struct sim_features *val,
                              const struct sim_eval_config *c, const volatile sig_atomic_t *stop,
                              struct sim_logreg *keep, struct sim_score *out)
{
    SIM_TRY(sim_features_check(train, val, "logistic"));
    size_t rows = (size_t)(train->count > val->count ? train->count : val->count);
    double *mean = sim_calloc_aligned((size_t)train->dim, sizeof *mean);
    double *scale = sim_calloc_aligned((size_t)train->dim, sizeof *scale);
    int32_t *said = sim_calloc_aligned(rows, sizeof *said);
    sim_status status = mean && scale && said
                            ? fit_and_score(train, val, c, stop, mean, scale, said, keep, out)
                            : sim_fail(SIM_ENOMEM, "logistic: no memory for %zu rows", rows);
    free(mean);
    free(scale);
    free(said);
    return status;
}
