#include "claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *sim_verdict_name(enum sim_verdict v)
{
    static const char *const names[] = {"supported", "contradicted", "not decided", "not enough runs"};
    return names[v];
}

/* ------------------------------------------------------------------ sides */

struct side {
    const struct sim_row **rows; /* (count) owned */
    int count;
};

/* The rows that the claim names on this side. */
static int gather(struct side *out, const struct sim_summary *e, const struct sim_side *named)
{
    *out = (struct side){calloc((size_t)e->count + 1, sizeof *out->rows), 0};
    for (int i = 0; out->rows && i < e->count; i++) {
        const struct sim_row *row = &e->rows[i];
        int known = -1;
        if (!sim_side_has(named, row->runs[0]->name, &row->runs[0]->study)) continue;
        for (int k = 0; k < out->count; k++)
            if (strcmp(out->rows[k]->runs[0]->name, row->runs[0]->name) == 0) known = k;
        if (known < 0)
            out->rows[out->count++] = row;
        else if (sim_row_last_order(row) > sim_row_last_order(out->rows[known]))
            out->rows[known] = row;
    }
    return out->rows != NULL;
}

/* The side's mean at this seed; NaN unless every row has it. */
static double side_at(const struct side *s, const char *score, int64_t seed)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++) sum += sim_row_score_at(s->rows[i], score, seed);
    return sum / s->count;
}

static void describe(char *out, size_t size, const struct sim_side *side)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < side->run_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.30s", i ? ", " : "", side->runs[i]);
    for (int i = 0; i < side->value_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.40s = %.20s", i ? ", " : "",
                                 side->values[i].key, side->values[i].text);
}

/* ------------------------------------------------------------------ verdicts */

void sim_claims_decide(struct sim_claim_result *r, const double *d, int n)
{
    r->difference = sim_sample_of(d, n);
    r->p = n >= SIM_LEAST_SEEDS ? sim_t_test(r->difference) : NAN;
    r->permutation = n >= SIM_LEAST_SEEDS ? sim_permutation_test(d, n, &r->exact) : NAN;
    r->verdict = SIM_TOO_FEW_SEEDS;
    int needed = sim_seeds_to_decide(r->difference.mean, r->difference.deviation);
    int least = SIM_LEAST_SEEDS - r->difference.n;
    if (least > 0 && needed - r->difference.n > least) least = needed - r->difference.n;
    if (least > 0) {
        r->more_seeds = least;
        snprintf(r->outlook, sizeof r->outlook, "%d pair%s of seeds; at least %d more", r->difference.n,
                 r->difference.n == 1 ? "" : "s", least);
        return;
    }
    r->verdict = r->difference.low > 0    ? SIM_SUPPORTED
                 : r->difference.high < 0 ? SIM_CONTRADICTED
                                          : SIM_NOT_DECIDED;
    if (r->verdict != SIM_NOT_DECIDED) return;
    if (!needed) {
        snprintf(r->outlook, sizeof r->outlook, "no number of seeds up to %d would, if mean and spread stay",
                 SIM_MOST_SEEDS);
        return;
    }
    r->more_seeds = needed - r->difference.n;
    snprintf(r->outlook, sizeof r->outlook, "%d more seed%s would, %s it, if mean and spread stay",
             r->more_seeds, r->more_seeds == 1 ? "" : "s", r->difference.mean > 0 ? "for" : "against");
}

static sim_status judge(struct sim_claim_result *r, const struct sim_summary *e)
{
    struct side higher = {0}, lower = {0};
    const struct sim_claim *c = r->claim;
    double *d = NULL;
    int n = 0, memory = gather(&higher, e, &c->higher) && gather(&lower, e, &c->lower);
    if (memory && higher.count) memory = (d = calloc((size_t)higher.rows[0]->count, sizeof *d)) != NULL;
    for (int i = 0; memory && higher.count && lower.count && i < higher.rows[0]->count; i++) {
        int64_t seed = higher.rows[0]->runs[i]->seed;
        double x = side_at(&higher, c->score, seed) - side_at(&lower, c->score, seed);
        if (isfinite(x)) d[n++] = x;
    }
    sim_claims_decide(r, d, n);
    if (!higher.count || !lower.count) {
        char missing[80];
        describe(missing, sizeof missing, higher.count ? &c->lower : &c->higher);
        snprintf(r->outlook, sizeof r->outlook, "no record of %s", missing);
        r->more_seeds = 0;
    }
    free(d);
    free(higher.rows);
    free(lower.rows);
    return memory ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory to judge claim %s", c->id);
}

