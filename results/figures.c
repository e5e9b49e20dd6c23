/* Which figures a report has: sweeps where there are axes, and for every experiment loss, scores and cost. */
#include <stdlib.h>
#include <string.h>

#include "chapter.h"
#include "plot.h"

/* "loss", or "loss-EXPERIMENT-SCALE" with only harmless characters, and the number where that is not unique.
 */
static void put_stem(char out[160], const char *plot, const struct sim_book *b, const struct sim_chapter *c,
                     const char *axis)
{
    char name[64];
    const char *experiment = c->e->experiment;
    int harmless = *experiment && strlen(experiment) <= 60;
    snprintf(name, sizeof name, "%.60s", experiment);
    out[0] = 0;
    if (b->count == 1)
        snprintf(out, 160, "%s", plot);
    else
        snprintf(out, 160, "%s-%s%s%.20s", plot, name, *c->e->scale ? "-" : "", c->e->scale);
    if (*axis) snprintf(out + strlen(out), 160 - strlen(out), "-%.50s", axis);
    for (char *at = out; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *at)) {
            harmless &= at > out + strlen(out) - strlen(axis); /* the dot in an axis's key is no harm */
            *at = '_';
        }
    if (!harmless && b->count > 1) snprintf(out + strlen(out), 160 - strlen(out), ".%d", c->number + 1);
}

static int is_listed(const struct sim_chapter *c, const char *stem)
{
    for (int i = 0; i < c->figure_count; i++)
        if (strcmp(c->figures[i].stem, stem) == 0) return 1;
    return 0;
}

/* A place for one more figure, its stem set; NULL for want of memory. */
static struct sim_figure *next_figure(const struct sim_book *b, struct sim_chapter *c,
                                      enum sim_figure_kind kind, const char *plot, const char *axis)
{
    struct sim_figure *grown = realloc(c->figures, (size_t)(c->figure_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    c->figures = grown;
    struct sim_figure *f = &grown[c->figure_count];
    *f = (struct sim_figure){.kind = kind};
    put_stem(f->stem, plot, b, c, axis);
    for (int i = 2; is_listed(c, f->stem) && i < 100; i++) /* two axes whose keys differ in a character */
        snprintf(f->stem + strlen(f->stem), 160 - strlen(f->stem), ".%d", i);
    return f;
}

/* ------------------------------------------------------------------ drawing */

typedef sim_status (*drawing)(const struct sim_summary *e, const char *folder, const char *stem,
                              FILE *terminal, int *drawn);

/* Which figure could not be made. */
static sim_status named(sim_status s, const struct sim_figure *f)
{
    return s == SIM_OK ? SIM_OK : sim_context(s, "%s.svg", f->stem);
}

static sim_status draw_one(const struct sim_book *b, struct sim_chapter *c, enum sim_figure_kind kind,
                           const char *folder, FILE *terminal)
{
    static const struct {
        const char *stem, *caption, *without;
        drawing draw;
    } kinds[] = {
        [SIM_FIGURE_LOSS] = {"loss", "training loss over epochs",
                             "no training curve in the records: no plot of the loss", sim_plot_loss},
        [SIM_FIGURE_SCORES] = {"scores", "scores of every run beside the same encoder untrained",
                               "no score in the records: no plot of scores", sim_plot_scores},
        [SIM_FIGURE_COST] = {"cost", "training time against score",
                             "no score of a trained encoder: no plot of costs", sim_plot_cost},
    };
    int drawn = 0;
    struct sim_figure *f = next_figure(b, c, kind, kinds[kind].stem, "");
    if (!f) return sim_fail(SIM_ENOMEM, "no memory for a figure");
    snprintf(f->caption, sizeof f->caption, "%.120s: %s", c->e->title, kinds[kind].caption);
    SIM_TRY(named(kinds[kind].draw(c->e, folder, f->stem, terminal, &drawn), f));
    if (drawn)
        c->figure_count++;
    else if (terminal)
        fprintf(terminal, "  (%s)\n", kinds[kind].without);
    return SIM_OK;
}

static sim_status draw_sweep(const struct sim_book *b, struct sim_chapter *c, const struct sim_sweep *s,
                             const char *folder, FILE *terminal)
{
    int drawn = 0;
    struct sim_figure *f = next_figure(b, c, SIM_FIGURE_SWEEP, "sweep", s->key);
    if (!f) return sim_fail(SIM_ENOMEM, "no memory for a figure");
    snprintf(f->caption, sizeof f->caption, "%.120s: scores against %.60s", c->e->title, s->key);
    SIM_TRY(named(sim_plot_sweep(c->e, s, b->paper, folder, f->stem, terminal, &drawn), f));
    c->figure_count += drawn;
    return SIM_OK;
}

sim_status sim_book_draw(struct sim_book *b, const char *folder, FILE *terminal)
{
    for (int i = 0; i < b->count; i++) {
        struct sim_chapter *c = &b->chapters[i];
        for (int k = 0; k < c->sweeps.count; k++)
            SIM_TRY(draw_sweep(b, c, &c->sweeps.sweeps[k], folder, terminal));
        SIM_TRY(draw_one(b, c, SIM_FIGURE_LOSS, folder, terminal));
        SIM_TRY(draw_one(b, c, SIM_FIGURE_SCORES, folder, terminal));
        SIM_TRY(draw_one(b, c, SIM_FIGURE_COST, folder, terminal));
    }
    return SIM_OK;
}
