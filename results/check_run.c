/* What is held against the reference for one run: scores, loss, cost. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_run.h"
#include "progress.h"
#include "statistics.h"

/* Spreads below these are rounding (threads, instruction sets), not seeds. */
#define LEAST_LOSS_SPREAD 1e-3 /* of the loss */

/* ------------------------------------------------------------------ a mean against a reference's */

struct test {
    struct sim_sample was, is;
    double spread, half; /* half: how far apart the means may be */
    double t;            /* (is - was) in units of its standard error */
};

/* `tail`: the probability beyond the limit on one side; `floor`: the least spread that is believed. */
static struct test test_of(struct sim_sample was, struct sim_sample is, double tail, double floor)
{
    struct test t = {.was = was, .is = is, .spread = fmax(was.deviation, floor)};
    double error = t.spread * sqrt(1.0 / was.n + 1.0 / is.n);
    t.half = sim_t_quantile(1 - tail, was.n - 1) * error;
    t.t = (is.mean - was.mean) / error;
    return t;
}

/* Whether the seeds suffice; if not, a row says so. */
static sim_status seeds_suffice(const struct sim_check_pair *p, const char *what, int was, int is,
                                int *enough)
{
    *enough = was >= SIM_LEAST_SEEDS && is >= 1 && was > is;
    if (*enough) return SIM_OK;
    struct sim_check_row *row = sim_check_add(p, SIM_CHECK_TOO_FEW, what);
    if (!row) return sim_check_no_memory();
    if (!is)
        snprintf(row->note, sizeof row->note, "no finished record has it now; the reference has it of %d",
                 was);
    else
        snprintf(
            row->note, sizeof row->note,
            "%d seed%s in the reference, %d here: the reference needs at least %d, and more than the check",
            was, was == 1 ? "" : "s", is, SIM_LEAST_SEEDS);
    return SIM_OK;
}

typedef double (*quantity)(const struct sim_run_record *r, const void *which);

/* The finished runs' finite values; *values is the caller's. */
static sim_status collect(const struct sim_row *row, quantity of, const void *which, struct sim_sample *out)
{
    double *values = calloc((size_t)row->count + 1, sizeof *values);
    int n = 0;
    if (!values) return sim_check_no_memory();
    for (int i = 0; i < row->count; i++) {
        double x = sim_run_is_ok(row->runs[i]) ? of(row->runs[i], which) : NAN;
        if (isfinite(x)) values[n++] = x;
    }
    *out = sim_sample_of(values, n);
    free(values);
    return SIM_OK;
}

/* ------------------------------------------------------------------ scores */

static double score_of(const struct sim_run_record *r, const void *which)
{
    return sim_run_score_value(r, which);
}

/* The share of one image: a score cannot be known more finely. */
static double one_image(const struct sim_row *row, const char *name)
{
    const struct sim_run_score *s = sim_run_score_find(row->runs[0], name, 1);
    return s && s->val_images > 0 ? 1.0 / (double)s->val_images : 1e-4;
}

/* "same seeds: equal": what can be said seed by seed, where both have it. */
static void note_same_seeds(struct sim_check_row *row, const struct sim_check_pair *p, const char *score)
{
    int n = 0;
    double largest = 0;
    for (int i = 0; i < p->is->count; i++)
        for (int j = 0; j < p->was->count; j++) {
            const struct sim_run_record *a = p->is->runs[i], *b = p->was->runs[j];
            double d = sim_run_score_value(a, score) - sim_run_score_value(b, score);
            if (a->seed != b->seed || !sim_run_is_ok(a) || !sim_run_is_ok(b) || !isfinite(d)) continue;
            n++;
            if (fabs(d) > fabs(largest)) largest = d;
        }
    if (n && largest == 0)
        snprintf(row->note, sizeof row->note, "same seed%s, same score", n == 1 ? "" : "s");
    else if (n)
        snprintf(row->note, sizeof row->note, "of the same seed: up to %+.1f", 100 * largest);
}

static void put_values(struct sim_check_row *row, const struct test *t, double scale, const char *format)
{
    char one[32], two[32];
    snprintf(one, sizeof one, format, scale * t->was.mean);
    snprintf(two, sizeof two, format, scale * t->spread);
    snprintf(row->was, sizeof row->was, "%s ± %s (n %d)", one, two, t->was.n);
    snprintf(one, sizeof one, format, scale * t->is.mean);
    snprintf(row->is, sizeof row->is, "%s (n %d)", one, t->is.n);
}

