#include "paper_verdicts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* One claim under judgement: who is compared. */
struct sides {
    const struct sim_comparison *c;
    const struct sim_paper_claim *claim;
    const struct sim_method *higher;
    const struct sim_method **rivals; /* (rival_count) those of `lower` that were run; owned */
    int rival_count;
};

static int find_sides(struct sides *s, const struct sim_comparison *c, const struct sim_paper_claim *claim)
{
    *s = (struct sides){.c = c, .claim = claim, .higher = sim_comparison_find(c, claim->higher)};
    s->rivals = calloc((size_t)claim->lower_count + 1, sizeof *s->rivals);
    for (int i = 0; s->rivals && i < claim->lower_count; i++) {
        const struct sim_method *m = sim_comparison_find(c, claim->lower[i]);
        if (m) s->rivals[s->rival_count++] = m;
    }
    return s->rivals != NULL;
}

/* ------------------------------------------------------------------ places */

static int in_main(const struct sim_paper_place *at)
{
    return strcmp(at->table, "main") == 0;
}

/* The score that our records have for the place, or NULL. */
static const char *score_of(const struct sim_comparison *c, const struct sim_paper_place *at)
{
    const struct sim_compared *column = in_main(at) ? sim_comparison_column(c, at->column) : NULL;
    return column ? c->e->score_names[column->score] : NULL;
}

static const struct sim_paper_column *described(const struct sim_comparison *c,
                                                const struct sim_paper_place *at)
{
    for (int i = 0; in_main(at) && i < c->paper->column_count; i++)
        if (strcmp(c->paper->columns[i].column, at->column) == 0) return &c->paper->columns[i];
    return NULL;
}

/* What the higher row has above the rival; NaN where either lacks the score at this seed. */
static double lead_at(const struct sides *s, const struct sim_method *rival, const char *score, int64_t seed)
{
    return sim_row_score_at(s->higher->row, score, seed) - sim_row_score_at(rival->row, score, seed);
}

/* The rival of the highest mean in this score, over the seeds that all have; NULL where there are none.
 * *lead: what the higher row's mean has above it. */
static const struct sim_method *best_rival(const struct sides *s, const char *score, double *lead)
{
    const struct sim_method *best = NULL;
    *lead = INFINITY;
    for (int i = 0; i < s->rival_count; i++) {
        double sum = 0;
        int n = 0;
        for (int j = 0; j < s->higher->row->count; j++) {
            double own = 0, all = 0;
            for (int k = 0; k < s->rival_count; k++) {
                double x = lead_at(s, s->rivals[k], score, s->higher->row->runs[j]->seed);
                all += x;
                if (k == i) own = x;
            }
            if (isfinite(all)) sum += own, n++;
        }
        if (n && sum / n < *lead) *lead = sum / n, best = s->rivals[i];
    }
    return best;
}

/* The lead over the best rivals at this seed, averaged over the places that have a score. */
static double average_lead(const struct sides *s, const struct sim_paper_place *places, int count,
                           int64_t seed)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < count; i++) {
        const char *score = score_of(s->c, &places[i]);
        double mean;
        if (!score) continue;
        const struct sim_method *rival = best_rival(s, score, &mean);
        sum += rival ? lead_at(s, rival, score, seed) : NAN;
        n++;
    }
    return n ? sum / n : NAN;
}

static int scored(const struct sim_comparison *c, const struct sim_paper_place *places, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++) n += score_of(c, &places[i]) != NULL;
    return n;
}

/* ------------------------------------------------------------------ texts */

/* "IN FT, COCO box" of the places that have a score; of a gain with the lead in points over the rival that
 * was the best there, "IN FT (+1.2 over MAE)". */
static void say_places(char *out, size_t size, const struct sides *s, const struct sim_paper_place *places,
                       int count)
{
    const char *gap = "";
    for (int i = 0; i < count; i++) {
        const char *score = score_of(s->c, &places[i]);
        if (!score) continue;
        sim_text_append(out, size, "%s%s", gap, described(s->c, &places[i])->title);
        double lead;
        const struct sim_method *best =
            s->claim->quantity == SIM_PAPER_GAIN ? best_rival(s, score, &lead) : NULL;
        if (best) sim_text_append(out, size, " (%+.1f over %s)", 100 * lead, best->title);
        gap = ", ";
    }
}

