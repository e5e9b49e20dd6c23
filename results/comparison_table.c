/* The main comparison as a table, as sentences below it, and as CSV. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "recipe.h"
#include "statistics.h"
#include "table.h"
#include "text.h"

enum { TEXT_BYTES = 160, SENTENCE_BYTES = 700 };

#define EQUAL_COMPUTE 1.05 /* the most over the least, up to which compute counts as equal */

static const char *score_name(const struct sim_comparison *c, int k)
{
    return c->e->score_names[c->columns[k].score];
}

static const struct sim_paper_cell *paper_cell(const struct sim_comparison *c, const struct sim_method *m,
                                               int k)
{
    const struct sim_paper_column *column = c->columns[k].paper;
    const struct sim_paper_cell *cell =
        column ? sim_paper_find(c->paper, "main", m->title, column->column, NULL) : NULL;
    return cell && cell->has_value ? cell : NULL;
}

/* "3.53 TFLOP" */
static const char *flop_text(char out[32], double gflop)
{
    static const char *const units[] = {"GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP"};
    int unit = 0;
    for (; gflop >= 999.5 && unit < 4; unit++) gflop /= 1000;
    snprintf(out, 32, "%.3g %s", gflop, units[unit]);
    return out;
}

/* ------------------------------------------------------------------ the table */

static double best_of(const struct sim_comparison *c, int k)
{
    double best = -INFINITY;
    for (int i = 0; i < c->method_count; i++) {
        struct sim_stat s = sim_comparison_stat(c, &c->methods[i], k);
        if (s.n && s.mean > best) best = s.mean;
    }
    return best;
}

static void put_score(struct sim_grid *g, int row, int col, const struct sim_comparison *c,
                      const struct sim_method *m, int k)
{
    char text[TEXT_BYTES], seeds[32] = "";
    struct sim_stat s = sim_comparison_stat(c, m, k);
    const struct sim_paper_cell *cell = paper_cell(c, m, k);
    sim_table_value(text, sizeof text, s, 100, 0);
    if (s.n && s.n != m->row->ok) snprintf(seeds, sizeof seeds, "%d seeds%s", s.n, cell ? "; " : "");
    sim_grid_put(g, row, col, "%s", text);
    sim_grid_at(g, row, col)->strong = s.n && s.mean == best_of(c, k);
    if (cell)
        sim_grid_note(g, row, col, "%spaper %.1f", seeds, cell->value);
    else if (*seeds)
        sim_grid_note(g, row, col, "%s", seeds);
}

static void put_compute(struct sim_grid *g, int row, int col, const struct sim_method *m)
{
    char total[32];
    if (!m->trained)
        sim_grid_put(g, row, col, "none");
    else if (!isfinite(m->gflop))
        sim_grid_put(g, row, col, "–");
    else
        sim_grid_put(g, row, col, "%s", flop_text(total, m->gflop));
    if (isfinite(m->images) && m->trained)
        sim_grid_note(g, row, col, "%.0f × %.3g", m->images, m->gflop_per_image);
}

