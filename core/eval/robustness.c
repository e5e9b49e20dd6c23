#include "robustness.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "labelled_pass.h"
#include "progress.h"
#include "protocol.h"
#include "reference_errors.h"

enum { MCE, SETS }; /* the first score, and the first of those that are a mean over a set */
const char *const sim_robustness_scores[SIM_ROBUSTNESS_SCORES] = {[MCE] = "robust_mce",
                                                                  [SETS + SIM_SHIFT_C] = "robust_c",
                                                                  [SETS + SIM_SHIFT_A] = "robust_a",
                                                                  [SETS + SIM_SHIFT_R] = "robust_r",
                                                                  [SETS + SIM_SHIFT_SKETCH] =
                                                                      "robust_sketch"};

static const struct {
    const char *title;
    int all_classes; /* must be there */
} sets[SIM_SHIFT_SETS] = {[SIM_SHIFT_C] = {"corrupted images", 1},
                          [SIM_SHIFT_A] = {"hard images", 0},
                          [SIM_SHIFT_R] = {"renditions", 0},
                          [SIM_SHIFT_SKETCH] = {"sketches", 1}};

/* One set under test. */
struct test {
    const struct sim_robustness_job *job;
    struct sim_shift shift;
    struct sim_labelled set;
    int *column;   /* (classes of the set) of the labeller */
    float *logits; /* (batch, classes of the labeller) */
    int64_t batch, seen, right, skipped;
    /* of SIM_SHIFT_C: of every image the wrong answers so far, and each weighed as mCE weighs it */
    double *wrong, *weighed, weight;
};

/* "fog 3", or what the set is. */
static void name_test(const struct test *t, char out[64])
{
    if (t->shift.set == SIM_SHIFT_C)
        snprintf(out, 64, "%s %d", sim_corruption_name(t->shift.corruption), t->shift.severity);
    else
        snprintf(out, 64, "%s", sets[t->shift.set].title);
}

/* ------------------------------------------------------------------ classes */