sim_status sim_claims_correct(struct sim_claim_results *r)
{
    double *p = calloc((size_t)r->count + 1, 2 * sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory to judge %d claims", r->count);
    for (int i = 0; i < r->count; i++) p[i] = r->results[i].p;
    sim_holm(p, r->count, p + r->count);
    for (int i = 0; i < r->count; i++) r->results[i].holm = p[r->count + i];
    free(p);
    return SIM_OK;
}

sim_status sim_claims_judge(struct sim_claim_results *out, const struct sim_summary *e)
{
    int count = e->study->claim_count;
    *out = (struct sim_claim_results){.experiment = e};
    out->results = calloc((size_t)count + 1, sizeof *out->results);
    sim_status status = SIM_OK;
    if (!out->results) status = sim_fail(SIM_ENOMEM, "no memory to judge %d claims", count);
    for (int i = 0; i < count && status == SIM_OK; i++) {
        out->results[i].claim = &e->study->claims[i];
        status = judge(&out->results[out->count++], e);
    }
    if (status == SIM_OK) status = sim_claims_correct(out);
    if (status != SIM_OK) sim_claims_close(out);
    return status;
}

void sim_claims_close(struct sim_claim_results *r)
{
    free(r->results);
    *r = (struct sim_claim_results){0};
}

/* ------------------------------------------------------------------ tables */

const char *sim_claims_legend(void)
{
    return "Difference: first side minus second in points, paired by seed, with its 95 % interval (Student's "
           "t); the verdict is the interval's: above zero supported, below contradicted, around it not "
           "decided, "
           "under 3 pairs not enough runs. p: paired t test, both directions; Holm: the same corrected for "
           "all "
           "claims of this experiment; flips: the share of sign flips as far out (never below 2 / 2^n).";
}

static void put_p(struct sim_grid *g, int row, int col, double p)
{
    if (isnan(p))
        sim_grid_put(g, row, col, "–");
    else if (p < 0.0001)
        sim_grid_put(g, row, col, "< 0.0001");
    else
        sim_grid_put(g, row, col, p < 0.01 ? "%.4f" : "%.3f", p);
}

void sim_claims_put_verdict(struct sim_grid *g, int row, int col, enum sim_verdict v)
{
    static const char *const classes[] = {"supported", "contradicted", "undecided", "few"};
    sim_grid_put(g, row, col, "%s", sim_verdict_name(v));
    snprintf(sim_grid_at(g, row, col)->class, 24, "%s", classes[v]);
}

void sim_claims_put(struct sim_grid *g, int row, int col, const struct sim_claim_result *x)
{
    sim_claims_put_verdict(g, row, col, x->verdict);
    for (int c = 1; c < 3; c++) sim_grid_put(g, row, col + c, "–");
    if (x->difference.n) sim_grid_put(g, row, col + 1, "%+.1f", 100 * x->difference.mean);
    if (x->difference.n > 1)
        sim_grid_put(g, row, col + 2, "[%+.1f, %+.1f]", 100 * x->difference.low, 100 * x->difference.high);
    sim_grid_put(g, row, col + 3, "%d", x->difference.n);
    put_p(g, row, col + 4, x->p);
    put_p(g, row, col + 5, x->holm);
    put_p(g, row, col + 6, x->permutation);
}

void sim_claims_put_head(struct sim_grid *g, int col)
{
    static const char *const head[SIM_CLAIM_COLUMNS] = {"verdict", "difference", "95 %", "n",
                                                        "p",       "Holm",       "flips"};
    for (int c = 0; c < SIM_CLAIM_COLUMNS; c++) sim_grid_put(g, 0, col + c, "%s", head[c]);
    g->left[col] = 1;
}

sim_status sim_claims_grid(struct sim_grid *g, const struct sim_claim_results *r)
{
    enum { TEXT, RESULT, SCORE = RESULT + SIM_CLAIM_COLUMNS, OUTLOOK, COLUMNS };
    SIM_TRY(sim_grid_open(g, r->count + 1, COLUMNS));
    sim_grid_put(g, 0, TEXT, "claim");
    sim_claims_put_head(g, RESULT);
    sim_grid_put(g, 0, SCORE, "score");
    sim_grid_put(g, 0, OUTLOOK, "what would decide");
    g->left[TEXT] = g->left[SCORE] = g->left[OUTLOOK] = 1;
    for (int i = 0; i < r->count; i++) {
        const struct sim_claim_result *x = &r->results[i];
        sim_grid_put(g, i + 1, TEXT, "%s", *x->claim->text ? x->claim->text : x->claim->id);
        sim_claims_put(g, i + 1, RESULT, x);
        sim_grid_put(g, i + 1, SCORE, "%s", x->claim->score);
        sim_grid_put(g, i + 1, OUTLOOK, "%s", x->outlook);
    }
    return SIM_OK;
}

sim_status sim_claims_csv(FILE *to, const struct sim_claim_results *r, int head)
{
    static const char *const names[] = {
        "experiment",         "scale",  "claim",   "text", "score",  "verdict", "n",         "difference",
        "standard_deviation", "low_95", "high_95", "p",    "p_holm", "p_flips", "more_seeds"};
    struct sim_grid g;
    int cols = (int)(sizeof names / sizeof *names);
    SIM_TRY(sim_grid_open(&g, r->count + 1, cols));
    for (int c = 0; c < cols; c++) sim_grid_put(&g, 0, c, "%s", names[c]);
    for (int i = 0; i < r->count; i++) {
        const struct sim_claim_result *x = &r->results[i];
        const char *const texts[] = {
            r->experiment->experiment, r->experiment->scale,        x->claim->id, x->claim->text,
            x->claim->score,           sim_verdict_name(x->verdict)};
        const double numbers[] = {x->difference.n,   x->difference.mean, x->difference.deviation,
                                  x->difference.low, x->difference.high, x->p,
                                  x->holm,           x->permutation,     x->more_seeds};
        for (int c = 0; c < 6; c++) sim_grid_put(&g, i + 1, c, "%s", texts[c]);
        for (int c = 0; c < 9; c++) sim_grid_put_number(&g, i + 1, 6 + c, numbers[c]);
    }
    sim_status status = sim_grid_csv(to, &g, head);
    sim_grid_close(&g);
    return status;
}
