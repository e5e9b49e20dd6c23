/* A table as cells of plain text, and its forms: aligned for a terminal, Markdown, LaTeX, CSV, HTML.  Cells
 * hold what is to be read; each form escapes what has a meaning in it. */
#ifndef SIM_GRID_H
#define SIM_GRID_H

#include <stdio.h>

#include "status.h"

struct sim_grid_cell {
    char *text;  /* NULL: empty; owned */
    char *note;  /* small print below the text, in Markdown and LaTeX in brackets behind it, in a terminal and
                    in CSV left out; NULL: none; owned */
    int strong;  /* 1: bold, where there is such a thing */
    char id[24]; /* an anchor of the HTML page; "" for none */
    char link[24];  /* the anchor that the text leads to; "" for none */
    char class[24]; /* of the HTML cell; "" for none */
};

struct sim_grid {
    int rows, cols;              /* the first row is the head */
    struct sim_grid_cell *cells; /* (rows, cols) owned */
    unsigned char *left;         /* (cols) 1: the column is text and stands to the left; owned */
    int failed;                  /* memory ran out in sim_grid_put */
};

sim_status sim_grid_open(struct sim_grid *g, int rows, int cols);
void sim_grid_close(struct sim_grid *g); /* a zeroed struct is legal */

/* Replaces the cell's text, or its note.  Want of memory shows in `failed`, which the writers turn into an
 * error. */
void sim_grid_put(struct sim_grid *g, int row, int col, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void sim_grid_note(struct sim_grid *g, int row, int col, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A number with all its digits; nothing where it is not finite. */
void sim_grid_put_number(struct sim_grid *g, int row, int col, double x);
struct sim_grid_cell *sim_grid_at(const struct sim_grid *g, int row, int col);
const char *sim_grid_text(const struct sim_grid *g, int row, int col); /* never NULL */

/* Texts of the first column are shortened to `most` characters. */
sim_status sim_grid_terminal(FILE *to, const struct sim_grid *g, int most);
sim_status sim_grid_markdown(FILE *to, const struct sim_grid *g);
/* A tabular of booktabs' rules, without float or caption. */
sim_status sim_grid_latex(FILE *to, const struct sim_grid *g);
/* RFC 4180, newlines as \n; with_head 0: the rows below the head alone. */
sim_status sim_grid_csv(FILE *to, const struct sim_grid *g, int with_head);
/* A table in a box of its own that scrolls sideways. */
sim_status sim_grid_html(FILE *to, const struct sim_grid *g);

#endif