static sim_status compare_score(const struct sim_check_pair *p, const char *name, int pretrained)
{
    char which[128], what[128];
    struct sim_sample was, is;
    int enough;
    snprintf(which, sizeof which, "%.60s %s", name, pretrained ? "pretrained" : "untrained");
    snprintf(what, sizeof what, "%.40s%s", name, pretrained ? "" : ", untrained");
    SIM_TRY(collect(p->was, score_of, which, &was));
    SIM_TRY(collect(p->is, score_of, which, &is));
    if (!was.n) return SIM_OK;
    SIM_TRY(seeds_suffice(p, what, was.n, is.n, &enough));
    if (!enough) return SIM_OK;
    struct test t = test_of(was, is, p->o->level, one_image(p->was, name));
    struct sim_check_row *row = sim_check_add(p,
                                              is.mean < was.mean - t.half   ? SIM_CHECK_DIFFERENT
                                              : is.mean > was.mean + t.half ? SIM_CHECK_BETTER
                                                                            : SIM_CHECK_OK,
                                              what);
    if (!row) return sim_check_no_memory();
    p->out->tests++;
    put_values(row, &t, 100, "%.1f");
    snprintf(row->limit, sizeof row->limit, ">= %.1f", 100 * (was.mean - t.half));
    snprintf(row->p, sizeof row->p, "%.4f", sim_t_cdf(t.t, was.n - 1));
    note_same_seeds(row, p, which);
    return SIM_OK;
}

/* ------------------------------------------------------------------ loss */

static double mean_loss(const struct sim_run_record *r, const void *which)
{
    double sum = 0;
    (void)which;
    for (int i = 0; i < r->points; i++) sum += r->curve[i].loss;
    return sum / r->points; /* without a curve: 0 / 0, not a number */
}

static double loss_at(const struct sim_run_record *r, const void *which)
{
    for (int i = 0; i < r->points; i++)
        if (r->curve[i].epoch == *(const int64_t *)which) return r->curve[i].loss;
    return NAN;
}

/* The curve epoch by epoch: a band for each, at the level of all of them together. */
static sim_status compare_band(const struct sim_check_pair *p)
{
    const struct sim_run_record *grid = p->was->runs[0];
    int outside = 0, inside = 0, absent = 0;
    double worst = 0;
    struct test at_worst = {0};
    int64_t worst_epoch = 0;
    for (int i = 1; i < p->was->count; i++)
        if (sim_run_is_ok(p->was->runs[i]) && p->was->runs[i]->points > grid->points) grid = p->was->runs[i];
    for (int i = 0; i < grid->points; i++) {
        struct sim_sample was, is;
        SIM_TRY(collect(p->was, loss_at, &grid->curve[i].epoch, &was));
        SIM_TRY(collect(p->is, loss_at, &grid->curve[i].epoch, &is));
        absent += was.n >= SIM_LEAST_SEEDS && !is.n;
        if (was.n < SIM_LEAST_SEEDS || !is.n) continue;
        struct test t =
            test_of(was, is, p->o->level / (2 * grid->points), LEAST_LOSS_SPREAD * fabs(was.mean));
        double excess = fabs(is.mean - was.mean) / t.half;
        if (excess > 1)
            outside++;
        else
            inside++;
        if (excess > worst) worst = excess, worst_epoch = grid->curve[i].epoch, at_worst = t;
    }
    struct sim_check_row *row =
        sim_check_add(p, outside || absent ? SIM_CHECK_DIFFERENT : SIM_CHECK_OK, "loss, epoch by epoch");
    if (!row) return sim_check_no_memory();
    p->out->tests++;
    if (worst > 0) {
        put_values(row, &at_worst, 1, "%.4f");
        snprintf(row->limit, sizeof row->limit, "within %.4f", at_worst.half);
    }
    snprintf(row->note, sizeof row->note, "%d of %d epochs outside their band%s; epoch %lld is farthest",
             outside, outside + inside, absent ? ", others missing" : "", (long long)worst_epoch);
    return SIM_OK;
}

/* The finished run of this seed, or NULL. */
static const struct sim_run_record *of_seed(const struct sim_row *row, int64_t seed)
{
    for (int i = 0; i < row->count; i++)
        if (row->runs[i]->seed == seed && sim_run_is_ok(row->runs[i])) return row->runs[i];
    return NULL;
}

/* Runs of one seed share images, masks and initialisation, and so differ by the program alone: their
 * differences vary far less than seeds do.  Equal bytes differ by nothing, another rounding by as much
 * upwards as downwards, a fault the same way every time. */
static sim_status compare_by_seed(const struct sim_check_pair *p, double typical)
{
    double *difference = calloc((size_t)p->is->count + 1, sizeof *difference);
    int n = 0;
    if (!difference) return sim_check_no_memory();
    for (int i = 0; i < p->is->count; i++) {
        const struct sim_run_record *is = p->is->runs[i], *was = of_seed(p->was, is->seed);
        double d = was && sim_run_is_ok(is) ? mean_loss(is, NULL) - mean_loss(was, NULL) : NAN;
        if (isfinite(d)) difference[n++] = d;
    }
    struct sim_sample s = sim_sample_of(difference, n);
    free(difference);
    if (n < SIM_LEAST_SEEDS) return SIM_OK;
    double error = fmax(s.deviation, LEAST_LOSS_SPREAD * fabs(typical)) / sqrt(n);
    double half = sim_t_quantile(1 - p->o->level / 2, n - 1) * error;
    struct sim_check_row *row =
        sim_check_add(p, fabs(s.mean) > half ? SIM_CHECK_DIFFERENT : SIM_CHECK_OK, "loss, seed by seed");
    if (!row) return sim_check_no_memory();
    p->out->tests++;
    snprintf(row->is, sizeof row->is, "%+.4f ± %.4f (n %d)", s.mean, s.deviation, n);
    snprintf(row->limit, sizeof row->limit, "within %.4f", half);
    snprintf(row->p, sizeof row->p, "%.4f", 2 * sim_t_cdf(-fabs(s.mean) / error, n - 1));
    return SIM_OK;
}

