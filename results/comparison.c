/* Which rows of an experiment are compared, and by which scores. */
#include "comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *objective, *title;
} names[] = {{"siameseim", "SiameseIM"}, {"mae", "MAE"}, {"moco_v3", "MoCo-v3"}};
enum { NAMES = sizeof names / sizeof *names };
static const char untrained[] = "untrained";

/* ------------------------------------------------------------------ methods */

static int is_trained(const struct sim_row *row)
{
    return row->runs[0]->epochs != 0;
}

/* The title of what the row pre-trained. */
static const char *title_of(const struct sim_row *row)
{
    if (!is_trained(row)) return untrained;
    for (int i = 0; i < NAMES; i++)
        if (strcmp(row->runs[0]->objective, names[i].objective) == 0) return names[i].title;
    return row->runs[0]->objective;
}

/* Images of a run are counted by its FLOP, which a run that stopped short has fewer of too. */
static void read_compute(struct sim_method *m)
{
    m->images = m->gflop_per_image = m->gflop = m->trained ? NAN : 0;
    for (int i = 0; m->trained && i < m->row->count; i++) {
        const struct sim_run_record *r = m->row->runs[i];
        if (!sim_run_is_ok(r)) continue;
        m->gflop = r->gflop, m->gflop_per_image = r->gflop_per_image;
        m->images = r->gflop_per_image > 0 ? round(r->gflop / r->gflop_per_image) : NAN;
        return;
    }
}

static void add(struct sim_comparison *c, const char *title, const struct sim_row *row, int trained)
{
    struct sim_method *m = &c->methods[c->method_count++];
    *m = (struct sim_method){.title = title, .row = row, .trained = trained};
    read_compute(m);
}

/* All rows of this title, in the order of the records. */
static void add_all(struct sim_comparison *c, const char *title)
{
    for (int i = 0; i < c->e->count; i++)
        if (strcmp(title_of(&c->e->rows[i]), title) == 0)
            add(c, title, &c->e->rows[i], is_trained(&c->e->rows[i]));
}

static int has(const struct sim_comparison *c, const char *title)
{
    for (int i = 0; i < c->method_count; i++)
        if (strcmp(c->methods[i].title, title) == 0) return 1;
    return 0;
}

/* There is room for a method a row, and one more. */
static void add_methods(struct sim_comparison *c)
{
    int objectives = 0;
    for (int i = 0; i < NAMES; i++) add_all(c, names[i].title);
    for (int i = 0; i < c->e->count; i++) {
        const char *title = title_of(&c->e->rows[i]);
        if (strcmp(title, untrained) != 0 && !has(c, title)) add_all(c, title);
    }
    for (int i = 0; i < c->method_count; i++)
        objectives += i == 0 || strcmp(c->methods[i].title, c->methods[i - 1].title) != 0;
    if (objectives < 2) c->method_count = 0;
    if (!c->method_count) return;
    add_all(c, untrained);
    if (!has(c, untrained)) add(c, untrained, c->methods[0].row, 0);
}

/* The name by which a row of this title speaks for it. */
static const char *name_of_speaker(const struct sim_comparison *c, const char *title)
{
    const char *first = NULL;
    for (int i = 0; i < c->method_count; i++) {
        const struct sim_run_record *r = c->methods[i].row->runs[0];
        if (strcmp(c->methods[i].title, title) != 0) continue;
        if (strcmp(r->name, c->methods[i].trained ? r->objective : untrained) == 0) return r->name;
        if (!first) first = r->name;
    }
    return first;
}

static void choose_speakers(struct sim_comparison *c)
{
    for (int i = 0; i < c->method_count; i++) {
        struct sim_method *m = &c->methods[i];
        m->speaks = strcmp(m->row->runs[0]->name, name_of_speaker(c, m->title)) == 0;
        for (int k = 0; m->speaks && k < i; k++) {
            struct sim_method *other = &c->methods[k];
            if (!other->speaks || strcmp(other->title, m->title) != 0) continue;
            m->speaks = sim_row_last_order(m->row) > sim_row_last_order(other->row);
            other->speaks = !m->speaks;
        }
    }
}

static int put_labels(struct sim_comparison *c)
{
    for (int i = 0; i < c->method_count; i++) {
        struct sim_method *m = &c->methods[i];
        int same = 0;
        for (int k = 0; k < c->method_count; k++) same += strcmp(c->methods[k].title, m->title) == 0;
        int size = same > 1 ? asprintf(&m->label, "%s, %s", m->title, m->row->label)
                            : asprintf(&m->label, "%s", m->title);
        if (size < 0) {
            m->label = NULL;
            return 0;
        }
    }
    return 1;
}

/* ------------------------------------------------------------------ columns */

struct sim_stat sim_comparison_stat(const struct sim_comparison *c, const struct sim_method *m, int k)
{
    const int score = c->columns[k].score;
    return m->trained ? m->row->pretrained[score] : m->row->untrained[score];
}

static int is_scored(const struct sim_comparison *c, int score)
{
    for (int i = 0; i < c->method_count; i++) {
        const struct sim_method *m = &c->methods[i];
        if ((m->trained ? m->row->pretrained : m->row->untrained)[score].n) return 1;
    }
    return 0;
}

static int is_taken(const struct sim_comparison *c, int score)
{
    for (int k = 0; k < c->column_count; k++)
        if (c->columns[k].score == score) return 1;
    return 0;
}

static void add_columns(struct sim_comparison *c)
{
    const struct sim_summary *e = c->e;
    for (int i = 0; c->paper && i < c->paper->column_count; i++)
        for (int k = 0; k < e->score_count; k++)
            if (strcmp(c->paper->columns[i].score, e->score_names[k]) == 0 && !is_taken(c, k) &&
                is_scored(c, k))
                c->columns[c->column_count++] = (struct sim_compared){k, &c->paper->columns[i]};
    for (int k = 0; k < e->score_count; k++)
        if (!is_taken(c, k) && is_scored(c, k))
            c->columns[c->column_count++] = (struct sim_compared){k, NULL};
}

/* ------------------------------------------------------------------ the comparison */

sim_status sim_comparison_make(struct sim_comparison *out, const struct sim_summary *e,
                               const struct sim_paper *paper)
{
    *out = (struct sim_comparison){.e = e, .paper = paper};
    out->methods = calloc((size_t)e->count + 1, sizeof *out->methods);
    out->columns = calloc((size_t)e->score_count + 1, sizeof *out->columns);
    int memory = out->methods && out->columns;
    if (memory) {
        add_methods(out);
        choose_speakers(out);
        add_columns(out);
        memory = put_labels(out);
    }
    if (memory) return SIM_OK;
    sim_comparison_close(out);
    return sim_fail(SIM_ENOMEM, "no memory to compare the methods of %s", e->title);
}

void sim_comparison_close(struct sim_comparison *c)
{
    for (int i = 0; i < c->method_count; i++) free(c->methods[i].label);
    free(c->methods);
    free(c->columns);
    *c = (struct sim_comparison){0};
}

const struct sim_method *sim_comparison_find(const struct sim_comparison *c, const char *title)
{
    for (int i = 0; i < c->method_count; i++)
        if (c->methods[i].speaks && strcmp(c->methods[i].title, title) == 0) return &c->methods[i];
    return NULL;
}

const struct sim_compared *sim_comparison_column(const struct sim_comparison *c, const char *column)
{
    for (int k = 0; k < c->column_count; k++)
        if (c->columns[k].paper && strcmp(c->columns[k].paper->column, column) == 0) return &c->columns[k];
    return NULL;
}
