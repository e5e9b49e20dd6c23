#include "recipe.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct difference {
    int changed, alone;
    char *out;
    int size;
};

/* Appends as far as there is room. */
static void say(struct difference *d, const char *key, const char *text, const char *more)
{
    int used = (int)strlen(d->out);
    snprintf(d->out + used, (size_t)(d->size - used), "%s%s%s%s", used ? "; " : "", key, text, more);
}

static void say_change(struct difference *d, const char *key, const json_t *was, const json_t *is)
{
    char *before = json_dumps(was, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)),
         *after = json_dumps(is, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)), text[200];
    snprintf(text, sizeof text, " %.60s, was %.60s", after ? after : "?", before ? before : "?");
    say(d, key, text, "");
    d->changed++;
    free(before);
    free(after);
}

/* Walks both objects below `prefix` ("train."). */
static void walk(struct difference *d, const char *prefix, const json_t *was, const json_t *is)
{
    const char *name;
    json_t *v;
    char key[256];
    json_object_foreach((json_t *)was, name, v)
    {
        const json_t *other = json_object_get(is, name);
        snprintf(key, sizeof key, "%s%.80s", prefix, name);
        if (!other) {
            say(d, key, ": gone", "");
            d->alone++;
        } else if (json_is_object(v) && json_is_object(other)) {
            snprintf(key, sizeof key, "%s%.80s.", prefix, name);
            walk(d, key, v, other);
        } else if (!json_equal(v, other) &&
                   !(json_is_number(v) && json_number_value(v) == json_number_value(other))) {
            say_change(d, key, v, other);
        }
    }
    json_object_foreach((json_t *)is, name, v)
    {
        if (json_object_get(was, name)) continue;
        snprintf(key, sizeof key, "%s%.80s", prefix, name);
        say(d, key, ": new", "");
        d->alone++;
    }
}

/* "finetune" or "finetune.epochs" */
static void leave_out(json_t *config, const char *key)
{
    char section[80];
    const char *dot = strchr(key, '.');
    if (!dot) {
        json_object_del(config, key);
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(dot - key), key);
    json_object_del(json_object_get(config, section), dot + 1);
}

sim_status sim_recipe_compare_rest(const char *was, const char *is, const char *const *passed_over,
                                   int *changed, int *alone, char *sentence, int size)
{
    json_t *a = json_loads(was, 0, NULL), *b = json_loads(is, 0, NULL);
    struct difference d = {.out = sentence, .size = size};
    sentence[0] = 0;
    for (; *passed_over; passed_over++) {
        leave_out(a, *passed_over);
        leave_out(b, *passed_over);
    }
    if (a && b) walk(&d, "", a, b);
    *changed = d.changed, *alone = d.alone;
    sim_status status = a && b ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory to compare configurations");
    json_decref(a);
    json_decref(b);
    return status;
}

sim_status sim_recipe_compare(const char *was, const char *is, int *changed, int *alone, char *sentence,
                              int size)
{
    static const char *const nothing[] = {NULL};
    return sim_recipe_compare_rest(was, is, nothing, changed, alone, sentence, size);
}