/* Where the set's classes stand among those of training. */
static sim_status match_classes(struct test *t)
{
    const struct sim_labelled *train = t->job->train;
    char title[64];
    name_test(t, title);
    for (int k = 0; k < t->set.classes; k++) {
        const char *name = t->set.class_name(t->set.self, k);
        t->column[k] = -1;
        for (int c = 0; c < train->classes && t->column[k] < 0; c++)
            if (strcmp(train->class_name(train->self, c), name) == 0) t->column[k] = c;
        if (t->column[k] < 0)
            return sim_fail(SIM_EINVAL, "%s: the class '%s' is none of the %d classes of training", title,
                            name, train->classes);
    }
    if (!sets[t->shift.set].all_classes || t->set.classes == train->classes) return SIM_OK;
    for (int c = 0; c < train->classes; c++) {
        int there = 0;
        for (int k = 0; k < t->set.classes; k++) there |= t->column[k] == c;
        if (!there)
            return sim_fail(SIM_EINVAL,
                            "%s: the class folder '%s' is missing; all %d classes of training are needed",
                            title, train->class_name(train->self, c), train->classes);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ answers */

/* The likeliest of the set's classes, ties going to the first; -1 where a logit is no number. */
static int answer(const struct test *t, const float *logit)
{
    int best = 0;
    for (int k = 0; k < t->set.classes; k++) {
        if (isnan(logit[t->column[k]])) return -1;
        if (logit[t->column[k]] > logit[t->column[best]]) best = k;
    }
    return best;
}

static sim_status take_batch(void *context, const float *x, const int32_t *label, const int64_t *index,
                             int64_t count)
{
    struct test *t = context;
    const struct sim_labeller *l = t->job->labeller;
    SIM_TRY(l->logits(l->self, x, count, t->logits));
    for (int64_t i = 0; i < count; i++) {
        if (label[i] < 0) {
            t->skipped++;
            continue;
        }
        const int said = answer(t, t->logits + i * l->classes);
        if (said < 0)
            return sim_fail(SIM_ENONFINITE, "a logit is not a number: the %s classifier has diverged",
                            l->name);
        t->seen++, t->right += said == label[i];
        if (t->wrong && said != label[i]) t->wrong[index[i]] += 1, t->weighed[index[i]] += t->weight;
    }
    return SIM_OK;
}

static sim_status open_test(struct test *t)
{
    const struct sim_labeller *l = t->job->labeller;
    SIM_TRY(t->job->shifted->open(t->job->shifted->self, &t->shift, &t->set));
    t->batch = t->job->config->batch_size < l->max_batch ? t->job->config->batch_size : l->max_batch;
    t->column = calloc((size_t)t->set.classes, sizeof *t->column);
    t->logits = sim_calloc_aligned((size_t)t->batch, (size_t)l->classes * sizeof *t->logits);
    if (!t->column || !t->logits)
        return sim_fail(SIM_ENOMEM, "robustness: no memory for %d classes", l->classes);
    return match_classes(t);
}

/* The set is closed again before the next. */
static void close_test(struct test *t)
{
    if (t->set.close) t->set.close(t->set.self);
    free(t->column);
    free(t->logits);
    t->set = (struct sim_labelled){0}, t->column = NULL, t->logits = NULL;
}

/* All images of an open set; progress may be NULL. */
static sim_status run_test(struct test *t, struct sim_progress *progress, const char *note)
{
    const struct sim_labelled_pass pass = {
        .source = &t->set,
        .look = {.filter = t->job->config->robustness_filter ? SIM_RESAMPLE_BILINEAR : SIM_RESAMPLE_BICUBIC},
        .side = t->job->labeller->img_size,
        .batch_size = t->batch,
        .label = sets[t->shift.set].title,
        .progress = progress,
        .note = note,
        .stop = t->job->stop,
        .take = take_batch,
        .context = t};
    t->seen = t->right = t->skipped = 0;
    return sim_labelled_pass(&pass);
}

/* ------------------------------------------------------------------ protocols */

/* Text that grows, and stays a sentence when there is no room. */
struct text {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at, t->room, format, args);
    va_end(args);
    size_t step = n < 0 ? 0 : (size_t)n < t->room ? (size_t)n : t->room - 1;
    t->at += step, t->room -= step;
}

/* Opens the object with what every one of them says. */
static struct text begin_protocol(const struct sim_robustness_job *job, enum sim_shift_set set,
                                  struct sim_score *out)
{
    struct text t = {out->protocol, sizeof out->protocol};
    put(&t, "{\"classifier\": \"%s\", \"resample\": \"%s\", %s", job->labeller->name,
        job->config->robustness_filter ? "bilinear" : "bicubic", job->shifted->facts[set]);
    return t;
}

/* ------------------------------------------------------------------ corrupted images */

struct corrupted {
    const struct sim_robustness_job *job;
    struct sim_reference_errors reference;
    double error[SIM_CORRUPTIONS][SIM_SEVERITIES]; /* where asked for */
    int corruptions, severities;                   /* how many */
    int64_t images, seen;                          /* in a set; of these not damaged */
    double *wrong, *weighed;                       /* (images) as in struct test */
    int64_t skipped;
    struct sim_progress progress;
};

static int is_complete(const struct corrupted *c)
{
    return c->corruptions == SIM_CORRUPTIONS && c->severities == SIM_SEVERITIES;
}

/* After the first set is open. */
static sim_status prepare_sums(struct corrupted *c, const struct test *t)
{
    c->images = t->set.images;
    c->wrong = calloc((size_t)c->images, sizeof *c->wrong),
    c->weighed = calloc((size_t)c->images, sizeof *c->weighed);
    if (!c->wrong || !c->weighed)
        return sim_fail(SIM_ENOMEM, "robustness: no memory for the answers to %lld images",
                        (long long)c->images);
    sim_progress_start(&c->progress, sets[SIM_SHIFT_C].title, "images",
                       c->images * c->corruptions * c->severities);
    return SIM_OK;
}

static sim_status one_corruption(struct corrupted *c, enum sim_corruption corruption, int severity)
{
    struct test t = {.job = c->job, .shift = {SIM_SHIFT_C, corruption, severity}};
    char note[64];
    name_test(&t, note);
    sim_status status = open_test(&t);
    if (status == SIM_OK && !c->wrong) status = prepare_sums(c, &t);
    if (status == SIM_OK && t.set.images != c->images)
        status =
            sim_fail(SIM_EINVAL, "%s has %lld images, the first corruption %lld; all hold the same images",
                     note, (long long)t.set.images, (long long)c->images);
    t.wrong = c->wrong, t.weighed = c->weighed;
    t.weight = 1 / c->reference.error[corruption] / (SIM_CORRUPTIONS * SIM_SEVERITIES);
    if (status == SIM_OK) status = run_test(&t, &c->progress, note);
    if (status == SIM_OK)
        c->error[corruption][severity - 1] = 1 - (double)t.right / (double)t.seen, c->seen = t.seen;
    if (t.skipped > c->skipped) c->skipped = t.skipped;
    close_test(&t);
    return status;
}

static sim_status all_corruptions(struct corrupted *c)
{
    const struct sim_shifted *s = c->job->shifted;
    for (int i = 0; i < SIM_CORRUPTIONS; i++)
        for (int k = 0; k < SIM_SEVERITIES; k++)
            if (s->corruptions[i] && s->severities[k])
                SIM_TRY(one_corruption(c, (enum sim_corruption)i, k + 1));
    return SIM_OK;
}

/* The error of the mean of n numbers. */
static double error_of_mean(const double *v, int64_t n)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++) mean += v[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : 0;
}

/* Mean error of a corruption over its severities. */
static double mean_error(const struct corrupted *c, int corruption)
{
    double sum = 0;
    for (int k = 0; k < SIM_SEVERITIES; k++) sum += c->error[corruption][k];
    return sum / c->severities;
}

