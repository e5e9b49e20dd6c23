/* What the paper says, out of the CSV files of the paper room: its cells, its claims, and what the columns of
 * its main table are and would cost.  paper/README.md describes the files.  Readers are strict: an error
 * names file and line.  A field that holds several things separates them by semicolons. */
#ifndef SIM_PAPER_CSV_H
#define SIM_PAPER_CSV_H

#include <stdint.h>

#include "status.h"

/* One cell of a published table. */
struct sim_paper_cell {
    char *table, *row, *column, *method; /* together unlike those of any other cell; owned */
    double value;                        /* finite; NaN where the cell has no value */
    int has_value;                       /* 0: nothing is at hand that states it; `source` then starts with
                                            "not stated" and says why */
    char *unit, *source;                 /* "%", "points", ...; never empty; owned */
    char *path;                          /* of the file it was read from; owned */
    int64_t line;                        /* in that file, from 1 */
};

/* Columns of a published table, as claims name them: "main:coco_box". */
struct sim_paper_place {
    char *table, *column; /* owned */
};

enum sim_paper_quantity {
    SIM_PAPER_VALUE, /* in every place, `higher` has more than each of `lower` */
    SIM_PAPER_GAIN /* what `higher` has above the best of `lower`, averaged over the places, is more than the
                      same averaged over the places of `than` */
};

/* One statement of the paper, in our words, with what it would have to show. */
struct sim_paper_claim {
    char *id, *text, *source; /* owned */
    enum sim_paper_quantity quantity;
    char *higher; /* a row of the tables named; owned */
    char **lower; /* (lower_count) rows; owned */
    int lower_count;
    struct sim_paper_place *places, *than; /* (place_count), (than_count); owned */
    int place_count, than_count;
    char *path; /* owned */
    int64_t line;
};

/* What has to be run for a column of the main table (or, for a method, before any of them). */
struct sim_paper_run {
    char *run, *what, *source; /* source: where images and FLOP come from; owned */
    double images;             /* forward passes with what they carry: images seen in training, or scored */
    double gflop_per_image;    /* matrix products, multiply-add = 2 */
    double gpu_hours; /* images * gflop_per_image / (SIM_PAPER_TFLOPS for one hour): a lower bound, the
                         same for an H100 and an H200, whose products are equally fast */
    int built;        /* 1: this program does it */
};

/* Sustained rate that gpu_hours assume, 10^12 FLOP/s: two fifths of the peak of an H100 or H200 in bf16. */
#define SIM_PAPER_TFLOPS 400.0

/* A column of the main table. */
struct sim_paper_column {
    char *column, *title, *what; /* "imagenet_linear", "IN LIN", what is measured; owned */
    char *score;                 /* our score for it, as records name it; "" where none is built yet; owned */
    char *protocol;              /* how we score, and what differs from the paper; owned */
    char **scales;               /* (scale_count) at which the program can run it: "mini", ...; owned */
    int scale_count;
    const struct sim_paper_run *run; /* after pre-training; columns may share one */
};

struct sim_paper {
    struct sim_paper_cell *cells; /* (cell_count) in the order of the files' names and lines */
    int cell_count;
    struct sim_paper_claim *claims; /* (claim_count) */
    int claim_count;
    struct sim_paper_run *runs; /* (run_count) */
    int run_count;
    struct sim_paper_column *columns; /* (column_count) in the order of the table */
    int column_count;
};

/* Reads the folder `paper`: cells from every *.csv in it but claims.csv, claims from claims.csv, runs from
 * tables/runs.csv, columns from tables/main.csv.  Everything is checked: headers, numbers, duplicates, that
 * every claim and column speaks of cells that exist.  *out is zeroed on failure. */
sim_status sim_paper_read(struct sim_paper *out, const char *folder);
void sim_paper_close(struct sim_paper *p); /* a zeroed struct is legal */

/* The cell, or NULL; method NULL: any. */
const struct sim_paper_cell *sim_paper_find(const struct sim_paper *p, const char *table, const char *row,
                                            const char *column, const char *method);
/* The run by its name ("pretrain SiameseIM", "coco"), or NULL. */
const struct sim_paper_run *sim_paper_run_find(const struct sim_paper *p, const char *run);

enum sim_paper_verdict {
    SIM_PAPER_UNKNOWN, /* a cell that it rests on has no value */
    SIM_PAPER_HOLDS,
    SIM_PAPER_FAILS
};

/* Whether the paper's own numbers bear the claim.  *margin: the smallest difference over all comparisons (for
 * a gain: between the two averages), NaN where unknown. */
enum sim_paper_verdict sim_paper_claim_holds(const struct sim_paper *p, const struct sim_paper_claim *c,
                                             double *margin);

#endif
