#include "reference_errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static const struct sim_reference_errors built_in[] = {
    {"alexnet",
     {.886428, .894468, .922640, .819880, .826268, .785948, .798360, .866816, .826572, .819324, .564592,
      .853204, .646056, .717840, .606500}},
    {"pw-cls",
     {.838480, .833520, .844080, .831360, .826720, .826880, .828000, .856000, .889840, .894160, .847040,
      .912240, .828640, .828720, .832640}}};

/* One line: nothing, or a corruption and its error. */
static sim_status take_line(struct sim_reference_errors *out, char *text, const char *where)
{
    char *rest, *comment = strchr(text, '#'), *end;
    if (comment) *comment = 0;
    const char *name = strtok_r(text, " \t\r", &rest), *number = name ? strtok_r(NULL, " \t\r", &rest) : NULL;
    enum sim_corruption c;
    if (!name) return SIM_OK;
    SIM_TRY(sim_corruption_find(name, (int)strlen(name), where, &c));
    if (out->error[c] > 0) return sim_fail(SIM_EFORMAT, "%s: %s stands there twice", where, name);
    out->error[c] = number ? strtod(number, &end) : 0;
    if (!number || *end || !(out->error[c] > 0 && out->error[c] <= 1) || strtok_r(NULL, " \t\r", &rest))
        return sim_fail(SIM_EFORMAT,
                        "%s: after %s an error above 0 and up to 1 is expected, and nothing else", where,
                        name);
    return SIM_OK;
}

static sim_status take_lines(struct sim_reference_errors *out, char *text, const char *path)
{
    int number = 0;
    for (char *line = text, *next; line; line = next) {
        char where[600];
        if ((next = strchr(line, '\n'))) *next++ = 0;
        snprintf(where, sizeof where, "%s:%d", path, ++number);
        SIM_TRY(take_line(out, line, where));
    }
    for (int c = 0; c < SIM_CORRUPTIONS; c++)
        if (!(out->error[c] > 0))
            return sim_fail(SIM_EFORMAT,
                            "%s: no line for %s; an error is needed for each of the %d corruptions", path,
                            sim_corruption_name((enum sim_corruption)c), SIM_CORRUPTIONS);
    return SIM_OK;
}

sim_status sim_reference_errors_open(struct sim_reference_errors *out, const char *name_or_file)
{
    char *text;
    size_t size;
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (strcmp(name_or_file, built_in[i].name) == 0) {
            *out = built_in[i];
            return SIM_OK;
        }
    *out = (struct sim_reference_errors){.name = "file"};
    sim_status status = sim_file_read(name_or_file, 1 << 16, &text, &size);
    if (status != SIM_OK)
        return sim_context(status, "eval.robustness_reference is \"alexnet\", \"pw-cls\" or a file");
    status = take_lines(out, text, name_or_file);
    free(text);
    return status;
}