enum lack { NO_RUN, NOT_SCORED, NOT_BUILT, OTHER_TABLE, LACKS };

static enum lack lack_of(const struct sim_comparison *c, const struct sim_paper_place *at)
{
    if (!in_main(at)) return OTHER_TABLE;
    if (score_of(c, at)) return LACKS;
    return described(c, at)->built ? NOT_SCORED : NOT_BUILT;
}

/* Appends "; not built yet: " before the first name of a reason, ", " before the others. */
static void say_lack(char *out, size_t size, enum lack lack, int *said, const char *name)
{
    static const char *const reasons[LACKS] = {[NO_RUN] = "no run of ",
                                               [NOT_SCORED] = "not scored here: ",
                                               [NOT_BUILT] = "not built yet: ",
                                               [OTHER_TABLE] = "a study of its own: "};
    if ((*said)++)
        sim_text_append(out, size, ", %s", name);
    else
        sim_text_append(out, size, "%s%s%s", *out ? "; " : "", reasons[lack], name);
}

static void say_missing(char *out, size_t size, const struct sides *s)
{
    const struct sim_paper_claim *claim = s->claim;
    int said = 0;
    for (int i = -1; i < claim->lower_count; i++) {
        const char *title = i < 0 ? claim->higher : claim->lower[i];
        int main_table = in_main(&claim->places[0]); /* other tables have rows of their own */
        if (main_table && !sim_comparison_find(s->c, title)) say_lack(out, size, NO_RUN, &said, title);
    }
    for (enum lack lack = NOT_SCORED; lack < LACKS; lack++) {
        said = 0;
        for (int i = 0; i < claim->place_count + claim->than_count; i++) {
            const struct sim_paper_place *at =
                i < claim->place_count ? &claim->places[i] : &claim->than[i - claim->place_count];
            if (lack_of(s->c, at) != lack) continue;
            if (lack != OTHER_TABLE)
                say_lack(out, size, lack, &said, described(s->c, at)->title);
            else if (!said)
                say_lack(out, size, lack, &said, at->table);
        }
    }
}

/* ------------------------------------------------------------------ verdicts */

/* One more part of the claim: its differences are still to come. */
static struct sim_claim_result *add_part(struct sim_paper_verdicts *v, struct sim_judged *j, char *text,
                                         const char *score)
{
    struct sim_claim *statement = &v->statements[v->parts.count];
    struct sim_claim_result *part = &v->parts.results[v->parts.count++];
    *statement = (struct sim_claim){
        .id = strdup(j->claim->id), .text = text, .why = strdup(""), .score = strdup(score)};
    part->claim = statement;
    j->count++;
    return statement->id && statement->text && statement->why && statement->score ? part : NULL;
}

/* d (one for each run of the higher row): the differences at this place over this rival. */
static int judge_place(struct sim_paper_verdicts *v, struct sim_judged *j, const struct sides *s,
                       const struct sim_paper_place *at, const struct sim_method *rival, double *d)
{
    const char *score = score_of(s->c, at);
    char *text = NULL;
    int n = 0;
    if (asprintf(&text, "%s: %s over %s", described(s->c, at)->title, s->higher->title, rival->title) < 0)
        text = NULL;
    struct sim_claim_result *part = add_part(v, j, text, score);
    for (int i = 0; part && i < s->higher->row->count; i++) {
        double x = lead_at(s, rival, score, s->higher->row->runs[i]->seed);
        if (isfinite(x)) d[n++] = x;
    }
    if (part) sim_claims_decide(part, d, n);
    return part != NULL;
}

static int judge_gain(struct sim_paper_verdicts *v, struct sim_judged *j, const struct sides *s, double *d)
{
    const struct sim_paper_claim *claim = s->claim;
    int n = 0;
    struct sim_claim_result *part = add_part(v, j, strdup(j->on), "gain");
    for (int i = 0; part && i < s->higher->row->count; i++) {
        int64_t seed = s->higher->row->runs[i]->seed;
        double x = average_lead(s, claim->places, claim->place_count, seed) -
                   average_lead(s, claim->than, claim->than_count, seed);
        if (isfinite(x)) d[n++] = x;
    }
    if (part) sim_claims_decide(part, d, n);
    return part != NULL;
}

