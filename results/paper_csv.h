/* What the paper says, out of the CSV files of the paper room: its cells, its claims, and what the columns of
 * its main table are and would cost.  paper/README.md describes the files.  Readers are strict: an error
 * names file and line.  A field that holds several things separates them by semicolons.  Texts belong to
 * struct sim_paper. */
#ifndef SIM_PAPER_CSV_H
#define SIM_PAPER_CSV_H

#include <stdint.h>

#include "csv.h"
#include "status.h"

/* Where something was read: a number in a report can be traced to it. */
struct sim_paper_origin {
    const char *path;
    int64_t line; /* from 1 */
};

/* One cell of a published table. */
struct sim_paper_cell {
    const char *table, *row, *column, *method; /* together unlike those of any other cell */
    double value;                              /* finite; NaN where the cell has no value */
    int has_value;             /* 0: nothing is at hand that states it; `source` then starts with
                                  "not stated" and says why */
    const char *unit, *source; /* "% top-1", "AP", ...; never empty */
    struct sim_paper_origin origin;
};

/* A column of a published table, as claims name it: "main:coco_box". */
struct sim_paper_place {
    const char *table, *column;
};

enum sim_paper_quantity {
    SIM_PAPER_VALUE, /* in every place, `higher` has more than each of `lower` */
    SIM_PAPER_GAIN /* what `higher` has above the best of `lower`, averaged over the places, is more than the
                      same averaged over the places of `than` */
};

/* One statement of the paper, in our words, with what it would have to show. */
struct sim_paper_claim {
    const char *id, *text, *source;
    enum sim_paper_quantity quantity;
    const char *higher; /* a row of the tables named */
    const char **lower; /* (lower_count) rows */
    int lower_count;
    struct sim_paper_place *places, *than; /* (place_count), (than_count); than: of a gain only */
    int place_count, than_count;
    struct sim_paper_origin origin;
};

/* Sustained rate that costs assume, 10^12 FLOP/s: two fifths of what an H100 or an H200 can do in bf16 (both
 * have the same peak, 989). */
#define SIM_PAPER_TFLOPS 400.0

/* A piece of work at the paper's scale: a method's pre-training, or what a column takes after it. */
struct sim_paper_run {
    const char *run, *what;
    double images;          /* seen in training, every epoch anew, or scored */
    double gflop_per_image; /* matrix products and convolutions, multiply-add = 2 */
    double gpu_hours;   /* images * gflop_per_image at SIM_PAPER_TFLOPS: a lower bound, loading and scoring
                           along the way left out */
    int built;          /* 1: this program does it */
    const char *source; /* of images and FLOP */
    struct sim_paper_origin origin;
};

/* A column of the main table. */
struct sim_paper_column {
    const char *column, *title, *what; /* "imagenet_linear", "IN LIN", what is measured */
    const char *score;                 /* ours, as records name it; "" where none is built yet */
    const char *protocol;              /* how the paper scores, and what differs here */
    const char **scales;               /* (scale_count) at which this program can score it: "mini", ... */
    const struct sim_paper_run **runs; /* (run_count) what it takes after pre-training */
    int scale_count, run_count;
    int built;        /* 1: all of its runs are */
    double gpu_hours; /* of its runs together */
    struct sim_paper_origin origin;
};

struct sim_paper {
    struct sim_paper_cell *cells; /* (cell_count) in the order of the files' names and lines */
    struct sim_paper_claim *claims;
    struct sim_paper_run *runs;
    struct sim_paper_column *columns; /* in the order of the table */
    int cell_count, claim_count, run_count, column_count;
    struct sim_csv *files; /* (file_count) what the texts point into */
    int file_count;
};

/* Reads the folder `paper`: cells from every *.csv in it but claims.csv, claims from claims.csv, runs from
 * tables/runs.csv, columns from tables/main.csv.  Everything is checked: headers, numbers, duplicates, and
 * that claims and columns speak of cells and runs that exist.  *out is to be closed either way. */
sim_status sim_paper_read(struct sim_paper *out, const char *folder);
void sim_paper_close(struct sim_paper *p); /* a zeroed struct is legal */

/* The cell, or NULL; method NULL: of any method. */
const struct sim_paper_cell *sim_paper_find(const struct sim_paper *p, const char *table, const char *row,
                                            const char *column, const char *method);
/* The run of this name ("pretrain SiameseIM", "coco"), or NULL. */
const struct sim_paper_run *sim_paper_run_find(const struct sim_paper *p, const char *run);

enum sim_paper_verdict {
    SIM_PAPER_UNKNOWN, /* a cell that the claim rests on has no value */
    SIM_PAPER_HOLDS,
    SIM_PAPER_FAILS
};

/* What its own numbers do: "bear it". */
const char *sim_paper_verdict_text(enum sim_paper_verdict v);

/* Whether the paper's own numbers bear its claim.  *margin: the smallest of the differences (of a gain: the
 * difference of the two averages), NaN where unknown. */
enum sim_paper_verdict sim_paper_claim_holds(const struct sim_paper *p, const struct sim_paper_claim *c,
                                             double *margin);

#endif
