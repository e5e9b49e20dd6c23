/* The main comparison: an experiment whose runs pre-train by more than one objective, laid out as the paper's
 * main table is, a row per method, with what each was given. */
#ifndef SIM_COMPARISON_H
#define SIM_COMPARISON_H

#include <stdio.h>

#include "grid.h"
#include "paper_csv.h"
#include "summary.h"

struct sim_method {
    const char *title; /* as the paper's rows have it: "SiameseIM"; "untrained" */
    char *label;       /* the title, and the run's name where several share the title; owned */
    const struct sim_row *row;
    int trained; /* 0: the scores are those of the row's encoder before any training */
    int speaks;  /* 1: of the rows of its title, the one that claims are judged by */
    /* What pre-training took, NaN where it is not recorded, 0 where nothing was trained. */
    double images, gflop_per_image, gflop;
};

struct sim_compared {
    int score;                            /* index into the experiment's score_names */
    const struct sim_paper_column *paper; /* NULL: the paper has no such column */
};

struct sim_comparison {
    const struct sim_summary *e;
    const struct sim_paper *paper; /* NULL: none was given */
    struct sim_method *methods;    /* (method_count) SiameseIM, MAE, MoCo-v3, others, untrained; owned */
    int method_count;              /* 0: the experiment has fewer than two objectives, and compares nothing */
    struct sim_compared *columns;  /* (column_count) the paper's in its order, then those it lacks; owned */
    int column_count;
};

/* Of runs that share an objective the one named like it ("mae") speaks for it, else the one recorded first;
 * of configurations that share a name the newest.  The untrained row is that of runs without an epoch, or,
 * where there is none, the encoder that the first method began with.  *out is to be closed either way. */
sim_status sim_comparison_make(struct sim_comparison *out, const struct sim_summary *e,
                               const struct sim_paper *paper);
void sim_comparison_close(struct sim_comparison *c); /* a zeroed struct is legal */

/* The row that speaks for the method, or NULL. */
const struct sim_method *sim_comparison_find(const struct sim_comparison *c, const char *title);
/* The column that the paper calls so, or NULL where no record has its score. */
const struct sim_compared *sim_comparison_column(const struct sim_comparison *c, const char *column);
/* The method's score in column k. */
struct sim_stat sim_comparison_stat(const struct sim_comparison *c, const struct sim_method *m, int k);

/* A row per method: finished seeds, compute, and every score with the paper's value below it.  `number` is
 * the experiment's in the report, as for sim_table_scores: rows link to where they come from. */
sim_status sim_comparison_grid(struct sim_grid *g, const struct sim_comparison *c, int number);
/* How the table is to be read, and who was given more: sentences between `before` and `after`, through `put`.
 */
void sim_comparison_explain(FILE *to, const struct sim_comparison *c, const char *before, const char *after,
                            void (*put)(FILE *, const char *));
/* comparison.csv: a line per method and score with all digits; `head` 1 writes the head first. */
sim_status sim_comparison_csv(FILE *to, const struct sim_comparison *c, int head);

#endif