sim_status sim_comparison_grid(struct sim_grid *g, const struct sim_comparison *c, int number)
{
    enum { METHOD, SEEDS, COMPUTE, SCORES };
    SIM_TRY(sim_grid_open(g, c->method_count + 1, SCORES + c->column_count));
    g->left[METHOD] = 1;
    sim_grid_put(g, 0, METHOD, "method");
    sim_grid_put(g, 0, SEEDS, "seeds");
    sim_grid_put(g, 0, COMPUTE, "pre-training");
    sim_grid_note(g, 0, COMPUTE, "images × GFLOP");
    for (int k = 0; k < c->column_count; k++) {
        sim_grid_put(g, 0, SCORES + k, "%.100s", sim_score_title(score_name(c, k)));
        if (c->columns[k].paper) sim_grid_note(g, 0, SCORES + k, "paper: %s", c->columns[k].paper->title);
    }
    for (int i = 0; i < c->method_count; i++) {
        const struct sim_method *m = &c->methods[i];
        sim_grid_put(g, i + 1, METHOD, "%s", m->label);
        snprintf(sim_grid_at(g, i + 1, METHOD)->link, 24, "e%d-r%d", number, (int)(m->row - c->e->rows));
        sim_grid_put(g, i + 1, SEEDS, m->row->ok == m->row->count ? "%d" : "%d of %d", m->row->ok,
                     m->row->count);
        put_compute(g, i + 1, COMPUTE, m);
        for (int k = 0; k < c->column_count; k++) put_score(g, i + 1, SCORES + k, c, m, k);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ sentences */

#define SAY(...) sim_text_append(text, SENTENCE_BYTES, __VA_ARGS__)

/* Who was given how much, beside the first method.  The last one is not trained. */
static void say_compute(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    double least = INFINITY, most = 0;
    char total[32];
    int same_images = 1;
    const struct sim_method *first = NULL;
    for (int i = 0; i < c->method_count; i++) {
        const struct sim_method *m = &c->methods[i];
        if (!m->trained || !m->row->ok) continue;
        if (!first) first = m;
        if (!(m->gflop > 0)) {
            SAY("How much pre-training took is not recorded for %.60s, so nothing can be said of equal "
                "compute.",
                m->label);
            return;
        }
        least = fmin(least, m->gflop), most = fmax(most, m->gflop);
        same_images &= m->images == first->images;
    }
    if (!first) return;
    if (most <= EQUAL_COMPUTE * least)
        SAY("Equal compute: every pre-training took %s, within %.1f %%", flop_text(total, first->gflop),
            100 * (most / least - 1));
    else
        SAY("Unequal compute: %.60s took %s", first->label, flop_text(total, first->gflop));
    for (const struct sim_method *m = first + 1; most > EQUAL_COMPUTE * least && m->trained; m++)
        if (m->row->ok) SAY(", %.60s %.2f times as much", m->label, m->gflop / first->gflop);
    SAY(same_images ? "; all saw %.0f images." : "; images seen differ.", first->images);
}

/* The same of the paper's own rows, which are not equal either; nothing where its runs are not described. */
static void say_compute_of_paper(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    const struct sim_paper_run *first = NULL;
    char name[80], total[32];
    for (int i = 0; c->paper && i < c->method_count; i++) {
        const struct sim_method *m = &c->methods[i];
        snprintf(name, sizeof name, "pretrain %.60s", m->title);
        const struct sim_paper_run *run = m->trained && m->speaks ? sim_paper_run_find(c->paper, name) : NULL;
        if (!run) continue;
        double gflop = run->images * run->gflop_per_image;
        if (first)
            SAY(", %s %.2f times as much", m->title, gflop / (first->images * first->gflop_per_image));
        else
            SAY("The paper's %s took %s", m->title, flop_text(total, gflop));
        if (!first) first = run;
    }
    if (first) SAY(".");
}

/* Whether the rows had the same network, images and scoring, whatever the recipe of their pre-training.  A
 * comparison that cannot be made for want of memory says nothing. */
static void say_protocols(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    const struct sim_method *first = &c->methods[0];
    int differ = 0;
    for (int i = 1; i < c->method_count; i++) {
        const struct sim_run_record *a = first->row->runs[0], *b = c->methods[i].row->runs[0];
        const char *const recipe[] = {
            "objective", a->objective, b->objective, "mask", "augment", "train", "finetune.from_scratch",
            NULL};
        char found[200];
        int changed, alone;
        if (sim_recipe_compare_rest(a->recipe, b->recipe, recipe, &changed, &alone, found, sizeof found) !=
            SIM_OK)
            return;
        if (!changed && !alone) continue;
        SAY("%s%.60s beside %.60s has %s",
            differ++ ? "; " : "Not everything else is alike: ", c->methods[i].label, first->label, found);
    }
    SAY(differ ? "." : "Network, images and scoring are configured alike for all rows.");
}

/* What answered for robustness: "finetune", "several"; "" where there is no such score. */
static const char *classifier_of(const struct sim_comparison *c)
{
    const char *found = "";
    for (int i = 0; i < c->method_count; i++)
        for (int j = 0; j < c->methods[i].row->count; j++) {
            const struct sim_run_record *r = c->methods[i].row->runs[j];
            for (int k = 0; k < r->score_count; k++) {
                const char *name = r->scores[k].classifier;
                if (!*name || strcmp(name, found) == 0) continue;
                found = *found ? "several" : name;
            }
        }
    return found;
}

static void say_robustness(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    const char *classifier = classifier_of(c);
    if (!*classifier) return;
    SAY("Corrupted and shifted images (robust_...) are answered by ");
    if (strcmp(classifier, "finetune") == 0)
        SAY("the fine-tuned network, as in the paper");
    else if (strcmp(classifier, "several") == 0)
        SAY("heads that are not the same for every row, in the paper by the fine-tuned network");
    else
        SAY("a head on frozen features (%.40s), in the paper by the fine-tuned network", classifier);
    SAY("; robust_mce is 1 - mCE, below zero where errors are larger than the reference's.");
}

/* Whether the method is shown to be above the untrained encoder: 1; not shown: 0; no seeds to tell: -1. */
static int is_above(const struct sim_method *m, const struct sim_method *drawn, const char *score)
{
    enum { MOST_SEEDS = 256 };
    double d[MOST_SEEDS];
    char before[128];
    int n = 0;
    snprintf(before, sizeof before, "%.100s untrained", score);
    for (int i = 0; i < m->row->count && n < MOST_SEEDS; i++) {
        int64_t seed = m->row->runs[i]->seed;
        double x = sim_row_score_at(m->row, score, seed) - sim_row_score_at(drawn->row, before, seed);
        if (isfinite(x)) d[n++] = x;
    }
    return n < SIM_LEAST_SEEDS ? -1 : sim_sample_of(d, n).low > 0;
}

/* Columns that tell no method from an encoder that learned nothing. */
static void say_floor(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    const struct sim_method *drawn = sim_comparison_find(c, c->methods[c->method_count - 1].title);
    for (int k = 0; k < c->column_count; k++) {
        int judged = 0, above = 0;
        for (int i = 0; i < c->method_count; i++) {
            if (!c->methods[i].trained) continue;
            int found = is_above(&c->methods[i], drawn, score_name(c, k));
            judged += found >= 0, above += found > 0;
        }
        if (!judged || above) continue;
        SAY("%s%.60s",
            *text ? ", " : "No method is shown to be above the untrained encoder (95 %, paired by seed) by ",
            sim_score_title(score_name(c, k)));
    }
    if (*text) SAY(": the order of rows says nothing there.");
}

/* Who speaks, where that is a choice. */
static void say_speakers(char text[SENTENCE_BYTES], const struct sim_comparison *c)
{
    const char *gap = "Claims are judged by ";
    for (int i = 0; i < c->method_count; i++) {
        const struct sim_method *m = &c->methods[i];
        if (!m->speaks || strcmp(m->label, m->title) == 0) continue;
        SAY("%s%.100s", gap, m->label);
        gap = "; ";
    }
    if (*text) SAY(".");
}

void sim_comparison_explain(FILE *to, const struct sim_comparison *c, const char *before, const char *after,
                            void (*put)(FILE *, const char *))
{
    static void (*const tell[])(char *, const struct sim_comparison *) = {
        say_compute, say_compute_of_paper, say_protocols, say_floor, say_robustness, say_speakers};
    fprintf(to,
            "%sa ± s: mean and standard deviation over the seeds, in percent; bold: a column's highest mean, "
            "be it by chance.%s%s",
            before,
            c->paper
                ? " The paper's values are of ViT-B/16 on ImageNet-1k: compare the order of rows, not the "
                  "level."
                : "",
            after);
    for (size_t i = 0; i < sizeof tell / sizeof *tell; i++) {
        char text[SENTENCE_BYTES] = "";
        tell[i](text, c);
        if (!*text) continue;
        fputs(before, to);
        put(to, text);
        fputs(after, to);
    }
}

/* ------------------------------------------------------------------ CSV */

sim_status sim_comparison_csv(FILE *to, const struct sim_comparison *c, int head)
{
    static const char *const columns[] = {
        "experiment",   "scale", "method",        "run",    "score",
        "paper_column", "n",     "mean",          "spread", "low_95",
        "high_95",      "best",  "paper_percent", "images", "gflop_per_image",
        "gflop"};
    enum { CELLS = sizeof columns / sizeof *columns };
    struct sim_grid g;
    SIM_TRY(sim_grid_open(&g, 1 + c->method_count * c->column_count, CELLS));
    for (int i = 0; i < CELLS; i++) sim_grid_put(&g, 0, i, "%s", columns[i]);
    for (int i = 0, at = 1; i < c->method_count; i++)
        for (int k = 0; k < c->column_count; k++, at++) {
            const struct sim_method *m = &c->methods[i];
            const struct sim_paper_cell *cell = paper_cell(c, m, k);
            struct sim_stat s = sim_comparison_stat(c, m, k);
            const char *const texts[] = {
                c->e->experiment, c->e->scale,      m->title,
                m->row->label,    score_name(c, k), c->columns[k].paper ? c->columns[k].paper->column : ""};
            const double numbers[] = {s.n,
                                      s.mean,
                                      s.spread,
                                      s.mean - s.half,
                                      s.mean + s.half,
                                      s.n && s.mean == best_of(c, k),
                                      cell ? cell->value : NAN,
                                      m->images,
                                      m->gflop_per_image,
                                      m->gflop};
            for (int j = 0; j < 6; j++) sim_grid_put(&g, at, j, "%s", texts[j]);
            for (int j = 0; j < 10; j++) sim_grid_put_number(&g, at, 6 + j, numbers[j]);
        }
    sim_status status = sim_grid_csv(to, &g, head);
    sim_grid_close(&g);
    return status;
}