/* Of the parts together: each must hold, and one that does not is enough against the claim. */
static enum sim_verdict verdict_of(const struct sim_claim_result *parts, int count)
{
    int found[4] = {0};
    for (int i = 0; i < count; i++) found[parts[i].verdict]++;
    return found[SIM_CONTRADICTED]    ? SIM_CONTRADICTED
           : found[SIM_TOO_FEW_SEEDS] ? SIM_TOO_FEW_SEEDS
           : found[SIM_NOT_DECIDED]   ? SIM_NOT_DECIDED
                                      : SIM_SUPPORTED;
}

/* Whether there is anything to judge. */
static int was_run(const struct sides *s)
{
    const struct sim_paper_claim *claim = s->claim;
    return s->higher && s->rival_count && scored(s->c, claim->places, claim->place_count) &&
           (claim->quantity == SIM_PAPER_VALUE || scored(s->c, claim->than, claim->than_count));
}

static int judge_parts(struct sim_paper_verdicts *v, struct sim_judged *j, const struct sides *s)
{
    const struct sim_paper_claim *claim = s->claim;
    double *d = calloc((size_t)s->higher->row->count + 1, sizeof *d);
    int memory = d != NULL;
    if (memory && claim->quantity == SIM_PAPER_GAIN) memory = judge_gain(v, j, s, d);
    for (int i = 0; memory && claim->quantity == SIM_PAPER_VALUE && i < claim->place_count; i++)
        for (int k = 0; memory && score_of(s->c, &claim->places[i]) && k < s->rival_count; k++)
            memory = judge_place(v, j, s, &claim->places[i], s->rivals[k], d);
    free(d);
    return memory;
}

static sim_status judge(struct sim_paper_verdicts *v, struct sim_judged *j, const struct sim_comparison *c,
                        const struct sim_paper_claim *claim)
{
    struct sides s;
    *j = (struct sim_judged){.claim = claim, .first = v->parts.count};
    int memory = find_sides(&s, c, claim);
    if (memory) say_missing(j->missing, sizeof j->missing, &s);
    if (memory && was_run(&s)) {
        say_places(j->on, sizeof j->on, &s, claim->places, claim->place_count);
        if (claim->than_count) sim_text_append(j->on, sizeof j->on, " against ");
        say_places(j->on, sizeof j->on, &s, claim->than, claim->than_count);
        memory = judge_parts(v, j, &s);
        j->verdict = verdict_of(v->parts.results + j->first, j->count);
    }
    free(s.rivals);
    return memory ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory to judge the paper's claim %s", claim->id);
}

sim_status sim_paper_verdicts_judge(struct sim_paper_verdicts *out, const struct sim_comparison *c)
{
    const struct sim_paper *p = c->paper;
    size_t room = 1;
    *out = (struct sim_paper_verdicts){.parts.experiment = c->e};
    for (int i = 0; i < p->claim_count; i++)
        room += (size_t)p->claims[i].place_count * (size_t)p->claims[i].lower_count;
    out->claims = calloc((size_t)p->claim_count + 1, sizeof *out->claims);
    out->statements = calloc(room, sizeof *out->statements);
    out->parts.results = calloc(room, sizeof *out->parts.results);
    sim_status status = SIM_OK;
    if (!out->claims || !out->statements || !out->parts.results)
        status = sim_fail(SIM_ENOMEM, "no memory to judge %d claims of the paper", p->claim_count);
    for (int i = 0; i < p->claim_count && status == SIM_OK; i++)
        status = judge(out, &out->claims[out->count++], c, &p->claims[i]);
    if (status == SIM_OK) status = sim_claims_correct(&out->parts);
    if (status != SIM_OK) sim_paper_verdicts_close(out);
    return status;
}

