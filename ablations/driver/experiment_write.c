/* A run as an experiment file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"

/* "key: TEXT", quoted as JSON, which is also YAML; nothing for an empty text.  1 where memory is short. */
static int put_text(FILE *f, const char *key, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    const int failed = !quoted;
    if (quoted && *text) fprintf(f, "%s: %s\n", key, quoted);
    free(quoted);
    json_decref(string);
    return failed;
}

/* The study stands in one line of JSON; claims go by themselves, a line each. */
static int put_study(FILE *f, const json_t *study)
{
    const char *key;
    json_t *value;
    int failed = 0;
    if (!study) return 0;
    fprintf(f, "study:\n");
    json_object_foreach((json_t *)study, key, value)
    {
        const int list = json_is_array(value);
        fprintf(f, list && json_array_size(value) ? "  %s:\n" : "  %s: ", key);
        for (size_t i = 0; list && i < json_array_size(value); i++) {
            char *line = json_dumps(json_array_get(value, i), JSON_REAL_PRECISION(15));
            fprintf(f, "    - %s\n", line ? line : "");
            failed |= !line;
            free(line);
        }
        if (list && json_array_size(value)) continue;
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        fprintf(f, "%s\n", text ? text : "");
        failed |= !text;
        free(text);
    }
    return failed;
}

/* The keys stand one level deeper, and without the seed, which stands above. */
static void put_keys(FILE *f, const char *keys)
{
    for (const char *line = keys, *end; *line; line = end) {
        size_t length = strcspn(line, "\n");
        end = line + length + (line[length] == '\n');
        if (strncmp(line, "seed:", 5) != 0 && (length > 0 || line > keys))
            fprintf(f, "%s%.*s\n", length ? "  " : "", (int)length, line);
    }
}

sim_status sim_run_write_yaml(const struct sim_run *run, int with_help, char **out)
{
    char *keys = NULL;
    size_t size = 0;
    SIM_TRY(sim_fields_dump_yaml(sim_run_schema_of(&run->config), &run->config, with_help, &keys));
    FILE *f = open_memstream(out, &size);
    if (!f) {
        free(keys);
        return sim_fail(SIM_ENOMEM, "no memory for the configuration of run %s", run->folder);
    }
    fprintf(f, "name: %s\n", run->experiment);
    int failed = put_text(f, "about", run->about);
    fprintf(f, "seeds: [%lld]\n", (long long)run->config.seed);
    failed |= put_study(f, run->study);
    fprintf(f, "base:\n");
    put_keys(f, keys);
    fprintf(f, "runs:\n  %s: {}\n", run->name);
    free(keys);
    if (fclose(f) == 0 && *out && !failed) return SIM_OK;
    free(*out);
    *out = NULL;
    return sim_fail(SIM_ENOMEM, "no memory for the configuration of run %s", run->folder);
}
