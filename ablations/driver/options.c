#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

#define MAX_OPTIONS 32

static sim_status append(struct sim_words *w, const char *word)
{
    const char **grown = realloc(w->word, ((size_t)w->count + 1) * sizeof *grown);
    if (!grown) return sim_fail(SIM_ENOMEM, "no memory for %d words", w->count + 1);
    w->word = grown;
    w->word[w->count++] = word;
    return SIM_OK;
}

static sim_status unknown(const char *given, const struct sim_option *options, int count)
{
    const char *names[MAX_OPTIONS];
    for (int i = 0; i < count && i < MAX_OPTIONS; i++) names[i] = options[i].name;
    const char *near = sim_nearest(given, names, count < MAX_OPTIONS ? count : MAX_OPTIONS);
    return sim_fail(SIM_EINVAL, "unknown option %s%s%s; --help lists the options", given,
                    near ? ", nearest: " : "", near ? near : "");
}

/* Handles argv[*at], an option; steps *at over a value that is a word of its own. */
static sim_status take(int argc, char **argv, int *at, const struct sim_option *options, int count)
{
    char *given = argv[*at], *equals = strchr(given, '=');
    size_t length = equals ? (size_t)(equals - given) : strlen(given);
    const struct sim_option *o = NULL;
    for (int i = 0; i < count && !o; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, given, length) == 0)
            o = &options[i];
    if (!o) return unknown(given, options, count);
    if (o->flag) {
        if (equals) return sim_fail(SIM_EINVAL, "%s takes no value", o->name);
        *o->flag = 1;
        return SIM_OK;
    }
    const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
    if (!value) return sim_fail(SIM_EINVAL, "%s needs a value", o->name);
    if (o->list) return append(o->list, value);
    if (*o->text) return sim_fail(SIM_EINVAL, "%s is given twice", o->name);
    *o->text = value;
    return SIM_OK;
}

sim_status sim_options_parse(int argc, char **argv, const struct sim_option *options, int count,
                             struct sim_words *rest)
{
    int only_words = 0;
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = 1;
        else if (only_words || argv[i][0] != '-' || !argv[i][1])
            SIM_TRY(append(rest, argv[i]));
        else
            SIM_TRY(take(argc, argv, &i, options, count));
    }
    return SIM_OK;
}

void sim_words_close(struct sim_words *w)
{
    free(w->word);
    memset(w, 0, sizeof *w);
}

sim_status sim_options_whole(const char *name, const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno || end == text || *end || *out < low || *out > high)
        return sim_fail(SIM_EINVAL, "%s %s: a whole number from %lld to %lld is needed", name, text,
                        (long long)low, (long long)high);
    return SIM_OK;
}
