#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "check_run.h"
#include "recipe.h"

int sim_check_fails(enum sim_check_state s)
{
    return s >= SIM_CHECK_TOO_FEW;
}

struct sim_check_row *sim_check_add(const struct sim_check_pair *p, enum sim_check_state state,
                                    const char *what)
{
    struct sim_check *c = p->out;
    struct sim_check_row *grown = realloc(c->rows, (size_t)(c->count + 1) * sizeof *grown);
    if (!grown) return NULL;
    c->rows = grown;
    grown[c->count] = (struct sim_check_row){.reference = p->was, .experiment = p->e->title, .state = state};
    snprintf(grown[c->count].what, sizeof grown->what, "%.60s", what);
    c->failed += sim_check_fails(state);
    return &grown[c->count++];
}

sim_status sim_check_no_memory(void)
{
    return sim_fail(SIM_ENOMEM, "no memory for the check");
}

/* ------------------------------------------------------------------ runs */

static sim_status compare_setting(const struct sim_check_pair *p)
{
    char sentence[300];
    int changed, alone;
    const struct sim_run_record *was = p->was->runs[0], *is = p->is->runs[0];
    SIM_TRY(sim_recipe_compare(was->recipe, is->recipe, &changed, &alone, sentence, sizeof sentence));
    struct sim_check_row *row = sim_check_add(p,
                                              changed && !p->o->other_config ? SIM_CHECK_DIFFERENT
                                              : changed || alone             ? SIM_CHECK_SKIPPED
                                                                             : SIM_CHECK_OK,
                                              "configuration");
    if (!row) return sim_check_no_memory();
    snprintf(row->note, sizeof row->note, "%s", sentence);
    if (strcmp(was->train_hash, is->train_hash) == 0) return SIM_OK;
    row = sim_check_add(p, SIM_CHECK_DIFFERENT, "training data");
    if (!row) return sim_check_no_memory();
    snprintf(row->was, sizeof row->was, "%.60s", was->train_hash);
    snprintf(row->is, sizeof row->is, "%.60s", is->train_hash);
    return SIM_OK;
}

/* Runs that did not end well: told, and a failure where none did. */
static sim_status compare_endings(const struct sim_check_pair *p)
{
    for (int i = 0; i < p->is->count; i++) {
        const struct sim_run_record *r = p->is->runs[i];
        if (sim_run_is_ok(r)) continue;
        struct sim_check_row *row = sim_check_add(p, SIM_CHECK_DIFFERENT, "ending");
        if (!row) return sim_check_no_memory();
        snprintf(row->is, sizeof row->is, "seed %lld %s", (long long)r->seed, r->status);
        snprintf(row->note, sizeof row->note, "%.140s%s%.140s:%lld", r->reason, *r->reason ? "; " : "",
                 r->path, (long long)r->line);
    }
    return SIM_OK;
}

static sim_status compare_run(const struct sim_check_pair *p)
{
    SIM_TRY(compare_setting(p));
    SIM_TRY(compare_endings(p));
    return sim_check_quantities(p);
}

/* The newest configuration of this name. */
static const struct sim_row *newest(const struct sim_summary *e, const char *name)
{
    const struct sim_row *found = NULL;
    for (int i = 0; e && i < e->count; i++)
        if (strcmp(e->rows[i].runs[0]->name, name) == 0 &&
            (!found || sim_row_last_order(&e->rows[i]) > sim_row_last_order(found)))
            found = &e->rows[i];
    return found;
}

static const struct sim_summary *summary_of(const struct sim_summaries *s, const char *title)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->experiments[i].title, title) == 0) return &s->experiments[i];
    return NULL;
}

sim_status sim_check_compare(struct sim_check *out, const struct sim_summaries *reference,
                             const struct sim_summaries *now, const struct sim_check_options *o)
{
    sim_status status = SIM_OK;
    *out = (struct sim_check){0};
    for (int i = 0; i < reference->count; i++) {
        const struct sim_summary *e = &reference->experiments[i], *here = summary_of(now, e->title);
        for (int k = 0; k < e->count && status == SIM_OK; k++) {
            const char *name = e->rows[k].runs[0]->name;
            struct sim_check_pair p = {out, o, e, &e->rows[k], newest(here, name)};
            if (newest(e, name) != p.was || !p.was->ok) continue; /* nothing to hold anything against */
            if (p.is) {
                status = compare_run(&p);
                continue;
            }
            struct sim_check_row *row = sim_check_add(&p, SIM_CHECK_MISSING, "run");
            if (!row) status = sim_check_no_memory();
            if (row)
                snprintf(row->note, sizeof row->note, "no record of experiment %.80s, run %.80s", e->title,
                         name);
        }
    }
    if (status == SIM_OK && !out->count)
        status = sim_fail(SIM_EINVAL, "the reference has no finished run to check against");
    if (status != SIM_OK) sim_check_close(out);
    return status;
}

void sim_check_close(struct sim_check *c)
{
    free(c->rows);
    *c = (struct sim_check){0};
}
