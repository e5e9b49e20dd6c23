#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"

/* A position in the text, and what was read so far. */
struct scan {
    const char *path;
    char *at;
    int64_t line;
    struct sim_csv *csv;
};

/* The field at the position, unquoted in place; leaves `at` on the comma, newline or end behind it. */
static sim_status take_field(struct scan *s, char **out)
{
    *out = s->at;
    if (*s->at != '"') {
        s->at += strcspn(s->at, ",\r\n\"");
        if (*s->at != '"') return SIM_OK;
        return sim_fail(SIM_EFORMAT, "%s:%lld: a quote inside a field that does not begin with one", s->path,
                        (long long)s->line);
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

/* Ends the field in place and steps over what stands behind it; returns whether another field follows. */
static int step_over(struct scan *s, char end, char *behind)
{
    *behind = 0;
    if (end) s->at++;
    if (end == '\r' && *s->at == '\n') s->at++;
    s->line += end == '\r' || end == '\n';
    return end == ',';
}

/* One row, its line end included, into `fields` (room for csv->columns). */
static sim_status take_row(struct scan *s, char **fields, int64_t *line)
{
    int count = 0, more = 1;
    for (*line = s->line; more; count++) {
        char *field;
        SIM_TRY(take_field(s, &field));
        more = step_over(s, *s->at, s->at);
        if (count >= s->csv->columns) continue;
        fields[count] = strdup(field);
        if (!fields[count]) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", s->path);
    }
    return count == s->csv->columns
               ? SIM_OK
               : sim_fail(SIM_EFORMAT, "%s:%lld: %d field%s; %d belong here", s->path, (long long)*line,
                          count, count == 1 ? "" : "s", s->csv->columns);
}

static void free_fields(char **fields, int columns)
{
    for (int i = 0; fields && i < columns; i++) free(fields[i]);
    free(fields);
}

static sim_status check_head(struct scan *s, const char *const *columns)
{
    char **fields = calloc((size_t)s->csv->columns + 1, sizeof *fields);
    int64_t line;
    sim_status status =
        fields ? take_row(s, fields, &line) : sim_fail(SIM_ENOMEM, "%s: no memory for the table", s->path);
    for (int i = 0; status == SIM_OK && i < s->csv->columns; i++)
        if (strcmp(fields[i], columns[i]) != 0)
            status = sim_fail(SIM_EFORMAT, "%s:%lld: column %d is \"%.60s\"; \"%s\" belongs there", s->path,
                              (long long)line, i + 1, fields[i], columns[i]);
    free_fields(fields, s->csv->columns);
    return status;
}

static sim_status add_row(struct scan *s)
{
    struct sim_csv *c = s->csv;
    struct sim_csv_row *grown = realloc(c->rows, (size_t)(c->count + 1) * sizeof *grown);
    if (!grown) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", s->path);
    c->rows = grown;
    struct sim_csv_row *row = &grown[c->count];
    *row = (struct sim_csv_row){calloc((size_t)c->columns + 1, sizeof *row->fields), s->line};
    if (!row->fields) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", s->path);
    c->count++;
    return take_row(s, row->fields, &row->line);
}

static void pass_empty_lines(struct scan *s)
{
    for (; *s->at == '\n' || *s->at == '\r'; s->at++) s->line += *s->at == '\n';
}

sim_status sim_csv_read(struct sim_csv *out, const char *path, const char *const *columns)
{
    char *text;
    size_t size;
    *out = (struct sim_csv){.path = strdup(path)};
    if (!out->path) return sim_fail(SIM_ENOMEM, "%s: no memory for the table", path);
    while (columns[out->columns]) out->columns++;
    SIM_TRY(sim_file_read(path, (size_t)16 << 20, &text, &size));
    struct scan s = {.path = path, .at = text, .line = 1, .csv = out};
    sim_status status = SIM_OK;
    if (strlen(text) != size) status = sim_fail(SIM_EFORMAT, "%s: a zero byte stands in it", path);
    if (status == SIM_OK && strncmp(text, "\xEF\xBB\xBF", 3) == 0) s.at += 3;
    pass_empty_lines(&s);
    if (status == SIM_OK && !*s.at) status = sim_fail(SIM_EFORMAT, "%s: the file is empty", path);
    if (status == SIM_OK) status = check_head(&s, columns);
    for (pass_empty_lines(&s); status == SIM_OK && *s.at; pass_empty_lines(&s)) status = add_row(&s);
    free(text);
    return status;
}

void sim_csv_close(struct sim_csv *c)
{
    for (int64_t i = 0; i < c->count; i++) free_fields(c->rows[i].fields, c->columns);
    free(c->rows);
    free(c->path);
    *c = (struct sim_csv){0};
}
