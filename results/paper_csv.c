#include "paper_csv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const cell_columns[] = {"table", "row",  "column", "method",
                                           "value", "unit", "source", NULL};
static const char *const claim_columns[] = {"id",    "text", "quantity", "higher", "lower",
                                            "cells", "than", "source",   NULL};
static const char *const run_columns[] = {"run",   "what",   "images", "gflop_per_image",
                                          "state", "source", NULL};
static const char *const column_columns[] = {"column",   "title",  "what", "score",
                                             "protocol", "scales", "runs", NULL};

/* ------------------------------------------------------------------ fields */

/* One row that is being read. */
struct row {
    const char *const *names; /* of its columns */
    char **fields;
    struct sim_paper_origin origin;
};

/* "paper/main.csv:3: value "x" ...": returns the failure. */
static sim_status wrong(const struct row *r, int field, const char *what)
{
    return sim_fail(SIM_EFORMAT, "%s:%lld: %s \"%s\" %s", r->origin.path, (long long)r->origin.line,
                    r->names[field], r->fields[field], what);
}

static sim_status no_memory(const struct row *r)
{
    return sim_fail(SIM_ENOMEM, "%s: no memory for the table", r->origin.path);
}

/* Every field but those in `may_be_empty` (a bit each) has text, and none begins or ends in a space. */
static sim_status check_texts(const struct row *r, unsigned may_be_empty)
{
    for (int i = 0; r->names[i]; i++) {
        size_t size = strlen(r->fields[i]);
        if (!size && !(may_be_empty >> i & 1))
            return sim_fail(SIM_EFORMAT, "%s:%lld: %s is empty", r->origin.path, (long long)r->origin.line,
                            r->names[i]);
        if (size && (r->fields[i][0] == ' ' || r->fields[i][size - 1] == ' '))
            return wrong(r, i, "begins or ends in a space");
    }
    return SIM_OK;
}

/* Decimal digits, at most with sign, point and exponent. */
static sim_status read_number(const struct row *r, int field, double *out)
{
    const char *text = r->fields[field];
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || text[strspn(text, "0123456789.eE+-")] || !isfinite(*out))
        return wrong(r, field, "is no finite decimal number");
    return SIM_OK;
}

static sim_status read_positive(const struct row *r, int field, double *out)
{
    SIM_TRY(read_number(r, field, out));
    return *out > 0 ? SIM_OK : wrong(r, field, "is not above zero");
}

/* The parts of a field between semicolons, in place; none of an empty field.  *parts is the caller's. */
static sim_status read_list(const struct row *r, int field, const char ***parts, int *count)
{
    char *text = r->fields[field];
    size_t room = 1;
    for (const char *c = text; *c; c++) room += *c == ';';
    *parts = calloc(room, sizeof **parts);
    if (!*parts) return no_memory(r);
    while (text && *text) {
        char *part = strsep(&text, ";");
        if (!*part || (text && !*text)) return wrong(r, field, "has an empty part between semicolons");
        for (int i = 0; i < *count; i++)
            if (strcmp((*parts)[i], part) == 0)
                return sim_fail(SIM_EFORMAT, "%s:%lld: %s names %s twice", r->origin.path,
                                (long long)r->origin.line, r->names[field], part);
        (*parts)[(*count)++] = part;
    }
    return SIM_OK;
}

static sim_status read_places(const struct row *r, int field, struct sim_paper_place **places, int *count)
{
    const char **parts = NULL;
    sim_status status = read_list(r, field, &parts, count);
    if (status == SIM_OK && !(*places = calloc((size_t)*count + 1, sizeof **places))) status = no_memory(r);
    for (int i = 0; status == SIM_OK && i < *count; i++) {
        char *colon = strchr(parts[i], ':');
        if (!colon || colon == parts[i] || !colon[1]) {
            status = sim_fail(SIM_EFORMAT, "%s:%lld: \"%s\" is no place; TABLE:COLUMN belongs there",
                              r->origin.path, (long long)r->origin.line, parts[i]);
            break;
        }
        *colon = 0;
        (*places)[i] = (struct sim_paper_place){parts[i], colon + 1};
    }
    free(parts);
    return status;
}

/* ------------------------------------------------------------------ rows */

