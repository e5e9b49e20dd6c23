#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"

/* A position in the text, and the fields taken so far. */
struct scan {
    const char *path;
    char *at;
    int64_t line;
    struct sim_csv *csv;
    int64_t count; /* fields in all */
};

/* The field at the position, unquoted in place; leaves `at` on the comma, newline or end behind it. */
static sim_status take(struct scan *s, char **out)
{
    *out = s->at;
    if (*s->at != '"') {
        s->at += strcspn(s->at, ",\r\n\"");
        return *s->at == '"'
                   ? sim_fail(SIM_EFORMAT, "%s:%lld: a quote inside a field that does not begin with one",
                              s->path, (long long)s->line)
                   : SIM_OK;
    }
    int64_t begun = s->line;
    char *write = s->at++;
    *out = write;
    for (; *s->at; s->at++) {
        if (*s->at == '"' && s->at[1] != '"') break;
        if (*s->at == '"') s->at++;
        s->line += *s->at == '\n';
        *write++ = *s->at;
    }
    if (!*s->at)
        return sim_fail(SIM_EFORMAT, "%s:%lld: a quote is opened and never closed", s->path,
                        (long long)begun);
    s->at++;
    if (*s->at && !strchr(",\r\n", *s->at))
        return sim_fail(SIM_EFORMAT, "%s:%lld: text behind a closing quote", s->path, (long long)s->line);
    *write = 0;
    return SIM_OK;
}

static sim_status add(struct scan *s, const char *field)
{
    if ((s->count & (s->count - 1)) == 0) { /* room doubles */
        char **grown = realloc(s->csv->fields, (size_t)(s->count ? 2 * s->count : 1) * sizeof *grown);
        if (!grown) return sim_fail(SIM_ENOMEM, "%s: no memory for its fields", s->path);
        s->csv->fields = grown;
    }
    char *copy = strdup(field);
    if (!copy) return sim_fail(SIM_ENOMEM, "%s: no memory for its fields", s->path);
    s->csv->fields[s->count++] = copy;
    return SIM_OK;
}

/* One row, its line end included. */
static sim_status take_row(struct scan *s)
{
    int cols = 0;
    int64_t begun = s->line;
    for (;;) {
        char *field, end;
        SIM_TRY(take(s, &field));
        end = *s->at;
        *s->at = 0;
        SIM_TRY(add(s, field));
        cols++;
        if (end) s->at++;
        if (end == '\r' && *s->at == '\n') s->at++;
        if (end == '\r' || end == '\n') s->line++;
        if (end != ',') break;
    }
    if (s->csv->rows && cols != s->csv->cols)
        return sim_fail(SIM_EFORMAT, "%s:%lld: %d fields; the head has %d", s->path, (long long)begun, cols,
                        s->csv->cols);
    int64_t *grown = realloc(s->csv->lines, (size_t)(s->csv->rows + 1) * sizeof *grown);
    if (!grown) return sim_fail(SIM_ENOMEM, "%s: no memory for its lines", s->path);
    s->csv->lines = grown;
    grown[s->csv->rows++] = begun;
    s->csv->cols = cols;
    return SIM_OK;
}

sim_status sim_csv_open(struct sim_csv *out, const char *path)
{
    char *text;
    size_t size;
    *out = (struct sim_csv){0};
    SIM_TRY(sim_file_read(path, (size_t)16 << 20, &text, &size));
    struct scan s = {.path = path, .at = text, .line = 1, .csv = out};
    sim_status status = SIM_OK;
    if (strlen(text) != size) status = sim_fail(SIM_EFORMAT, "%s: a zero byte stands in it", path);
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) s.at += 3;
    while (status == SIM_OK && *s.at) {
        if (*s.at == '\n' || *s.at == '\r')
            s.line += *s.at++ == '\n';
        else
            status = take_row(&s);
    }
    free(text);
    if (status == SIM_OK && !out->rows) status = sim_fail(SIM_EFORMAT, "%s: the file is empty", path);
    if (status == SIM_OK) return SIM_OK;
    for (int64_t i = 0; i < s.count; i++) free(out->fields[i]);
    free(out->fields);
    free(out->lines);
    *out = (struct sim_csv){0};
    return status;
}

void sim_csv_close(struct sim_csv *c)
{
    for (int64_t i = 0; i < (int64_t)c->rows * c->cols; i++) free(c->fields[i]);
    free(c->fields);
    free(c->lines);
    *c = (struct sim_csv){0};
}

const char *sim_csv_at(const struct sim_csv *c, int row, int col)
{
    return c->fields[(size_t)row * (size_t)c->cols + (size_t)col];
}

int sim_csv_col(const struct sim_csv *c, const char *name)
{
    for (int i = 0; i < c->cols; i++)
        if (strcmp(c->fields[i], name) == 0) return i;
    return -1;
}
