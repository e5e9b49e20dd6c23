/* What the plots share: ranges, margins, titles, captions, and their data as CSV. */
#ifndef SIM_PLOT_FRAME_H
#define SIM_PLOT_FRAME_H

#include "gnuplot.h"
#include "grid.h"

struct sim_range {
    double low, high; /* low > high: empty */
};
#define SIM_EMPTY_RANGE ((struct sim_range){HUGE_VAL, -HUGE_VAL})

/* Takes x in; a number that is not finite changes nothing. */
void sim_range_widen(struct sim_range *r, double x);
/* A little air around the data; a flat line gets some too; an empty range becomes 0..1. */
struct sim_range sim_range_aired(struct sim_range r);

/* Margins in points from the picture's edges. */
void sim_frame_margins(struct sim_drawing_script *s, int left, int right, int top, int bottom);
/* A name at the upper left corner, `left` points in, and a smaller remark at the upper right. */
void sim_frame_title(struct sim_drawing_script *s, const char *name, const char *remark, int left);
/* A small grey line, `above` points over the picture's lower edge. */
void sim_frame_caption(struct sim_drawing_script *s, const char *text, int left, int above);
/* `set yrange` or `set xrange` (axis "x", "y") with tics to match. */
void sim_frame_axis(FILE *to, const char *axis, struct sim_range r, int whole);

/* The axis of epochs, a hair wider than the first point; a lone epoch stands in the middle. */
void sim_frame_epochs(FILE *to, double first, double last);

/* What was drawn, as a table: FOLDER/STEM.csv.  Closes the grid either way. */
sim_status sim_frame_data(struct sim_grid *g, const char *folder, const char *stem, FILE *terminal);

#endif
