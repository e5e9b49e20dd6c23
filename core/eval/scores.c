/* The scores together, and what they share. */
#include "scores.h"

#include <math.h>
#include <stdio.h>

#include "protocol.h"

static sim_status check_split(const struct sim_features *f, const char *score, const char *split)
{
    if (f->count < 1 || f->dim < 1 || f->classes < 1)
        return sim_fail(
            SIM_EINVAL,
            "%s: the %s set has %lld rows of %d features in %d classes; at least one of each is needed",
            score, split, (long long)f->count, f->dim, f->classes);
    for (int64_t i = 0; i < f->count; i++)
        if (f->label[i] < 0 || f->label[i] >= f->classes)
            return sim_fail(SIM_EINVAL, "%s: %s row %lld has label %d; classes are 0 to %d", score, split,
                            (long long)i, (int)f->label[i], f->classes - 1);
    for (int64_t k = 0; k < f->count * f->dim; k++)
        if (!isfinite(f->x[k]))
            return sim_fail(
                SIM_ENONFINITE,
                "%s: feature %lld of %s row %lld is not a finite number: the encoder has diverged", score,
                (long long)(k % f->dim), split, (long long)(k / f->dim));
    return SIM_OK;
}

sim_status sim_features_check(const struct sim_features *train, const struct sim_features *val,
                              const char *score)
{
    SIM_TRY(check_split(train, score, "train"));
    SIM_TRY(check_split(val, score, "val"));
    if (train->dim != val->dim)
        return sim_fail(SIM_EINVAL, "%s: train rows have %d features, val rows %d", score, train->dim,
                        val->dim);
    if (train->classes != val->classes)
        return sim_fail(SIM_EINVAL, "%s: the train set has %d classes, the val set %d", score, train->classes,
                        val->classes);
    return SIM_OK;
}

void sim_score_fill(struct sim_score *out, const char *name, int64_t right, const struct sim_features *train,
                    const struct sim_features *val)
{
    double p = (double)right / (double)val->count;
    *out = (struct sim_score){.value = p,
                              .standard_error = sqrt(p * (1 - p) / (double)val->count),
                              .train_images = train->count,
                              .val_images = val->count};
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->metric, sizeof out->metric, "top1");
}

sim_status sim_score_all(const struct sim_features *train, const struct sim_features *val,
                         const struct sim_eval_config *c, struct sim_score *out, int room, int *count)
{
    const struct {
        int wanted;
        sim_status (*score)(const struct sim_features *, const struct sim_features *,
                            const struct sim_eval_config *, struct sim_score *);
    } table[] = {{c->knn, sim_score_knn}, {c->logistic, sim_score_logistic}};
    *count = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!table[i].wanted) continue;
        if (*count == room) return sim_fail(SIM_EINVAL, "scores: room for only %d", room);
        SIM_TRY(table[i].score(train, val, c, &out[*count]));
        ++*count;
    }
    return SIM_OK;
}
