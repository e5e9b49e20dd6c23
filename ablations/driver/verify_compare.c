#include "verify_compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ distances */

double sim_distance_relative(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static double one_minus_cosine(double dot, double ours, double truth)
{
    if (ours == 0 && truth == 0) return 0;
    if (ours == 0 || truth == 0) return 1;
    double error = 1 - dot / sqrt(ours * truth);
    return error < 0 ? 0 : error; /* rounding of the quotient */
}

double sim_distance_direction(const float *a, const float *b, int64_t count)
{
    double dot = 0, ours = 0, truth = 0;
    for (int64_t i = 0; i < count; i++) {
        dot += (double)a[i] * (double)b[i];
        ours += (double)a[i] * (double)a[i];
        truth += (double)b[i] * (double)b[i];
    }
    return one_minus_cosine(dot, ours, truth);
}

static double largest_difference(const float *a, const float *b, int64_t count)
{
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static double norm_of(const float *a, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)a[i];
    return sqrt(sum);
}

/* ------------------------------------------------------------------ verdicts */

void sim_verdicts_start(struct sim_verdict v[SIM_VERIFY_QUANTITIES], enum sim_precision precision)
{
    static const char relative[] = "relative", direction[] = "1 - cosine";
    const int fine = precision == SIM_PRECISION_FP32;
    const struct sim_verdict blank[SIM_VERIFY_QUANTITIES] = {
        [SIM_VERIFY_LOSS] = {"loss", relative, .bound = fine ? SIM_BOUND_LOSS : SIM_COARSE_LOSS},
        [SIM_VERIFY_GRAD_NORM] = {"gradient norm", relative,
                                  .bound = fine ? SIM_BOUND_GRAD_NORM : SIM_COARSE_GRAD_NORM},
        [SIM_VERIFY_ACTIVATIONS] = {"activations", fine ? relative : direction,
                                    .bound = fine ? SIM_BOUND_ACTIVATIONS : SIM_COARSE_DIRECTION},
        [SIM_VERIFY_GRADIENTS] = {"gradients", fine ? relative : direction,
                                  .bound = fine ? SIM_BOUND_GRADIENTS : SIM_COARSE_DIRECTION},
        [SIM_VERIFY_STATE] = {"final state", relative, .bound = fine ? SIM_BOUND_STATE : SIM_COARSE_STATE},
        [SIM_VERIFY_UPDATE] = {"whole update", direction,
                               .bound = fine ? SIM_BOUND_UPDATE : SIM_COARSE_UPDATE},
        [SIM_VERIFY_ZEROS] = {"exact zeros", "of the absolute bound", .bound = 1},
    };
    memcpy(v, blank, sizeof blank);
}

void sim_verdicts_moco_v3(struct sim_verdict v[SIM_VERIFY_QUANTITIES], enum sim_precision precision)
{
    static const double bf16[SIM_VERIFY_QUANTITIES] = {
        [SIM_VERIFY_LOSS] = SIM_MOCO_V3_BF16_LOSS,
        [SIM_VERIFY_GRAD_NORM] = SIM_MOCO_V3_BF16_GRAD_NORM,
        [SIM_VERIFY_ACTIVATIONS] = SIM_MOCO_V3_BF16_ACTIVATIONS,
        [SIM_VERIFY_GRADIENTS] = SIM_MOCO_V3_BF16_GRADIENTS,
        [SIM_VERIFY_STATE] = SIM_MOCO_V3_BF16_STATE,
        [SIM_VERIFY_UPDATE] = SIM_MOCO_V3_BF16_UPDATE,
        [SIM_VERIFY_ZEROS] = 1,
    };
    if (precision == SIM_PRECISION_FP32) v[SIM_VERIFY_GRAD_NORM].bound = SIM_MOCO_V3_BOUND_GRAD_NORM;
    for (int i = 0; precision == SIM_PRECISION_BF16 && i < SIM_VERIFY_QUANTITIES; i++) v[i].bound = bf16[i];
}

void sim_verdict_note(struct sim_verdict *v, double error, const char *where)
{
    v->compared++;
    if (v->compared > 1 && error <= v->worst) return; /* a NaN is never <=, and so is kept */
    if (isnan(v->worst)) return;
    v->worst = error;
    snprintf(v->where, sizeof v->where, "%s", where);
}

/* ------------------------------------------------------------------ tensors */

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int is_zero_mean(const char *name, const float *truth, int64_t count)
{
    return ends_with(name, "running_mean") && norm_of(truth, count) < 1e-6 * sqrt((double)count);
}

/* The running mean of a head's first BatchNorm takes in what the encoder's last bias adds, though the norm
 * takes it away again, which is why that bias has no gradient: how far `step` of it can shift the mean, by
 * the largest sum of a row of the weights between; 0: `name` is no such mean. */
static double shifted_mean(const struct sim_case *c, const char *name, double step)
{
    static const char mean[] = ".head.1.running_mean";
    char other[160];
    const struct sim_tensor *w;
    const int prefix = (int)strlen(name) - (int)strlen(mean);
    if (prefix < 0 || strcmp(name + prefix, mean) != 0) return 0;
    snprintf(other, sizeof other, "%.*s.norm.bias", prefix, name);
    if (!sim_case_is_zero(c, other)) return 0;
    snprintf(other, sizeof other, "%.*s.head.0.weight", prefix, name);
    if (!(w = sim_tensors_find(c->final, other)) || w->dtype != SIM_F32 || w->dims != 2) return 0;
    double largest = 0;
    for (int64_t r = 0; r < w->shape[0]; r++) {
        const float *row = (const float *)w->data + r * w->shape[1];
        double sum = 0;
        for (int64_t i = 0; i < w->shape[1]; i++) sum += fabs((double)row[i]);
        largest = fmax(largest, sum);
    }
    return step * largest;
}

void sim_compare_tensor(struct sim_verdict *v, struct sim_verdict *zeros, double zero_bound,
                        const struct sim_case *c, const char *name, const float *ours, const float *truth,
                        int64_t count)
{
    double (*const distance)(const float *, const float *, int64_t) =
        strcmp(v->measure, "relative") == 0 ? sim_distance_relative : sim_distance_direction;
    char where[128];
    if (sim_case_is_zero(c, name) || is_zero_mean(name, truth, count)) {
        sim_verdict_note(zeros, largest_difference(ours, truth, count) / zero_bound, name);
        return;
    }
    const double shift = shifted_mean(c, name, zero_bound);
    if (shift > 0) {
        const double rounding = v->bound * norm_of(truth, count) / sqrt((double)count);
        sim_verdict_note(zeros, largest_difference(ours, truth, count) / (shift + 8 * rounding), name);
        return;
    }
    if (ends_with(name, "attn.qkv.bias")) {
        int64_t third = count / 3;
        snprintf(where, sizeof where, "%s (key third)", name);
        sim_verdict_note(zeros, largest_difference(ours + third, truth + third, third) / zero_bound, where);
        sim_verdict_note(v, distance(ours, truth, third), name);
        sim_verdict_note(v, distance(ours + 2 * third, truth + 2 * third, third), name);
        return;
    }
    sim_verdict_note(v, distance(ours, truth, count), name);
}

void sim_heading_add_all(struct sim_heading *h, const float *ours, const float *truth, const float *start,
                         int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double a = (double)ours[i] - (double)start[i], b = (double)truth[i] - (double)start[i];
        h->dot += a * b, h->ours += a * a, h->truth += b * b;
    }
}

void sim_heading_add(struct sim_heading *h, const struct sim_case *c, const char *name, const float *ours,
                     const float *truth, const float *start, int64_t count)
{
    if (sim_case_is_zero(c, name)) return;
    if (ends_with(name, "attn.qkv.bias")) {
        int64_t third = count / 3;
        sim_heading_add_all(h, ours, truth, start, third);
        sim_heading_add_all(h, ours + 2 * third, truth + 2 * third, start + 2 * third, third);
    } else {
        sim_heading_add_all(h, ours, truth, start, count);
    }
}

double sim_heading_error(const struct sim_heading *h)
{
    return one_minus_cosine(h->dot, h->ours, h->truth);
}