static sim_status read_cell(struct sim_paper *p, const struct row *r)
{
    enum { TABLE, ROW, COLUMN, METHOD, VALUE, UNIT, SOURCE };
    char **f = r->fields;
    struct sim_paper_cell c = {f[TABLE],       f[ROW],  f[COLUMN], f[METHOD], NAN,
                               *f[VALUE] != 0, f[UNIT], f[SOURCE], r->origin};
    SIM_TRY(check_texts(r, 1u << VALUE));
    if (c.has_value) SIM_TRY(read_number(r, VALUE, &c.value));
    if (c.has_value == (strncmp(c.source, "not stated", 10) == 0))
        return wrong(r, SOURCE,
                     c.has_value ? "stands beside a value; where that comes from belongs there"
                                 : "stands beside an empty value; \"not stated: WHY\" belongs there");
    const struct sim_paper_cell *old = sim_paper_find(p, c.table, c.row, c.column, c.method);
    if (old)
        return sim_fail(SIM_EFORMAT,
                        "%s:%lld: table %s, row %s, column %s, method %s stands at %s:%lld already",
                        r->origin.path, (long long)r->origin.line, c.table, c.row, c.column, c.method,
                        old->origin.path, (long long)old->origin.line);
    p->cells[p->cell_count++] = c;
    return SIM_OK;
}

/* Every place has the rows that the claim compares. */
static sim_status check_places(const struct sim_paper *p, const struct sim_paper_claim *c,
                               const struct sim_paper_place *places, int count)
{
    for (int i = 0; i < count; i++)
        for (int k = -1; k < c->lower_count; k++) {
            const char *row = k < 0 ? c->higher : c->lower[k];
            if (!sim_paper_find(p, places[i].table, row, places[i].column, NULL))
                return sim_fail(SIM_EFORMAT,
                                "%s:%lld: claim %s speaks of table %s, row %s, column %s: there is "
                                "no such cell",
                                c->origin.path, (long long)c->origin.line, c->id, places[i].table, row,
                                places[i].column);
        }
    return SIM_OK;
}

static sim_status read_claim(struct sim_paper *p, const struct row *r)
{
    enum { ID, TEXT, QUANTITY, HIGHER, LOWER, CELLS, THAN, SOURCE };
    char **f = r->fields;
    struct sim_paper_claim *c = &p->claims[p->claim_count++]; /* counted first: close frees its lists */
    *c = (struct sim_paper_claim){
        .id = f[ID], .text = f[TEXT], .source = f[SOURCE], .higher = f[HIGHER], .origin = r->origin};
    SIM_TRY(check_texts(r, 1u << THAN));
    for (int i = 0; i < p->claim_count - 1; i++)
        if (strcmp(p->claims[i].id, c->id) == 0) return wrong(r, ID, "is that of another claim");
    if (strcmp(f[QUANTITY], "value") != 0 && strcmp(f[QUANTITY], "gain") != 0)
        return wrong(r, QUANTITY, "is unknown; value or gain belongs there");
    c->quantity = strcmp(f[QUANTITY], "gain") == 0 ? SIM_PAPER_GAIN : SIM_PAPER_VALUE;
    SIM_TRY(read_list(r, LOWER, &c->lower, &c->lower_count));
    SIM_TRY(read_places(r, CELLS, &c->places, &c->place_count));
    SIM_TRY(read_places(r, THAN, &c->than, &c->than_count));
    if ((c->quantity == SIM_PAPER_GAIN) != (c->than_count > 0))
        return wrong(r, THAN,
                     c->than_count ? "belongs to gains alone" : "is empty; a gain is compared with others");
    SIM_TRY(check_places(p, c, c->places, c->place_count));
    return check_places(p, c, c->than, c->than_count);
}

static sim_status read_run(struct sim_paper *p, const struct row *r)
{
    enum { RUN, WHAT, IMAGES, GFLOP, STATE, SOURCE };
    char **f = r->fields;
    struct sim_paper_run run = {.run = f[RUN],
                                .what = f[WHAT],
                                .built = strcmp(f[STATE], "built") == 0,
                                .source = f[SOURCE],
                                .origin = r->origin};
    SIM_TRY(check_texts(r, 0));
    SIM_TRY(read_positive(r, IMAGES, &run.images));
    SIM_TRY(read_positive(r, GFLOP, &run.gflop_per_image));
    run.gpu_hours = run.images * run.gflop_per_image / (SIM_PAPER_TFLOPS * 1e3 * 3600);
    if (!run.built && strcmp(f[STATE], "not built") != 0)
        return wrong(r, STATE, "is unknown; built or not built belongs there");
    if (sim_paper_run_find(p, run.run)) return wrong(r, RUN, "is that of another run");
    p->runs[p->run_count++] = run;
    return SIM_OK;
}

static const struct sim_paper_cell *cell_of_column(const struct sim_paper *p, const char *table,
                                                   const char *column)
{
    for (int i = 0; i < p->cell_count; i++)
        if (strcmp(p->cells[i].table, table) == 0 && strcmp(p->cells[i].column, column) == 0)
            return &p->cells[i];
    return NULL;
}

