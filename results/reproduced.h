/* The paper's main table column by column: at which scale our records reach it, what could be run but was not
 * and what that would cost, and what is not built yet. */
#ifndef SIM_REPRODUCED_H
#define SIM_REPRODUCED_H

#include <stdio.h>

#include "chapter.h"

/* A row per column of the main table: its title, what it is, the paper's value of every method, where we
 * stand, and the GPU hours of the paper's scale (SiameseIM's pre-training, and what the column takes after
 * it).  A score counts at a scale when a finished record of that scale holds it for a pre-trained encoder. *g
 * is to be closed either way. */
sim_status sim_reproduced_grid(struct sim_grid *g, const struct sim_paper *p,
                               const struct sim_run_records *records);
/* A row per piece of work at the paper's scale: images, GFLOP per image, GPU hours, whether it is built.  *g
 * is to be closed either way. */
sim_status sim_reproduced_work(struct sim_grid *g, const struct sim_paper *p);

/* A row per claim of the paper: what it says, whether the paper's own numbers bear it, and by what margin. *g
 * is to be closed either way. */
sim_status sim_reproduced_claims(struct sim_grid *g, const struct sim_paper *p);

/* Writes the book's comparisons, with what they say of the paper's claims, and the three above into
 * FOLDER/tables (made when absent): all as main.md, the first of the three also as main.csv and main.tex.
 * Their paths go to `terminal` unless NULL.  The book has a paper. */
sim_status sim_reproduced_write(const struct sim_book *b, const char *folder, FILE *terminal);

#endif