void sim_paper_verdicts_close(struct sim_paper_verdicts *v)
{
    for (int i = 0; i < v->parts.count; i++) {
        struct sim_claim *c = &v->statements[i];
        char *const texts[] = {c->id, c->text, c->why, c->score};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free(texts[k]);
    }
    free(v->statements);
    free(v->claims);
    sim_claims_close(&v->parts);
    *v = (struct sim_paper_verdicts){0};
}

/* ------------------------------------------------------------------ the table */

const char *sim_judged_name(const struct sim_judged *j)
{
    return j->count ? sim_verdict_name(j->verdict) : "not run";
}

const char *sim_paper_verdicts_legend(void)
{
    return "Every claim is judged by our records alone, as the claims of studies are: differences in "
           "points, paired by seed, with their 95 % intervals. Columns go by the paper's names (IN FT); the "
           "images are those of this experiment. A claim of several parts is supported where each is, and "
           "contradicted where one is; p is corrected (Holm) for all parts together. A gain is the lead over "
           "the best rival of each column, averaged, less the same elsewhere. What was not run is named; a "
           "verdict beside it covers the rest alone. Its own numbers: the paper's cells, and the least of "
           "their differences.";
}

void sim_paper_verdicts_sum(const struct sim_paper_verdicts *v, char *out, int size)
{
    static const char *const names[] = {"supported", "contradicted", "not decided", "not enough runs",
                                        "not run"};
    const char *gap = ": ";
    snprintf(out, (size_t)size, "%d claims of the paper", v->count);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        int found = 0;
        for (int i = 0; i < v->count; i++) found += strcmp(sim_judged_name(&v->claims[i]), names[k]) == 0;
        if (!found) continue;
        sim_text_append(out, (size_t)size, "%s%d %s", gap, found, names[k]);
        gap = ", ";
    }
    sim_text_append(out, (size_t)size, ".");
}

enum { TEXT, RESULT, PAPER = RESULT + SIM_CLAIM_COLUMNS, ON, COLUMNS };

static void put_claim(struct sim_grid *g, int row, const struct sim_paper_verdicts *v,
                      const struct sim_judged *j, const struct sim_paper *p)
{
    double margin;
    enum sim_paper_verdict theirs = sim_paper_claim_holds(p, j->claim, &margin);
    sim_grid_put(g, row, TEXT, "%s", j->claim->text);
    if (j->count == 1)
        sim_claims_put(g, row, RESULT, &v->parts.results[j->first]);
    else if (j->count)
        sim_claims_put_verdict(g, row, RESULT, j->verdict);
    else
        sim_grid_put(g, row, RESULT, "not run");
    sim_grid_put(g, row, PAPER, "%s", sim_paper_verdict_text(theirs));
    if (isfinite(margin)) sim_grid_note(g, row, PAPER, "margin %+.2f", margin);
    sim_grid_put(g, row, ON, "%s", j->count ? j->on : "–");
    if (*j->missing) sim_grid_note(g, row, ON, "%s", j->missing);
}

sim_status sim_paper_verdicts_grid(struct sim_grid *g, const struct sim_paper_verdicts *v,
                                   const struct sim_paper *p)
{
    int rows = 1 + v->count, row = 1;
    for (int i = 0; i < v->count; i++) rows += v->claims[i].count > 1 ? v->claims[i].count : 0;
    SIM_TRY(sim_grid_open(g, rows, COLUMNS));
    sim_grid_put(g, 0, TEXT, "claim of the paper");
    sim_claims_put_head(g, RESULT);
    sim_grid_put(g, 0, PAPER, "its own numbers");
    sim_grid_put(g, 0, ON, "judged on");
    g->left[TEXT] = g->left[PAPER] = g->left[ON] = 1;
    for (int i = 0; i < v->count; i++) {
        const struct sim_judged *j = &v->claims[i];
        put_claim(g, row++, v, j, p);
        for (int k = 0; j->count > 1 && k < j->count; k++) {
            const struct sim_claim_result *part = &v->parts.results[j->first + k];
            sim_grid_put(g, row, TEXT, "– %s", part->claim->text);
            sim_claims_put(g, row, RESULT, part);
            sim_grid_put(g, row++, ON, "%s", part->claim->score);
        }
    }
    return SIM_OK;
}