static sim_status compare_loss(const struct sim_check_pair *p)
{
    struct sim_sample was, is;
    int enough;
    SIM_TRY(collect(p->was, mean_loss, NULL, &was));
    SIM_TRY(collect(p->is, mean_loss, NULL, &is));
    if (!was.n) return SIM_OK;
    SIM_TRY(seeds_suffice(p, "loss, mean of the curve", was.n, is.n, &enough));
    if (!enough) return SIM_OK;
    struct test t = test_of(was, is, p->o->level / 2, LEAST_LOSS_SPREAD * fabs(was.mean));
    struct sim_check_row *row = sim_check_add(
        p, fabs(is.mean - was.mean) > t.half ? SIM_CHECK_DIFFERENT : SIM_CHECK_OK, "loss, mean of the curve");
    if (!row) return sim_check_no_memory();
    p->out->tests++;
    put_values(row, &t, 1, "%.4f");
    snprintf(row->limit, sizeof row->limit, "within %.4f", t.half);
    snprintf(row->p, sizeof row->p, "%.4f", 2 * sim_t_cdf(-fabs(t.t), was.n - 1));
    SIM_TRY(compare_by_seed(p, was.mean));
    return compare_band(p);
}

/* ------------------------------------------------------------------ cost */

static double train_s_of(const struct sim_run_record *r, const void *which)
{
    (void)which;
    return r->points ? r->train_s : NAN;
}

static double memory_of(const struct sim_run_record *r, const void *which)
{
    (void)which;
    return r->peak_memory_bytes;
}

/* Both ran on the same device with as many threads in the same precision. */
static int same_machine(const struct sim_check_pair *p)
{
    const struct sim_run_record *a = p->was->runs[0], *b = p->is->runs[0];
    return strcmp(a->device, b->device) == 0 && strcmp(a->backend, b->backend) == 0 &&
           a->threads == b->threads && strcmp(a->precision, b->precision) == 0;
}

static void put_cost(char *out, size_t size, double x, int is_time)
{
    char text[40];
    if (is_time)
        sim_format_duration(x, text, sizeof text);
    else
        snprintf(text, sizeof text, "%.0f MiB", x / (1 << 20));
    snprintf(out, size, "%s", text);
}

static sim_status compare_cost(const struct sim_check_pair *p, quantity of, const char *what, double band,
                               int is_time)
{
    struct sim_sample was, is;
    SIM_TRY(collect(p->was, of, NULL, &was));
    SIM_TRY(collect(p->is, of, NULL, &is));
    if (!was.n || !is.n) return SIM_OK;
    int same = same_machine(p), compared = same && band > 0;
    struct sim_check_row *row = sim_check_add(p,
                                              !compared                   ? SIM_CHECK_SKIPPED
                                              : is.mean > band * was.mean ? SIM_CHECK_DIFFERENT
                                                                          : SIM_CHECK_OK,
                                              what);
    if (!row) return sim_check_no_memory();
    put_cost(row->was, sizeof row->was, was.mean, is_time);
    put_cost(row->is, sizeof row->is, is.mean, is_time);
    if (compared) {
        put_cost(row->limit + 3, sizeof row->limit - 3, band * was.mean, is_time);
        memcpy(row->limit, "<= ", 3);
        snprintf(row->note, sizeof row->note, "%.2f times the reference", is.mean / was.mean);
    } else if (!same) {
        snprintf(row->note, sizeof row->note,
                 "another machine: %.80s, %lld threads; the reference: %.80s, %lld", p->is->runs[0]->device,
                 (long long)p->is->runs[0]->threads, p->was->runs[0]->device,
                 (long long)p->was->runs[0]->threads);
    }
    return SIM_OK;
}

sim_status sim_check_quantities(const struct sim_check_pair *p)
{
    for (int k = 0; k < p->e->score_count; k++) {
        SIM_TRY(compare_score(p, p->e->score_names[k], 1));
        SIM_TRY(compare_score(p, p->e->score_names[k], 0));
    }
    SIM_TRY(compare_loss(p));
    SIM_TRY(compare_cost(p, train_s_of, "training time", p->o->time_band, 1));
    return compare_cost(p, memory_of, "peak memory", p->o->memory_band, 0);
}
