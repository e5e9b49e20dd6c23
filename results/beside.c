#include "beside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int sim_beside_place(const struct sim_paper_cell *c, const struct sim_summary *e, const struct sim_sweep *s)
{
    char *end;
    double number = strtod(c->row, &end);
    if (!c->has_value || (strcmp(c->table, e->experiment) != 0 && strcmp(c->table, s->key) != 0)) return -1;
    for (int i = 0; i < s->value_count; i++)
        if (strcmp(s->values[i]->text, c->row) == 0 || (*c->row && !*end && s->values[i]->number == number))
            return i;
    return -1;
}

const char *sim_beside_table(const struct sim_paper *p, int wanted)
{
    for (int i = 0; i < p->cell_count; i++) {
        int known = 0;
        for (int k = 0; k < i && !known; k++) known = strcmp(p->cells[k].table, p->cells[i].table) == 0;
        if (!known && wanted-- == 0) return p->cells[i].table;
    }
    return NULL;
}

int sim_beside_has_values(const struct sim_paper *p, const char *table)
{
    for (int i = 0; i < p->cell_count; i++)
        if (p->cells[i].has_value && strcmp(p->cells[i].table, table) == 0) return 1;
    return 0;
}

/* ------------------------------------------------------------------ tables */

typedef int (*same)(const struct sim_paper_cell *a, const struct sim_paper_cell *b);

static int same_row(const struct sim_paper_cell *a, const struct sim_paper_cell *b)
{
    return strcmp(a->method, b->method) == 0 && strcmp(a->row, b->row) == 0;
}

static int same_column(const struct sim_paper_cell *a, const struct sim_paper_cell *b)
{
    return strcmp(a->column, b->column) == 0;
}

static int same_source(const struct sim_paper_cell *a, const struct sim_paper_cell *b)
{
    return strcmp(a->source, b->source) == 0;
}

/* The table's cells of which none before is the same; (*count) of them, released by the caller. */
static sim_status distinct(const struct sim_paper *p, const char *table, same is_same,
                           const struct sim_paper_cell ***out, int *count)
{
    *count = 0;
    *out = calloc((size_t)p->cell_count + 1, sizeof **out);
    if (!*out) return sim_fail(SIM_ENOMEM, "no memory for the paper's table %s", table);
    for (int i = 0; i < p->cell_count; i++) {
        int known = strcmp(p->cells[i].table, table) != 0;
        for (int k = 0; k < *count && !known; k++) known = is_same((*out)[k], &p->cells[i]);
        if (!known) (*out)[(*count)++] = &p->cells[i];
    }
    return SIM_OK;
}

static const struct sim_paper_cell *cell_at(const struct sim_paper *p, const char *table,
                                            const struct sim_paper_cell *row,
                                            const struct sim_paper_cell *column)
{
    for (int i = 0; i < p->cell_count; i++)
        if (strcmp(p->cells[i].table, table) == 0 && same_row(&p->cells[i], row) &&
            same_column(&p->cells[i], column))
            return &p->cells[i];
    return NULL;
}

static void fill(struct sim_grid *g, const struct sim_paper *p, const char *table,
                 const struct sim_paper_cell *const *rows, const struct sim_paper_cell *const *columns)
{
    g->left[0] = 1;
    sim_grid_put(g, 0, 0, "%s", table);
    for (int c = 1; c < g->cols; c++)
        sim_grid_put(g, 0, c, "%s, %s", columns[c - 1]->column, columns[c - 1]->unit);
    for (int r = 1; r < g->rows; r++) {
        const struct sim_paper_cell *row = rows[r - 1];
        int one = !*row->method || !*row->row || strcmp(row->method, row->row) == 0;
        sim_grid_put(g, r, 0, "%s%s%s", *row->method ? row->method : row->row, one ? "" : ", ",
                     one ? "" : row->row);
        for (int c = 1; c < g->cols; c++) {
            const struct sim_paper_cell *cell = cell_at(p, table, row, columns[c - 1]);
            if (cell && cell->has_value) sim_grid_put(g, r, c, "%.10g", cell->value);
        }
    }
}

