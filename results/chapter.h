/* What a report says of one experiment at one scale: its runs, its claims judged, its sweeps, its figures;
 * and the texts made of them. */
#ifndef SIM_CHAPTER_H
#define SIM_CHAPTER_H

#include <stdio.h>

#include "claims.h"
#include "comparison.h"
#include "paper_verdicts.h"
#include "sweep.h"

enum sim_figure_kind { SIM_FIGURE_SWEEP, SIM_FIGURE_LOSS, SIM_FIGURE_SCORES, SIM_FIGURE_COST };

struct sim_figure {
    enum sim_figure_kind kind;
    char stem[160];    /* DIR/STEM.svg, .png, .csv */
    char caption[240]; /* what is drawn, in words */
};

struct sim_chapter {
    const struct sim_summary *e;
    int number; /* of the chapter in the report: part of anchors */
    struct sim_claim_results claims;
    struct sim_sweeps sweeps;
    struct sim_comparison comparison;   /* of its methods; method_count 0: it compares none */
    struct sim_paper_verdicts verdicts; /* by that comparison; count 0 without one, or without the paper */
    struct sim_figure *figures;         /* owned */
    int figure_count;
};

struct sim_book {
    struct sim_chapter *chapters; /* (count) owned */
    int count;
    const struct sim_run_records *records; /* borrowed */
    const struct sim_paper *paper;         /* borrowed; NULL where none was given */
    char *missing;                         /* why figures are missing, or NULL; owned */
};

/* Judges and lays out every experiment; nothing is drawn.  Records and summaries must outlive the book. */
sim_status sim_book_make(struct sim_book *out, const struct sim_run_records *records,
                         const struct sim_summaries *summaries, const struct sim_paper *paper);
void sim_book_close(struct sim_book *b); /* a zeroed struct is legal */

/* Draws every figure into the folder and lists it in its chapter; paths, and what could not be drawn for want
 * of data, go to `terminal` unless NULL.  On failure the figures drawn so far are listed. */
sim_status sim_book_draw(struct sim_book *b, const char *folder, FILE *terminal);

/* Question, verdicts and table for a terminal. */
sim_status sim_chapter_terminal(FILE *to, const struct sim_chapter *c);
/* table.md, table.tex, table.csv; comparison.csv and claims.csv where there are any. */
sim_status sim_book_write_tables(const struct sim_book *b, const char *folder, FILE *terminal);

#endif