static void write_mce(const struct corrupted *c, struct sim_score *out)
{
    struct text t;
    double mce = 0;
    sim_score_fill(out, sim_robustness_scores[MCE], 0, c->job->train_images, c->seen);
    snprintf(out->metric, sizeof out->metric, "1-mce");
    t = begin_protocol(c->job, SIM_SHIFT_C, out);
    put(&t, ", \"reference\": \"%s\", \"reference_errors\": [", c->reference.name);
    for (int i = 0; i < SIM_CORRUPTIONS; i++) put(&t, "%s%.6g", i ? ", " : "", c->reference.error[i]);
    put(&t, "], \"ce\": {");
    for (int i = 0; i < SIM_CORRUPTIONS; i++) {
        const double ce = mean_error(c, i) / c->reference.error[i];
        put(&t, "%s\"%s\": %.6g", i ? ", " : "", sim_corruption_name((enum sim_corruption)i), ce);
        mce += ce / SIM_CORRUPTIONS;
    }
    put(&t, "}, \"mce\": %.9g}", mce);
    out->value = 1 - mce;
    out->standard_error = error_of_mean(c->weighed, c->images);
}

static void write_mean(const struct corrupted *c, struct sim_score *out)
{
    const struct sim_shifted *s = c->job->shifted;
    struct text t;
    double sum = 0;
    const char *comma = "";
    sim_score_fill(out, sim_robustness_scores[SETS + SIM_SHIFT_C], 0, c->job->train_images, c->seen);
    t = begin_protocol(c->job, SIM_SHIFT_C, out);
    put(&t, ", \"severities\": [");
    for (int k = 0; k < SIM_SEVERITIES; k++)
        if (s->severities[k]) put(&t, "%s%d", comma, k + 1), comma = ", ";
    put(&t, "], \"errors\": {");
    comma = "";
    for (int i = 0; i < SIM_CORRUPTIONS; i++) {
        if (!s->corruptions[i]) continue;
        put(&t, "%s\"%s\": [", comma, sim_corruption_name((enum sim_corruption)i));
        comma = "";
        for (int k = 0; k < SIM_SEVERITIES; k++)
            if (s->severities[k]) put(&t, "%s%.6g", comma, c->error[i][k]), comma = ", ";
        put(&t, "]");
        sum += mean_error(c, i);
    }
    put(&t, "}}");
    out->value = 1 - sum / c->corruptions;
    out->standard_error = error_of_mean(c->wrong, c->images) / (c->corruptions * c->severities);
}

static sim_status score_corrupted(const struct sim_robustness_job *job, struct sim_score *out, int *count,
                                  int64_t *skipped)
{
    struct corrupted c = {.job = job};
    for (int i = 0; i < SIM_CORRUPTIONS; i++) c.corruptions += job->shifted->corruptions[i] != 0;
    for (int k = 0; k < SIM_SEVERITIES; k++) c.severities += job->shifted->severities[k] != 0;
    if (c.corruptions == 0 || c.severities == 0)
        return sim_fail(SIM_EINVAL, "robustness: no corruption, or no severity, is asked for");
    SIM_TRY(sim_reference_errors_open(&c.reference, job->config->robustness_reference));
    sim_status status = all_corruptions(&c);
    if (c.wrong && c.weighed) sim_progress_finish(&c.progress);
    if (status == SIM_OK && is_complete(&c)) write_mce(&c, &out[(*count)++]);
    if (status == SIM_OK) write_mean(&c, &out[(*count)++]);
    *skipped = c.skipped;
    free(c.wrong);
    free(c.weighed);
    return status;
}

/* ------------------------------------------------------------------ other sets */

static sim_status score_set(const struct sim_robustness_job *job, enum sim_shift_set set,
                            struct sim_score *out, int64_t *skipped)
{
    struct test t = {.job = job, .shift = {.set = set}};
    sim_status status = open_test(&t);
    if (status == SIM_OK) status = run_test(&t, NULL, NULL);
    if (status == SIM_OK) {
        sim_score_fill(out, sim_robustness_scores[SETS + set], t.right, job->train_images, t.seen);
        struct text text = begin_protocol(job, set, out);
        put(&text, ", \"classes\": %d, \"of\": %d}", t.set.classes, job->labeller->classes);
    }
    *skipped = t.skipped;
    close_test(&t);
    return status;
}

sim_status sim_score_robustness(const struct sim_robustness_job *job, struct sim_score *out, int room,
                                int *count, int64_t *skipped)
{
    int64_t here = 0;
    *count = 0, *skipped = 0;
    if (room < SIM_ROBUSTNESS_SCORES)
        return sim_fail(SIM_EINVAL, "robustness: room for %d scores, and there are up to %d", room,
                        (int)SIM_ROBUSTNESS_SCORES);
    if (job->train->classes != job->labeller->classes)
        return sim_fail(SIM_EINVAL, "robustness: a classifier of %d classes for a set of %d",
                        job->labeller->classes, job->train->classes);
    for (int set = 0; set < SIM_SHIFT_SETS; set++) {
        if (!job->shifted->has[set]) continue;
        sim_status status = set == SIM_SHIFT_C
                                ? score_corrupted(job, out, count, &here)
                                : score_set(job, (enum sim_shift_set)set, &out[(*count)++], &here);
        if (status != SIM_OK) return sim_context(status, "robustness");
        if (here > *skipped) *skipped = here;
    }
    return SIM_OK;
}