sim_status sim_beside_grid(struct sim_grid *g, const struct sim_paper *p, const char *table)
{
    const struct sim_paper_cell **rows = NULL, **columns = NULL;
    int row_count, column_count;
    *g = (struct sim_grid){0};
    sim_status status = distinct(p, table, same_row, &rows, &row_count);
    if (status == SIM_OK) status = distinct(p, table, same_column, &columns, &column_count);
    if (status == SIM_OK) status = sim_grid_open(g, row_count + 1, column_count + 1);
    if (status == SIM_OK) fill(g, p, table, rows, columns);
    free(rows);
    free(columns);
    return status;
}

sim_status sim_beside_sources(struct sim_grid *g, const struct sim_paper *p, const char *table)
{
    const struct sim_paper_cell **rows = NULL;
    int count;
    *g = (struct sim_grid){0};
    sim_status status = distinct(p, table, same_source, &rows, &count);
    if (status == SIM_OK) status = sim_grid_open(g, count + 1, 3);
    for (int r = 0; status == SIM_OK && r < count; r++) {
        int cells = 0;
        for (int i = 0; i < p->cell_count; i++)
            cells += strcmp(p->cells[i].table, table) == 0 && same_source(rows[r], &p->cells[i]);
        sim_grid_put(g, r + 1, 0, "%s", rows[r]->source);
        sim_grid_put(g, r + 1, 1, "%d", cells);
        sim_grid_put(g, r + 1, 2, "%s:%lld", rows[r]->origin.path, (long long)rows[r]->origin.line);
    }
    if (status == SIM_OK) {
        sim_grid_put(g, 0, 0, "source");
        sim_grid_put(g, 0, 1, "cells");
        sim_grid_put(g, 0, 2, "first at");
        g->left[0] = g->left[2] = 1;
    }
    free(rows);
    return status;
}

/* ------------------------------------------------------------------ runs that others published */

/* The experiment's row that the cell is about, the newest of that name; NULL: none.  *score: its column's. */
static const struct sim_row *row_of(const struct sim_paper_cell *cell, const struct sim_summary *e,
                                    int *score)
{
    const struct sim_row *newest = NULL;
    if (!cell->has_value || strcmp(cell->table, e->experiment) != 0) return NULL;
    for (*score = 0; *score < e->score_count; ++*score)
        if (strcmp(e->score_names[*score], cell->column) == 0) break;
    for (int i = 0; *score < e->score_count && i < e->count; i++)
        if (strcmp(e->rows[i].runs[0]->name, cell->row) == 0 &&
            (!newest || sim_row_last_order(&e->rows[i]) > sim_row_last_order(newest)))
            newest = &e->rows[i];
    return newest;
}

static void put_run(struct sim_grid *g, int at, const struct sim_paper_cell *cell, const struct sim_row *row,
                    int score)
{
    const struct sim_stat ours = row->runs[0]->epochs ? row->pretrained[score] : row->untrained[score];
    sim_grid_put(g, at, 0, "%s", cell->row);
    sim_grid_put(g, at, 1, "%s, %s", cell->column, cell->unit);
    sim_grid_put(g, at, 2, "%.10g", cell->value);
    if (ours.n) {
        sim_grid_put(g, at, 3, isfinite(ours.spread) ? "%.2f (%.2f)" : "%.2f", 100 * ours.mean,
                     100 * ours.spread);
        sim_grid_put(g, at, 4, "%+.2f", 100 * ours.mean - cell->value);
    }
    sim_grid_put(g, at, 5, "%d", ours.n);
    sim_grid_put(g, at, 6, "%s", cell->source);
}

sim_status sim_beside_runs(struct sim_grid *g, const struct sim_paper *p, const struct sim_summary *e)
{
    static const char *const head[] = {"run", "score", "published", "ours", "difference", "n", "source"};
    enum { COLUMNS = sizeof head / sizeof *head };
    int score, count = 0, at = 0;
    *g = (struct sim_grid){0};
    for (int i = 0; i < p->cell_count; i++) count += row_of(&p->cells[i], e, &score) != NULL;
    if (!count) return SIM_OK;
    SIM_TRY(sim_grid_open(g, count + 1, COLUMNS));
    for (int c = 0; c < COLUMNS; c++) sim_grid_put(g, 0, c, "%s", head[c]);
    g->left[0] = g->left[1] = g->left[6] = 1;
    for (int i = 0; i < p->cell_count; i++) {
        const struct sim_row *row = row_of(&p->cells[i], e, &score);
        if (row) put_run(g, ++at, &p->cells[i], row, score);
    }
    return SIM_OK;
}