static sim_status read_column(struct sim_paper *p, const struct row *r)
{
    enum { COLUMN, TITLE, WHAT, SCORE, PROTOCOL, SCALES, RUNS };
    char **f = r->fields;
    struct sim_paper_column *c = &p->columns[p->column_count++]; /* counted first: close frees its lists */
    *c = (struct sim_paper_column){.column = f[COLUMN],
                                   .title = f[TITLE],
                                   .what = f[WHAT],
                                   .score = f[SCORE],
                                   .protocol = f[PROTOCOL],
                                   .built = 1,
                                   .origin = r->origin};
    SIM_TRY(check_texts(r, 1u << SCORE | 1u << SCALES));
    for (int i = 0; i < p->column_count - 1; i++)
        if (strcmp(p->columns[i].column, c->column) == 0) return wrong(r, COLUMN, "stands there twice");
    if (!cell_of_column(p, "main", c->column)) return wrong(r, COLUMN, "is no column of the table main");
    SIM_TRY(read_list(r, SCALES, &c->scales, &c->scale_count));
    const char **runs = NULL;
    int count = 0;
    sim_status status = read_list(r, RUNS, &runs, &count);
    if (status == SIM_OK && !(c->runs = calloc((size_t)count + 1, sizeof *c->runs))) status = no_memory(r);
    for (int i = 0; status == SIM_OK && i < count; i++) {
        const struct sim_paper_run *run = sim_paper_run_find(p, runs[i]);
        if (run) {
            c->runs[c->run_count++] = run;
            c->built &= run->built;
            c->gpu_hours += run->gpu_hours;
        } else {
            status = sim_fail(SIM_EFORMAT, "%s:%lld: there is no run \"%s\" in runs.csv", r->origin.path,
                              (long long)r->origin.line, runs[i]);
        }
    }
    free(runs);
    if (status == SIM_OK && c->built != (*c->score != 0))
        status = wrong(r, SCORE,
                       c->built ? "is empty, but every run of this column is built"
                                : "is named, but not every run of this column is built");
    if (status == SIM_OK && c->built != (c->scale_count > 0))
        status = wrong(r, SCALES,
                       c->built ? "are empty, but every run of this column is built"
                                : "are named, but not every run of this column is built");
    return status;
}

/* ------------------------------------------------------------------ files */

static sim_status open_file(struct sim_paper *p, const char *folder, const char *name,
                            const char *const *columns, const struct sim_csv **out)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return sim_fail(SIM_EINVAL, "%s: the path is too long", folder);
    struct sim_csv *files = realloc(p->files, (size_t)(p->file_count + 1) * sizeof *files);
    if (!files) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", path);
    p->files = files;
    *out = &p->files[p->file_count++];
    return sim_csv_read(&p->files[p->file_count - 1], path, columns);
}

/* `items` has room for every row of the file, or is NULL for want of memory. */
static sim_status read_rows(struct sim_paper *p, const struct sim_csv *file, const char *const *columns,
                            const void *items, sim_status (*read)(struct sim_paper *, const struct row *))
{
    if (!items) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", file->path);
    for (int64_t i = 0; i < file->count; i++) {
        struct row r = {columns, file->rows[i].fields, {file->path, file->rows[i].line}};
        SIM_TRY(read(p, &r));
    }
    return SIM_OK;
}

static sim_status read_cell_file(struct sim_paper *p, const char *folder, const char *name)
{
    const struct sim_csv *file = NULL;
    SIM_TRY(open_file(p, folder, name, cell_columns, &file));
    struct sim_paper_cell *cells =
        realloc(p->cells, ((size_t)p->cell_count + (size_t)file->count + 1) * sizeof *cells);
    if (cells) p->cells = cells;
    return read_rows(p, file, cell_columns, cells, read_cell);
}

