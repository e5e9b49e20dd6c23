/* Grids: every combination of the values of some keys is a run. */
#include <stdio.h>
#include <string.h>

#include "experiment_parts.h"

#define MOST_POINTS 10000

/* ------------------------------------------------------------------ checking */

/* What the key becomes when it is set to this node, as the hash of a configuration in which all else is
 * preset. */
static sim_status hash_of(const struct sim_reader *r, const struct sim_yaml *axis,
                          const struct sim_yaml *value, char out[17])
{
    struct sim_run_config scratch;
    char where[SIM_WHERE_BYTES];
    if (value->kind != SIM_YAML_SCALAR)
        return sim_reader_fail(r, value, "%.80s: one value belongs here", axis->key);
    sim_yaml_where(r->yaml, value, where, sizeof where);
    SIM_TRY(sim_fields_preset(sim_run_schema(), &scratch));
    SIM_TRY(sim_fields_set(sim_run_schema(), &scratch, axis->key, value->text, where));
    return sim_fields_hash(sim_run_schema(), &scratch, out);
}

static sim_status check_axis(const struct sim_reader *r, const struct sim_yaml *axis)
{
    char where[SIM_WHERE_BYTES], one[17], other[17];
    if (!sim_fields_find(sim_run_schema(), axis->key)) {
        sim_yaml_where_key(r->yaml, axis, where, sizeof where);
        return sim_fields_unknown(sim_run_schema(), axis->key, where);
    }
    if (strcmp(axis->key, "seed") == 0)
        return sim_reader_fail_key(r, axis, "seed: seeds stand in the list `seeds` at the top of the file");
    if (axis->kind != SIM_YAML_LIST || !axis->child)
        return sim_reader_fail(
            r, axis, "%.80s: a list of at least one value belongs here, or the grid is empty", axis->key);
    for (int i = 0; i < r->set_count; i++)
        if (strncmp(r->sets[i], axis->key, strlen(axis->key)) == 0 && r->sets[i][strlen(axis->key)] == '=')
            return sim_reader_fail_key(r, axis, "--set %.80s: %s is an axis, whose values the runs are",
                                       r->sets[i], axis->key);
    for (const struct sim_yaml *v = axis->child; v; v = v->next) {
        SIM_TRY(hash_of(r, axis, v, one));
        for (const struct sim_yaml *u = axis->child; u != v; u = u->next) {
            SIM_TRY(hash_of(r, axis, u, other));
            if (strcmp(one, other) == 0)
                return sim_reader_fail(r, v, "%.80s: %.80s is listed twice", axis->key, v->text);
        }
    }
    return SIM_OK;
}

static sim_status check_grid(const struct sim_reader *r, const struct sim_yaml *grid,
                             const struct sim_yaml *first)
{
    int count = 0, count_first = 0;
    double points = 1;
    if (grid->kind != SIM_YAML_MAP || !grid->child)
        return sim_reader_fail(
            r, grid,
            "a grid is a map of keys with lists of values, such as {siameseim.momentum: [0, "
            "0.99]}, and not empty");
    for (const struct sim_yaml *axis = grid->child; axis; axis = axis->next) {
        SIM_TRY(check_axis(r, axis));
        if (!sim_yaml_find(first, axis->key))
            return sim_reader_fail_key(
                r, axis, "%.80s is no axis of the first grid: all grids have the same axes", axis->key);
        double values = 0;
        for (const struct sim_yaml *v = axis->child; v; v = v->next) values++;
        points *= values;
        count++;
    }
    for (const struct sim_yaml *axis = first->child; axis; axis = axis->next) count_first++;
    if (count < count_first)
        return sim_reader_fail(r, grid, "this grid lacks axes of the first: all grids have the same axes");
    if (count > SIM_MAX_AXES) return sim_reader_fail(r, grid, "more than %d axes", SIM_MAX_AXES);
    if (points > MOST_POINTS)
        return sim_reader_fail(r, grid, "the grid has %.0f points; at most %d are run", points, MOST_POINTS);
    return SIM_OK;
}

/* The file's grids: the map itself, or the maps of the list. */
static const struct sim_yaml *first_grid(const struct sim_reader *r)
{
    return r->axes->kind == SIM_YAML_LIST ? r->axes->child : r->axes;
}

static const struct sim_yaml *next_grid(const struct sim_reader *r, const struct sim_yaml *grid)
{
    return r->axes->kind == SIM_YAML_LIST ? grid->next : NULL;
}

sim_status sim_axes_check(const struct sim_reader *r)
{
    if (r->axes->kind == SIM_YAML_LIST && !r->axes->child)
        return sim_reader_fail(r, r->axes, "axes: the list of grids is empty");
    for (const struct sim_yaml *grid = first_grid(r); grid; grid = next_grid(r, grid))
        SIM_TRY(check_grid(r, grid, first_grid(r)));
    return SIM_OK;
}

const struct sim_yaml *sim_axes_find(const struct sim_reader *r, const char *key)
{
    return r->axes ? sim_yaml_find(first_grid(r), key) : NULL;
}

/* ------------------------------------------------------------------ walking */

/* "momentum-0.99_momentum_schedule-const" */
static sim_status name_point(const struct sim_reader *r, const struct sim_own *own, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < own->axes && used < size; i++) {
        const char *dot = strrchr(own->axis[i]->key, '.');
        used += (size_t)snprintf(out + used, size - used, "%s%s-%s", i ? "_" : "",
                                 dot ? dot + 1 : own->axis[i]->key, own->value[i]->text);
    }
    sim_status status = sim_reader_name(r, own->value[own->axes - 1], "name of this grid's run", out);
    return status == SIM_OK ? SIM_OK
                            : sim_fail(status, "%s; such runs can be named below `runs`", sim_error_text());
}

sim_status sim_axes_each(const struct sim_reader *r,
                         sim_status (*run)(void *context, const struct sim_own *own, const char *name,
                                           const struct sim_yaml *at),
                         void *context)
{
    char name[4 * SIM_NAME_BYTES];
    for (const struct sim_yaml *grid = first_grid(r); grid; grid = next_grid(r, grid)) {
        struct sim_own own = {.map = NULL};
        for (const struct sim_yaml *axis = grid->child; axis; axis = axis->next) {
            own.axis[own.axes] = axis;
            own.value[own.axes++] = axis->child;
        }
        for (int moved = 1; moved;) {
            SIM_TRY(name_point(r, &own, name, sizeof name));
            SIM_TRY(run(context, &own, name, own.value[own.axes - 1]));
            moved = 0;
            for (int i = own.axes - 1; i >= 0 && !moved; i--) { /* as an odometer does */
                moved = own.value[i]->next != NULL;
                own.value[i] = moved ? own.value[i]->next : own.axis[i]->child;
            }
        }
    }
    return SIM_OK;
}