static int holds_cells(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 4, ".csv") == 0 &&
           strcmp(entry->d_name, "claims.csv") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static sim_status read_cells(struct sim_paper *p, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, holds_cells, by_name);
    sim_status status = count < 0    ? sim_fail(SIM_EIO, "%s: cannot be read: %s", folder, strerror(errno))
                        : count == 0 ? sim_fail(SIM_EFORMAT, "%s: there is no table (*.csv)", folder)
                                     : SIM_OK;
    for (int i = 0; i < count; i++) {
        if (status == SIM_OK) status = read_cell_file(p, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* Every column of the main table is described. */
static sim_status check_described(const struct sim_paper *p)
{
    for (int i = 0; i < p->cell_count; i++) {
        const struct sim_paper_cell *c = &p->cells[i];
        int found = strcmp(c->table, "main") != 0;
        for (int k = 0; !found && k < p->column_count; k++)
            found = strcmp(p->columns[k].column, c->column) == 0;
        if (!found)
            return sim_fail(SIM_EFORMAT, "%s:%lld: tables/main.csv says nothing of column %s", c->origin.path,
                            (long long)c->origin.line, c->column);
    }
    return SIM_OK;
}

sim_status sim_paper_read(struct sim_paper *out, const char *folder)
{
    const struct sim_csv *file = NULL;
    *out = (struct sim_paper){0};
    SIM_TRY(read_cells(out, folder));
    SIM_TRY(open_file(out, folder, "claims.csv", claim_columns, &file));
    out->claims = calloc((size_t)file->count + 1, sizeof *out->claims);
    SIM_TRY(read_rows(out, file, claim_columns, out->claims, read_claim));
    SIM_TRY(open_file(out, folder, "tables/runs.csv", run_columns, &file));
    out->runs = calloc((size_t)file->count + 1, sizeof *out->runs);
    SIM_TRY(read_rows(out, file, run_columns, out->runs, read_run));
    SIM_TRY(open_file(out, folder, "tables/main.csv", column_columns, &file));
    out->columns = calloc((size_t)file->count + 1, sizeof *out->columns);
    SIM_TRY(read_rows(out, file, column_columns, out->columns, read_column));
    return check_described(out);
}

void sim_paper_close(struct sim_paper *p)
{
    for (int i = 0; i < p->claim_count; i++) {
        free(p->claims[i].lower);
        free(p->claims[i].places);
        free(p->claims[i].than);
    }
    for (int i = 0; i < p->column_count; i++) {
        free(p->columns[i].scales);
        free(p->columns[i].runs);
    }
    for (int i = 0; i < p->file_count; i++) sim_csv_close(&p->files[i]);
    free(p->cells);
    free(p->claims);
    free(p->runs);
    free(p->columns);
    free(p->files);
    *p = (struct sim_paper){0};
}

/* ------------------------------------------------------------------ asking */

const struct sim_paper_cell *sim_paper_find(const struct sim_paper *p, const char *table, const char *row,
                                            const char *column, const char *method)
{
    for (int i = 0; i < p->cell_count; i++) {
        const struct sim_paper_cell *c = &p->cells[i];
        if (strcmp(c->table, table) == 0 && strcmp(c->row, row) == 0 && strcmp(c->column, column) == 0 &&
            (!method || strcmp(c->method, method) == 0))
            return c;
    }
    return NULL;
}

const struct sim_paper_run *sim_paper_run_find(const struct sim_paper *p, const char *run)
{
    for (int i = 0; i < p->run_count; i++)
        if (strcmp(p->runs[i].run, run) == 0) return &p->runs[i];
    return NULL;
}

const char *sim_paper_verdict_text(enum sim_paper_verdict v)
{
    static const char *const texts[] = {[SIM_PAPER_UNKNOWN] = "are not at hand",
                                        [SIM_PAPER_HOLDS] = "bear it",
                                        [SIM_PAPER_FAILS] = "do not bear it everywhere"};
    return texts[v];
}

/* What the higher row has above the best of the lower ones; NaN where a cell has no value. */
static double lead(const struct sim_paper *p, const struct sim_paper_claim *c,
                   const struct sim_paper_place *at)
{
    double least = INFINITY, value = sim_paper_find(p, at->table, c->higher, at->column, NULL)->value;
    for (int i = 0; i < c->lower_count; i++) {
        double d = value - sim_paper_find(p, at->table, c->lower[i], at->column, NULL)->value;
        if (isnan(d)) return NAN;
        least = fmin(least, d);
    }
    return least;
}

enum sim_paper_verdict sim_paper_claim_holds(const struct sim_paper *p, const struct sim_paper_claim *c,
                                             double *margin)
{
    double least = INFINITY, sum = 0, than = 0;
    for (int i = 0; i < c->place_count; i++) {
        double d = lead(p, c, &c->places[i]);
        least = isnan(d) ? NAN : isnan(least) ? NAN : fmin(least, d);
        sum += d;
    }
    for (int i = 0; i < c->than_count; i++) than += lead(p, c, &c->than[i]);
    *margin = c->quantity == SIM_PAPER_GAIN ? sum / c->place_count - than / c->than_count : least;
    return isnan(*margin) ? SIM_PAPER_UNKNOWN : *margin > 0 ? SIM_PAPER_HOLDS : SIM_PAPER_FAILS;
}
